"""`kent.profile` against float64 numpy by hand, against eager attention and full logits on every
architecture, and that it leaves the model as it found it."""

import copy
import json
import math
import weakref
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from architectures import (
    GATED,
    HEADS,
    NEURONS,
    PLAIN,
    REFUSED,
    SUPPORTED,
    VOCABULARY,
    build,
    build_reference,
    draw_tokens,
    make,
)
from reference import run_neox, run_olmo, shannon, softmax
from safetensors.torch import save_file
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AttentionInterface, BartConfig, BartForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward

import kent
from kent.measure.attention import _listener
from kent.measure.entropy import gini
from kent.measure.familiarity import Familiarity
from kent.measure.memory import find_memories

LENGTH = (
    150  # more than one block of 128 queries, no multiple of it, longer than the sliding windows
)


@pytest.fixture(scope="module", params=SUPPORTED)
def name(request):
    return request.param


def read_eagerly(name: str, tokens: torch.Tensor) -> dict[str, list]:
    """Attention entropy by layer, next-token entropy and loss of each unpadded instance, from the
    whole attention matrices and the whole logits in float64."""
    with torch.no_grad():
        seen = build_reference(name)(tokens, output_attentions=True)
    logarithm = seen.logits.double().log_softmax(dim=-1)
    rows = [
        torch.special.entr(weights.double()).sum(dim=-1).mean(dim=(1, 2))
        for weights in seen.attentions
    ]
    return {
        "attention": torch.stack(rows, dim=1),
        "token": -(logarithm.exp() * logarithm).sum(dim=-1).mean(dim=1),
        "loss": -logarithm[:, :-1].gather(2, tokens[:, 1:, None]).mean(dim=(1, 2)),
    }


def list_numbers(profile: kent.Profile) -> torch.Tensor:
    """Everything a profile measured, in one vector."""
    tokens = torch.tensor([profile.next_token_entropy, profile.loss], dtype=torch.float64)
    layers = (profile.knowledge_entropy_by_layer, profile.attention_entropy_by_layer)
    return torch.cat([*profile.coefficients, *layers, tokens])


def assert_close(found: kent.Profile, expected: kent.Profile, tolerance: float = 1e-6) -> None:
    torch.testing.assert_close(list_numbers(found), list_numbers(expected), rtol=tolerance, atol=0)


# By hand


@pytest.mark.parametrize(("name", "run"), [("OLMo", run_olmo), ("GPT-NeoX", run_neox)])
def test_every_quantity_against_numpy(name, run):
    tokens = draw_tokens(5, LENGTH)
    runs = [run(build(name), row) for row in tokens.numpy()]
    profile = kent.profile(build(name), tokens, batch_size=2)

    total = 0
    for layer in range(2):
        expected = np.mean(
            [np.abs(coefficients[layer]).mean(axis=0) for coefficients, _, _ in runs], axis=0
        )
        np.testing.assert_allclose(profile.coefficients[layer], expected, rtol=2e-5)
        total += shannon(expected / expected.sum())
    assert profile.knowledge_entropy == pytest.approx(total, rel=1e-7)
    assert profile.entropy_bound == pytest.approx(2 * math.log(NEURONS))

    attention = np.mean([entropies for _, entropies, _ in runs], axis=0)
    np.testing.assert_allclose(profile.attention_entropy_by_layer, attention, rtol=1e-6)
    assert profile.attention_entropy == pytest.approx(attention.sum(), rel=1e-6)

    chances = [softmax(logits) for _, _, logits in runs]
    assert profile.next_token_entropy == pytest.approx(
        np.mean([shannon(rows) for rows in chances]), rel=1e-6
    )
    losses = [
        -np.log(rows[np.arange(LENGTH - 1), row[1:]])
        for rows, row in zip(chances, tokens, strict=True)
    ]
    assert profile.loss == pytest.approx(np.mean(losses), rel=1e-6)


@pytest.mark.parametrize("name", GATED)
def test_relu_variant_from_the_models_own_projections(name):
    model, tokens, outputs = build(name), draw_tokens(3, 20), {}
    memories = find_memories(model)
    handles = [
        module.register_forward_hook(
            lambda _, inputs, output, key=(layer, role): outputs.__setitem__(key, output)
        )
        for layer, memory in enumerate(memories)
        for role, module in (("gate", memory.gate), ("keys", memory.keys))
    ]
    with torch.no_grad():
        model(tokens)
    [handle.remove() for handle in handles]
    profile = kent.profile(model, tokens, measures=["knowledge"], activation="relu")
    for layer in range(2):
        gate, keys = (outputs[layer, role].double().numpy() for role in ("gate", "keys"))
        if name == "Phi-3":
            gate, keys = gate[..., :NEURONS], keys[..., NEURONS:]
        expected = np.maximum(np.maximum(gate, 0) * keys, 0).mean(axis=(0, 1))
        np.testing.assert_allclose(profile.coefficients[layer], expected, rtol=1e-5)


# Against eager attention and full logits


def test_entropies_and_loss_against_whole_matrices(name):
    tokens = draw_tokens(5, LENGTH)
    expected = read_eagerly(name, tokens)
    profile = kent.profile(build(name), tokens, batch_size=2)
    assert expected["attention"].max() < 0.95 * math.log(LENGTH), "too uniform to tell a wrong mask"
    torch.testing.assert_close(
        profile.attention_entropy_by_layer, expected["attention"].mean(dim=0), rtol=1e-5, atol=0
    )
    assert profile.next_token_entropy == pytest.approx(expected["token"].mean().item(), rel=1e-5)
    assert profile.loss == pytest.approx(expected["loss"].mean().item(), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "side"),
    [(name, "both") for name in SUPPORTED]
    + [(name, side) for name in ("Mistral", "Gemma 2", "OPT") for side in ("left", "right")],
)
def test_padding_never_enters(name, side):
    lengths, longest = (LENGTH, 7, 60), LENGTH + 3
    tokens = draw_tokens(len(lengths), longest, seed=3)
    mask = torch.zeros_like(tokens)
    alone = []
    for row, length in enumerate(lengths):
        spare = longest - length
        start = {"left": spare, "right": 0, "both": spare // 2}[side]
        mask[row, start : start + length] = 1
        alone.append(tokens[row : row + 1, start : start + length])
    padded = kent.profile(build(name), tokens, attention_mask=mask, batch_size=2)

    eager = [read_eagerly(name, single) for single in alone]
    singles = [kent.profile(build(name), single, measures=["knowledge"]) for single in alone]
    for layer in range(2):
        expected = torch.stack([single.coefficients[layer] for single in singles]).mean(dim=0)
        torch.testing.assert_close(padded.coefficients[layer], expected, rtol=2e-5, atol=1e-8)
    attention = torch.cat([values["attention"] for values in eager]).mean(dim=0)
    torch.testing.assert_close(padded.attention_entropy_by_layer, attention, rtol=1e-5, atol=0)
    assert padded.next_token_entropy == pytest.approx(
        torch.cat([v["token"] for v in eager]).mean().item(), rel=1e-5
    )
    assert padded.loss == pytest.approx(
        torch.cat([v["loss"] for v in eager]).mean().item(), rel=1e-5
    )


def test_what_stands_in_the_padding_does_not_matter():
    tokens, mask = draw_tokens(4, 30), torch.ones(4, 30, dtype=torch.bool)
    mask[:, :9] = False
    other = torch.where(mask, tokens, 5)
    assert_close(
        *(kent.profile(build("Mistral"), each, attention_mask=mask) for each in (tokens, other))
    )


def test_a_mask_of_ones_changes_nothing(name):
    tokens = draw_tokens(2, 20)
    plain = kent.profile(build(name), tokens)
    assert_close(
        kent.profile(build(name), tokens, attention_mask=torch.ones_like(tokens)),
        plain,
        tolerance=0,
    )


@pytest.mark.parametrize(
    "changes", [{"attn_logit_softcapping": None}, {"final_logit_softcapping": None}]
)
def test_soft_caps_count(changes):
    tokens = draw_tokens(2, 20)
    capped, free = (
        kent.profile(model, tokens) for model in (build("Gemma 2"), make("Gemma 2", **changes))
    )
    measured = "attention_entropy" if "attn_logit_softcapping" in changes else "next_token_entropy"
    assert getattr(free, measured) < 0.99 * getattr(capped, measured)


def test_bfloat16_stays_near_float32():
    tokens = draw_tokens(4, LENGTH)
    exact = kent.profile(build("Llama"), tokens)
    rough = kent.profile(copy.deepcopy(build("Llama")).bfloat16(), tokens)
    assert rough.provenance["dtype"] == "bfloat16"
    assert rough.coefficients[0].dtype == torch.float64
    assert rough.knowledge_entropy == pytest.approx(exact.knowledge_entropy, rel=1e-3)
    assert rough.attention_entropy == pytest.approx(exact.attention_entropy, rel=1e-2)
    assert rough.next_token_entropy == pytest.approx(exact.next_token_entropy, rel=1e-2)


# Batches, order, choice of measures


def test_size_of_batches_and_order_of_instances_change_nothing(name):
    tokens = draw_tokens(11, 40)
    expected = kent.profile(build(name), tokens)
    assert_close(kent.profile(build(name), tokens, batch_size=3), expected)
    assert_close(kent.profile(build(name), tokens.flip(0), batch_size=5), expected)


@pytest.mark.parametrize("name", ["Llama", "Gemma 2", "OPT"])
def test_a_batch_may_be_one_sequence(name):
    tokens = draw_tokens(5, 40)
    alone = kent.profile(build(name), tokens, batch_size=1)
    assert_close(alone, kent.profile(build(name), tokens))


def test_instances_of_unequal_length_weigh_alike():
    tokens = draw_tokens(2, 40)
    mask = torch.ones_like(tokens)
    mask[0, 4:] = 0
    profiles = [kent.profile(build("Llama"), row) for row in (tokens[:1, :4], tokens[1:])]
    both = kent.profile(build("Llama"), tokens, attention_mask=mask)
    assert both.loss == pytest.approx(sum(each.loss for each in profiles) / 2, rel=1e-6)
    mean = (profiles[0].coefficients[0] + profiles[1].coefficients[0]) / 2
    torch.testing.assert_close(both.coefficients[0], mean, rtol=1e-5, atol=0)


VALUES = {
    "knowledge": ("knowledge_entropy", "coefficients", "standard_error", "entropy_bound"),
    "attention": ("attention_entropy", "attention_entropy_by_layer"),
    "token": ("next_token_entropy", "loss"),
}


def test_each_measure_alone(name):
    tokens = draw_tokens(3, 20)
    together = kent.profile(build(name), tokens)
    for measure in VALUES:
        alone = kent.profile(build(name), tokens, measures=[measure])
        for owner, each in [(owner, each) for owner, names in VALUES.items() for each in names]:
            if owner != measure:
                assert getattr(alone, each) is None
            elif each not in ("coefficients", "attention_entropy_by_layer"):
                # an error is a small difference of large numbers
                tolerance = 1e-4 if each == "standard_error" else 1e-6
                assert getattr(alone, each) == pytest.approx(getattr(together, each), rel=tolerance)


@pytest.mark.parametrize("measures", [["knowledge"], ["attention"], ["knowledge", "attention"]])
def test_vocabulary_projection_is_skipped_unless_asked_for(measures):
    model, calls = build("OLMo"), []
    handle = model.get_output_embeddings().register_forward_hook(lambda *_: calls.append(1))
    kent.profile(model, draw_tokens(2, 8), measures=measures)
    assert not calls
    kent.profile(model, draw_tokens(2, 8), measures=["token"])
    assert calls
    handle.remove()


# Errors of the mean


@pytest.fixture(scope="module")
def singles() -> list[kent.Profile]:
    """Sixteen sequences, each measured alone."""
    return [kent.profile(build("OLMo"), row[None]) for row in draw_tokens(16, 12)]


def test_standard_error_is_the_delete_one_jackknife(singles):
    means = np.stack([single.coefficients[1].numpy() for single in singles])

    def entropy_without(instance: int) -> float:
        left = np.delete(means, instance, axis=0).mean(axis=0)
        return shannon(left / left.sum())

    left_out = np.array([entropy_without(instance) for instance in range(16)])
    expected = np.sqrt(15 / 16 * np.square(left_out - left_out.mean()).sum())
    profile = kent.profile(build("OLMo"), draw_tokens(16, 12))
    assert profile.standard_error_by_layer[1].item() == pytest.approx(expected, rel=1e-4)


def test_standard_errors_of_the_other_measures(singles):
    profile = kent.profile(build("OLMo"), draw_tokens(16, 12))
    for measure, attribute in {
        "attention": "attention_entropy",
        "token": "next_token_entropy",
        "loss": "loss",
    }.items():
        expected = np.std([getattr(single, attribute) for single in singles], ddof=1) / 4
        assert profile.estimate(measure)[1] == pytest.approx(expected, rel=1e-4)


def test_standard_error_of_what_was_not_measured_is_refused():
    profile = kent.profile(build("OLMo"), draw_tokens(3, 8), measures=["knowledge"])
    for measure in ("attention", "token", "loss", "temperature"):
        with pytest.raises(ValueError, match=f"'{measure}' was not measured"):
            profile.estimate(measure)


def test_contribution_entropy_weighs_coefficients_by_the_norms_of_their_memory_vectors():
    for name in ("OLMo", "GPT-2"):
        profile = kent.profile(build(name), draw_tokens(4, 8), measures=["knowledge"])
        expected = 0
        for layer, memory in enumerate(find_memories(build(name))):
            vectors = memory.values.weight.detach().numpy().astype(np.float64)
            norms = np.linalg.norm(vectors if name == "GPT-2" else vectors.T, axis=1)
            share = profile.coefficients[layer].numpy() * norms
            share /= share.sum()
            expected -= (share * np.log(share)).sum()
        assert profile.contribution_entropy == pytest.approx(expected, rel=1e-6)
        assert profile.estimate("contribution")[1] > 0


def test_measures_of_concentration_are_means_over_layers():
    profile = kent.profile(build("OLMo"), draw_tokens(4, 8), measures=["knowledge"])
    value, error = profile.estimate("Gini")
    assert (
        value == pytest.approx(np.mean([gini(layer) for layer in profile.coefficients]))
        and error > 0
    )
    assert profile.by_layer("Gini")[0].mean().item() == pytest.approx(value)


@pytest.mark.parametrize("measure", ["knowledge", "contribution", "Gini"])
def test_a_layer_whose_coefficients_are_all_zero_is_named(measure):
    blocks, norms = [torch.ones(2, 4), torch.zeros(2, 4)], [torch.ones(4)] * 2
    with pytest.raises(ValueError, match="layer 1: coefficients are all zero"):
        kent.Profile(torch.tensor([1, 1]), blocks, norms).estimate(measure)


def test_one_instance_has_no_error():
    assert math.isnan(kent.profile(build("OLMo"), draw_tokens(1, 8)).standard_error)


def test_change_since_keeps_what_is_shared_out_of_the_error():
    tokens, later = draw_tokens(32, 12), copy.deepcopy(build("OLMo"))
    for parameter in later.parameters():
        parameter.data *= 1.01
    before, after = kent.profile(build("OLMo"), tokens), kent.profile(later, tokens)
    change, error = after.change_since(before)
    assert change == pytest.approx(after.knowledge_entropy - before.knowledge_entropy)
    assert 0 < error < 0.2 * after.standard_error
    assert before.change_since(before) == (0, 0)


def measure(
    name: str, count: int = 4, length: int = 8, seed: int = 0, padded: int = 0, **options
) -> kent.Profile:
    mask = torch.ones(count, length, dtype=torch.bool)
    mask[0, :padded] = False
    changes = options.pop("changes", {})
    model = make(name, **changes) if changes else build(name)
    return kent.profile(model, draw_tokens(count, length, seed), attention_mask=mask, **options)


@pytest.mark.parametrize(
    ("other", "what", "message"),
    [
        ({"count": 3}, "knowledge", "different numbers of sequences"),
        ({"length": 9}, "knowledge", "sequences of another length: length 9 and 8"),
        ({"seed": 1}, "loss", "other tokens"),
        ({"padded": 2}, "attention", "other masks: tokens 30 and 32"),
        ({"activation": "relu"}, "knowledge", "another activation: activation relu and abs"),
        ({"activation": "relu"}, "Gini", "another activation"),
        (
            {"changes": {"num_hidden_layers": 3}},
            "knowledge",
            r"another size: layers of \[48, 48, 48\] and \[48, 48\]",
        ),
        (
            {"changes": {"num_hidden_layers": 3}},
            "attention",
            r"another size: layers of \[1, 1, 1\] and \[1, 1\]",
        ),
        (
            {"changes": {"intermediate_size": 40}},
            "contribution",
            r"another size: layers of \[40, 40\] and \[48, 48\]",
        ),
        ({"measures": ["token"]}, "knowledge", "'knowledge' was not measured"),
        ({}, "temperature", "'temperature' was not measured"),
    ],
)
def test_what_is_not_comparable_is_refused(other, what, message):
    earlier, later = measure("OLMo", **other), measure("OLMo")
    with pytest.raises(ValueError, match=message):
        later.change_since(earlier, what)


def test_masks_of_the_same_size_are_told_apart():
    mask = torch.ones(2, 8, dtype=torch.bool)
    mask[0, 0] = False
    first, second = (
        kent.profile(build("OLMo"), draw_tokens(2, 8), attention_mask=each)
        for each in (mask, mask.flip(1))
    )
    with pytest.raises(ValueError, match="other tokens"):
        second.change_since(first)


def test_what_an_activation_does_not_touch_is_comparable():
    earlier, later = measure("OLMo", activation="relu"), measure("OLMo")
    assert later.change_since(earlier, "loss") == (0, 0)


def test_profiles_that_do_not_say_what_they_measured_are_taken_at_their_word():
    first, second = (replace(measure("OLMo", seed=seed), provenance={}) for seed in (0, 1))
    change, _ = second.change_since(first)
    assert change == pytest.approx(second.knowledge_entropy - first.knowledge_entropy)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"earlier": 7.5}, "earlier must be an instance of Profile, not 7.5"),
        ({"measure": None}, "measure must be a valid string, not None"),
        ({"weights": [1.0]}, "weights are 1, one for each of 2 layers are needed"),
        ({"weights": ["1", "2"]}, "weights must be a valid number"),
    ],
)
def test_bad_arguments_of_a_change_are_named(arguments, message):
    profile = measure("OLMo")
    with pytest.raises(ValueError, match=message):
        profile.change_since(**({"earlier": profile} | arguments))


