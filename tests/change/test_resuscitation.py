"""Algorithm 1 by hand, what it does to models of every layout, and its controls."""

import copy
import hashlib
import math

import numpy as np
import pytest
import torch
from architectures import (
    GATED,
    NEURONS,
    PLAIN,
    SUPPORTED,
    build,
    build_reference,
    draw_tokens,
    make,
)
from torch import nn

import kent
from kent.change.resuscitation import (
    METHODS,
    change_model,
    check_method,
    find_multipliers,
    rescale_inactive,
    resuscitate,
    resuscitate_random,
    shrink_and_perturb,
)
from kent.measure.memory import find_memories

TOKENS = draw_tokens(3, 20)


def draw_coefficients() -> list[torch.Tensor]:
    """Coefficients of two layers, about 0.1 to 10, in float64 as profiles have them."""
    source = torch.Generator().manual_seed(5)
    return [torch.randn(NEURONS, generator=source, dtype=torch.float64).exp() for _ in range(2)]


def measure(model) -> kent.Profile:
    return kent.profile(model, TOKENS, measures=["knowledge"])


def read_logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model(TOKENS).logits


def digest(model) -> str:
    """Hash of a model's weights and of torch's random state."""
    tensors = {**model.state_dict(), "random": torch.get_rng_state()}
    return hashlib.sha256(
        b"".join(
            name.encode() + tensor.double().numpy().tobytes() for name, tensor in tensors.items()
        )
    ).hexdigest()


def find_changes(before, after) -> set[str]:
    """Names of the parameters that differ."""
    weights = dict(after.named_parameters())
    return {
        name for name, weight in before.named_parameters() if not torch.equal(weight, weights[name])
    }


def find_factors(before, after) -> list[torch.Tensor]:
    """What each neuron's key was multiplied by, read off the largest weight of its row, layer by
    layer."""
    factors = []
    for old, new in zip(find_memories(before), find_memories(after), strict=True):
        largest = old.key_rows[0].abs().argmax(dim=1, keepdim=True)
        factors.append(
            (new.key_rows[0].gather(1, largest) / old.key_rows[0].gather(1, largest))
            .flatten()
            .detach()
        )
    return factors


BY_HAND = {
    "interpolated: t = 2.5, mean 3": (50, [4, 1, 3, 1, 2, 1, 8, 4], [1, 3, 1, 3, 1.5, 3, 1, 1]),
    "ties at t = 2, mean 3.2: four of five": (50, [2, 1, 2, 9, 2], [1.6, 3.2, 1.6, 1, 1.6]),
    "ties at the least: t = 1, mean 3, three of eight": (
        25,
        [4, 1, 3, 1, 2, 1, 8, 4],
        [1, 3, 1, 3, 1, 3, 1, 1],
    ),
    "all, t = 8, mean 4": (100, [1, 3, 4, 8], [4, 4 / 3, 1, 0.5]),
    "t = 20, mean 5: one is scaled down": (
        90,
        [1, 20, 1, 1, 1, 1, 1, 1, 1, 1, 26],
        [5, 0.25] + [5] * 8 + [1],
    ),
    "none": (0, [2, 1, 2, 9, 2], [1, 1, 1, 1, 1]),
    "one neuron": (50, [3], [1]),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_algorithm_1_by_hand(name):
    p, coefficients, expected = BY_HAND[name]
    found = find_multipliers([torch.tensor(coefficients, dtype=torch.float64)], p=p)
    torch.testing.assert_close(
        found, [torch.tensor(expected, dtype=torch.float32)], rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("p", [1, 12.5, 50, 77, 90, 99, 100])
@pytest.mark.parametrize("q", [0.5, 1, 3.0])
def test_algorithm_1_against_numpy(p, q):
    for layer, found in zip(
        draw_coefficients(), find_multipliers(draw_coefficients(), p=p, q=q), strict=True
    ):
        values = layer.numpy()
        chosen = values <= np.float32(np.percentile(values.astype("float32"), p)) * (1 + 1e-6)
        expected = np.where(chosen, values.mean() / values * q, 1)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)
        assert (found[torch.tensor(~chosen)] == 1).all()


def test_every_layer_has_its_own_percentile_and_mean():
    one, two = find_multipliers([torch.tensor([1.0, 3.0]), torch.tensor([10.0, 20.0, 60.0])])
    assert one.tolist() == [2, 1]
    assert two.tolist() == [3, 1.5, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"p": 0.5}, "p must be in percent, from 0 to 100: for 0.5 write 50"),
        ({"p": 0.07}, "for 0.07 write 7"),
        ({"p": -1}, "p must be greater than or equal to 0, not -1"),
        ({"p": 100.5}, "p must be less than or equal to 100, not 100.5"),
        ({"p": math.nan}, "p must be .*, not nan"),
        ({"p": "50"}, "p must be a valid number, not '50'"),
        ({"q": 0}, "q must be greater than 0, not 0"),
        ({"q": -1.0}, "q must be greater than 0, not -1.0"),
        ({"q": math.inf}, "q must be a finite number, not inf"),
        ({"q": math.nan}, "q must be a finite number, not nan"),
        ({"q": "1"}, "q must be a valid number, not '1'"),
        ({"q": True}, "q must be a valid number, not True"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        find_multipliers(draw_coefficients(), **settings)


@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan, 1e60])
@pytest.mark.parametrize("p", [0, 50])
def test_coefficients_that_are_no_means_are_refused(value, p):
    coefficients = draw_coefficients()
    coefficients[1][7] = value
    with pytest.raises(
        ValueError, match="coefficients of layer 1 must be finite, not negative, and at least one"
    ):
        find_multipliers(coefficients, p=p)


