"""OLMo's older format hf_olmo, which transformers has no class for, as a model that it has one for.

OLMo-7B's steps and DataDecide are saved so: names of the package ai2-olmo, the attention's
projections in one matrix, and the feed-forward network's two in another.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig, PretrainedConfig, PreTrainedModel
from transformers.utils.hub import cached_file

MODEL_TYPE = "hf_olmo"
DEFAULTS = {
    **{"n_kv_heads": None, "multi_query_attention": None, "clip_qkv": None, "rope_theta": 10000},
    **{"mlp_ratio": 4, "mlp_hidden_size": None, "embedding_size": 50304, "weight_tying": True},
    **{"layer_norm_type": "default", "layer_norm_with_affine": True, "layer_norm_eps": 1e-5},
    **{"attention_layer_norm": False, "attention_layer_norm_with_affine": True},
    **{"norm_after": False, "activation_type": "swiglu", "block_type": "sequential"},
    **{"rope": False, "alibi": False, "include_bias": True, "bias_for_layer_norm": None},
    **{"scale_logits": False, "embedding_layer_norm": False, "max_sequence_length": 1024},
    **{"pad_token_id": 50256, "eos_token_id": 50256},
}
"""What ai2-olmo 0.6 takes for granted where a configuration does not say it."""
NEEDED = {
    **{"activation_type": "swiglu", "block_type": "sequential", "rope": True, "alibi": False},
    **{"include_bias": False, "scale_logits": False, "embedding_layer_norm": False},
}
"""What all of these models have in common that transformers has classes for."""
PLAIN = {
    "wte": "model.embed_tokens",
    "ff_out": "lm_head",
    "ln_f": "model.norm",
    "attn_out": "self_attn.o_proj",
    "q_norm": "self_attn.q_norm",
    "k_norm": "self_attn.k_norm",
}
NORMS = {
    "llama": {"attn_norm": "input_layernorm", "ff_norm": "post_attention_layernorm"},
    "olmo2": {"attn_norm": "post_attention_layernorm", "ff_norm": "post_feedforward_layernorm"},
}
WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def is_older(source: str | Path, **options: str) -> bool:
    """Whether a folder or repository holds a checkpoint in the older format."""
    return PretrainedConfig.get_config_dict(source, **options)[0].get("model_type") == MODEL_TYPE


def read_older(
    source: str | Path, dtype: torch.dtype, **options: str
) -> tuple[PreTrainedModel, dict]:
    """The model, and transformers' report of what was missing and unexpected.

    Its logits are those of ai2-olmo. Raises `ValueError` for what no class of transformers
    computes, and OSError where there are no weights.
    """
    config = read_config(source, **options)
    weights = translate_weights(dict(_read_weights(source, **options)), config)
    model, report = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)].from_pretrained(
        None, config=config, state_dict=weights, dtype=dtype, output_loading_info=True
    )
    model.config.name_or_path = str(source)
    return model, report


def read_config(source: str | Path, **options: str) -> PretrainedConfig:
    """The configuration of a folder or repository in the older format, as transformers has it."""
    return translate_config(DEFAULTS | PretrainedConfig.get_config_dict(source, **options)[0])


def translate_config(old: Mapping[str, object]) -> PretrainedConfig:
    """The configuration of the same model in transformers; ValueError where there is none."""
    kind, heads, width = _find_kind(old), old["n_heads"], old["d_model"]
    grouped = 1 if old["multi_query_attention"] else old["n_kv_heads"] or heads
    clipped = {"clip_qkv": old["clip_qkv"]} if kind == "olmo" else {}
    eps = {} if kind == "olmo" else {"rms_norm_eps": old["layer_norm_eps"]}
    return AutoConfig.for_model(
        kind,
        vocab_size=old["embedding_size"] or old["vocab_size"],
        hidden_size=width,
        intermediate_size=(old["mlp_hidden_size"] or old["mlp_ratio"] * width) // 2,
        num_hidden_layers=old["n_layers"],
        num_attention_heads=heads,
        num_key_value_heads=grouped,
        max_position_embeddings=old["max_sequence_length"],
        rope_parameters={"rope_type": "default", "rope_theta": float(old["rope_theta"])},
        tie_word_embeddings=old["weight_tying"],
        bos_token_id=None,
        pad_token_id=old["pad_token_id"],
        eos_token_id=old["eos_token_id"],
        **clipped,
        **eps,
    )


def _find_kind(old: Mapping[str, object]) -> str:
    """The model type of transformers that has the same norms, in the same places."""
    wrong = {key: old[key] for key, value in NEEDED.items() if old[key] != value}
    if wrong or old["bias_for_layer_norm"]:
        raise ValueError(f"it is in the format {MODEL_TYPE}, with {wrong or 'biases'}: not known")
    norm = (old["layer_norm_type"], old["layer_norm_with_affine"])
    norm += (old["attention_layer_norm"], old["norm_after"])
    whole = old["attention_layer_norm_with_affine"] and old["clip_qkv"] is None
    kinds = {("rms", True, False, False): "llama", ("rms", True, True, True): "olmo2"}
    kinds = kinds if whole else {}
    if old["layer_norm_eps"] == 1e-5:
        kinds |= {(name, False, False, False): "olmo" for name in ("default", "low_precision")}
    if norm not in kinds:
        names = "layer_norm_type, layer_norm_with_affine, attention_layer_norm, norm_after"
        fault = f"it is in the format {MODEL_TYPE} with norms that no known model has"
        raise ValueError(f"{fault}: {names} are {norm}")
    return kinds[norm]


def translate_weights(old: Mapping[str, Tensor], config: PretrainedConfig) -> dict[str, Tensor]:
    """The same weights under transformers' names; what has none there keeps its own.

    `att_proj` is queries, keys and values one below another; of `ff_proj` the first half is what is
    gated (`up_proj`), and the second the gate.
    """
    size = config.hidden_size // config.num_attention_heads
    sizes = [config.hidden_size, *2 * [size * config.num_key_value_heads]]
    names, new = PLAIN | NORMS.get(config.model_type, {}), {}
    for key, value in old.items():
        path, _, kind = key.removeprefix("model.").removeprefix("transformer.").rpartition(".")
        *block, part = path.split(".")
        layer = f"model.layers.{block[1]}." if block[:1] == ["blocks"] else ""
        if part == "att_proj":
            for name, each in zip("qkv", value.split(sizes), strict=True):
                new[f"{layer}self_attn.{name}_proj.{kind}"] = each
        elif part == "ff_proj":
            for name, each in zip(("up", "gate"), value.chunk(2), strict=True):
                new[f"{layer}mlp.{name}_proj.{kind}"] = each
        else:
            name = "mlp.down_proj" if layer and part == "ff_out" else names.get(part)
            new[f"{layer}{name}.{kind}" if name else key] = value
    return new


def _read_weights(source: str | Path, **options: str) -> Iterator[tuple[str, Tensor]]:
    """Names and weights: safetensors where they are, else pickles, of which tensors are read."""
    for single in WEIGHTS:
        if index := _find(source, f"{single}.index.json", **options):
            shards = sorted(set(json.loads(Path(index).read_text("utf-8"))["weight_map"].values()))
            files = [cached_file(source, shard, **options) for shard in shards]
        else:
            files = list(filter(None, [_find(source, single, **options)]))
        for file in files:
            pickled = not file.endswith(".safetensors")
            read = torch.load(file, "cpu", weights_only=True) if pickled else load_file(file)
            yield from read.items()
        if files:
            return
    raise OSError(f"there is neither {' nor '.join(WEIGHTS)}, whole or in shards")


def _find(source: str | Path, name: str, **options: str) -> str | None:
    """Where a file is, downloaded if need be; None where it is not there."""
    return cached_file(source, name, _raise_exceptions_for_missing_entries=False, **options)
