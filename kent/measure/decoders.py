"""A decoder-only model as a whole: what makes its hidden states, which tokens it takes, and where.

Axes: instance (sequences), position (tokens of a sequence).
"""

from collections.abc import Iterable
from typing import Annotated

import torch
from jaxtyping import Int
from pydantic import BeforeValidator
from torch import Tensor
from transformers import PreTrainedModel

SUPPORTED = (
    "OLMo, OLMo 2, OLMo 3, Llama, Mistral, Qwen2, Qwen3, Gemma 2, Gemma 3, Phi-3, SmolLM3, LFM2 "
    "and others with gate_proj/up_proj/down_proj, gate_up_proj/down_proj or w1/w3/w2; GPT-NeoX "
    "(Pythia), GPT-2, OPT, GPT-J, Apertus and others with up_proj/down_proj or fc_in/fc_out; to "
    "measure, not to change: OLMoE, Mixtral, Qwen2-MoE, DeepSeek-V3 and others whose experts "
    "transformers' experts interface runs"
)


def _read_model(value: object) -> object:
    if hasattr(value, "merge_and_unload"):
        raise ValueError("a transformers model: call its merge_and_unload()")
    return getattr(value, "_orig_mod", value)


Model = Annotated[PreTrainedModel, BeforeValidator(_read_model)]
"""A model of transformers; what torch.compile makes of one is read as the model itself."""


def refuse(model: PreTrainedModel, reason: str) -> str:
    """How an architecture is refused: its name, the reason, and what is supported."""
    return f"{type(model).__name__} is not supported: {reason}. Supported: {SUPPORTED}."


def find_decoder(model: PreTrainedModel) -> PreTrainedModel:
    """The part of a decoder-only model that makes the last hidden states.

    Raises `ValueError` for an encoder-decoder, and where transformers does not know the decoder.
    """
    if getattr(model.config, "is_encoder_decoder", False):
        raise ValueError(refuse(model, "it is an encoder-decoder"))
    decoder = model.get_decoder()
    if decoder is model and isinstance(getattr(model, "model", None), PreTrainedModel):
        decoder = model.model  # Llama 4, which names its decoder as the model with images does
    if not isinstance(decoder, PreTrainedModel):
        raise ValueError(refuse(model, "its decoder was not found"))
    return decoder


def find_device(model: PreTrainedModel) -> torch.device:
    """The device that takes token ids: where the input embeddings are worked out.

    That is also right where accelerate keeps them elsewhere. Raises `ValueError` for a model whose
    weights are nowhere, or were made in torch's inference mode.
    """
    kind, embeddings = type(model).__name__, model.get_input_embeddings()
    offloaded = any(hasattr(module, "_hf_hook") for module in model.modules())
    if not offloaded and any(parameter.is_meta for parameter in model.parameters()):
        nowhere = f"weights of {kind} are on the meta device, so there are none"
        raise ValueError(f"{nowhere}: load it with from_pretrained")
    if any(parameter.is_inference() for parameter in model.parameters()):
        raise ValueError(f"{kind} was made in torch's inference mode: load it outside")
    hook = getattr(embeddings, "_hf_hook", None)
    kept = next(embeddings.parameters()).device
    return torch.device(getattr(hook, "execution_device", None) or kept)


def is_packed(model: PreTrainedModel) -> bool:
    """Whether transformers quantised its weights, or read them so."""
    return getattr(model, "hf_quantizer", None) is not None


def count_vocabulary(model: PreTrainedModel) -> int:
    """How many token ids a model knows: the rows of its input embeddings, also under an adapter."""
    embeddings = model.get_input_embeddings()
    weight = getattr(embeddings, "weight", None)
    return getattr(embeddings, "num_embeddings", None) or (
        find_decoder(model).config.vocab_size if weight is None else len(weight)
    )


def check_tokens(model: PreTrainedModel, tokens: Iterable[Int[Tensor, "..."]], noun: str) -> None:
    """Raise `ValueError` for token ids or for more positions than a model has.

    `tokens` are arrays [..., position]; `noun` says whose they are.
    """
    vocabulary = count_vocabulary(model)
    longest = getattr(find_decoder(model).config, "max_position_embeddings", None)
    for each in tokens:
        if each.min() < 0 or each.max() >= vocabulary:
            known = f"token ids of {noun} must lie in 0 to {vocabulary - 1}"
            raise ValueError(f"{known}: do they come from another model's tokenizer?")
        if longest is not None and each.shape[-1] > longest:
            limit = f"{type(model).__name__} has positions for {longest}"
            raise ValueError(f"{noun} of {each.shape[-1]} tokens: {limit}")


def draw_tokens(model: PreTrainedModel) -> Int[Tensor, "instance position"]:
    """Eight rows of two tokens from all over the vocabulary: a padding token's embedding is 0."""
    last, device = count_vocabulary(model) - 1, find_device(model)
    return torch.linspace(0, last, 16, device=device).long().view(8, 2)


def name_dtypes(dtypes: Iterable[torch.dtype]) -> str:
    """Their names, sorted, without "torch."."""
    return ", ".join(sorted(str(each).removeprefix("torch.") for each in dtypes))


def describe_model(model: PreTrainedModel) -> dict[str, str]:
    """What a record says of the model: its class, name, dtype and device."""
    device = find_device(model)
    return {
        "architecture": type(model).__name__,
        "name": model.config.name_or_path,
        "dtype": name_dtypes([model.dtype]),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }
