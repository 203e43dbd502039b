"""What surrounds a measurement does not enter it: torch's settings, compiled code; and attention
that is not kent's."""

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
import transformers
from architectures import HEADS, NEURONS, VOCABULARY, WIDTH, build, draw_tokens, make
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

import kent
from kent.change.rescaling import rescale
from kent.change.resuscitation import resuscitate, resuscitate_random, shrink_and_perturb
from kent.change.temperature import set_temperature
from kent.measure.gradients import measure_gradients

TOKENS = draw_tokens(5, 24)
MASK = torch.ones_like(TOKENS)
MASK[1, :9] = MASK[3, 20:] = 0


def list_numbers(profile: kent.Profile) -> list[float]:
    """Everything that comes of a profile, each value with its error."""
    measures = ("knowledge", "contribution", "attention", "token", "loss", "Gini")
    change = profile.change_since(profile, weights=[1, 2])
    return [number for measure in measures for number in profile.estimate(measure)] + [
        *change,
        profile.entropy_bound,
    ]


# Settings of torch


@contextmanager
def set_default(setter, value) -> Iterator[None]:
    before = {torch.set_default_dtype: torch.get_default_dtype,
              torch.set_float32_matmul_precision: torch.get_float32_matmul_precision,
              torch.set_default_device: lambda: None}[setter]()  # fmt: skip
    setter(value)
    try:
        yield
    finally:
        setter(before)


SETTINGS = {
    "bfloat16": lambda: set_default(torch.set_default_dtype, torch.bfloat16),
    "float64": lambda: set_default(torch.set_default_dtype, torch.float64),
    "products": lambda: set_default(torch.set_float32_matmul_precision, "medium"),
    "meta": lambda: set_default(torch.set_default_device, "meta"),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
}


def read_settings() -> tuple:
    return (
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.get_float32_matmul_precision(),
        torch.is_autocast_enabled("cpu"),
        torch.get_autocast_dtype("cpu"),
        torch.is_grad_enabled(),
    )


def use_temperature(model: PreTrainedModel) -> PreTrainedModel:
    changed = copy.deepcopy(model)
    set_temperature(changed, 2.0)
    return changed


COEFFICIENTS = [torch.linspace(0.1, 3, NEURONS)] * 2
USES = {
    "profile": lambda model: list_numbers(
        kent.profile(model, TOKENS, attention_mask=MASK, batch_size=2)
    ),
    "relu": lambda model: list_numbers(kent.profile(model, TOKENS, activation="relu")),
    "entropy": lambda model: kent.knowledge_entropy(COEFFICIENTS),
    "resuscitate": lambda model: [*resuscitate(model, COEFFICIENTS).parameters()],
    "random": lambda model: [*resuscitate_random(model, COEFFICIENTS).parameters()],
    "rescale": lambda model: [*rescale(model, COEFFICIENTS).parameters()],
    "shrink": lambda model: [*shrink_and_perturb(model).parameters()],
    "gradients": lambda model: (
        [
            (found := measure_gradients(model, TOKENS[:2], steps=1)).sgd,
            found.gradients,
            found.correlate("adamw"),
        ]
    ),
    "temperature": lambda model: [
        part.scaling for part in use_temperature(model).modules() if hasattr(part, "scaling")
    ],
}


@pytest.mark.parametrize("use", USES)
def test_numbers_do_not_depend_on_settings_which_stay(use):
    model = make("Llama", vocab_size=400)  # beyond what bfloat16 counts in ones
    expected = USES[use](model)
    for setting in SETTINGS.values():
        with setting():
            before = read_settings()
            found = USES[use](model)
            assert read_settings() == before
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


# Compiled code


def compile_networks(model: PreTrainedModel) -> None:
    for layer in model.model.layers:
        layer.mlp.compile(backend="eager")


def compile_forward(model: PreTrainedModel) -> None:
    for layer in model.model.layers:
        layer.mlp.forward = torch.compile(layer.mlp.forward, backend="eager")


def compile_layers(model: PreTrainedModel) -> None:
    for index, layer in enumerate(model.model.layers):
        model.model.layers[index] = torch.compile(layer, backend="eager")