def test_an_empty_layer_is_refused():
    with pytest.raises(
        ValueError, match="coefficients of layer 0 must be finite, not negative, and at least one"
    ):
        find_multipliers([torch.zeros(0)])


def test_silent_neurons_are_counted_by_layer():
    coefficients = [*draw_coefficients(), torch.zeros(4), torch.ones(3)]
    coefficients[1][:3] = torch.tensor(
        [0.0, 1e-60, 1e-44]
    )  # zero; zero in float32; a multiplier beyond float32
    with pytest.raises(
        ValueError, match=r"not so in layer 1: 3 of 24, layer 2: 4 of 4: measure them on more text"
    ):
        find_multipliers(coefficients)


def test_a_multiplier_that_is_zero_in_float32_is_refused():
    with pytest.raises(ValueError, match="layer 0: 24 of 24, layer 1: 24 of 24"):
        find_multipliers(draw_coefficients(), q=1e-60)


@pytest.mark.parametrize("name", SUPPORTED)
def test_keys_alone_are_multiplied(name):
    """Rows of the up-projection and its biases: not the gate, and of Phi-3's fused projection only
    the keys' half."""
    model, coefficients = build(name), draw_coefficients()
    before = digest(model)
    changed = resuscitate(model, coefficients, p=90, q=2)
    assert digest(model) == before
    expected = {}
    for layer, factors in enumerate(find_multipliers(coefficients, p=90, q=2)):
        keys = find_memories(model)[layer].keys
        path = next(path for path, module in model.named_modules() if module is keys)
        if name == "Phi-3":
            factors = torch.cat([torch.ones(NEURONS), factors])
        expected[f"{path}.weight"] = keys.weight * (
            factors if name == "GPT-2" else factors[:, None]
        )
        if keys.bias is not None:
            expected[f"{path}.bias"] = keys.bias * factors
    biased = {"Llama", *PLAIN} - {"Apertus"}
    assert any(path.endswith("bias") for path in expected) == (name in biased)
    assert find_changes(model, changed) == set(expected)
    for path, weight in expected.items():
        assert torch.equal(changed.get_parameter(path), weight)