# The model is left as found


class Broken(RuntimeError):
    """Raised on purpose inside the forward pass."""


def describe_state(model) -> list:
    """Hooks, training flags, attention implementation, gradients and weights of every part."""
    parts = []
    for path, module in model.named_modules():
        hooks = [len(module._forward_hooks), len(module._forward_pre_hooks), module.training]
        config = getattr(module, "config", None)
        parts.append((path, *hooks, getattr(config, "_attn_implementation", None)))
    weights = [
        (path, p.requires_grad, p.grad is None, p.double().sum().item())
        for path, p in model.named_parameters()
    ]
    return [parts, weights, torch.is_grad_enabled()]


def unsettle(name: str):
    """A model that is half in training mode and has some frozen weights, so that a careless
    clean-up shows."""
    model = make(name).train()
    find_memories(model)[1].values.eval()
    next(model.parameters()).requires_grad_(False)
    return model


@pytest.mark.parametrize(
    ("name", "eager", "fails"),
    [(name, eager, eager) for name in SUPPORTED for eager in (False, True)]
    + [(name, eager, not eager) for name in ("OLMo", "OPT") for eager in (False, True)],
)
def test_the_model_is_left_as_found(name, eager, fails):
    """By the default attention, and with an exception by the eager one; two models by all four."""
    model, tokens = unsettle(name), draw_tokens(2, 9)
    if eager:
        model.set_attn_implementation("eager")

    def interrupt(_, inputs) -> None:
        in_trial = (
            inputs[0].shape[:-1].numel() < tokens.numel()
        )  # of the vocabulary projection, on two tokens
        if fails and not in_trial:
            raise Broken

    find_memories(model)[1].keys.register_forward_pre_hook(interrupt)
    before = describe_state(model)
    with pytest.raises(Broken) if fails else nullcontext():
        kent.profile(model, tokens, activation="relu" if eager and name in GATED else "abs")
    assert describe_state(model) == before and _listener.get() is None