def wrap_networks(model: PreTrainedModel) -> None:
    for layer in model.model.layers:
        layer.mlp = torch.compile(layer.mlp, backend="eager")


def compile_decoder(model: PreTrainedModel) -> None:
    model.model.compile(backend="eager")


def hide_compiled(model: PreTrainedModel) -> None:
    """Code that nothing says is compiled."""
    for layer in model.model.layers:
        compiled = torch.compile(layer.mlp.forward, backend="eager")
        layer.mlp.forward = lambda states, compiled=compiled: compiled(states)


def keep_attention(model: PreTrainedModel) -> None:
    """Attention that calls none of transformers' functions, after its first time."""
    for layer in model.model.layers:
        layer.self_attn.forward = cache_result(layer.self_attn.forward)


def cache_result(function):
    kept = []
    return lambda **given: kept[0] if kept else kept.append(function(**given)) or kept[0]


@pytest.mark.parametrize(
    "way", [compile_networks, compile_forward, compile_layers, wrap_networks, compile_decoder]
)
def test_compiled_models_are_measured_and_changed_as_copies(way):
    """After a warm-up, with a last batch that is smaller than the others."""
    torch.compiler.reset()
    tokens, model = draw_tokens(12, 32), make("OLMo")
    way(model)
    with torch.no_grad():
        model(input_ids=tokens[:8], use_cache=False)
    for activation in ("abs", "relu"):
        found, expected = (
            kent.profile(each, tokens, activation=activation) for each in (model, build("OLMo"))
        )
        assert list_numbers(found) == list_numbers(expected)
    if way is compile_forward:  # it would stay with the original
        with pytest.raises(
            ValueError, match=r"forward pass of model.layers.0.mlp was replaced by a function"
        ):
            resuscitate(model, COEFFICIENTS)
        return
    found, expected = (
        kent.profile(resuscitate(each, COEFFICIENTS), TOKENS).coefficients
        for each in (model, build("OLMo"))
    )
    torch.testing.assert_close(found, expected)


def test_a_compiled_models_wrapper_is_the_model():
    model = torch.compile(make("OLMo"), backend="eager")
    with torch.no_grad():
        model(TOKENS)
    expected = kent.profile(build("OLMo"), TOKENS)
    assert list_numbers(kent.profile(model, TOKENS)) == list_numbers(expected)
    changed = resuscitate(model, COEFFICIENTS)
    assert type(changed) is type(build("OLMo"))


def test_hooks_that_did_not_run_are_noticed():
    torch.compiler.reset()
    model, tokens = make("OLMo"), draw_tokens(12, 32)
    hide_compiled(model)
    with torch.no_grad():
        model(input_ids=tokens[:8], use_cache=False)
    unheard = r"coefficients of layers 0, 1 did not come in .* 8 sequences: hooks did not run"
    for activation in ("abs", "relu"):
        with pytest.raises(ValueError, match=unheard):
            kent.profile(model, tokens, activation=activation)


def test_attention_that_was_not_heard_is_noticed():
    model = make("OLMo")
    keep_attention(model)
    with torch.no_grad():
        model(TOKENS)
    with pytest.raises(
        ValueError, match=r"the attention of layers 0, 1 did not come in once .* compiled"
    ):
        kent.profile(model, TOKENS, measures=["attention"])


# Attention and layouts that kent does not know

_SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": NEURONS,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_ENCODER = {
    "vocab_size": VOCABULARY,
    "d_model": WIDTH,
    "decoder_layers": 2,
    "decoder_attention_heads": HEADS,
    "decoder_ffn_dim": NEURONS,
    "encoder_ffn_dim": NEURONS,
    "encoder_attention_heads": HEADS,
    "encoder_layers": 2,
    "max_position_embeddings": 64,
}
FOREIGN = {
    "ModernBertDecoder": (
        _SIZES | {"cls_token_id": 1, "sep_token_id": 2},
        "its decoder was not found",
    ),
    "GraniteSWA": (
        _SIZES | {"num_key_value_heads": 2, "head_dim": 8, "sliding_window": 8},
        "attends with s_aux",
    ),
    "Doge": (_SIZES | {"num_key_value_heads": 2}, "attends with a mask of torch.float32"),
    "DiffLlama": (
        _SIZES | {"num_key_value_heads": 2},
        "attention of layers 0, 1 did not come in once",
    ),
    "Bart": (_ENCODER, "attention is its own"),
    "Falcon": (
        {key: _SIZES[key] for key in _SIZES if key != "intermediate_size"},
        "attention is its own",
    ),
    "Electra": (_SIZES | {"is_decoder": True}, "is not supported"),
}


