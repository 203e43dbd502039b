"""`measure_gradients` against torch.autograd in float64 on the whole batch at once, and against
optimisers by hand."""

import copy
import json
import math
from contextlib import nullcontext

import pytest
import torch
from architectures import NEURONS, REFUSED, build, build_reference, draw_tokens, make
from safetensors.torch import save_file

import kent
from kent.errors import DamagedError
from kent.measure.gradients import FIELDS, Gradients, _batch, _rank, measure_gradients
from kent.measure.memory import find_memories
from kent.records import save_tensors

VALUES = {
    "Llama": "model.layers.{}.mlp.down_proj.weight",
    "OLMo": "model.layers.{}.mlp.down_proj.weight",
    "GPT-NeoX": "gpt_neox.layers.{}.mlp.dense_4h_to_h.weight",
    "GPT-2": "transformer.h.{}.mlp.c_proj.weight",
}
RATE = 0.05


@pytest.fixture(params=VALUES)
def name(request):
    return request.param


def lose(model, tokens: torch.Tensor) -> torch.Tensor:
    """Next-token loss of the whole batch at once, spelt out."""
    logarithm = model(tokens).logits[:, :-1].log_softmax(dim=-1)
    return -logarithm.gather(2, tokens[:, 1:, None]).mean()


def find_values(name: str, model) -> list[torch.nn.Parameter]:
    return [model.get_parameter(VALUES[name].format(layer)) for layer in range(2)]


def measure_rows(name: str, weights) -> list[torch.Tensor]:
    """Norm of each memory vector: a column of a linear layer's weight, a row of GPT-2's."""
    return [weight.norm(dim=1 if name == "GPT-2" else 0).detach() for weight in weights]


def assert_near(
    found: list[torch.Tensor], expected: list[torch.Tensor], tolerance: float = 1e-4
) -> None:
    for layer, (values, reference) in enumerate(zip(found, expected, strict=True)):
        assert values.shape == (NEURONS,)
        assert values.dtype == torch.float64
        scale = tolerance * reference.mean().item()
        torch.testing.assert_close(
            values, reference, rtol=tolerance, atol=scale, msg=lambda text, at=layer: f"{at} {text}"
        )


# By hand


@pytest.mark.parametrize("batch_size", [2, 8])
def test_gradients_are_those_of_the_whole_batch(name, batch_size):
    tokens, reference = draw_tokens(5, 12), build_reference(name)
    expected = torch.autograd.grad(lose(reference, tokens), find_values(name, reference))
    found = measure_gradients(build(name), tokens, batch_size=batch_size, steps=1)
    assert_near(found.gradients, measure_rows(name, expected))
    profile = kent.profile(build(name), tokens, batch_size=batch_size, measures=["knowledge"])
    assert all(map(torch.equal, found.coefficients, profile.coefficients))


def test_gradients_are_coefficient_times_upstream_summed_over_tokens(name):
    """Appendix A.1, token by token: ∂L/∂vᵢ = Σ cᵢ · ∂L/∂FFN."""
    tokens, model, seen = draw_tokens(3, 7), build_reference(name), []
    handles = [
        memory.values.register_forward_hook(
            lambda _, inputs, output: seen.append((inputs[0], output))
        )
        for memory in find_memories(model)
    ]
    loss = lose(model, tokens)
    [handle.remove() for handle in handles]
    upstream = torch.autograd.grad(loss, [output for _, output in seen])
    expected = [
        torch.einsum("...m,...d->md", coefficients, pull).norm(dim=1).detach()
        for (coefficients, _), pull in zip(seen, upstream, strict=True)
    ]
    assert_near(measure_gradients(build(name), tokens, steps=1).gradients, expected)


@pytest.mark.parametrize("name", ["OLMo", "Llama", "GPT-NeoX"])
def test_one_predicted_token_makes_the_correlation_one(name):
    """A token twice: with rotary positions both see the same, and only the first predicts, so that
    every norm is its mean coefficient times ‖∂L/∂FFN‖."""
    model, seen = build_reference(name), []
    handles = [
        memory.values.register_forward_hook(lambda _, __, output: seen.append(output))
        for memory in find_memories(model)
    ]
    tokens = torch.full((1, 2), 17)
    loss = lose(model, tokens)
    [handle.remove() for handle in handles]
    lengths = [pull.norm() for pull in torch.autograd.grad(loss, seen)]
    found = measure_gradients(build(name), tokens, steps=1)
    expected = [values * length for values, length in zip(found.coefficients, lengths, strict=True)]
    assert_near(found.gradients, expected)
    torch.testing.assert_close(
        found.correlate("gradients")[0], torch.ones(2).double(), rtol=0, atol=1e-3
    )