def test_logits_are_the_same_to_the_bit_afterwards(name):
    model, tokens = build(name), draw_tokens(2, 50)
    with torch.no_grad():
        before = model(tokens).logits
        kent.profile(model, tokens)
        assert torch.equal(model(tokens).logits, before)


def test_measuring_does_not_change_what_the_model_computes(name):
    """The hidden states under kent's attention are those of the model's own."""
    model, tokens, seen = build(name), draw_tokens(2, LENGTH), []
    handle = find_memories(model)[1].values.register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0].clone())
    )
    with torch.no_grad():
        model(tokens)
    kent.profile(model, tokens, measures=["attention"])
    handle.remove()
    torch.testing.assert_close(seen[1].flatten(0, -2), seen[0].flatten(0, -2), rtol=1e-4, atol=1e-5)


# Memory


class Recorder(TorchDispatchMode):
    """Records the shapes of all floating tensors made, and how many activations of a feed-forward
    network live at once."""

    def __init__(self, rows: int):
        super().__init__()
        self.shapes, self.rows, self.alive, self.most = set(), rows, {}, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
                self.shapes.add(tuple(tensor.shape))
                if tensor.numel() == self.rows * NEURONS:
                    storage = tensor.untyped_storage().data_ptr()
                    self.alive[id(tensor)] = (weakref.ref(tensor), storage)
        self.alive = {
            key: (kept, storage)
            for key, (kept, storage) in self.alive.items()
            if kept() is not None
        }
        self.most = max(self.most, len({storage for _, storage in self.alive.values()}))
        return made

    def has_attention(self, batch: int, length: int) -> bool:
        """Whether a [batch, heads, length, length] tensor of floats was made, in whatever shape."""
        return any(math.prod(shape) >= batch * HEADS * length * length for shape in self.shapes)

    def count_logits(self) -> int:
        """The most positions projected onto the vocabulary at once."""
        rows = [math.prod(shape[:-1]) for shape in self.shapes if shape and shape[-1] == VOCABULARY]
        return max(rows, default=0)


