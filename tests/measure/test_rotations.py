"""Rows of a batch do not change one another, whatever the rotary positions look at."""

import copy

import pytest
import torch
from architectures import SUPPORTED, build, draw_tokens, make
from transformers import PreTrainedModel

import kent
from kent.measure.rotations import rows_together
from kent.measure.streaming import freeze

SWITCH = 16
SCALED = {
    "longrope": {"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [8.0] * 4,
                 "original_max_position_embeddings": SWITCH},
    "dynamic": {"rope_type": "dynamic", "factor": 4.0},
}  # fmt: skip


def make_scaled(kind: str) -> PreTrainedModel:
    """Phi-3 and Llama, whose positions turn more slowly where the longest row is beyond 16
    tokens."""
    if kind == "longrope":
        positions = SCALED[kind] | {"rope_theta": 10000.0}
        return make(
            "Phi-3",
            rope_parameters=positions,
            original_max_position_embeddings=SWITCH,
            sliding_window=None,
        )
    return make(
        "Llama",
        rope_parameters=SCALED[kind] | {"rope_theta": 10000.0},
        max_position_embeddings=SWITCH,
    )


def draw_rows(side: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of 8 to 32 tokens, on both sides of the switch, padded on one side."""
    tokens, mask = draw_tokens(5, 32), torch.zeros(5, 32, dtype=torch.long)
    for row, length in enumerate([32, 8, 16, 17, 12]):
        mask[row, slice(-length, None) if side == "left" else slice(length)] = 1
    return tokens, mask


def list_numbers(profile: kent.Profile) -> torch.Tensor:
    numbers = [
        profile.knowledge_entropy,
        profile.attention_entropy,
        profile.next_token_entropy,
        profile.loss,
    ]
    return torch.tensor(numbers, dtype=torch.float64)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_rows_are_measured_as_they_are_alone(side):
    model, (tokens, mask) = make_scaled("longrope"), draw_rows(side)
    alone = [
        kent.profile(model, row[real.bool()][None]) for row, real in zip(tokens, mask, strict=True)
    ]
    found = kent.profile(model, tokens, attention_mask=mask, batch_size=5)
    expected = torch.stack([each.coefficients[1] for each in alone]).mean(dim=0)
    torch.testing.assert_close(found.coefficients[1], expected, rtol=1e-5, atol=1e-7)
    loss = sum(each.loss for each in alone) / len(alone)
    assert found.loss == pytest.approx(loss, rel=1e-6)


def test_the_switch_shows():
    """Else the test above would hold with any code."""
    model, (tokens, mask) = make_scaled("longrope"), draw_rows("right")
    with torch.no_grad():
        both = model(tokens, attention_mask=mask).logits[1, :8]
        alone = model(tokens[1:2, :8]).logits[0]
    assert (both - alone).abs().max() > 1e-2


@pytest.mark.parametrize("kind", SCALED)
def test_such_rows_share_no_batch(kind):
    assert rows_together(make_scaled(kind), 8) == 1


@pytest.mark.parametrize("name", SUPPORTED)
def test_all_others_may(name):
    assert rows_together(build(name), 8) == 8


def read_positions(model: PreTrainedModel) -> dict:
    rotary = model.model.rotary_emb
    plain = {key: value for key, value in vars(rotary).items() if not key.startswith("_")}
    return plain | {name: buffer.clone() for name, buffer in rotary.named_buffers()}


@pytest.mark.parametrize("kind", SCALED)
def test_the_positions_are_left_as_found_and_earlier_rows_forgotten(kind):
    """Both after a long row, which transformers remembers, and on a new model."""
    model, tokens = make_scaled(kind), draw_tokens(4, SWITCH)
    expected = list_numbers(kent.profile(model, tokens))
    with torch.no_grad():
        model(draw_tokens(1, 40))
    before = read_positions(model)
    found = list_numbers(kent.profile(model, tokens))
    after = read_positions(model)
    assert torch.equal(found, expected)
    assert before.keys() == after.keys()
    assert all(torch.equal(*each) if torch.is_tensor(each[0]) else each[0] == each[1]
               for each in zip(before.values(), after.values(), strict=True))  # fmt: skip


def test_a_new_models_positions_gain_nothing():
    """Where a row beyond the switch has transformers make the other frequencies."""
    model = make_scaled("longrope")
    before = read_positions(model)
    kent.profile(model, draw_tokens(2, 40), measures=["knowledge"])
    assert read_positions(model).keys() == before.keys()
    with torch.no_grad():
        model(draw_tokens(2, 40))
    assert read_positions(model).keys() != before.keys()


def test_each_batch_starts_afresh():
    model, short, long = make_scaled("dynamic"), draw_tokens(1, 20, seed=1), draw_tokens(1, 40)
    with torch.no_grad():
        expected = copy.deepcopy(model)(short).logits
    with freeze(model):
        model(long)
        assert torch.equal(model(short).logits, expected)