@pytest.mark.parametrize(
    ("name", "q"), [(name, 2.0) for name in GATED] + [("OLMo", 0.5), ("OLMo", 1.0)]
)
def test_chosen_neurons_land_on_the_mean(name, q):
    """Measured again, in the first layer: what its keys read has not changed."""
    model = build(name)
    coefficients = measure(model).coefficients
    found = measure(resuscitate(model, coefficients, q=q)).coefficients[0]
    chosen = coefficients[0] <= coefficients[0].median()
    assert chosen.sum() == NEURONS / 2
    torch.testing.assert_close(
        found[chosen], q * coefficients[0].mean().expand(NEURONS // 2), rtol=1e-4, atol=0
    )
    assert torch.equal(found[~chosen], coefficients[0][~chosen])


@pytest.mark.parametrize("name", ["Llama", "Phi-3", "GPT-2"])
def test_p_0_changes_nothing(name):
    for method in (resuscitate, resuscitate_random):
        model = copy.deepcopy(build(name)).bfloat16()
        changed = method(model, draw_coefficients(), p=0, q=3)
        assert not find_changes(model, changed)
        assert changed is not model
        assert not {each.data_ptr() for each in model.parameters()} & {
            each.data_ptr() for each in changed.parameters()
        }


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["Llama", "Phi-3", "GPT-2"])
def test_lower_precision_is_rounded_once(name, dtype):
    """Rounding the multiplier first, as bf16 times bf16 would, gives other weights."""
    model = copy.deepcopy(build(name)).to(dtype)
    changed = resuscitate(model, draw_coefficients(), q=3)
    factors = find_multipliers(draw_coefficients(), q=3)
    differences = 0
    for old, new, factor in zip(find_memories(model), find_memories(changed), factors, strict=True):
        row, found = old.key_rows[0], new.key_rows[0]
        assert torch.equal(found, (row.double() * factor.double()[:, None]).float().to(dtype))
        differences += (found != row * factor.to(dtype)[:, None]).sum()
    assert differences > 0


def test_float64_stays_float64():
    changed = resuscitate(build_reference("OLMo"), draw_coefficients())
    assert {each.dtype for each in changed.parameters()} == {torch.float64}


def test_a_product_beyond_float16_is_refused():
    model = copy.deepcopy(build("OLMo")).half()
    with pytest.raises(ValueError, match=r"a scaled weight is not a finite torch\.float16"):
        resuscitate(model, draw_coefficients(), q=1e6)


@pytest.mark.parametrize("method", [resuscitate, resuscitate_random, rescale_inactive])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda layers: layers[:1], "coefficients for 1 layers: the model has 2"),
        (lambda layers: [*layers, layers[0]], "coefficients for 3 layers: the model has 2"),
        (
            lambda layers: [layers[0], layers[1][1:]],
            r"coefficients of layer 1 have shape \[47\], not \[48\]",
        ),
        (
            lambda layers: [layers[0][None], layers[1]],
            r"coefficients of layer 0 have shape \[1, 48\], not \[48\]",
        ),
    ],
)
def test_coefficients_of_another_model_are_refused(method, change, message):
    with pytest.raises(ValueError, match=message):
        method(build("OLMo"), change(draw_coefficients()))


@pytest.mark.parametrize("method", [resuscitate, resuscitate_random, rescale_inactive])
def test_a_projection_that_layers_share_is_refused(method):
    model = make("Llama")
    model.model.layers[1].mlp.up_proj.weight = model.model.layers[0].mlp.up_proj.weight
    shared = r"layers\.0\.mlp\.up_proj\.weight and model\.layers\.1\.mlp\.up_proj\.weight are one"
    with pytest.raises(ValueError, match=shared):
        method(model, draw_coefficients())


@pytest.mark.parametrize("method", [resuscitate, resuscitate_random, rescale_inactive])
def test_quantised_keys_are_refused(method):
    model = make("OLMo")
    packed = torch.ones(NEURONS, 32, dtype=torch.int8)
    model.model.layers[1].mlp.up_proj.weight = nn.Parameter(packed, requires_grad=False)
    with pytest.raises(
        ValueError, match=r"layer 1 is stored as torch\.int8: only floating-point weights"
    ):
        method(model, draw_coefficients())


