"""Which runs a page needs: steps, stages, architectures, corpora and sizes, and what is refused
before anything is loaded."""

import json
import re
from pathlib import Path

import pytest

import kent
from kent.models.pretraining import RECIPES
from kent.models.suites import SUITES
from kent.paper import STAGES
from kent.runs import contents, definitions, execution, learning_plans, model_plans, names, plans

ROOT = Path(__file__).parents[2]
SMALL = {"corpus": "world", "length": 16, "limit": 4}


def settings(listed: list[names.Run], *keys: str) -> list[tuple]:
    return [tuple(run.config[key] for key in keys) for run in listed]


def test_a_sweep_has_every_step_and_its_baseline_the_last_one_shuffled(micro):
    plan = plans.sweep_with_baseline("tiny", steps=[0, 4], **SMALL)
    assert settings(plan["in order"], "step", "shuffled") == [(0, False), (4, False)]
    assert settings(plan["shuffled"], "step", "shuffled") == [(4, True)]
    listed = [run for runs in plan.values() for run in runs]
    assert all(run.needs[0].config == {"run": "pretrain", "suite": "tiny"} for run in listed)
    assert len({run.path for run in listed}) == 3


@pytest.mark.parametrize(
    "plan", [plans.sweep, plans.sweep_stages, learning_plans.learn_stages, learning_plans.vary_q]
)
def test_steps_may_come_in_any_order_and_twice(micro, plan):
    assert plan("tiny", steps=[4, 0, 1, 4], **SMALL) == plan("tiny", steps=[0, 1, 4], **SMALL)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([0, 128, 384, 768], {"118k": 1, "369k": 2, "554k": 2, "738k": 3}),
        ([0, 100, 200, 300, 400, 800], {"118k": 1, "369k": 4, "554k": 4, "738k": 5}),
        ([5], {"118k": 0, "369k": 0, "554k": 0, "738k": 0}),
    ],
)
def test_stages_are_the_nearest_steps(steps, expected):
    assert plans.pick_stages(steps) == expected


def test_stages_are_an_early_a_middle_and_the_final_checkpoint_beside_the_first(micro):
    plan = plans.sweep_stages("tiny", steps=[0, 1, 4], **SMALL)
    assert settings(plan["first"], "step") == [(0,)]
    assert settings(plan["stages"], "step") == [(1,), (4,)], "each checkpoint once"


def test_architectures_default_to_the_suites_own(micro):
    assert list(plans.sweep_architectures("tiny", steps=[0], **SMALL)) == ["tiny", "tiny-neox"]
    assert list(plans.sweep_architectures("tiny-neox", steps=[0], **SMALL)) == ["tiny-neox", "tiny"]
    assert list(plans.sweep_architectures(["tiny"], steps=[0], **SMALL)) == ["tiny"]


def test_corpora_default_to_the_suites_and_may_have_columns_of_their_own(micro, tmp_path):
    assert list(plans.sweep_corpora("tiny", steps=[0], **SMALL)) == [
        "world",
        "world-near",
        "world-far",
    ]
    table = tmp_path / "table.csv"
    table.write_text("abstract\nsome text\n")
    others = ["world-far", {"corpus": str(table), "column": "abstract"}]
    plan = plans.sweep_corpora("tiny", others=others, steps=[0], **SMALL)
    assert list(plan) == ["world", "world-far", "table.csv"]
    assert settings(plan["table.csv"], "corpus", "column") == [(str(table), "abstract")]
    with pytest.raises(ValueError, match="a further corpus is"):
        plans.sweep_corpora("tiny", others=[{"file": "x"}], steps=[0], **SMALL)
    with pytest.raises(ValueError, match="two are alike"):
        plans.sweep_corpora("tiny", others=["elsewhere/world"], steps=[0], **SMALL)


def test_familiarity_compares_at_least_two_corpora(micro):
    assert list(plans.compare_familiarity("tiny", steps=[0], **SMALL)) == [
        "world",
        "world-near",
        "world-far",
    ]
    with pytest.raises(ValueError, match="nothing to compare with"):
        plans.compare_familiarity(["tiny"], steps=[0], **SMALL)


def test_familiarity_of_a_text_without_known_entities_is_refused_before_the_hub_is_asked(
    monkeypatch,
):
    monkeypatch.setattr(names, "resolve", pytest.fail)
    with pytest.raises(ValueError, match="'dolma' is no source of entities"):
        plans.compare_familiarity("olmo-1b", corpus="dolma", length=16, limit=4)