def make_foreign(name: str) -> PreTrainedModel:
    if not hasattr(transformers, f"{name}ForCausalLM"):
        pytest.skip(f"transformers {transformers.__version__} has no {name}")
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**FOREIGN[name][0])
    return getattr(transformers, f"{name}ForCausalLM")(config).eval()


@pytest.mark.parametrize("name", FOREIGN)
def test_what_kent_does_not_know_is_refused(name):
    with pytest.raises(ValueError, match=FOREIGN[name][1]):
        kent.profile(make_foreign(name), TOKENS, measures=["knowledge", "attention", "token"])


@pytest.mark.parametrize("name", ["GraniteSWA", "Doge", "DiffLlama"])
def test_without_attention_such_models_are_measured(name):
    model = make_foreign(name)
    with torch.no_grad():
        logits = model(TOKENS).logits.double()
    expected = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), TOKENS[:, 1:].flatten()
    ).item()
    asked = kent.profile(model, TOKENS, measures=["knowledge", "token"])
    assert asked.loss == pytest.approx(expected, rel=1e-6) and asked.left_out == {}
    found = kent.profile(model, TOKENS)
    assert (found.loss, found.knowledge_entropy) == (asked.loss, asked.knowledge_entropy)
    assert found.left_out.keys() == {"attention"} and found.attention_entropy is None
    assert re.search(FOREIGN[name][1], found.left_out["attention"])
    assert found.provenance["measures"] == ["knowledge", "token"]


def test_padding_that_counts_is_refused():
    """Bart's positions are counted over padding too."""
    model = make_foreign("Bart")
    assert kent.profile(model, TOKENS, measures=["knowledge"]).knowledge_entropy > 0
    with pytest.raises(ValueError, match="BartForCausalLM makes other states of a sequence alone"):
        kent.profile(model, TOKENS, attention_mask=MASK, measures=["knowledge"])
    with pytest.raises(ValueError, match="BartForCausalLM makes other states of a sequence alone"):
        kent.profile(model, TOKENS, attention_mask=MASK)


def _attend_sharply(module, query, key, value, attention_mask, *, scaling, **others):
    return sdpa_attention_forward(
        module, query, key, value, attention_mask, scaling=1.001 * scaling, **others
    )


@pytest.mark.parametrize("name", ["OLMo", "GPT-NeoX", "Phi-3"])
def test_attention_that_is_more_than_a_softmax_is_refused(name):
    """By a thousandth, which is enough."""
    AttentionInterface.register("sharp", _attend_sharply)
    model = make(name)
    model.set_attn_implementation("sharp")
    with pytest.raises(
        ValueError, match=f"{type(model).__name__} makes other states of a sequence alone"
    ):
        kent.profile(model, TOKENS, measures=["attention"])
    assert kent.profile(model, TOKENS).left_out.keys() == {"attention"}
    assert model.config._attn_implementation == "sharp"


@pytest.mark.parametrize(
    "argument", ["s_aux", "position_bias", "cu_seq_lens_q", "head_mask", "something_new"]
)
def test_an_argument_that_would_change_attention_is_named(argument):
    model = make("Llama")
    own = model.model.forward
    model.model.forward = lambda **given: own(**given, **{argument: torch.ones(HEADS)})
    with pytest.raises(
        ValueError, match=f"LlamaAttention attends with {argument}, which kent does not know"
    ):
        kent.profile(model, TOKENS, measures=["attention"])


def test_an_argument_that_is_none_changes_nothing():
    model = make("Llama")
    own = model.model.forward
    model.model.forward = lambda **given: own(**given, s_aux=None, head_mask=None)
    found, expected = (
        kent.profile(each, TOKENS, measures=["attention"]) for each in (model, build("Llama"))
    )
    assert found.attention_entropy == expected.attention_entropy
