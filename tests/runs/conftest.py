"""A run of every kind that is done once, for the tests that read or damage what it left."""

import json
import shutil
from pathlib import Path

import pytest
from sizes import LESSON, SMALL


@pytest.fixture(scope="session")
def lessons(tmp_path_factory) -> dict[str, dict]:
    """What the finished run of each kind is planned with."""
    spans = tmp_path_factory.mktemp("texts") / "spans.jsonl"
    rows = [{"text": f"{name} wrote a letter.", "entities": [[0, 4]]} for name in ("Anna", "Otto")]
    spans.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return {
        "profile": SMALL,
        "familiarity": {"corpus": str(spans), "length": 32, "limit": 2},
        "gradients": SMALL | {"updates": 2},
        "learning": LESSON,
        "probing": {"once": 0, "paraphrase": 1},
    }


@pytest.fixture(scope="session")
def finished_cache(use_micro, lessons, pretrained_cache, tmp_path_factory) -> Path:
    """A cache in which the runs are done."""
    from kent.runs import definitions, execution

    cache = tmp_path_factory.mktemp("finished")
    shutil.copytree(pretrained_cache, cache, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_micro(monkeypatch, cache)
        for kind, settings in lessons.items():
            execution.fetch(definitions.PLANS[kind]("tiny", 4, **settings))
    return cache


@pytest.fixture
def finished(micro, lessons, finished_cache, tmp_path) -> dict:
    """The runs by kind, done, in the test's own copy of the cache."""
    from kent.runs import definitions

    shutil.copytree(finished_cache, tmp_path, dirs_exist_ok=True)
    return {
        kind: definitions.PLANS[kind]("tiny", 4, **settings) for kind, settings in lessons.items()
    }