def test_sizes_are_divided_down_to_four_at_the_least(micro):
    plan = plans.sweep_sizes("tiny", steps=[0, 4], corpus="world", length=16, limit=64)
    assert settings(plan["sequences"], "limit", "length") == [(4, 16), (16, 16), (64, 16)]
    assert settings(plan["length"], "limit", "length") == [(64, 4), (64, 8), (64, 16)]
    assert settings(plan["dtype"], "dtype") == [("float32",), ("bfloat16",), ("float16",)]
    assert {run.config["step"] for listed in plan.values() for run in listed} == {4}


def test_learning_starts_from_every_stage_with_the_suites_recipe(micro):
    plan = learning_plans.learn_stages("tiny", steps=[0, 1, 2, 4], recipe={"steps": 20}, **SMALL)
    assert settings(plan["before"], "step", "corpus") == [(1, "world"), (2, "world"), (4, "world")]
    assert settings(plan["learning"], "step", "corpus", "batch", "steps") == [
        (step, "world-far", 16, 20) for step in (1, 2, 4)
    ]


def test_learning_corpora_share_the_runs_on_the_first(micro):
    first, plan = (
        plan("tiny", steps=[0, 4], **SMALL)
        for plan in (learning_plans.learn_stages, learning_plans.learn_corpora)
    )
    assert list(plan) == ["before", "learning", "world-near"]
    assert [run.path for run in plan["learning"]] == [run.path for run in first["learning"]]
    assert settings(plan["world-near"], "corpus") == [("world-near",)] * len(first["learning"])
    with pytest.raises(ValueError, match="nothing to compare with"):
        learning_plans.learn_corpora(
            ["tiny"], steps=[4], recipe={"corpus": "world", "length": 16, "batch": 2}, **SMALL
        )


def test_corpora_of_one_name_are_refused_before_anything_learns(micro):
    with pytest.raises(ValueError, match=r"two are alike: \['world-far', 'text.txt'\]"):
        learning_plans.learn_corpora(
            "tiny", others=["a/text.txt", "b/text.txt"], steps=[4], **SMALL
        )


@pytest.mark.parametrize("steps", [50, 100, 200, 250, 400, 1600])
def test_the_larger_batch_reads_the_same_rows_in_steps_that_ten_injections_divide(steps):
    found = learning_plans.vary_recipe(
        {"steps": steps, "batch": 8}, learning_plans.TABLES["larger batch"]
    )
    assert (
        found["steps"] * found["batch"] == steps * 8
        and found["batch"] > 8
        and found["steps"] % 10 == 0
    )


def test_the_settings_of_table_1_change_the_baseline_by_the_papers_factors(micro):
    found = {
        name: learning_plans.vary_recipe({}, row) for name, row in learning_plans.TABLES.items()
    }
    assert found["baseline"] == {}
    assert found["larger batch"] == {"batch": 2048, "steps": 100}
    assert found["higher rate"] == {"learning_rate": pytest.approx(1e-3)} and found[
        "three epochs"
    ] == {"epochs": 3}
    plan = learning_plans.learn_settings("tiny", steps=[0, 4], **SMALL)
    assert list(plan) == list(learning_plans.TABLES)
    assert settings(plan["larger batch"], "batch", "steps")[0] == (80, 10), (
        "a step is left for every injection"
    )
    assert [run.path for run in plan["baseline"]] == [
        run.path for run in learning_plans.learn_stages("tiny", steps=[0, 4], **SMALL)["learning"]
    ]


def test_architectures_learn_from_every_checkpoint_from_16_percent_on(micro):
    plan = learning_plans.learn_architectures("tiny", steps=[0, 1, 2, 4], **SMALL)
    assert list(plan) == ["tiny", "tiny, learning", "tiny-neox", "tiny-neox, learning"]
    assert (
        settings(plan["tiny"], "step")
        == settings(plan["tiny, learning"], "step")
        == [(1,), (2,), (4,)]
    )


def test_a_change_is_profiled_and_learns_beside_the_unchanged_model(micro):
    plan = learning_plans.vary_q("tiny", q=[0.5, 2.0], steps=[0, 4], **SMALL)
    labels = ["unchanged", "q = 0.5", "q = 2"]
    assert list(plan) == [*labels, *(f"{label}, learning" for label in labels)]
    assert [run.path for run in plan["unchanged, learning"]] == [
        run.path for run in learning_plans.learn_stages("tiny", steps=[4], **SMALL)["learning"]
    ], "shared with figure 4"
    assert settings(plan["q = 2, learning"], "step", "change") == [
        (4, {"method": "resuscitate", "p": 50.0, "q": 2.0, "measured": SMALL})
    ]
    assert plan["q = 2"][0].needs[-1].path == plan["unchanged"][0].path


