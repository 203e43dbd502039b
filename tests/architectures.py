"""Tiny random models of every architecture kent supports, and of some it refuses. No downloads.

Two layers, four heads, a vocabulary of 211 tokens, sliding windows of 40. Weights are drawn wide
and norms and biases away from ones and zeros, so that attention is far from uniform and a forgotten
bias or soft-cap shows.
"""

import copy
from functools import cache

import torch
import transformers
from transformers import PreTrainedModel

VOCABULARY, WIDTH, NEURONS, HEADS, WINDOW, LONGEST = 211, 32, 48, 4, 40, 320

_SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": NEURONS,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "max_position_embeddings": LONGEST,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_GROUPED = _SHAPE | {"num_key_value_heads": 2}
_GEMMA = _GROUPED | {"head_dim": 8, "query_pre_attn_scalar": 16, "sliding_window": WINDOW}
_MIXED = {"layer_types": ["sliding_attention", "full_attention"]}

GATED = {
    "OLMo": ("OlmoForCausalLM", _SHAPE | {"clip_qkv": 1.5}),
    "OLMo 2": ("Olmo2ForCausalLM", _GROUPED),
    "OLMo 3": ("Olmo3ForCausalLM", _GROUPED | _MIXED | {"sliding_window": WINDOW}),
    "Llama": ("LlamaForCausalLM", _GROUPED | {"attention_bias": True, "mlp_bias": True}),
    "Mistral": ("MistralForCausalLM", _GROUPED | {"sliding_window": WINDOW}),
    "Qwen2": (
        "Qwen2ForCausalLM",
        _GROUPED | {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1},
    ),
    "Qwen3": ("Qwen3ForCausalLM", _GROUPED | {"head_dim": 12}),
    "Gemma 2": (
        "Gemma2ForCausalLM",
        _GEMMA | _MIXED | {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 1.5},
    ),
    "Gemma 3": ("Gemma3ForCausalLM", _GEMMA | _MIXED | {"final_logit_softcapping": 1.5}),
    "Phi-3": ("Phi3ForCausalLM", _GROUPED | {"sliding_window": WINDOW}),
    "SmolLM3": ("SmolLM3ForCausalLM", _GROUPED | {"no_rope_layer_interval": 2}),
}
PLAIN = {
    "GPT-NeoX": ("GPTNeoXForCausalLM", _SHAPE),
    "GPT-2": (
        "GPT2LMHeadModel",
        {
            "vocab_size": VOCABULARY,
            "n_embd": WIDTH,
            "n_inner": NEURONS,
            "n_layer": 2,
            "n_head": HEADS,
        }
        | {
            "n_positions": LONGEST,
            "scale_attn_by_inverse_layer_idx": True,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
    ),
    "OPT": (
        "OPTForCausalLM",
        _SHAPE | {"ffn_dim": NEURONS, "word_embed_proj_dim": 24, "do_layer_norm_before": True},
    ),
}
_EXPERTS = _GROUPED | {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2}
REFUSED = {
    "MixtralForCausalLM": _EXPERTS,
    "OlmoeForCausalLM": _EXPERTS,
    "Qwen3MoeForCausalLM": _EXPERTS | {"moe_intermediate_size": 16, "mlp_only_layers": [0]},
    "T5ForConditionalGeneration": {
        "vocab_size": VOCABULARY,
        "d_model": WIDTH,
        "d_kv": 8,
        "d_ff": NEURONS,
        "num_layers": 2,
        "num_heads": HEADS,
    },
}
FOREIGN = {
    "BloomForCausalLM": {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "n_layer": 2,
        "n_head": HEADS,
    }
}
SUPPORTED = GATED | PLAIN | {"Gemma 3 with images": ("Gemma3ForConditionalGeneration", {})}


def _configure(name: str, **changes) -> PreTrainedModel:
    """Untrained model; `changes` replace entries of its configuration."""
    class_name, options = (
        SUPPORTED[name] if name in SUPPORTED else (name, (REFUSED | FOREIGN)[name])
    )
    model_class = getattr(transformers, class_name)
    if class_name == "Gemma3ForConditionalGeneration":
        text = GATED["Gemma 3"][1] | {"final_logit_softcapping": None} | changes
        vision = {
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
        }
        options, changes = (
            {"text_config": text, "vision_config": vision | {"image_size": 28, "patch_size": 14}},
            {},
        )
    return model_class._from_config(model_class.config_class(**(options | changes)))


def _randomise(model: PreTrainedModel) -> None:
    source = torch.Generator().manual_seed(7)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=source) * 0.25
        parameter.data = noise if parameter.ndim > 1 else parameter.data + noise


@cache
def build(name: str) -> PreTrainedModel:
    """The model in float32, in evaluation mode; one per session, so leave it as found."""
    return make(name)


def make(name: str, **changes) -> PreTrainedModel:
    """A model of one's own, with `changes` to its configuration."""
    torch.manual_seed(0)
    model = _configure(name, **changes)
    _randomise(model)
    return model.eval()


@cache
def build_reference(name: str) -> PreTrainedModel:
    """The same weights in float64 with transformers' own eager attention."""
    model = copy.deepcopy(build(name)).double()
    model.set_attn_implementation("eager")
    return model


def draw_tokens(instances: int, length: int, seed: int = 0) -> torch.Tensor:
    """Random token ids [instances, length] that are no special tokens."""
    return torch.randint(
        3, VOCABULARY, (instances, length), generator=torch.Generator().manual_seed(seed)
    )


def describe_state(model: torch.nn.Module) -> list:
    """What a measurement must leave as it was: hooks, modes, weights and gradients."""
    modules, weights = [*model.modules()], [*model.parameters()]
    return [
        [(len(m._forward_hooks), len(m._forward_pre_hooks), m.training) for m in modules],
        [(p.requires_grad, p.grad, p.sum().item()) for p in weights],
        torch.is_grad_enabled(),
    ]
