"""Which runs the pages on one model need, and K of a model that learns nothing."""

import pytest
import torch
from sizes import SMALL

import kent
from kent.runs import contents, definitions, execution, model_plans
from kent.runs.model_plans import FACTS, RELU, SHUFFLED, TRAINED, UNCHANGED, UNTRAINED

FEW = {"once": 0, "paraphrase": 2}


def test_one_model_is_compared_with_itself_untrained_shuffled_and_on_other_texts(micro):
    plan = model_plans.compare_baselines("tiny", steps=[0, 4], entities=3, **SMALL)
    others = ["world", "world-near", "world-far"]
    names = [f"{name}, names" for name in others]
    assert [*plan] == [TRAINED, SHUFFLED, UNTRAINED, RELU, *others, *names]
    assert {run.config["step"] for [run] in plan.values()} == {4}
    assert plan[UNTRAINED][0].needs[-1].path == plan[TRAINED][0].path
    assert [plan[name][0].config["limit"] for name in names] == [3, 3, 3]


def test_a_text_without_known_entities_is_read_all_the_same(micro):
    plan = model_plans.compare_baselines("tiny", others=["pydoc"], **SMALL)
    assert "pydoc, names" in plan and "text.txt" not in plan, "the page's own text has no label"
    assert not [label for label in plan if label.startswith("text.txt")]


def test_the_untrained_model_has_fresh_weights_and_nothing_of_the_trained(pretrained):
    plan = model_plans.compare_baselines("tiny", steps=[4], others=["world"], **SMALL)
    change = plan[UNTRAINED][0].config["change"]
    model, _ = kent.load("tiny", 4)
    settings = {key: value for key, value in change.items() if key != "measured"}
    (fresh, again), other = (
        [execution.change_model(each, [], **settings) for _ in range(2)]
        if each is model
        else execution.change_model(each, [], **settings)
        for each in (model, kent.load("tiny", 1)[0])
    )
    for one, two, three in zip(*(x.parameters() for x in (fresh, again, other)), strict=True):
        assert torch.equal(one, two) and torch.equal(one, three), "whatever was trained"
    assert not torch.equal(fresh.lm_head.weight, model.lm_head.weight)


def test_changes_are_measured_and_asked_under_one_name(micro):
    plan = model_plans.resuscitate_model(
        "tiny", steps=[4], q=[1.0, 2.0], shares=[25.0], controlled=[2.0], **FEW, **SMALL
    )
    labels = [UNCHANGED, "p = 50, q = 1", "p = 50, q = 2", "p = 25, q = 1"]
    labels += ["rescale, p = 50, q = 2", "random, p = 50, q = 2"]
    assert [*plan] == [*labels, *(f"{label}, {FACTS}" for label in labels)]
    for label in labels[1:]:
        (profile,), (asked,) = plan[label], plan[f"{label}, {FACTS}"]
        assert profile.config["change"] == asked.config["change"], label
        assert asked.needs[-1].path == plan[UNCHANGED][0].path


def test_a_plain_model_is_not_rescaled(micro):
    plan = model_plans.resuscitate_model("tiny-neox", steps=[4], **SMALL)
    assert not [label for label in plan if "rescale" in label] and "random, p = 50, q = 1" in plan


@pytest.mark.parametrize("page", ["real_model", "real_resuscitation"])
def test_the_pages_plans_are_theirs(micro, page):
    assert contents.plan(page, {"checkpoints": "tiny", "steps": [4], **SMALL})


def test_what_a_model_knows_is_what_probe_says_before_any_learning(pretrained):
    run = definitions.plan_probing("tiny", 4, **FEW)
    found = execution.fetch(run)
    table = kent.probe(*kent.load("tiny", 4), kent.Knowledge.synthetic(0, **FEW))
    assert found.performance()[0, 0] == pytest.approx(
        table.groupby("item").per_target_token.mean().mean()
    )
    assert found.steps.tolist() == [0] and len(found.curve) == 0
    assert found.provenance["facts"]["knowledge"]["probes"] == len(table)


def test_a_changed_model_is_another_probing(pretrained):
    change = {"method": "resuscitate", "q": 2.0, "measured": SMALL}
    own, changed = (
        execution.fetch(definitions.plan_probing("tiny", 4, **FEW, change=each))
        for each in (None, change)
    )
    assert own.performance()[0, 0] != changed.performance()[0, 0]


def test_other_facts_are_another_probing_and_batches_are_not(micro):
    run = definitions.plan_probing("tiny", 4, **FEW)
    assert definitions.plan_probing("tiny", 4, **FEW, batch_size=3).path == run.path
    assert definitions.plan_probing("tiny", 4, once=0, paraphrase=3).path != run.path
    assert definitions.from_config(run.config).path == run.path
