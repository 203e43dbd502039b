"""Try kent on every causal language model that transformers knows: `census.py [TYPE …]`.

Each is built from its own configuration, made tiny, with random weights; nothing is downloaded.
What was found, with versions, goes to results/models.json (a few types: printed only).
"""

import argparse
import json
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import transformers
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as TYPES

import kent
from kent import records
from kent.measure.decoders import find_decoder
from kent.measure.measurement import MEASURES
from kent.measure.memory import Memory, Mixture, find_layers
from kent.measure.streaming import Batch, find_deviation

RECORD = Path(__file__).parents[1] / "results" / "models.json"
SECONDS = 150
LARGEST = 20_000_000
"""Parameters of a configuration that did not become small."""
VOCABULARY = 211
TOKENS = torch.randint(3, VOCABULARY, (2, 16), generator=torch.Generator().manual_seed(0))

SIZES = {
    **dict.fromkeys(("vocab_size", "vocab_size_per_layer_input"), VOCABULARY),
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "lru_width", "word_embed_proj_dim"), 32),
    **dict.fromkeys(("embedding_size", "embedding_dim", "ple_embed_dim", "hidden_dim"), 32),
    **dict.fromkeys(("intermediate_size", "n_inner", "ffn_dim", "dim_ff", "d_ff", "ffn_size"), 48),
    **dict.fromkeys(("decoder_ffn_dim", "encoder_ffn_dim", "feed_forward_size"), 48),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 2),
    **dict.fromkeys(("encoder_layers", "decoder_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("num_key_value_heads", "multi_query_group_num"), 4),
    **dict.fromkeys(("head_dim", "v_head_dim", "qk_nope_head_dim", "attention_head_dim"), 8),
    **dict.fromkeys(("qk_rope_head_dim", "rotary_dim", "kv_channels"), 4),
    **dict.fromkeys(("kv_lora_rank", "q_lora_rank", "qk_head_dim"), 8),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "moe_k", "moe_topk", "top_k_experts"), 2),
    **dict.fromkeys(("moe_intermediate_size", "expert_ffn_hidden_size"), 16),
    **dict.fromkeys(("shared_expert_intermediate_size", "shared_intermediate_size"), 24),
    **dict.fromkeys(("n_shared_experts", "num_shared_experts", "moe_num_shared_experts"), 1),
    **dict.fromkeys(("n_group", "topk_group", "first_k_dense_replace"), 1),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx"), 64),
    **dict.fromkeys(("sliding_window", "attention_window_size", "window_size"), 16),
    **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), 0),
}
"""What configurations call their sizes, and tiny ones."""


_MAMBA = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8}
OWN = {
    "axk1": {"head_dim": 4},
    "bamba": _MAMBA,
    "deepseek_v3": {"head_dim": 4},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "granitemoehybrid": _MAMBA | {"layer_types": ["mamba", "attention"]},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "mamba2": {"num_heads": 8, "head_dim": 8},
    "reformer": {"is_decoder": True},
    "youtu": {"head_dim": 4},
    "zaya": {"num_experts_per_tok": 1},
}
"""What single types need beside, by the rules of their own configuration."""


def shrink(kind: type[PreTrainedConfig]) -> PreTrainedConfig:
    """A tiny configuration: every size that the class has, and those of its parts."""
    default = kind()
    known = {**default.to_dict(), **dict.fromkeys(kind.attribute_map)}
    sizes = {name: value for name, value in SIZES.items() if name in known}
    parts = {name: getattr(default, name, None) for name in kind.sub_configs}
    configs = {name: each for name, each in parts.items() if isinstance(each, PreTrainedConfig)}
    sizes |= {name: shrink(type(each)) for name, each in configs.items()}
    return kind(**(sizes | OWN.get(kind.model_type, {})))