def test_resuscitated_stages_share_their_last_with_the_final_model(micro):
    parameters = {"checkpoints": "tiny", "steps": [0, 1, 2, 3, 4], **SMALL}
    final, stages, middle = (
        contents.plan(page, parameters)
        for page in (
            "fig05_resuscitation",
            "fig16_resuscitation_by_stage",
            "fig17_amplification_by_stage",
        )
    )
    assert settings(stages["q = 2"], "step") == [(1,), (2,), (3,), (4,)]
    assert stages["q = 2, learning"][-1].path == final["q = 2, learning"][0].path
    assert settings(middle["q = 1"], "step") == [(2,), (3,)]


@pytest.mark.parametrize("page", contents.PAGES)
def test_a_page_asks_for_the_runs_that_its_entry_in_the_contents_plans(page):
    source = (ROOT / "notebooks" / f"{page}.py").read_text("utf8")
    planned = contents.PAGES[page]
    name, fixed = getattr(planned, "func", planned).__name__, getattr(planned, "keywords", {})
    assert re.search(r"(?m)^plan = \w+\.(\w+)\(", source)[1] == name
    for key, value in fixed.items():
        assert re.search(rf'"{key}"\]?( =|:) {re.escape(json.dumps([*value]))}', source)


def test_a_temperature_is_lowered_or_stays(micro):
    plan = learning_plans.vary_temperature(
        "tiny", cooled=[1.5], constant=[0.67], q=[1.0], steps=[4], **SMALL
    )
    found = {
        label: settings(listed, "temperature", "cooling")[0]
        for label, listed in plan.items()
        if "learning" in label
    }
    assert found["T = 1.5, cooled, learning"] == (1.5, True) and found["T = 0.67, learning"] == (
        0.67,
        False,
    )
    assert found["q = 1, learning"] == found["unchanged, learning"] == (1.0, True)
    assert settings(plan["T = 0.67"], "temperature") == [(0.67,)]


def test_a_final_model_is_the_last_where_steps_are_not_known(pretrained, tmp_path):
    folders = [str(tmp_path / name) for name in "ab"]
    for folder in folders:
        for part in kent.load("tiny", 4):
            part.save_pretrained(folder)
    lesson = {"corpus": "world", "length": 500, "batch": 2, "steps": 10}
    plan = learning_plans.vary_q(folders, q=[1.0], recipe=lesson, **SMALL)
    assert (
        settings(plan["q = 1"], "name")
        == settings(plan["unchanged, learning"], "name")
        == [(folders[-1],)]
    )
    every = learning_plans.vary_q(folders, q=[2.0], stages=[*STAGES], recipe=lesson, **SMALL)
    assert settings(every["q = 2"], "name") == [(each,) for each in folders]


@pytest.mark.parametrize("plan", [learning_plans.learn_stages, learning_plans.vary_q])
def test_facts_stand_beside_a_recipe(micro, plan):
    with pytest.raises(ValueError, match="control and knowledge stand beside a recipe, not in it"):
        plan("tiny", recipe={"knowledge": [], "control": []}, steps=[4], **SMALL)


def test_a_recipe_of_changed_models_has_no_temperature_of_its_own(micro):
    with pytest.raises(ValueError, match="has no cooling, temperature: a temperature is a change"):
        learning_plans.vary_q(
            "tiny", recipe={"temperature": 2.0, "cooling": False}, steps=[4], **SMALL
        )


def test_whole_numbers_are_the_same_change(micro):
    whole, exact = (
        learning_plans.vary_q("tiny", p=p, q=q, steps=[4], **SMALL)
        for p, q in ((50, [2]), (50.0, [2.0]))
    )
    assert [run.path for run in whole["q = 2, learning"]] == [
        run.path for run in exact["q = 2, learning"]
    ]


def test_the_suites_say_which_models_are_gated():
    assert {name: SUITES[name].gated for name in RECIPES} == {
        name: recipe.architecture == "olmo" for name, recipe in RECIPES.items()
    }


def test_plain_suites_are_not_rescaled(micro):
    gated, plain = (
        learning_plans.compare_methods(name, steps=[4], **SMALL) for name in ("tiny", "tiny-neox")
    )
    assert {label.split(",")[0] for label in gated} == {
        "unchanged",
        "resuscitate",
        "random",
        "rescale",
        "shrink",
        "temperature",
    }
    assert set(gated) - set(plain) == {
        f"rescale, q = {q}{also}" for q in (1, 2) for also in ("", ", learning")
    }


def test_a_plan_is_described_whatever_its_checkpoints_are_called(micro):
    one, other = (
        plans.describe_plan(plans.sweep(name, steps=[0], **SMALL)) for name in ("tiny", "tiny-neox")
    )
    assert one == other
    assert one != plans.describe_plan(plans.sweep("tiny", steps=[1], **SMALL))


@pytest.mark.parametrize("plan", [plans.sweep, learning_plans.vary_q])
def test_a_plan_is_described_whatever_its_batches(micro, plan):
    one, other = (
        plans.describe_plan(plan("tiny", steps=[4], batch_size=size, **SMALL)) for size in (1, 2)
    )
    assert one == other