@pytest.mark.parametrize(
    ("name", "padded"),
    [(name, False) for name in SUPPORTED]
    + [(name, True) for name in ("Mistral", "Gemma 2", "OPT")],
)
def test_no_attention_matrix_and_no_logits_are_held(name, padded):
    batch, length = 2, 300
    tokens = draw_tokens(batch, length)
    mask = torch.ones_like(tokens)
    mask[0, :5] = 0
    with Recorder(batch * length) as recorder:
        kent.profile(build(name), tokens, attention_mask=mask if padded else None, batch_size=batch)
    assert not recorder.has_attention(batch, length)
    assert 0 < recorder.count_logits() <= 256


def test_the_recorder_sees_eager_attention_and_full_logits():
    with torch.no_grad(), Recorder(600) as recorder:
        build_reference("Llama")(draw_tokens(2, 300))
    assert recorder.has_attention(2, 300)
    assert recorder.count_logits() == 600


@pytest.mark.parametrize(
    ("name", "activation"), [("OLMo", "abs"), ("OLMo", "relu"), ("Phi-3", "relu"), ("OPT", "abs")]
)
def test_activations_of_one_layer_at_a_time(name, activation):
    most = []
    for layers in (2, 6):
        model = make(name, num_hidden_layers=layers)
        with Recorder(2 * 50) as recorder:
            kent.profile(model, draw_tokens(2, 50), activation=activation, measures=["knowledge"])
        most.append(recorder.most)
    assert 0 < most[0] == most[1]


