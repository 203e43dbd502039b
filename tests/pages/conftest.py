"""Outcomes of continual learning made by hand, for tests of tables and figures; a browser."""

from collections.abc import Callable, Sequence

import pdf
import pytest
import torch

from kent.learning.outcomes import Outcome

KINDS = ("once", "paraphrase")
ANSWERS = ([1, 1, 1, 0], [0, 0, 0, 1])
"""Of one task of four choices: three quarters before learning, as guessing would at the end."""


def make(
    step: int,
    knowledge: Sequence[Sequence[float]] = ((-4, -4), (-3, -2)),
    control: Sequence[Sequence[float]] = ((-4, -4), (-3.5, -3)),
    settings: Sequence[str] = KINDS,
    answers: Sequence[Sequence[int]] = ANSWERS,
) -> Outcome:
    """K of two facts, injected once and paraphrased, and of two of the control, by scoring.

    `settings` are those of the control's facts.
    """
    tables, probes = {}, {}
    for name, rows, kinds in (("knowledge", knowledge, KINDS), ("control", control, settings)):
        scores = torch.tensor(rows).double()
        tables[name] = {"per_target_token": scores, "padded_mean": scores / 10}
        probes[name] = {"setting": [*kinds], "item": [0, int(kinds[0] == kinds[1])]}
    return Outcome(
        torch.arange(len(knowledge)) * 5,
        **tables,
        answers={"exam": torch.tensor(answers).double()},
        curve=torch.zeros(1, 3).double(),
        provenance={"revision": {"step": step}, "probes": probes},
    )


@pytest.fixture
def learn() -> Callable[..., Outcome]:
    """Makes an outcome by the initial model's step and scores."""
    return make


@pytest.fixture(scope="module")
def browser():
    """An installed Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        options = {"executable_path": pdf.find_browser(), "args": ["--no-sandbox"]}
        browser = play.chromium.launch(**options)
        yield browser
        browser.close()


@pytest.fixture
def find_barriers() -> Callable[..., list[tuple[str, str]]]:
    """Finds the serious faults of accessibility that axe sees in a part of a page."""
    from axe_playwright_python.sync_playwright import Axe

    def find_barriers(page, root: str) -> list[tuple[str, str]]:
        # without preload, which reads the styles once more
        found = Axe().run(page, root, {"preload": False}).response["violations"]
        serious = [each for each in found if each["impact"] in ("serious", "critical")]
        return [(each["id"], each["nodes"][0]["html"]) for each in serious]

    return find_barriers
