"""K, A, P and F by hand, and their bootstrap samples."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from kent.errors import DamagedError
from kent.learning.outcomes import FORMAT, Outcome, estimate, summarize_paragraphs
from kent.pages import page
from kent.pages.summaries import tabulate_learning
from kent.records import save_tensors


def make(once, paraphrase, answers=None) -> Outcome:
    """An outcome of one once and two paraphrase paragraphs with two probes each; a row per
    evaluation."""
    scores = torch.tensor(
        [[*first, *second] for first, second in zip(once, paraphrase, strict=True)]
    ).double()
    probes = {"setting": ["once"] * 2 + ["paraphrase"] * 4, "item": [0, 0, 0, 1, 0, 1]}
    return Outcome(
        steps=torch.arange(len(scores)),
        knowledge={"per_target_token": scores, "padded_mean": scores / 10},
        control={},
        answers={task: torch.tensor(rows).double() for task, rows in (answers or {}).items()},
        curve=torch.zeros(10, 3, dtype=torch.float64),
        provenance={
            **{"probes": {"knowledge": probes}, "tasks": list(answers or {})},
            **{"stopped": None, "recipe": {}},
        },
    )


@pytest.fixture
def outcome() -> Outcome:
    once, paraphrase = [(-4, -2), (-5, -5)], [(-6, -1, -2, -1), (-3, -1, -1, -1)]
    return make(once, paraphrase, {"easy": [[1, 1, 1, 1], [1, 1, 0, 0]], "hard": [[1, 1], [0, 0]]})


def test_performance_averages_probes_then_paragraphs(outcome):
    assert outcome.average_paragraphs("paraphrase").tolist() == [[-4, -1], [-2, -1]]
    assert outcome.performance("once")[:, 0].tolist() == [-3, -5]
    assert outcome.performance("paraphrase")[:, 0].tolist() == [-2.5, -1.5]
    assert np.allclose(outcome.performance()[:, 0], [(-3 - 5) / 3, (-5 - 3) / 3])
    assert np.allclose(outcome.performance("once", measure="padded_mean")[:, 0], [-0.3, -0.5])


def test_acquisition_is_positive_for_an_improvement(outcome):
    assert estimate(outcome.acquisition("paraphrase"))[0] == pytest.approx(40)
    assert estimate(outcome.acquisition("once"))[0] == pytest.approx(-200 / 3)
    assert estimate(outcome.acquisition("paraphrase", relative=False))[0] == pytest.approx(1)


def test_what_must_hold_of_any_run(capsys):
    def fill(score: float, evaluations: int = 11, answer: float = 1.0) -> Outcome:
        return make(
            [(score,) * 2] * evaluations, [(score,) * 4] * evaluations, {"easy": [[answer] * 4] * 2}
        )

    page.check_outcomes([fill(-1.0)])
    assert "No run was stopped" in capsys.readouterr().out
    for wrong in (fill(1.0), fill(-1.0, evaluations=5), fill(-1.0, answer=2.0), fill(np.nan)):
        with pytest.raises(AssertionError):
            page.check_outcomes([wrong])
    stopped = fill(np.nan, evaluations=2, answer=np.nan)
    stopped.provenance["stopped"] = {"step": 3, "learning_rate": 0.1}
    page.check_outcomes([stopped])
    assert "'step': 3" in capsys.readouterr().out


def test_a_changed_model_may_count_from_the_unchanged_one(outcome):
    once, paraphrase = [(-8, -8), (-4, -2)], [(-8, -8, -8, -8), (-2, -1, -2, -1)]
    changed = make(
        once, paraphrase, {"easy": [[0, 0, 0, 0], [1, 1, 1, 1]], "hard": [[0, 0], [1, 0]]}
    )
    assert estimate(changed.acquisition("once", since=outcome))[0] == pytest.approx(0)
    assert estimate(changed.acquisition("once"))[0] == pytest.approx(62.5)
    assert estimate(changed.forgetting(since=outcome))[0] == pytest.approx(25)


def test_forgetting_is_positive_for_a_loss(outcome):
    assert outcome.downstream()[:, 0].tolist() == [1, 0.25]
    assert estimate(outcome.forgetting())[0] == pytest.approx(75)
    assert estimate(outcome.forgetting(relative=False))[0] == pytest.approx(75)


def test_samples_redraw_paragraphs(outcome):
    samples = outcome.performance("paraphrase")[0, 1:]
    assert set(np.round(samples, 6)) == {-4.0, -2.5, -1.0}
    assert estimate(outcome.performance("paraphrase")[0])[1] == pytest.approx(3 / 8**0.5, rel=0.1)


def test_a_run_minus_itself_has_no_error(outcome):
    other = make([(-4, -2), (-4, -4)], [(-6, -1, -2, -1), (-2, -0, -0, -0)])
    rise = other.acquisition(relative=False) - outcome.acquisition(relative=False)
    assert estimate(rise) == (pytest.approx(1), pytest.approx(0, abs=1e-12))


def test_an_outcome_survives_its_file(outcome, tmp_path):
    outcome.save(tmp_path / "o.safetensors")
    found = Outcome.load(tmp_path / "o.safetensors")
    assert list(found.answers) == ["easy", "hard"] and found.provenance == outcome.provenance
    assert torch.equal(found.knowledge["padded_mean"], outcome.knowledge["padded_mean"])
    assert np.array_equal(found.forgetting(), outcome.forgetting())


def test_what_was_not_measured_is_said(outcome):
    with pytest.raises(ValueError, match="probed no control"):
        outcome.performance(of="control")
    with pytest.raises(ValueError, match="no downstream tasks"):
        make([(-4, -2)] * 2, [(-6, -1, -2, -1)] * 2).forgetting()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda run: run.performance("twice"),
            "setting must be 'once' or 'paraphrase' or 'all', not 'twice'",
        ),
        (
            lambda run: run.performance(["once"]),
            "setting must be 'once' or 'paraphrase' or 'all', not",
        ),
        (
            lambda run: run.performance(of="nobody"),
            "of must be 'knowledge' or 'control', not 'nobody'",
        ),
        (
            lambda run: run.average_paragraphs("all"),
            "setting must be 'once' or 'paraphrase', not 'all'",
        ),
        (
            lambda run: run.average_paragraphs("once", measure=3),
            "measure must be 'per_target_token' or 'padded_mean'",
        ),
        (lambda run: run.acquisition(relative="no"), "relative must be a valid boolean, not 'no'"),
        (lambda run: run.acquisition(since=7), "since must be an instance of Outcome"),
        (lambda run: run.forgetting(since="before"), "since must be an instance of Outcome"),
        (
            lambda run: run.save(None),
            "path must be a valid string or an instance of Path, not None",
        ),
        (
            lambda run: type(run).load(3),
            "path must be a valid string or an instance of Path, not 3",
        ),
        (lambda run: estimate([1.0, 2.0]), "samples must be an instance of"),
        (lambda run: summarize_paragraphs(None), "values must be an instance of"),
    ],
)
def test_a_wrong_argument_is_named(outcome, ask, message):
    with pytest.raises(ValueError) as error:
        ask(outcome)
    assert str(error.value).startswith(message)


def test_a_change_since_a_run_that_was_asked_something_else_is_refused(outcome):
    fewer = replace(outcome, provenance=outcome.provenance | {"tasks": ["easy"]})
    assert np.array_equal(outcome.acquisition(since=fewer), outcome.acquisition()), (
        "it was asked the same probes"
    )
    with pytest.raises(ValueError, match="was asked other tasks"):
        outcome.forgetting(since=fewer)
    with pytest.raises(ValueError, match="was injected or asked other knowledge"):
        outcome.acquisition(
            since=replace(outcome, provenance={"facts": {"knowledge": {"synthetic": 1}}})
        )


def test_a_file_that_is_cut_changed_or_no_outcome_is_refused(outcome, tmp_path):
    path, other = tmp_path / "o.safetensors", tmp_path / "other.safetensors"
    outcome.save(path)
    whole = path.read_bytes()
    for damaged in (b"", whole[:-9], whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:]):
        path.write_bytes(damaged)
        with pytest.raises(DamagedError, match=r"o.safetensors is not whole"):
            Outcome.load(path)
    save_tensors({"steps": outcome.steps}, other, format="kent profile 2", provenance={})
    with pytest.raises(ValueError, match="holds something else"):
        Outcome.load(other)


def test_facts_that_are_all_paraphrased_are_performance_as_a_whole(outcome):
    probes = {name: each[2:] for name, each in outcome.provenance["probes"]["knowledge"].items()}
    measures = {name: scores[:, 2:] for name, scores in outcome.knowledge.items()}
    alone = replace(
        outcome,
        knowledge=measures,
        provenance=outcome.provenance | {"probes": {"knowledge": probes}},
    )
    assert np.array_equal(alone.performance(), outcome.performance("paraphrase"))
    with pytest.raises(ValueError, match="probed no knowledge of the setting 'once'"):
        alone.performance("once")


def make_injected(paragraphs: int = 20, injections: int = 10) -> Outcome:
    """Every fact injected once gains 1 nat over the injection that holds it and 0.1 over every
    other."""
    own = torch.arange(injections)[:, None] == torch.arange(paragraphs) * injections // paragraphs
    gains = torch.cat(
        [torch.where(own, 1.0, 0.1).double(), torch.zeros(injections, 2, dtype=torch.float64)],
        dim=1,
    )
    scores = torch.cat([torch.zeros(1, paragraphs + 2, dtype=torch.float64), gains.cumsum(0)]) - 9
    measures = {"per_target_token": scores, "padded_mean": scores / 10}
    probes = {
        "setting": ["once"] * paragraphs + ["paraphrase"] * 2,
        "item": [*range(paragraphs), 0, 1],
    }
    return Outcome(
        steps=torch.arange(injections + 1),
        knowledge=measures,
        control=measures,
        answers={"exam": torch.tensor([[1, 1], [1, 0]]).double()},
        curve=torch.zeros(injections, 3, dtype=torch.float64),
        provenance={
            **{"probes": {"knowledge": probes, "control": probes}},
            **{"revision": {"step": 7}, "recipe": {}},
        },
    )


def test_what_the_injection_of_a_fact_does_is_set_apart_from_the_other_injections():
    differences = make_injected().compare_injections()
    assert len(differences) == 18, "two paragraphs are in the first injection"
    assert torch.allclose(differences, torch.full_like(differences, 0.9))


@pytest.mark.parametrize("evaluations", [11, 7])
def test_what_becomes_of_a_fact_injected_once_is_followed_from_its_injection_on(evaluations):
    facts, control = (
        torch.rand(2, evaluations, 22, generator=torch.Generator().manual_seed(0)).double().log()
    )
    scores = {"knowledge": {"per_target_token": facts}, "control": {"per_target_token": control}}
    outcome = replace(make_injected(), steps=torch.arange(evaluations), **scores)
    found, style = outcome.follow_injections(), control[:, :20].mean(dim=1)
    assert found.shape == (9, 18), "two paragraphs are in the first injection"
    for paragraph in range(2, 20):
        own = 1 + paragraph // 2
        for lag in range(9):
            value = found[lag, paragraph - 2].item()
            if own + lag < evaluations:
                rise = facts[own + lag, paragraph] - facts[own - 1, paragraph]
                assert value == pytest.approx((rise - style[own + lag] + style[own - 1]).item())
            else:
                assert np.isnan(value), "beyond the end of the run"


def test_paragraphs_without_a_value_are_left_out_of_the_mean_and_its_error():
    assert summarize_paragraphs(torch.tensor([1.0, np.nan, 3.0]).double()) == pytest.approx(
        (2.0, 1.0)
    )


def test_the_table_of_learning_has_a_column_per_initial_model():
    table = tabulate_learning([make_injected()])
    assert list(table) == [7]
    assert table[7]["K before (nats)"] == (-9, 0) and table[7]["P before (%)"] == (100, 0)
    assert table[7]["F (points)"][0] == 50
    assert table[7]["P after minus guessing (points)"][0] == 25


@pytest.mark.parametrize("name", ["nope/x", "x"])
def test_a_record_that_holds_something_else_is_not_whole(tmp_path, name):
    save_tensors({name: torch.ones(2)}, tmp_path / "o", format=FORMAT, provenance={})
    with pytest.raises(DamagedError, match="does not hold what it should"):
        Outcome.load(tmp_path / "o")