def test_a_step_of_sgd_is_the_learning_rate_times_the_gradient_of_its_batch(name):
    tokens = draw_tokens(3, 9)
    whole = measure_gradients(build(name), tokens, steps=1, learning_rate=RATE)
    assert_near(whole.sgd, [RATE * norms for norms in whole.gradients], tolerance=1e-3)
    first = measure_gradients(build(name), tokens[:2], steps=1, learning_rate=RATE)
    part = measure_gradients(build(name), tokens, batch_size=2, steps=1, learning_rate=RATE)
    assert_near(part.sgd, [RATE * norms for norms in first.gradients], tolerance=1e-3)


def test_a_step_of_adamw_is_the_sign_of_the_gradient_and_the_decay(name):
    tokens, model = draw_tokens(3, 9), build_reference(name)
    weights = find_values(name, model)
    gradients = torch.autograd.grad(lose(model, tokens), weights)
    steps = [
        g / (g.abs() + 1e-8) + 0.1 * weight for g, weight in zip(gradients, weights, strict=True)
    ]
    found = measure_gradients(build(name), tokens, steps=1)
    assert_near(found.adamw, [4e-4 * norms for norms in measure_rows(name, steps)], tolerance=1e-3)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_steps_go_round_the_sequences_and_train_every_weight(name, optimizer):
    """Three sequences in batches of two: 0 1, 2 0, 1 2, with the optimisers written out in
    float64."""
    tokens, model, rate = draw_tokens(3, 9), copy.deepcopy(build_reference(name)), 0.01
    before = [weight.detach().clone() for weight in find_values(name, model)]
    parameters = list(model.parameters())
    first, second = ([torch.zeros_like(each) for each in parameters] for _ in range(2))
    for step, batch in enumerate(([0, 1], [2, 0], [1, 2]), start=1):
        gradients = torch.autograd.grad(lose(model, tokens[batch]), parameters)
        for weight, gradient, mean, square in zip(
            parameters, gradients, first, second, strict=True
        ):
            mean.lerp_(gradient, 0.1)
            square.lerp_(gradient.square(), 0.05)
            adam = (
                mean / (1 - 0.9**step) / ((square / (1 - 0.95**step)).sqrt() + 1e-8)
                + 0.1 * weight.data
            )
            weight.data -= rate * (gradient if optimizer == "sgd" else adam)
    moves = [
        after.detach() - start
        for after, start in zip(find_values(name, model), before, strict=True)
    ]
    found = measure_gradients(build(name), tokens, batch_size=2, steps=3, learning_rate=rate)
    assert_near(getattr(found, optimizer), measure_rows(name, moves), tolerance=2e-3)


def test_dropout_is_off_and_old_gradients_do_not_count():
    model, tokens = make("GPT-2"), draw_tokens(3, 9)
    expected = measure_gradients(model, tokens, steps=2)
    model.train().requires_grad_(False)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    with torch.no_grad():
        found = measure_gradients(model, tokens, steps=2)
    for quantity in FIELDS:
        for values, same in zip(getattr(found, quantity), getattr(expected, quantity), strict=True):
            torch.testing.assert_close(values, same, rtol=1e-6, atol=0)


def test_token_ids_of_any_integer_type():
    tokens = draw_tokens(2, 6)
    expected = measure_gradients(build("OLMo"), tokens, steps=1)
    for dtype in (torch.uint8, torch.int32):
        found = measure_gradients(build("OLMo"), tokens.to(dtype), steps=1)
        assert torch.equal(found.gradients[1], expected.gradients[1])


# Rank correlation


def correlate(coefficients: list, others: list) -> tuple[float, float]:
    first, second = (
        [torch.tensor(values, dtype=torch.float64)] for values in (coefficients, others)
    )
    found, error = Gradients(first, second, second, second).correlate("sgd")
    return found.item(), error.item()


@pytest.mark.parametrize(
    ("coefficients", "others", "expected"),
    [
        ([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 10.0, 100.0, 101.0, 1e9], 1),
        ([1.0, 2.0, 3.0, 4.0, 5.0], [5.0, 4.0, 3.0, 2.0, 1.0], -1),
        ([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 1.0, 4.0, 3.0, 5.0], 1 - 6 * 4 / (5 * 24)),
        (
            [1.0, 2.0, 2.0, 4.0],
            [1.0, 3.0, 2.0, 4.0],
            4.5 / math.sqrt(4.5 * 5),
        ),  # ranks 1 2.5 2.5 4 and 1 3 2 4
        ([7.0, 7.0, 7.0, 9.0, 8.0], [3.0, 1.0, 1.0, 1.0, 4.0], 1 / 8),  # 2 2 2 5 4 and 4 2 2 2 5
    ],
)
def test_rank_correlation_by_hand(coefficients, others, expected):
    found, error = correlate(coefficients, others)
    assert found == pytest.approx(expected, abs=1e-12)
    assert error == pytest.approx(math.sqrt((1 + expected**2 / 2) / (len(coefficients) - 3)))


