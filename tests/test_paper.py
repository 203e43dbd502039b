"""The published tables agree with each other, and say of the paper's claims what the book says of
them."""

import pytest

from kent.paper import STAGES, TABLES, bound_before, infer_before

BEFORE = {"K": (-0.375, -0.3725, -0.372, -0.371), "P": (60.3, 62.7, 63.6, 64.6)}
"""K and P before learning, about, as read off the two tables by hand."""
DIGIT = {"K": 0.001, "P": 0.1}


def test_the_tables_hold_five_settings_of_four_stages():
    assert [(row.batch, row.rate, row.epochs) for row in TABLES.values()] == [
        (128, 4e-4, 1), (2048, 4e-4, 1), (128, 1e-3, 1), (128, 1e-4, 1), (128, 4e-4, 3),
    ]  # fmt: skip
    assert all(list(getattr(row, key)) == list(STAGES) for row in TABLES.values() for key in "AFKP")
    assert all(isinstance(row.rate, float) for row in TABLES.values()), (
        "YAML reads 4e-4 as a text, 4.0e-4 as a number"
    )


def test_the_formula_undoes_acquisition_and_forgetting():
    # K from -2 to -1.5: A = 25 %; P from 60 to 45: F = 25 %
    low, high = bound_before(-1.5, 25.0, digit=1e-9)
    assert low < -2 < high and high - low < 0.003
    low, high = bound_before(45.0, 25.0, digit=1e-9)
    assert low < 60 < high


def test_bounds_are_the_extremes_of_what_rounding_hides():
    low, high = bound_before(54.0, 10.5, 0.1)
    assert low == pytest.approx(53.95 / (1 - 0.1045)) and high == pytest.approx(
        54.05 / (1 - 0.1055)
    )
    low, high = bound_before(-0.714, -92.2, 0.001)
    assert low == pytest.approx(-0.7145 / 1.9215) and high == pytest.approx(-0.7135 / 1.9225)


@pytest.mark.parametrize("quantity", BEFORE)
@pytest.mark.parametrize("setting", TABLES)
def test_every_cell_implies_the_same_model_before_learning(setting, quantity):
    row, change = TABLES[setting], {"K": "A", "P": "F"}[quantity]
    for stage, expected in zip(STAGES, BEFORE[quantity], strict=True):
        low, high = bound_before(
            getattr(row, quantity)[stage], getattr(row, change)[stage], DIGIT[quantity]
        )
        half = DIGIT[quantity] / 2
        assert low - half <= expected <= high + half, (stage, low, high)


@pytest.mark.parametrize("quantity", BEFORE)
def test_one_value_before_learning_suits_all_five_settings(quantity):
    for (stage, (low, high)), expected in zip(
        infer_before(quantity).items(), BEFORE[quantity], strict=True
    ):
        assert low <= high, f"{stage}: the settings contradict each other"
        assert max(abs(low - expected), abs(high - expected)) < 1.5 * DIGIT[quantity]


def test_only_k_and_p_are_inferred():
    with pytest.raises(ValueError, match="K and P before learning, not 'A'"):
        infer_before("A")


def falls(values: dict[str, float]) -> bool:
    return all(
        after < before
        for before, after in zip(list(values.values()), list(values.values())[1:], strict=False)
    )


def test_acquisition_falls_with_the_stage_except_at_the_low_rate_and_forgetting_rises_everywhere():
    assert [name for name, row in TABLES.items() if not falls(row.A)] == ["lower rate"]
    assert TABLES["lower rate"].A["738k"] > TABLES["lower rate"].A["118k"]
    assert all(falls({stage: -value for stage, value in row.F.items()}) for row in TABLES.values())


def test_the_best_final_k_moves_with_the_setting():
    best = {name: max(row.K, key=row.K.get) for name, row in TABLES.items()}
    assert list(best.values()) == ["369k", "118k", "118k", "554k", "118k"]
    baseline = TABLES["baseline"].K
    assert baseline["369k"] - baseline["118k"] == pytest.approx(0.001), (
        "a lead of one printed digit"
    )
