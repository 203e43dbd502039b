"""Tiny random models of every kind of architecture that kent measures, wholly or in part, and of
some it refuses. No downloads.

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
    "LFM2": (
        "Lfm2ForCausalLM",
        _GROUPED | {"layer_types": ["full_attention"] * 2, "block_auto_adjust_ff_dim": False},
    ),
    "Granite": (
        "GraniteForCausalLM",
        _GROUPED | {"logits_scaling": 8.0, "attention_multiplier": 0.3, "residual_multiplier": 0.5},
    ),
    "Cohere": ("CohereForCausalLM", _GROUPED | {"logit_scale": 0.3}),
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
    "Apertus": ("ApertusForCausalLM", _GROUPED),
    "Arcee": ("ArceeForCausalLM", _GROUPED | {"mlp_bias": True}),
    "Nemotron": ("NemotronForCausalLM", _GROUPED | {"mlp_bias": True}),
    "Jais 2": ("Jais2ForCausalLM", _GROUPED),
}
_GPT = {
    "vocab_size": VOCABULARY,
    "n_embd": WIDTH,
    "n_inner": NEURONS,
    "n_layer": 2,
    "n_head": HEADS,
    "n_positions": LONGEST,
    "rotary_dim": 4,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
PARTIAL = {
    "MPT": (
        "MptForCausalLM",
        {"vocab_size": VOCABULARY, "d_model": WIDTH, "n_layers": 2, "n_heads": HEADS}
        | {"max_seq_len": LONGEST},
    ),
    "GPT-J": ("GPTJForCausalLM", _GPT),
    "CodeGen": ("CodeGenForCausalLM", _GPT),
    "RecurrentGemma": (
        "RecurrentGemmaForCausalLM",
        _GROUPED
        | {"intermediate_size": 2 * NEURONS, "num_hidden_layers": 3, "lru_width": WIDTH}
        | {"attention_window_size": WINDOW, "logits_soft_cap": 1.5},
    ),
}
"""All but their attention can be measured."""
_CHOSEN = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2}
_EXPERTS = _GROUPED | _CHOSEN | {"moe_intermediate_size": 16}
_LATENT = {
    "q_lora_rank": 8,
    "kv_lora_rank": 8,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "v_head_dim": 8,
}
_DEEPSEEK = {
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
    "first_k_dense_replace": 1,
    "routed_scaling_factor": 2.5,
    "n_group": 2,
    "topk_group": 1,
    "num_key_value_heads": HEADS,
}
EXPERTS = {
    "OLMoE": ("OlmoeForCausalLM", _EXPERTS),
    "Mixtral": ("MixtralForCausalLM", _EXPERTS),
    "Qwen2-MoE": ("Qwen2MoeForCausalLM", _EXPERTS | {"shared_expert_intermediate_size": 24}),
    "Qwen3-MoE": (
        "Qwen3MoeForCausalLM",
        _EXPERTS | {"mlp_only_layers": [0], "norm_topk_prob": True},
    ),
    "DeepSeek-V2": (
        "DeepseekV2ForCausalLM",
        _SHAPE
        | _LATENT
        | _DEEPSEEK
        | {"n_shared_experts": 2}
        | {"topk_method": "group_limited_greedy"},
    ),
    "DeepSeek-V3": (
        "DeepseekV3ForCausalLM",
        _SHAPE | _LATENT | _DEEPSEEK | {"n_shared_experts": 1},
    ),
    "Granite-MoE": ("GraniteMoeForCausalLM", _EXPERTS | {"logits_scaling": 8.0}),
    "Granite-MoE shared": (
        "GraniteMoeSharedForCausalLM",
        _EXPERTS | {"shared_intermediate_size": 24, "residual_multiplier": 0.4},
    ),
}
REFUSED = {
    "T5ForConditionalGeneration": {
        "vocab_size": VOCABULARY,
        "d_model": WIDTH,
        "d_kv": 8,
        "d_ff": NEURONS,
        "num_layers": 2,
        "num_heads": HEADS,
    }
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
_NAMED = SUPPORTED | PARTIAL | EXPERTS


def _configure(name: str, **changes) -> PreTrainedModel:
    """Untrained model; `changes` replace entries of its configuration."""
    class_name, options = _NAMED[name] if name in _NAMED else (name, (REFUSED | FOREIGN)[name])
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
    for name, buffer in model.named_buffers():
        if name.endswith("e_score_correction_bias"):
            buffer.copy_(torch.randn(buffer.shape, generator=source) * 0.25)


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
    """The same weights in float64 with transformers' own eager attention and experts."""
    model = copy.deepcopy(build(name)).double()
    model.set_attn_implementation("eager")
    if name in EXPERTS:
        model.set_experts_implementation("eager")
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