# Bad input


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sequences": torch.zeros(3, dtype=torch.long)}, r"token ids \[n, length\]"),
        ({"sequences": torch.zeros(0, 4, dtype=torch.long)}, r"token ids \[n, length\]"),
        ({"sequences": torch.zeros(4, 0, dtype=torch.long)}, r"token ids \[n, length\]"),
        ({"sequences": torch.zeros(2, 4)}, "integer token ids .* torch.float32"),
        ({"sequences": torch.zeros(2, 4, dtype=torch.bool)}, "integer token ids .* torch.bool"),
        (
            {"sequences": torch.full((2, 4), VOCABULARY)},
            f"0 to {VOCABULARY - 1}: .*another model's tokenizer",
        ),
        ({"sequences": torch.full((2, 4), -100)}, f"0 to {VOCABULARY - 1}"),
        ({"sequences": torch.zeros(2, 1, dtype=torch.long)}, "instance 0 has no next token"),
        (
            {"attention_mask": torch.ones(2, 5)},
            r"attention_mask has shape \[2, 5\], sequences \[2, 4\]",
        ),
        ({"attention_mask": torch.full((2, 4), 2)}, "1 for a real token"),
        ({"attention_mask": torch.full((2, 4), -10000.0)}, "1 for a real token"),
        (
            {"attention_mask": torch.tensor([[1, 1, 1, 1], [0, 0, 0, 0]])},
            "instance 1 has no real token",
        ),
        (
            {"attention_mask": torch.tensor([[1, 1, 1, 1], [0, 0, 0, 1]])},
            "instance 1 has no next token",
        ),
        (
            {"sequences": [[3, 4, 5]]},
            r"sequences must be an instance of Tensor, not \[\[3, 4, 5\]\]",
        ),
        ({"attention_mask": [[1, 1], [1, 1]]}, "attention_mask must be an instance of Tensor"),
        ({"measures": []}, r"measures must be .*at least 1 item.*, not \[\]"),
        ({"measures": "knowledge"}, "measures must be .*, not 'knowledge'"),
        (
            {"measures": ["knowledge", "loss"]},
            "measures must be 'knowledge', 'attention' or 'token', not .*'loss'",
        ),
        ({"activation": "gelu"}, "activation must be 'abs' or 'relu', not 'gelu'"),
        ({"batch_size": 0}, "batch_size must be greater than or equal to 1, not 0"),
        ({"batch_size": 2.0}, "batch_size must be a valid integer, not 2.0"),
        ({"batch_size": "2"}, "batch_size must be a valid integer, not '2'"),
        ({"batch_size": True}, "batch_size must be a valid integer, not True"),
        ({"batch_size": None}, "batch_size must be a valid integer, not None"),
        ({"model": "OLMo"}, "model must be an instance of PreTrainedModel, not 'OLMo'"),
        (
            {"model": torch.nn.Linear(2, 3)},
            "model must be an instance of PreTrainedModel, not Linear",
        ),
    ],
)
def test_bad_input_is_named(changes, message):
    arguments = {"model": build("OLMo"), "sequences": draw_tokens(2, 4)} | changes
    with pytest.raises(ValueError, match=message):
        kent.profile(**arguments)