@pytest.mark.parametrize("name", ["OLMo", "Phi-3", "GPT-2"])
def test_random_moves_the_same_multipliers_elsewhere(name):
    model, coefficients = build(name), draw_coefficients()
    before = digest(model)
    expected = find_factors(model, resuscitate(model, coefficients))
    found = {
        seed: find_factors(model, resuscitate_random(model, coefficients, seed=seed))
        for seed in (0, 1)
    }
    assert digest(model) == before
    for layer in range(2):
        for seed in (0, 1):
            torch.testing.assert_close(
                found[seed][layer].sort().values, expected[layer].sort().values
            )
            assert not torch.allclose(found[seed][layer], expected[layer])
        assert not torch.allclose(found[0][layer], found[1][layer])
    assert not torch.equal(found[0][0].argsort(), found[0][1].argsort())
    again = resuscitate_random(model, coefficients, seed=1)
    assert not find_changes(again, resuscitate_random(model, coefficients, seed=1))
    assert find_changes(model, again) == find_changes(model, resuscitate(model, coefficients))


@pytest.mark.parametrize("name", ["OLMo", "OLMo 2", "Llama", "Gemma 2", "Phi-3"])
def test_rescaling_raises_entropy_and_keeps_the_function(name):
    model = build(name)
    before = measure(model)
    rescaled = rescale_inactive(model, before.coefficients)
    found, method = measure(rescaled), measure(resuscitate(model, before.coefficients))
    torch.testing.assert_close(
        found.knowledge_entropy_by_layer[0], method.knowledge_entropy_by_layer[0], rtol=0, atol=1e-6
    )
    assert (found.knowledge_entropy_by_layer > before.knowledge_entropy_by_layer).all()
    assert found.contribution_entropy == pytest.approx(before.contribution_entropy, abs=1e-6)
    logits = read_logits(model)
    largest = logits.abs().max().item()
    torch.testing.assert_close(
        read_logits(rescaled), logits, rtol=0, atol=3e-6 * largest
    )  # 24 bits, soft-caps
    exact = build_reference(name)
    found = read_logits(rescale_inactive(exact, before.coefficients))
    torch.testing.assert_close(found, read_logits(exact), rtol=0, atol=1e-12 * largest)


@pytest.mark.parametrize("name", PLAIN)
def test_plain_models_have_no_rescaling(name):
    with pytest.raises(ValueError, match="is plain: an activation follows its keys"):
        rescale_inactive(build(name), draw_coefficients())


@pytest.mark.parametrize("name", SUPPORTED)
def test_shrink_and_perturb_by_hand(name):
    model = build(name)
    before = digest(model)
    changed = shrink_and_perturb(model, shrink=0.4, perturb=0.1, seed=3)
    assert digest(model) == before
    torch.manual_seed(3)
    fresh = type(model)(copy.deepcopy(model.config)).state_dict()
    for path, weight in model.named_parameters():
        expected = 0.4 * weight.detach().double().numpy() + 0.1 * fresh[path].double().numpy()
        np.testing.assert_allclose(
            changed.get_parameter(path).detach().numpy(), expected, rtol=1e-5, atol=1e-7
        )


def test_shrink_and_perturb_at_its_ends():
    """(1, 0) is the model, (0, 1) an untrained one: as the authors' README says."""
    model = build("Llama")
    assert not find_changes(model, shrink_and_perturb(model, shrink=1, perturb=0))
    fresh = shrink_and_perturb(model, shrink=0, perturb=1)
    assert fresh.model.embed_tokens.weight.std().item() == pytest.approx(
        model.config.initializer_range, rel=0.05
    )
    assert (fresh.model.norm.weight == 1).all()
    assert find_changes(fresh, shrink_and_perturb(model, shrink=0, perturb=1, seed=1))
    assert not find_changes(fresh, shrink_and_perturb(model, shrink=0, perturb=1))


def test_the_defaults_of_shrink_and_perturb_are_the_authors():
    model = build("OLMo 2")
    assert not find_changes(
        shrink_and_perturb(model, shrink=0.4, perturb=0.1, seed=0),
        change_model(model, draw_coefficients(), method="shrink"),
    )