def test_ranks_and_their_correlation_are_those_of_pandas():
    pandas = pytest.importorskip("pandas")
    source = torch.Generator().manual_seed(0)
    distinct = torch.randn(300, generator=source).double()
    tied = (3 * distinct + torch.randn(300, generator=source)).round()
    first, second = (pandas.Series(values.numpy()) for values in (distinct, tied))
    assert _rank(distinct).tolist() == first.rank().tolist()
    assert _rank(tied).tolist() == second.rank().tolist()
    found, _ = correlate(distinct.tolist(), tied.tolist())
    assert found == pytest.approx(first.corr(second, method="spearman"), abs=1e-12)


def test_layers_and_quantities_are_kept_apart():
    rising, falling = torch.arange(5.0).double(), torch.arange(8.0).double().flip(0)
    found = Gradients([rising, falling], [rising, -falling], [-rising, falling], [rising, falling])
    expected = {"gradients": [1, -1], "sgd": [-1, 1], "adamw": [1, 1]}
    for quantity, signs in expected.items():
        assert found.correlate(quantity)[0].tolist() == pytest.approx(signs)
    assert found.correlate("sgd")[1].tolist() == pytest.approx(
        [math.sqrt(1.5 / 2), math.sqrt(1.5 / 5)]
    )


def test_the_average_over_layers_and_its_error():
    rising, falling = torch.arange(5.0).double(), torch.arange(8.0).double().flip(0)
    layers = [rising, rising, falling]
    average, error = Gradients(
        layers, [rising, falling[:5], falling], layers, layers
    ).average_correlation("gradients")
    assert average == pytest.approx(1 / 3)
    assert error == pytest.approx(math.sqrt(1.5 / 2 + 1.5 / 2 + 1.5 / 5) / 3)


def test_values_that_are_all_the_same_have_no_correlation():
    assert all(map(math.isnan, correlate([1.0, 2.0, 3.0, 4.0], [1.0] * 4)))


@pytest.mark.parametrize("quantity", ["coefficients", "adam", ["sgd"], None])
def test_an_unknown_quantity_is_refused(quantity):
    with pytest.raises(ValueError, match="quantity must be 'gradients', 'sgd' or 'adamw'"):
        Gradients([], [], [], []).correlate(quantity)


# The model is left as found


class Broken(RuntimeError):
    """Raised on purpose inside the forward pass."""


def describe_state(model) -> list:
    """Hooks, training flags, gradients and weights of every part."""
    parts = [
        (
            path,
            module.training,
            len(module._forward_hooks),
            len(module._forward_pre_hooks),
            len(module._backward_hooks),
        )
        for path, module in model.named_modules()
    ]
    weights = [
        (
            path,
            each.requires_grad,
            None if each.grad is None else each.grad.sum().item(),
            each.data_ptr(),
        )
        for path, each in model.named_parameters()
    ]
    return [parts, weights, torch.is_grad_enabled()]


@pytest.mark.parametrize(
    "passes", [0, 1, 2, 3, 4], ids=["profile", "gradients", "sgd", "adamw", "success"]
)
def test_the_model_is_left_as_found(name, passes):
    """An exception in one of the four passes over three batches, or in none."""
    model = make(name).train()
    find_memories(model)[1].values.eval()
    first, second, *_ = model.parameters()
    first.requires_grad_(False)
    second.grad = torch.ones_like(second)
    calls = []

    def interrupt(*_) -> None:
        calls.append(1)
        if len(calls) > passes * 3:
            raise Broken

    find_memories(model)[1].keys.register_forward_pre_hook(interrupt)
    before, weights = describe_state(model), copy.deepcopy(model.state_dict())
    with nullcontext() if passes == 4 else pytest.raises(Broken):
        measure_gradients(model, draw_tokens(3, 5), batch_size=1, steps=3)
    assert describe_state(model) == before
    for path, weight in model.state_dict().items():
        assert torch.equal(weight, weights[path])