@pytest.mark.parametrize("kind", ["bool", "uint8", "int64", "float32"])
def test_arrays_of_numpy_are_taken(kind):
    tokens, mask = draw_tokens(2, 20), torch.ones(2, 20, dtype=torch.bool)
    mask[0, :7] = False
    given = {"attention_mask": mask.numpy().astype(kind)}
    found = kent.profile(build("OLMo"), tokens.numpy().astype("int32"), **given)
    assert_close(found, kent.profile(build("OLMo"), tokens, attention_mask=mask), tolerance=0)
    assert (
        found.provenance["text"]
        == kent.profile(build("OLMo"), tokens, attention_mask=mask).provenance["text"]
    )


@pytest.mark.parametrize("measures", [["knowledge"], ["attention", "token"]])
def test_one_token_is_enough_without_the_loss(measures):
    tokens = draw_tokens(2, 1)
    if "token" in measures:
        with pytest.raises(ValueError, match="no next token"):
            kent.profile(build("OLMo"), tokens, measures=measures)
    else:
        assert kent.profile(build("OLMo"), tokens, measures=measures).knowledge_entropy > 0


@pytest.mark.parametrize("measure", ["knowledge", "attention", "token"])
@pytest.mark.parametrize("name", REFUSED)
def test_unsupported_architectures_are_refused_whatever_is_measured(name, measure):
    with pytest.raises(ValueError, match=f"{name} is not supported"):
        kent.profile(make(name), draw_tokens(1, 4), measures=[measure])


def test_attention_that_cannot_be_replaced_is_refused():
    with pytest.raises(
        ValueError, match="attention entropy of BloomForCausalLM cannot be measured"
    ):
        kent.profile(make("BloomForCausalLM"), draw_tokens(1, 4), measures=["attention"])


@pytest.mark.parametrize("name", PLAIN)
def test_relu_is_refused_for_plain_networks(name):
    with pytest.raises(
        ValueError, match=f"needs a gated model; .*{type(build(name)).__name__} are plain"
    ):
        kent.profile(build(name), draw_tokens(1, 4), activation="relu")


@pytest.mark.parametrize("name", ["OLMo", "GPT-2"])
def test_weights_that_are_not_finite_are_named(name):
    model = copy.deepcopy(build(name))
    find_memories(model)[1].keys.weight.data[0, 0] = math.nan
    with pytest.raises(ValueError, match="coefficients of layer 1 is not finite"):
        kent.profile(model, draw_tokens(2, 4), measures=["knowledge"])


def test_a_model_without_vocabulary_projection_is_refused():
    model = build("OLMo").get_decoder()
    assert kent.profile(model, draw_tokens(2, 4), measures=["knowledge"]).knowledge_entropy > 0
    with pytest.raises(ValueError, match="OlmoModel has no vocabulary projection"):
        kent.profile(model, draw_tokens(2, 4), measures=["knowledge", "token"])


def test_logits_that_are_more_than_a_projection_are_refused():
    model = copy.deepcopy(build("OLMo"))
    own = model.forward

    def forward(*args, **kwargs):
        output = own(*args, **kwargs)
        output.logits *= 2
        return output

    model.forward = forward
    with pytest.raises(ValueError, match="more than project, scale and soft-cap"):
        kent.profile(model, draw_tokens(2, 4), measures=["token"])


def test_a_model_that_answers_in_tuples_is_measured_alike(name):
    """Of its states, that is: logits of its own it has none, since transformers itself looks for
    names in the tuple."""
    model, tokens, measures = make(name), draw_tokens(2, 4), ["knowledge", "attention"]
    model.config.return_dict = False
    found, expected = (
        kent.profile(each, tokens, measures=measures) for each in (model, build(name))
    )
    assert found.knowledge_entropy == expected.knowledge_entropy
    assert found.attention_entropy == expected.attention_entropy


# The file


@pytest.mark.parametrize(
    "measures", [["knowledge"], ["attention"], ["token"], ["knowledge", "attention", "token"]]
)
def test_a_profile_comes_back_from_its_file(tmp_path, measures):
    profile = kent.profile(build("OLMo"), draw_tokens(5, 8), measures=measures)
    profile.save(tmp_path / "a.safetensors")
    back = kent.Profile.load(tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.safetensors"]
    assert back.provenance == profile.provenance
    assert torch.equal(back.sizes, profile.sizes)
    for each in ("attention_blocks", "token_blocks", "loss_blocks"):
        before, after = getattr(profile, each), getattr(back, each)
        assert (before is None and after is None) or torch.equal(before, after)
    for before, after in zip(
        profile.coefficient_blocks or [], back.coefficient_blocks or [], strict=True
    ):
        assert torch.equal(before, after)


def test_provenance_says_what_was_measured(tmp_path):
    mask = torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1]])
    provenance = kent.profile(
        build("OLMo"), draw_tokens(2, 4), attention_mask=mask, measures=["token"]
    ).provenance
    expected = {
        "architecture": "OlmoForCausalLM",
        "dtype": "float32",
        "device": "cpu",
        "instances": 2,
        "length": 4,
    }
    assert provenance.items() >= (expected | {"tokens": 7, "activation": "abs"}).items()
    assert provenance["measures"] == ["token"]
    assert {"commit", "date", "torch", "transformers"} <= provenance.keys()
    assert json.loads(json.dumps(provenance)) == provenance