def test_every_page_with_parameters_has_a_plan_that_takes_them(micro):
    base = {
        "checkpoints": "tiny",
        "steps": [0, 4],
        "column": "text",
        "dtype": "float32",
        "batch_size": 2,
        **SMALL,
    }
    for page in contents.PAGES:
        given = base | ({"steps": []} if page == "forks" else {})  # which measures ends alone
        listed = [run for runs in contents.plan(page, given).values() for run in runs]
        assert listed and all(run.path.suffix == ".safetensors" for run in listed)
    assert contents.plan("status", {}) == {}


def test_bad_sweeps_are_refused_before_anything_is_loaded(micro):
    with pytest.raises(ValueError, match="no checkpoints"):
        plans.sweep([], **SMALL)


def test_a_page_without_tasks_is_refused_before_any_work(micro):
    with pytest.raises(ValueError, match="its recipe needs tasks"):
        learning_plans.learn_stages("tiny", recipe={"tasks": ""}, steps=[0, 4], **SMALL)


STAGED = ("stage1-step1-tokens1B", "stage1-step4-tokens4B", "stage2-step1-tokens3B")


@pytest.fixture
def staged(pretrained, tmp_path) -> str:
    """A folder of two stages that count their own steps and tokens."""
    for name in (*STAGED, "owl"):
        for part in kent.load("tiny", 4):
            part.save_pretrained(tmp_path / "staged" / name)
    return str(tmp_path / "staged")


def test_branches_stand_for_steps_in_the_order_of_their_places(staged):
    every = plans.sweep(staged, **SMALL)
    assert settings(every["in order"], "step") == [(name,) for name in STAGED]
    assert plans.sweep(staged, steps=[*STAGED[::-1], STAGED[0]], **SMALL) == every
    kept = plans.sweep(staged, steps=["owl", STAGED[0]], **SMALL)["in order"]
    assert settings(kept, "step") == [("owl",), (STAGED[0],)], "as given: an owl has no place"
    with pytest.raises(ValueError, match="has no branch owls"):
        plans.sweep(staged, steps=["owls"], **SMALL)


def test_stages_of_the_paper_are_found_by_tokens_where_steps_do_not_compare(staged):
    listed = plans.list_checkpoints(staged, [])
    assert plans.measure_progress(listed) == [each * 10**9 for each in (1, 4, 7)]
    stages = plans.sweep_stages(staged, **SMALL)["stages"]
    assert settings(stages, "step") == [(name,) for name in STAGED]
    assert plans.list_stages(staged, [], ["369k"]) == [(staged, STAGED[1])]
    unknown = plans.list_checkpoints(staged, ["owl", STAGED[2]])
    assert plans.measure_progress(unknown) is None
    assert plans.list_stages(staged, ["owl", STAGED[2]], ["738k"]) == unknown[1:]


def test_a_run_of_a_branch_reads_it_and_says_so(staged):
    run = definitions.plan_profile(staged, STAGED[2], **SMALL)
    found = execution.fetch(run).provenance["revision"]
    expected = {"branch": STAGED[2], "step": 1, "tokens": 7 * 10**9}
    assert expected.items() <= found.items()
    assert definitions.from_config(run.config).path == run.path


def test_entities_are_measured_before_and_after_the_runs_of_learning_that_other_pages_share(micro):
    asked = {"q": [2.0], "controls": ["random"], "controlled": [2.0]}
    plan = model_plans.learn_entities(
        "tiny", **asked, **SMALL, orders=[1, 2], skip=9, documents=5, recipe={"steps": 20}
    )
    labels = ["unchanged", "resuscitate, q = 2", "random, q = 2"]
    learnt = [f"{label}, learning" for label in labels]
    after = [[name, *(f"{label}, {name}" for label in labels)] for name in ("read", "unread")]
    assert [*plan] == [*learnt, *after[0], *after[1]]
    for order, place in ((1, 0), (2, 1)):
        own = {"recipe": {"steps": 20, "order": order}}
        shared = learning_plans.compare_methods("tiny", cooled=[], **asked, **SMALL, **own)
        for label in labels:
            assert plan[f"{label}, learning"][place].path == shared[f"{label}, learning"][0].path
            for name in ("read", "unread"):
                run = plan[f"{label}, {name}"][place]
                assert shared[f"{label}, learning"][0] in run.needs
    assert settings(plan["read"], "corpus", "limit", "length") == [("world-far", 5, 16)]
    assert "skip" not in plan["read"][0].config and settings(plan["unread"], "skip") == [(9,)]
    (alone,) = model_plans.learn_entities("tiny", **SMALL, unread="pydoc")["unread"]
    assert (alone.config["corpus"], alone.config["limit"]) == ("pydoc", 200)