def test_shrink_and_perturb_rounds_once():
    model = copy.deepcopy(build("Llama")).bfloat16()
    changed = shrink_and_perturb(model)
    exact = shrink_and_perturb(copy.deepcopy(model).float())
    for path, weight in exact.named_parameters():
        assert torch.equal(changed.get_parameter(path), weight.bfloat16())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("shrink", -0.1),
        ("shrink", 1.1),
        ("shrink", math.nan),
        ("perturb", -0.1),
        ("perturb", math.inf),
    ],
)
def test_shrink_and_perturb_out_of_range_is_refused(setting, value):
    with pytest.raises(ValueError, match=f"{setting} must be .*, not {value}"):
        shrink_and_perturb(build("OLMo"), **{setting: value})


def test_a_model_that_its_configuration_does_not_make_is_refused():
    grown, resized, packed = (make("OLMo") for _ in range(3))
    grown.model.layers[0].adapter = nn.Linear(2, 3)
    resized.lm_head = nn.Linear(32, 5, bias=False)
    packed.lm_head.weight = nn.Parameter(torch.ones(211, 32, dtype=torch.int8), requires_grad=False)
    for model, message in [
        (grown, r"OlmoForCausalLM's configuration makes no model\.layers\.0\.adapter\.bias"),
        (
            resized,
            r"s lm_head\.weight of shape \[211, 32\], and .* lm_head\.weight of shape \[5, 32\]",
        ),
        (packed, "needs an unquantised model"),
    ]:
        with pytest.raises(ValueError, match=message):
            shrink_and_perturb(model)


CASES = [
    (method, name, dtype)
    for method in METHODS
    for name, dtype in [
        ("Llama", torch.bfloat16),
        ("Phi-3", torch.float32),
        ("GPT-2", torch.float32),
    ]
    if (method, name) != ("rescale", "GPT-2")
]


@pytest.mark.parametrize(("method", "name", "dtype"), CASES)
def test_results_save_and_load(method, name, dtype, tmp_path):
    """With tied embeddings, which must be one parameter still."""
    make(name, tie_word_embeddings=True).save_pretrained(tmp_path / "before")
    model = type(build(name)).from_pretrained(tmp_path / "before", dtype=dtype)
    changed = change_model(model, draw_coefficients(), method=method)
    assert find_changes(model, changed)
    changed.save_pretrained(tmp_path / "after")
    loaded = type(model).from_pretrained(tmp_path / "after", dtype="auto")
    for each in (changed, loaded):
        assert each.get_input_embeddings().weight is each.get_output_embeddings().weight
        assert each.dtype == dtype
    assert not find_changes(changed, loaded)
    assert torch.equal(read_logits(loaded), read_logits(changed))


@pytest.mark.parametrize("method", METHODS)
def test_the_original_its_mode_and_the_random_state_stay(method):
    model, coefficients = make("OLMo 2"), draw_coefficients()
    model.train()
    before = digest(model)
    changed = change_model(model, coefficients, method=method)
    assert digest(model) == before
    assert all(map(torch.equal, coefficients, draw_coefficients()))
    assert changed.training
    assert all(each.requires_grad for each in changed.parameters())
    assert vars(model.config) == vars(changed.config)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"method": "enlarge"},
            "changed by resuscitate, random, rescale, shrink, not by 'enlarge'",
        ),
        ({"method": "rescale", "seed": 1}, "rescale has no seed; it has p, q"),
        ({"method": "random", "p": 0.5}, "for 0.5 write 50"),
        ({"method": "resuscitate", "q": 0}, "q must be greater than 0, not 0"),
        ({"method": "resuscitate", "p": "5"}, "p must be a valid number, not '5'"),
    ],
)
def test_a_method_and_its_settings_are_checked_without_a_model(settings, message):
    with pytest.raises(ValueError, match=message):
        check_method(**settings)
    with pytest.raises(ValueError, match=message):
        change_model(make("OLMo"), draw_coefficients(), **settings)