def test_more_than_ten_layers_come_back_in_order(tmp_path):
    profile = kent.profile(
        make("OLMo", num_hidden_layers=12), draw_tokens(2, 4), measures=["knowledge"]
    )
    profile.save(tmp_path / "a.safetensors")
    back = kent.Profile.load(tmp_path / "a.safetensors")
    assert torch.equal(back.knowledge_entropy_by_layer, profile.knowledge_entropy_by_layer)


@pytest.mark.parametrize(
    ("metadata", "message"), [(None, "is not whole"), ({"format": "pt"}, "holds something else")]
)
def test_another_safetensors_file_is_refused(tmp_path, metadata, message):
    save_file({"sizes": torch.ones(3)}, tmp_path / "a.safetensors", metadata=metadata)
    with pytest.raises(ValueError, match=message):
        kent.Profile.load(tmp_path / "a.safetensors")


@pytest.mark.parametrize("kept", [0, 5, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, kept):
    path = tmp_path / "a.safetensors"
    kent.profile(build("OLMo"), draw_tokens(2, 4)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if isinstance(kept, int) else int(len(whole) * kept)])
    with pytest.raises(ValueError, match="is not whole"):
        kent.Profile.load(path)


def test_text_is_refused(tmp_path):
    (tmp_path / "a.safetensors").write_text("step,entropy\n0,1.0\n" * 20)
    with pytest.raises(ValueError, match="is not whole"):
        kent.Profile.load(tmp_path / "a.safetensors")


@pytest.mark.parametrize("kind", [kent.Profile, Familiarity])
def test_a_path_that_is_none_is_refused(kind):
    for ask in (kind.load, lambda path: kind.save(object.__new__(kind), path)):
        with pytest.raises(
            ValueError, match="path must be a valid string or an instance of Path, not 3"
        ):
            ask(3)


def test_padding_between_real_tokens_is_refused():
    mask = torch.ones(3, 12, dtype=torch.bool)
    mask[1, 0], mask[2, 5] = False, False
    with pytest.raises(ValueError, match="instance 2 has padding between its real tokens"):
        kent.profile(build("Mistral"), draw_tokens(3, 12), attention_mask=mask)


@pytest.mark.parametrize("first", [slice(0, 0), slice(9, None)])
def test_padding_that_counts_is_refused_in_a_later_batch_too(first):
    torch.manual_seed(0)
    sides = {f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in
             {"layers": 2, "attention_heads": 4, "ffn_dim": 48}.items()}  # fmt: skip
    model = BartForCausalLM(
        BartConfig(vocab_size=211, d_model=32, max_position_embeddings=64, init_std=0.25, **sides)
    )
    mask = torch.ones(4, 12, dtype=torch.bool)
    mask[0, first], mask[3, :5] = False, False
    with pytest.raises(ValueError, match="nor padding that counts"):
        kent.profile(
            model, draw_tokens(4, 12), attention_mask=mask, batch_size=2, measures=["knowledge"]
        )


def sharpen(module, query, key, value, mask, *, scaling, **others):
    return sdpa_attention_forward(module, query, key, value, mask, scaling=1.1 * scaling, **others)


AttentionInterface.register("sharpened", sharpen)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_attention_a_tenth_sharper_is_told_from_rounding(dtype):
    model = make("OLMo").to(dtype)
    kent.profile(model, draw_tokens(4, 30), measures=["attention"])
    model.set_attn_implementation("sharpened")
    with pytest.raises(ValueError, match="makes other states of a sequence alone"):
        kent.profile(model, draw_tokens(4, 30), measures=["attention"])


@pytest.mark.parametrize("measures", [["knowledge"], ["token"]])
def test_a_model_that_mixes_dtypes_is_refused(measures):
    model = make("Llama")
    model.model.layers[0].mlp.double()
    with pytest.raises(ValueError, match="does not run with weights in float32, float64"):
        kent.profile(model, draw_tokens(2, 9), measures=measures)


def test_a_head_with_fewer_outputs_than_tokens_is_refused():
    model = make("Llama")
    model.lm_head = torch.nn.Linear(32, 100, bias=False)
    with pytest.raises(ValueError, match="has logits for 100 tokens, and embeddings for 211"):
        kent.profile(model, draw_tokens(2, 9), measures=["token"])
