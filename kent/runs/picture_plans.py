"""Which runs the pages need that show several models side by side: pictures, and Algorithm 1."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress

from kent.models.suites import SUITES
from kent.runs.model_plans import FRESH, UNTRAINED, name_change
from kent.runs.plans import Checkpoint, Checkpoints, Plan, Steps, list_checkpoints, vary
from kent.settings import Percent, Positive, checked

FURTHER = {
    "small": {"corpus": "world", "length": 128, "limit": 256, "dtype": "float32"},
    "smollm2": {"corpus": "pydoc", "length": 256, "limit": 24, "dtype": "float32"},
}
"""Suites that pages show beside their own, and what each is measured on: as its own page does."""


def name_suites(names: Sequence[str]) -> list[str]:
    """What readers call the models of suites; other names stay."""
    return [(name in SUITES and SUITES[name].title) or name for name in names]


@checked
def show_models(
    checkpoints: Checkpoints,
    *,
    others: Sequence[str] = tuple(FURTHER),
    steps: Steps = (),
    **measured,
) -> Plan:
    """Every checkpoint, under the model's name; then those of `others`, which are in `FURTHER`.

    Beside a suite of one checkpoint is its architecture, untrained. Other suites whose package is
    not installed are left out. Raises `ValueError` for one that is not known.
    """
    if unknown := [name for name in others if name not in FURTHER]:
        raise ValueError(f"others are among {', '.join(FURTHER)}, not {unknown[0]!r}")
    plan = {}
    for name, listed, own in _list_models(checkpoints, others, steps, measured):
        with nullcontext() if own is measured else suppress(ImportError):
            plan |= _show_model(name, listed, own)
    return plan


def _list_models(
    checkpoints: Checkpoints, others: Sequence[str], steps: Steps, measured: Mapping[str, object]
) -> list[tuple[str, list[Checkpoint], Mapping[str, object]]]:
    """Name, checkpoints and text of a page's model, then of others."""
    name = checkpoints if isinstance(checkpoints, str) else ", ".join(checkpoints)
    further = [(other, list_checkpoints(other, ()), FURTHER[other]) for other in others]
    return [(name, list_checkpoints(checkpoints, steps), measured), *further]


@checked
def show_edits(
    checkpoints: Checkpoints,
    *,
    p: Percent = 50.0,
    q: Sequence[Positive] = (0.5, 1.0, 2.0, 3.0),
    others: Sequence[str] = tuple(FURTHER),
    steps: Steps = (),
    **measured,
) -> Plan:
    """`show_models`, and under "MODEL, p = 50, q = 1" each one's last checkpoint changed so."""
    plan = show_models(checkpoints, others=others, steps=steps, **measured)
    for name, listed, own in _list_models(checkpoints, others, steps, measured):
        [title] = name_suites([name])
        settings = {"method": "resuscitate", "p": float(p), "measured": own}
        changes = {
            f"{title}, {name_change(p, each)}": {"change": {**settings, "q": float(each)}}
            for each in q
        }
        plan |= vary(listed[-1:], changes, **own) if title in plan else {}
    return plan


def _show_model(name: str, listed: Sequence[Checkpoint], measured: Mapping[str, object]) -> Plan:
    [title], plan = name_suites([name]), {}
    if name in SUITES and len(listed) == 1:
        fresh = {"change": {**FRESH, "measured": measured}}
        plan = vary(listed, {f"{title}, {UNTRAINED}": fresh}, **measured)
    return vary(listed, {title: {}}, **measured) | plan
