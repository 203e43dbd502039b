"""Checkpoints in OLMo's older format, against ai2-olmo where it is installed, and by hand."""

import json
import math

import numpy as np
import pytest
import torch
from hub import make_byte_tokenizer
from safetensors.torch import save_file

import kent

COMMON = {
    **{"model_type": "hf_olmo", "architectures": ["OLMoForCausalLM"], "d_model": 32, "n_heads": 4},
    **{"n_layers": 2, "mlp_hidden_size": 96, "vocab_size": 257, "embedding_size": 264},
    **{"rope": True, "include_bias": False, "weight_tying": False, "max_sequence_length": 64},
    **{"activation_type": "swiglu", "block_type": "sequential", "rope_theta": 10000},
    **{"eos_token_id": 256, "pad_token_id": 1},
}
RMS = {"layer_norm_type": "rms", "layer_norm_with_affine": True}
KINDS = {
    "OLMo-7B": {"layer_norm_type": "default", "layer_norm_with_affine": False},
    "OLMo-7B, clipped": {
        **{"layer_norm_type": "low_precision", "layer_norm_with_affine": False, "clip_qkv": 0.3}
    },
    "tied": {"layer_norm_with_affine": False, "weight_tying": True, "n_kv_heads": 2},
    "one key": {"layer_norm_with_affine": False, "multi_query_attention": True},
    "as Llama": RMS | {"layer_norm_eps": 1e-6, "bias_for_layer_norm": False},
    "as OLMo 2": RMS | {"attention_layer_norm": True, "norm_after": True, "rope_theta": 500000},
}
TOKENS = torch.arange(48).view(2, 24) * 7 % 250


