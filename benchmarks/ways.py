"""The ways that profiling.py compares: kent's, the bare passes, and how others get the same
coefficients."""

import copy
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import torch
from tokenizers import Tokenizer, models
from torch import Tensor
from transformers import OlmoConfig, OlmoForCausalLM, PreTrainedTokenizerFast

from kent import profile
from kent.measure.memory import find_memories

SHAPES = {  # width, layers, neurons per layer, heads, vocabulary, tied embeddings
    "debug": (32, 2, 64, 4, 256, True),
    "tiny": (96, 4, 384, 4, 2048, True),
    "small": (512, 8, 2048, 8, 50304, True),
    "olmo-1b": (2048, 16, 8192, 16, 50304, True),
    "olmo-7b": (4096, 32, 11008, 32, 50304, False),
}

Way = Callable[[Tensor], object]


def build(shape: str, dtype: torch.dtype, device: str) -> OlmoForCausalLM:
    """An OLMo of the shape with random weights, the same for every dtype up to rounding, made on
    the device."""
    width, layers, neurons, heads, vocabulary, tied = SHAPES[shape]
    config = OlmoConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        intermediate_size=neurons,
        num_attention_heads=heads,
        vocab_size=vocabulary,
        tie_word_embeddings=tied,
        pad_token_id=None,
        eos_token_id=0,
    )
    torch.manual_seed(0)
    with torch.device(device):
        return OlmoForCausalLM(config).to(dtype).eval()


def draw_tokens(model: OlmoForCausalLM, count: int, length: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(model.config.vocab_size, (count, length), generator=generator).to(
        model.device
    )


def _entropy(activations: list[Tensor]) -> float:
    """Knowledge entropy of one batch as the public code computes it, from the kept activations of
    all layers."""
    total = 0.0
    for layer in activations:
        means = (
            layer.abs().view(-1, layer.shape[-1]).sum(dim=0).div(layer.shape[1]).div(layer.shape[0])
        )
        shares = means / means.sum()
        total -= (shares * (shares + 1e-9).log()).sum().item()
    return total


def imitate_public(model: OlmoForCausalLM) -> Way:
    """The public code's way: eager attention, all logits, the activations of all layers kept until
    the pass is over."""

    def measure(tokens: Tensor) -> float:
        kept, usual = [], model.config._attn_implementation
        keep = [memory.values.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
                for memory in find_memories(model)]  # fmt: skip
        model.set_attn_implementation("eager")
        try:
            _logits = model(tokens, use_cache=False).logits
            return _entropy(kept)
        finally:
            model.set_attn_implementation(usual)
            for handle in keep:
                handle.remove()

    return measure


def use_lens(model: OlmoForCausalLM) -> Way:
    """TransformerLens: run_with_cache on a bridge to a copy, caching only what enters the
    down-projections."""
    from transformer_lens.model_bridge import TransformerBridge

    words = Tokenizer(models.WordLevel({"<end>": 0}, unk_token="<end>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>")
    with tempfile.TemporaryDirectory() as folder:
        inner = copy.deepcopy(model)
        inner.config.architectures = [type(model).__name__]
        inner.config.save_pretrained(folder)
        bridge = TransformerBridge.boot_transformers(
            folder, hf_model=inner, tokenizer=tokenizer, device=model.device, dtype=model.dtype
        )
    names = [f"blocks.{layer}.mlp.out.hook_in" for layer in range(model.config.num_hidden_layers)]
    return lambda tokens: _entropy(
        list(bridge.run_with_cache(tokens, names_filter=names)[1].values())
    )


def use_kent(*measures: str) -> Callable[[OlmoForCausalLM], Way]:
    def prepare(model: OlmoForCausalLM) -> Way:
        return lambda tokens: (
            profile(model, tokens, batch_size=len(tokens), measures=measures).knowledge_entropy
        )

    return prepare


def lens_version() -> str | None:
    try:
        return version("transformer_lens")
    except PackageNotFoundError:
        return None


WAYS: dict[str, Callable[[OlmoForCausalLM], Way]] = {
    "backbone": lambda model: lambda tokens: model.get_decoder()(input_ids=tokens, use_cache=False),
    "logits": lambda model: lambda tokens: model(tokens, use_cache=False),
    "knowledge": use_kent("knowledge"),
    "attention": use_kent("attention"),
    "token": use_kent("token"),
    "all": use_kent("knowledge", "attention", "token"),
    "public": imitate_public,
    **({"lens": use_lens} if lens_version() else {}),
}