# Bad input


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be greater than or equal to 1, not 0"),
        ({"steps": 2.0}, "steps must be a valid integer, not 2.0"),
        ({"batch_size": 0}, "batch_size must be greater than or equal to 1, not 0"),
        ({"learning_rate": 0.0}, "learning_rate must be greater than 0, not 0.0"),
        ({"learning_rate": -1e-3}, "learning_rate must be greater than 0, not -0.001"),
        ({"learning_rate": math.nan}, "learning_rate must be a finite number, not nan"),
        ({"learning_rate": math.inf}, "learning_rate must be a finite number, not inf"),
        ({"learning_rate": "4e-4"}, "learning_rate must be a valid number, not '4e-4'"),
        ({"sequences": [[1, 2, 3]]}, "sequences must be an instance of Tensor"),
        ({"sequences": torch.zeros(2, 4)}, "integer token ids .* torch.float32"),
        ({"sequences": torch.full((2, 4), 10**6)}, "another model's tokenizer"),
        ({"sequences": torch.full((2, 1), 5)}, "sequences of 1 token have no next token"),
    ],
)
def test_bad_input_is_named(changes, message):
    arguments = {"sequences": draw_tokens(2, 4)} | changes
    with pytest.raises(ValueError, match=message):
        measure_gradients(build("OLMo"), **arguments)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_weights_other_than_float32_are_refused(dtype):
    model = copy.deepcopy(build("OLMo"))
    model.model.layers[1].mlp.to(dtype)
    with pytest.raises(
        ValueError, match=f"holds {str(dtype).removeprefix('torch.')} weights: .*float32"
    ):
        measure_gradients(model, draw_tokens(2, 4))


@pytest.mark.parametrize("name", REFUSED)
def test_unsupported_architectures_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is not supported"):
        measure_gradients(make(name).bfloat16(), draw_tokens(1, 4))


def test_a_model_without_vocabulary_projection_is_refused():
    with pytest.raises(ValueError, match="OlmoModel has no vocabulary projection"):
        measure_gradients(build("OLMo").get_decoder(), draw_tokens(2, 4))


def test_a_gradient_that_is_not_finite_is_named_with_its_layer():
    model = copy.deepcopy(build("OLMo"))
    model.lm_head.weight.data[0, 0] = math.nan
    with pytest.raises(
        ValueError, match="the gradient of layer 0 is not finite: are the weights whole"
    ):
        measure_gradients(model, draw_tokens(2, 4))


def test_an_update_that_is_not_finite_is_named_with_its_layer():
    with pytest.raises(
        ValueError,
        match="the sgd update of layer 0 is not finite: is a learning rate of 1e\\+38 too large",
    ):
        measure_gradients(build("OLMo"), draw_tokens(2, 4), learning_rate=1e38)


# The file


@pytest.fixture(scope="module")
def measured():
    return measure_gradients(
        make("OLMo", num_hidden_layers=12), draw_tokens(3, 6), batch_size=2, steps=2
    )


def test_gradients_come_back_from_their_file_with_layers_in_order(tmp_path, measured):
    measured.save(tmp_path / "a.safetensors")
    back = Gradients.load(tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.safetensors"]
    assert back.provenance == measured.provenance
    for each in FIELDS:
        before, after = getattr(measured, each), getattr(back, each)
        assert len(before) == 12
        assert all(torch.equal(first, second) for first, second in zip(before, after, strict=True))


def test_provenance_says_what_was_measured(measured):
    expected = {
        "architecture": "OlmoForCausalLM",
        "dtype": "float32",
        "device": "cpu",
        "instances": 3,
        "length": 6,
    }
    recipe = {"steps": 2, "learning_rate": 4e-4, "batch_size": 2}
    assert measured.provenance.items() >= (expected | recipe | {"tokens": 18}).items()
    assert {"commit", "date", "torch", "transformers"} <= measured.provenance.keys()
    assert json.loads(json.dumps(measured.provenance)) == measured.provenance


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "is not whole"),
        (
            {"format": "kent profile 2"},
            r"holds something else: its format is .*not 'kent gradients 1'",
        ),
    ],
)
def test_another_safetensors_file_is_refused(tmp_path, metadata, message):
    save_file({"coefficients.0": torch.ones(3)}, tmp_path / "a.safetensors", metadata=metadata)
    with pytest.raises(ValueError, match=message):
        Gradients.load(tmp_path / "a.safetensors")


@pytest.mark.parametrize("kept", [0, 5, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, kept, measured):
    path = tmp_path / "a.safetensors"
    measured.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if isinstance(kept, int) else int(len(whole) * kept)])
    with pytest.raises(ValueError, match="is not whole"):
        Gradients.load(path)


def test_a_record_without_a_layer_is_not_whole(tmp_path):
    save_tensors(
        {"coefficients.0": torch.ones(2)}, tmp_path / "g", format="kent gradients 1", provenance={}
    )
    with pytest.raises(DamagedError, match="does not hold what it should"):
        Gradients.load(tmp_path / "g")


def test_no_more_rows_are_held_than_an_update_takes():
    batches = _batch(torch.arange(6).view(3, 2), 2, 10**15)
    assert [next(batches)[:, 0].tolist() for _ in range(4)] == [[0, 2], [4, 0], [2, 4], [0, 2]]