def draw_weights(config: dict, seed: int = 3) -> dict[str, torch.Tensor]:
    """Random weights under ai2-olmo's names."""
    source, width, neurons = torch.Generator().manual_seed(seed), 32, config["mlp_hidden_size"]
    grouped = 1 if config.get("multi_query_attention") else config.get("n_kv_heads") or 4
    keys = 8 * grouped
    shapes = {"wte": (264, width)} | ({} if config["weight_tying"] else {"ff_out": (264, width)})
    for block in (0, 1):
        own = {"att_proj": (width + 2 * keys, width), "attn_out": (width, width)}
        own |= {"ff_proj": (neurons, width), "ff_out": (width, neurons // 2)}
        if config.get("layer_norm_with_affine", True):
            own |= {"attn_norm": (width,), "ff_norm": (width,)}
        if config.get("attention_layer_norm"):
            own |= {"q_norm": (width,), "k_norm": (keys,)}
        shapes |= {f"blocks.{block}.{name}": shape for name, shape in own.items()}
    if config.get("layer_norm_with_affine", True):
        shapes["ln_f"] = (width,)
    drawn = {name: torch.randn(shape, generator=source) * 0.2 for name, shape in shapes.items()}
    drawn = {name: each + (each.ndim == 1) for name, each in drawn.items()}
    return {f"model.transformer.{name}.weight": each for name, each in drawn.items()}


def save(folder, config: dict, weights: dict, how: str = "safetensors"):
    folder.mkdir(exist_ok=True)
    make_byte_tokenizer().save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(config))
    if how == "safetensors":
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    elif how == "pickle":
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        where = {name: f"{how}-{i % 2}.safetensors" for i, name in enumerate(weights)}
        for file in set(where.values()):
            part = {name: weights[name] for name in weights if where[name] == file}
            save_file(part, folder / file, metadata={"format": "pt"})
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    return folder


def compute_logits(config: dict, weights: dict[str, torch.Tensor], tokens) -> np.ndarray:
    """The logits of one sequence in float64, by ai2-olmo's definitions written out."""
    w = {k.removeprefix("model.transformer.")[:-7]: v.double().numpy() for k, v in weights.items()}
    heads, size, length = 4, 8, len(tokens)
    clip, eps = config.get("clip_qkv"), config.get("layer_norm_eps", 1e-5)

    def norm(x, name, on=True):
        if config.get("layer_norm_type", "default") == "rms":
            x = x / np.sqrt((x**2).mean(-1, keepdims=True) + eps)
        elif on:
            x = x - x.mean(-1, keepdims=True)
            x = x / np.sqrt((x**2).mean(-1, keepdims=True) + eps)
        return x * w[name] if name in w else x

    def turn(x):
        angles = np.outer(
            np.arange(length), config["rope_theta"] ** -(np.arange(0, size, 2) / size)
        )
        cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
        first, second = x[..., : size // 2], x[..., size // 2 :]
        return np.concatenate([first * cos - second * sin, second * cos + first * sin], -1)

    x, after = w["wte"][tokens], config.get("norm_after", False)
    for block in ("blocks.0", "blocks.1"):
        mixed = (x if after else norm(x, f"{block}.attn_norm")) @ w[f"{block}.att_proj"].T
        mixed = mixed if clip is None else mixed.clip(-clip, clip)
        grouped = (mixed.shape[1] - 32) // 2
        q, k, v = np.split(mixed, [32, 32 + grouped], axis=1)
        if config.get("attention_layer_norm"):
            q, k = norm(q, f"{block}.q_norm"), norm(k, f"{block}.k_norm")
        q, k, v = (each.reshape(length, -1, size) for each in (q, k, v))
        q, k = turn(q), turn(k)
        k, v = (each.repeat(heads // each.shape[1], axis=1) for each in (k, v))
        scores = np.einsum("qhd,khd->hqk", q, k) / math.sqrt(size)
        scores = np.where(np.tri(length, dtype=bool), scores, -np.inf)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        read = np.einsum("hqk,khd->qhd", shares, v).reshape(length, 32)
        read = read @ w[f"{block}.attn_out"].T
        x = x + (norm(read, f"{block}.attn_norm") if after else read)
        up, gate = np.split(
            (x if after else norm(x, f"{block}.ff_norm")) @ w[f"{block}.ff_proj"].T, 2, 1
        )
        fed = (gate / (1 + np.exp(-gate)) * up) @ w[f"{block}.ff_out"].T
        x = x + (norm(fed, f"{block}.ff_norm") if after else fed)
    return norm(x, "ln_f") @ w.get("ff_out", w["wte"]).T


@pytest.fixture(params=KINDS)
def config(request) -> dict:
    return COMMON | KINDS[request.param]


def test_logits_are_those_worked_out_by_hand(config, tmp_path):
    weights = draw_weights(config)
    model, _ = kent.load(save(tmp_path / "step8", config, weights), device="cpu")
    found = model(TOKENS).logits.detach().double().numpy()
    for row, tokens in zip(found, TOKENS, strict=True):
        expected = compute_logits(config, weights, tokens)
        assert np.abs(expected).max() > 1
        assert np.abs(row - expected).max() < 2e-5


def test_logits_are_those_of_ai2_olmo(config, tmp_path):
    olmo = pytest.importorskip("olmo.model", reason="ai2-olmo is not installed")
    from olmo.config import ModelConfig

    known = ModelConfig.__dataclass_fields__
    theirs = olmo.OLMo(ModelConfig(**{k: v for k, v in config.items() if k in known}))
    weights = draw_weights(config)
    theirs.load_state_dict({name.removeprefix("model."): each for name, each in weights.items()})
    model, _ = kent.load(save(tmp_path / "step8", config, weights), device="cpu")
    with torch.no_grad():
        difference = theirs.eval()(TOKENS).logits - model(TOKENS).logits
    assert difference.abs().max() < 1e-4


@pytest.mark.parametrize("how", ["pickle", "shard"])
def test_weights_are_read_from_pickles_and_shards_too(tmp_path, how):
    config = COMMON | KINDS["OLMo-7B"]
    weights = draw_weights(config)
    expected, _ = kent.load(save(tmp_path / "one", config, weights), device="cpu")
    found, tokenizer = kent.load(save(tmp_path / "other", config, weights, how), device="cpu")
    states = zip(expected.state_dict().items(), found.state_dict().items(), strict=True)
    assert all(a == b and torch.equal(x, y) for (a, x), (b, y) in states)
    assert type(found).__name__ == "OlmoForCausalLM" and tokenizer.eos_token_id == 256


def test_a_checkpoint_in_the_older_format_is_measured(tmp_path):
    config = COMMON | KINDS["OLMo-7B"]
    model, tokenizer = kent.load(save(tmp_path / "it", config, draw_weights(config)), device="cpu")
    tokens = kent.sequences(["A text of some words. " * 9], tokenizer, length=16, limit=4)
    assert 0 < kent.profile(model, tokens).knowledge_entropy < 2 * math.log(48)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alibi": True}, r"with {'alibi': True}: not known"),
        ({"rope": False}, r"with {'rope': False}"),
        ({"activation_type": "gelu"}, "'activation_type': 'gelu'"),
        ({"include_bias": True}, "'include_bias': True"),
        ({"layer_norm_with_affine": True}, r"norms that no known model has: .*\('default', True"),
        ({"layer_norm_eps": 1e-3}, "norms that no known model has"),
        ({"norm_after": True}, "norms that no known model has"),
    ],
)
def test_what_no_class_of_transformers_computes_is_refused(tmp_path, change, message):
    config = COMMON | KINDS["OLMo-7B"]
    folder = save(tmp_path / "it", config, draw_weights(config))
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ValueError, match=message):
        kent.load(folder)


def test_weights_that_are_missing_or_beyond_are_refused(tmp_path):
    config = COMMON | KINDS["OLMo-7B"]
    weights = draw_weights(config)
    missing = {name: each for name, each in weights.items() if "0.att_proj" not in name}
    with pytest.raises(ValueError, match=r"lacks 3 weights, model.layers.0.self_attn.k_proj"):
        kent.load(save(tmp_path / "missing", config, missing))
    beyond = weights | {"model.transformer.blocks.0.att_proj.bias": torch.zeros(96)}
    with pytest.raises(ValueError, match=r"holds 3 weights that the model .* lacks, model.layers"):
        kent.load(save(tmp_path / "beyond", config, beyond))
    (tmp_path / "beyond" / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"neither model\.safetensors nor pytorch_model\.bin"):
        kent.load(tmp_path / "beyond")
