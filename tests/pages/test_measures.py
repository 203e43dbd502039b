"""Tables of what was measured, and sentences on how it changed: rows and columns that seeds share,
means over seeds, and words no stronger than what was compared."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import pytest
import torch

from kent.measure.familiarity import Familiarity
from kent.measure.gradients import Gradients
from kent.measure.profiles import Profile
from kent.pages import axes, comparisons, evidence, measures
from kent.pages.seeds import Seed

SMALL = "tiny"
"""A suite that has other seeds; any other name is a model that has none."""


def make_profile(step: int | None, slope: float, repository: str = "here", **about) -> Profile:
    """Three layers of 32 coefficients that fall off, the faster the larger `slope`, with noise."""
    noise = torch.rand(8, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    means = (1 + 0.05 * noise) * torch.exp(-slope * torch.arange(32, dtype=torch.float64))
    revision = {"step": step, "repository": repository}
    return Profile(
        sizes=torch.full((8,), 4),
        coefficient_blocks=[means * (layer + 1) for layer in range(3)],
        vector_norms=[torch.ones(32, dtype=torch.float64)] * 3,
        provenance={"revision": revision, "architecture": "ToyForCausalLM"} | about,
    )


def run(*slopes: float, repository: str = "here") -> list[Profile]:
    """Checkpoints at even steps up to 100."""
    ends = range(0, 101, 100 // (len(slopes) - 1))
    return [make_profile(step, slope, repository) for step, slope in zip(ends, slopes, strict=True)]


def make_seeds(row: str, *pairs: Sequence[float], columns: Sequence[int]) -> list[Seed]:
    """A recorded seed for each row of values."""
    kept = [
        {row: {str(at): (each, 0.1) for at, each in zip(columns, pair, strict=True)}}
        for pair in pairs
    ]
    return [Seed(f"tiny-{number}", {}, each, False) for number, each in enumerate(kept, 1)]


def make_gradients(step: int, signs: dict[str, int], neurons: int = 64) -> Gradients:
    """Two layers in which each quantity rises (1) or falls (-1) with the coefficient."""
    rise = torch.arange(1, neurons + 1).double()
    fields = {name: [rise if sign > 0 else rise.flip(0)] * 2 for name, sign in signs.items()}
    about = {"revision": {"step": step, "repository": "here"}}
    return Gradients([rise, rise], **fields, provenance=about)


def test_a_table_has_a_row_per_measure_and_a_column_per_checkpoint():
    profiles = run(0.0, 0.1, 0.3)
    table = measures.tabulate(profiles, ["knowledge", "gap", "Gini"], profiles[-1])
    assert [*table.index] == [measures.ENTROPY, measures.GAP, "Gini"]
    assert [*table] == [0, 50, 100, "100, shuffled"] and table.columns.name == axes.STEP
    assert table.loc["H (nats)", 50] == profiles[1].estimate()
    value, error = table.loc[measures.GAP, 100]
    assert value == pytest.approx(math.log(32) - profiles[2].knowledge_entropy / 3)
    assert error == pytest.approx(profiles[2].standard_error / 3)


@pytest.mark.parametrize(
    ("checkpoints", "columns", "axis"),
    [
        ([(0, "a"), (8, "a")], [0, 8], axes.STEP),
        ([(8, "a"), (8, "a")], [8], axes.STEP),
        ([(8, "a"), (8, "b")], [0, 1], axes.PLACE),
        ([(None, "a"), (None, "b")], [0, 1], axes.PLACE),
        ([(1, "a"), (None, "b")], [0, 1], axes.PLACE),
    ],
)
def test_checkpoints_stand_at_their_steps_once_or_at_their_places(checkpoints, columns, axis):
    profiles = [make_profile(step, 0.1, name) for step, name in checkpoints]
    table = measures.tabulate(profiles, ["knowledge"])
    assert [*table] == columns and table.columns.name == axis


def test_layers_have_rows_of_their_own():
    table = measures.tabulate_layers(run(0.0, 0.2))
    assert [*table] == [0, 100] and len(table) == 3
    total = sum(value for value, _ in table[100])
    assert total == pytest.approx(3 * math.log(32) - run(0.0, 0.2)[1].knowledge_entropy)


def test_updates_are_rows_and_stages_columns():
    signs = {"gradients": 1, "sgd": 1, "adamw": -1}
    table = measures.tabulate_updates([make_gradients(step, signs) for step in (16, 100)])
    assert [*table.index] == ["gradient", "SGD update", "AdamW update"] and [*table] == [16, 100]
    assert [round(value) for value, _ in table[100]] == [1, 1, -1]
    layers = measures.tabulate_update_layers(make_gradients(100, signs))
    assert [*layers.index] == ["layer 0", "layer 1"]
    assert [round(layers.loc["layer 1", name][0]) for name in layers] == [1, 1, -1]


def test_familiarity_has_a_row_per_corpus():
    found, ones = torch.tensor([1.0, math.e**2]).double(), torch.ones(2).long()
    found = Familiarity(found, ones, found.log(), ones)
    table = measures.tabulate_familiarity({"far": found})
    assert table.loc["far"].iloc[0][0] == pytest.approx(1.0)


def test_what_a_way_of_measuring_moves_is_paired_where_it_reads_the_same():
    whole, alike, other = (
        make_profile(1, slope, text=text) for slope, text in ((0.1, "a"), (0.2, "a"), (0.2, "b"))
    )
    moved = measures.tabulate_ways(whole, {"alike": alike, "other": other})["moved (nats)"]
    assert moved["alike"] == alike.change_since(whole)
    assert moved["other"][0] == pytest.approx(moved["alike"][0])
    errors = whole.standard_error, other.standard_error
    assert moved["other"][1] == pytest.approx(math.hypot(*errors))


def test_what_changed_copies_move_is_paired_in_entropy_and_loss():
    whole, copied = (make_profile(1, slope) for slope in (0.1, 0.2))
    losses = torch.rand(8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    whole, copied = (
        replace(each, loss_blocks=losses + shift) for each, shift in ((whole, 0.0), (copied, 0.5))
    )
    table = measures.tabulate_copies(whole, {"as it is": whole, "copy": copied})
    assert [*table] == ["H (nats)", "H, moved (nats)", "loss (nats)", "loss, moved (nats)"]
    assert table.loc["copy", "H (nats)"] == copied.estimate()
    assert table.loc["copy", "H, moved (nats)"] == copied.change_since(whole)
    assert table.loc["copy", "loss (nats)"] == copied.estimate("loss")
    value, error = table.loc["copy", "loss, moved (nats)"]
    assert value == pytest.approx(0.5) and error == pytest.approx(0, abs=1e-12)
    assert table.loc["as it is", "H, moved (nats)"] == (0.0, 0.0)


def test_sizes_are_columns():
    profiles = [make_profile(1, 0.1, instances=count) for count in (4, 16)]
    table = measures.tabulate_sizes(profiles, "instances", "sequences")
    assert [*table] == [4, 16] and [*table.index] == ["H by sequences (nats)"]


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        (("OlmoForCausalLM", "GPTNeoXForCausalLM"), ["Olmo", "GPTNeoX"]),
        (("OlmoForCausalLM", "OlmoForCausalLM"), ["one", "other"]),
    ],
)
def test_models_are_called_by_their_architecture_where_that_tells_them_apart(kinds, names):
    series = {name: [make_profile(1, 0.1)] for name in ("one", "other")}
    for (profile,), kind in zip(series.values(), kinds, strict=True):
        profile.provenance["architecture"] = kind
    assert [*measures.name_architectures(series).values()] == names


def test_a_change_is_pooled_over_the_seeds_that_kept_both_ends():
    _, early, late = run(0.0, 0.3, 0.2)
    own, error = late.change_since(early)
    assert comparisons.pool_change(late, early) == (own, error)
    seeds = make_seeds("far, H (nats)", (1.0, 1.0 + own), (2.0, 2.0 + own), columns=(50, 100))
    value, spread = comparisons.pool_change(late, early, seeds=seeds, label="far")
    assert value == pytest.approx(own) and spread == pytest.approx(0, abs=1e-9)
    assert comparisons.pool_change(late, early, seeds=seeds) == (own, error), "another row"
    early.provenance["revision"]["step"] = 49
    assert comparisons.pool_change(late, early, seeds=seeds, label="far") == (own, error)


@pytest.mark.parametrize(
    ("profiles", "seeds", "said"),
    [
        (run(0.3, 0.1), [], "more even"),
        (run(0.1, 0.3), [], "more uneven"),
        (run(0.1, 0.1), [], "no change"),
        (run(0.3, 0.1, repository=SMALL), [], evidence.ONE_SEED),
        (run(0.3, 0.1), [(1.0, 0.0), (1.0, 3.0)], "too small to tell"),
        ([make_profile(5, 0.1)], [], "no value"),
        ([make_profile(None, 0.1)], [], "no value"),
    ],
)
def test_what_a_change_says_and_when_it_says_nothing(profiles, seeds, said):
    recorded = make_seeds("H (nats)", *seeds, columns=(0, 100))
    assert comparisons.name_change(profiles, "knowledge", recorded) == said
    table = comparisons.compare_measures(profiles, ["knowledge"], recorded)
    assert table.loc["H (nats)", "coefficients grew"] == said


@pytest.mark.parametrize(
    ("profiles", "said"),
    [
        (run(0.3, 0.1), "of 2 measures **2 say that coefficients grew more even**, 0 more uneven"),
        (run(0.3, 0.1, repository=SMALL), "2 of 2 measures move: **one seed (no verdict)**"),
        ([make_profile(5, 0.1)], "**no value**"),
    ],
)
def test_measures_are_counted(profiles, said):
    assert said in comparisons.count_changes(profiles, ["knowledge", "Gini"])


def test_measures_that_do_not_move_are_counted_apart():
    said = comparisons.count_changes(run(0.05, 0.02), ["knowledge", "dormant fraction"])
    assert "0 more uneven, 1 no change (one model)" in said


@pytest.mark.parametrize(
    ("profiles", "said"),
    [
        (run(0.3, 0.1), "(one model): **more even**. The paper's drawing shows the opposite."),
        (run(0.1, 0.3), "(one model): **more uneven**."),
        (run(0.3, 0.1, repository=SMALL), "points: **one seed (no verdict)**."),
        ([make_profile(5, 0.1)], "**no value**."),
    ],
)
def test_a_share_is_said_in_points(profiles, said):
    found = comparisons.describe_share(profiles, "top 10 % share")
    assert found.endswith(said) and ("points" in found) == (len(profiles) > 1)


def test_seeds_that_kept_another_measure_only_are_not_counted():
    profiles = run(0.3, 0.1, repository=SMALL)
    recorded = make_seeds("Gini", (1.0, 0.9), (1.0, 0.8), columns=(0, 100))
    assert comparisons.name_change(profiles, "knowledge", recorded) == evidence.ONE_SEED
    assert evidence.ONE_SEED in comparisons.count_changes(profiles, ["knowledge", "Gini"], recorded)
    table = comparisons.compare_measures(profiles, ["knowledge", "Gini"], recorded)
    assert next(iter(table)) == "change (one seed)"
    assert evidence.ONE_SEED in comparisons.describe_share(profiles, "top 10 % share", recorded)
    said = comparisons.describe_changes({"near": profiles}, recorded)
    assert said.endswith("(one seed).")


def test_changes_of_several_series_are_one_sentence():
    series = {"near": run(0.3, 0.1), "far": run(0.1, 0.3)}
    said = comparisons.describe_changes(series)
    assert "near +" in said and "far −" in said and said.endswith("(one model).")
    assert comparisons.format_change(*reversed(series["near"])).startswith("+")
    (only,) = alone = [make_profile(None, 0.1)]
    assert comparisons.format_change(only, only) == "no value"
    alone = {"near": alone}
    assert comparisons.describe_changes(alone) == comparisons.NO_VALUE


@pytest.mark.parametrize(("adamw", "does"), [(1, "**follows**"), (-1, "**does not follow**")])
def test_whether_an_update_follows_the_coefficient(adamw, does):
    stages = [make_gradients(100, {"gradients": 1, "sgd": 1, "adamw": adamw})]
    said = comparisons.describe_updates(stages, measures.tabulate_updates(stages))
    assert does in said and said.endswith("(one model).")


@pytest.mark.parametrize(
    ("update", "does"),
    [
        ((0.1, 0.06), "**does not follow**"),
        ((0.1, 0.2), "**cannot be told to follow**"),
        ((-0.1, 0.01), "**does not follow**"),
        ((0.3, 0.1), "**follows**"),
        ((math.nan, 0.1), "**cannot be told to follow**"),
    ],
)
def test_not_to_follow_an_update_falls_behind_the_gradient(update, does):
    pairs = {"gradient": (0.6, 0.1), "SGD update": (0.6, 0.1), "AdamW update": update}
    stages = [make_gradients(100, {"gradients": 1, "sgd": 1, "adamw": 1})]
    assert does in comparisons.describe_updates(stages, pd.DataFrame({100: pairs}))


@pytest.mark.parametrize(
    ("repository", "others", "said"),
    [("here", 0, "one model"), (SMALL, 0, "one seed"), (SMALL, 3, "mean of 4 seeds")],
)
def test_what_numbers_stand_on(repository, others, said):
    recorded = make_seeds("H (nats)", *[(0.0, 1.0)] * others, columns=(0, 100))
    assert comparisons.name_basis(run(0.1, 0.2, repository=repository), recorded) == said
