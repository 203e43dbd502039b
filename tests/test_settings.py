"""Declared types are held: each wrong value is a ValueError that names its setting."""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from kent.learning.recipes import Recipe
from kent.settings import Array, Count, Positive, ShareBelowOne, Whole, check, check_fields, checked


@checked
def measure(
    tokens: Array,
    *,
    limit: Count | None = None,
    rate: Positive = 1.0,
    shuffled: bool = False,
    kind: Literal["abs", "relu"] = "abs",
    source: str | Path = "text",
    betas: tuple[ShareBelowOne, ShareBelowOne] = (0.9, 0.95),
    **others,
) -> tuple:
    """As kent's own functions are declared."""
    return tokens, limit, rate


TOKENS = torch.arange(3)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"limit": 8.0}, "limit must be a valid integer, not 8.0"),
        ({"limit": "8"}, "limit must be a valid integer, not '8'"),
        ({"limit": True}, "limit must be a valid integer, not True"),
        ({"limit": 0}, "limit must be greater than or equal to 1, not 0"),
        ({"rate": "4e-4"}, "rate must be a valid number, not '4e-4'"),
        ({"rate": math.nan}, "rate must be a finite number, not nan"),
        ({"rate": math.inf}, "rate must be a finite number, not inf"),
        ({"rate": None}, "rate must be a valid number, not None"),
        ({"shuffled": "no"}, "shuffled must be a valid boolean, not 'no'"),
        ({"shuffled": 0}, "shuffled must be a valid boolean, not 0"),
        ({"kind": "gelu"}, "kind must be 'abs' or 'relu', not 'gelu'"),
        ({"source": None}, "source must be a valid string or an instance of Path, not None"),
        ({"betas": (0.9, 1.5)}, "betas must be less than 1"),
        ({"betas": (0.9,)}, "betas must be whole"),
        (
            {"limit": 1.5, "rate": 0},
            "limit must be a valid integer, not 1.5; rate must be greater than 0, not 0",
        ),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_accepted(setting, message):
    with pytest.raises(ValueError) as error:
        measure(TOKENS, **setting)
    assert str(error.value).startswith(message)


def test_numpys_numbers_and_arrays_stand_for_what_they_hold():
    tokens, limit, rate = measure(
        np.arange(3), limit=np.int64(4), rate=np.float64(2), anything="else"
    )
    assert torch.equal(tokens, TOKENS) and (limit, rate) == (4, 2.0) and type(limit) is int
    for wrong in ([0, 1, 2], None, "abc", np.array(["a"])):
        with pytest.raises(ValueError, match="tokens must be an instance of Tensor"):
            measure(wrong)


def test_a_whole_number_may_stand_for_a_real_one_and_missing_arguments_are_a_type_error():
    assert measure(TOKENS, rate=3)[2] == 3.0
    with pytest.raises(TypeError, match="missing a required argument: 'tokens'"):
        measure(limit=3)


def test_fields_are_held_as_arguments_are():
    @dataclass(frozen=True)
    class Shape:
        layers: Count = 1
        step: Whole = 0

        def __post_init__(self):
            check_fields(self)

    Shape(2, 0)
    with pytest.raises(ValueError, match=r"layers must be a valid integer, not 2\.0"):
        Shape(2.0)
    assert check({"step": Whole}, {"step": 3, "unknown": "passes"}) == {"step": 3}


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [
        *(("clip", value) for value in (math.nan, -1, 0, "1", math.inf)),
        *(
            ("betas", value)
            for value in ((1.5, 0.9), (0.9,), (math.nan, 0.9), (0.9, 0.95, 0.99), 0.9, (-0.1, 0.9))
        ),
        *(("learning_rate", value) for value in (math.inf, 0, -1e-4, math.nan, "4e-4", True)),
        *(("weight_decay", value) for value in (-0.1, math.nan)),
        *(("seed", value) for value in (-1, 1.5, True)),
        *(("steps", value) for value in (10.0, 0, "10")),
        *(("epochs", value) for value in (1.5, 0)),
        *(("batch", value) for value in (0, 1.0)),
        *(("rows", value) for value in (0, None)),
        *(("temperature", value) for value in (0.0, -1, math.inf, "2")),
        *(("warmup", value) for value in (1.0, -0.1, math.nan)),
        *(("warmup_from", value) for value in (1.1, math.nan)),
        *(("min_rate", value) for value in (1.1, math.nan)),
        *((name, "no") for name in ("tasks_along", "bf16", "cooling", "decay_embeddings")),
        ("tasks", None),
    ],
)
def test_a_recipe_that_no_run_can_have_is_refused_when_it_is_made(setting, wrong):
    recipe = object.__new__(
        Recipe
    )  # beartype, which only tests have, would stand before __post_init__
    for field in fields(Recipe):
        object.__setattr__(recipe, field.name, wrong if field.name == setting else field.default)
    with pytest.raises(ValueError, match=f"{setting} must be"):
        recipe.__post_init__()