def build(name: str) -> PreTrainedModel:
    """An untrained tiny model of a type; `ValueError` where it does not become small."""
    kind = getattr(transformers, TYPES[name])
    config = shrink(kind.config_class)
    with torch.device("meta"):
        size = sum(each.numel() for each in kind._from_config(config).parameters())
    if size > LARGEST:
        raise ValueError(f"its tiny configuration has {size:,} parameters")
    torch.manual_seed(0)
    model = kind._from_config(shrink(kind.config_class))
    source = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        drawn = torch.randn(parameter.shape, generator=source) * 0.2
        parameter.data = drawn.to(parameter) if parameter.ndim > 1 else parameter.data
    return model.eval()


def try_type(name: str) -> dict:
    """A row of the table: what of a type was measured and whether it can be changed, or why not."""
    row = {"type": name, "class": TYPES[name], "layout": None, "causal": None, "why": {}}
    row |= dict.fromkeys((*MEASURES, "resuscitation"), False)
    try:
        model = build(name)
    except Exception as error:  # whatever a configuration of another's making may raise
        return row | {"why": {"model": f"not built: {_say(error)}"}}
    try:
        profile = kent.profile(model, TOKENS)
    except Exception as error:  # what kent does not foresee is a row of the table too
        return row | {"why": {"model": _say(error)}}
    taken = dict.fromkeys(profile.provenance["measures"], True) | {"causal": is_causal(model)}
    row |= taken | {"why": {key: _shorten(why) for key, why in profile.left_out.items()}}
    if profile.knowledge_entropy is None:
        return row
    row["layout"] = describe_layout(find_layers(model))
    try:
        # A neuron that stays silent on a few tokens would be refused, whatever the architecture.
        coefficients = [each + each.mean() for each in profile.coefficients]
        kent.profile(kent.resuscitate(model, coefficients), TOKENS, measures=["knowledge"])
    except ValueError as error:
        return row | {"why": row["why"] | {"resuscitation": _say(error)}}
    return row | {"resuscitation": True}


@torch.no_grad()
def is_causal(model: PreTrainedModel) -> bool:
    """Whether no state depends on a later token: not so of BERT and its kin, unless told to be."""
    other = TOKENS.clone()
    other[:, -1] = TOKENS[:, 0]
    one, two = (Batch(each, None).run(find_decoder(model))[:, :-1] for each in (TOKENS, other))
    return find_deviation(two, one) is None


def describe_layout(layers: list[Memory | Mixture]) -> str:
    """In a word what a model's layers are: gated, plain, experts, or several of these."""
    kinds = {
        "experts" if isinstance(layer, Mixture) else "gated" if layer.gate else "plain": None
        for layer in layers
    }
    return " and ".join(sorted(kinds))


def _shorten(reason: str) -> str:
    """A reason without what is supported instead, and on one line."""
    return " ".join(reason.partition(" Supported: ")[0].split())[:200]


def _say(error: Exception) -> str:
    said = _shorten(str(error))
    return said if isinstance(error, ValueError) else f"{type(error).__name__}: {said}"


@contextmanager
def limit(seconds: int) -> Iterator[None]:
    """Raise `TimeoutError` where the block takes longer."""

    def stop(*_) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def count(rows: list[dict]) -> dict[str, int]:
    """How many rows there are, and how many have what."""
    columns = (*MEASURES, "resuscitation")
    found = {column: sum(row[column] for row in rows) for column in columns}
    whole = sum(all(row[measure] for measure in MEASURES) for row in rows)
    return {"types": len(rows), "all measures": whole, **found}


def main(arguments: list[str] | None = None) -> None:
    """Try all types, or those named; write the record of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("types", nargs="*", choices=[[], *TYPES], metavar="TYPE")
    chosen = parser.parse_args(arguments).types or [*TYPES]
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    rows = []
    for name in chosen:
        with limit(SECONDS):
            rows.append(try_type(name))
        print(json.dumps(rows[-1]), flush=True)
    print(json.dumps(count(rows)))
    if chosen == [*TYPES]:
        found = {"run": records.describe_run(), "counts": count(rows), "models": rows}
        records.save_json(found, RECORD)


if __name__ == "__main__":
    main()
