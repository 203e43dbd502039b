"""Two transformers written out in float64 numpy, from the weights alone: what `kent.profile` is
held against."""

from math import erf

import numpy as np
from numpy import ndarray
from transformers import PreTrainedModel


def read_weights(model: PreTrainedModel) -> dict[str, ndarray]:
    """Name to weight, in float64."""
    return {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}


def softmax(scores: ndarray) -> ndarray:
    """Softmax over the last axis."""
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def shannon(probabilities: ndarray) -> ndarray:
    """Entropy in nats over the last axis; 0 ln 0 is 0."""
    return -np.sum(probabilities * np.log(np.where(probabilities > 0, probabilities, 1)), axis=-1)


def rotate(vectors: ndarray, width: int, base: float = 10000.0) -> ndarray:
    """Rotary embedding of [position, head, …] over the first `width` entries, halves paired."""
    half = width // 2
    angles = np.arange(len(vectors))[:, None] / base ** (np.arange(half) / half)
    cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]
    first, second, rest = vectors[..., :half], vectors[..., half:width], vectors[..., width:]
    return np.concatenate(
        [first * cosine - second * sine, second * cosine + first * sine, rest], axis=-1
    )


def attend(query: ndarray, key: ndarray, value: ndarray) -> tuple[ndarray, float]:
    """Causal attention over [position, head, width]: the mixed values [position, heads · width],
    and the mean entropy of its rows."""
    length, _, width = query.shape
    scores = np.einsum("qhd,khd->hqk", query, key) / np.sqrt(width)
    weights = softmax(np.where(np.tri(length, dtype=bool), scores, -np.inf))
    return np.einsum("hqk,khd->qhd", weights, value).reshape(length, -1), shannon(weights).mean()


def standardise(hidden: ndarray, epsilon: float = 1e-5) -> ndarray:
    """Layer norm without weights."""
    centred = hidden - hidden.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + epsilon)


def run_olmo(model: PreTrainedModel, tokens: ndarray) -> tuple[list[ndarray], list[float], ndarray]:
    """One sequence through OLMo: per layer what enters the down-projection [position, neuron] and
    the mean attention entropy; then the logits."""
    weights, heads, clip = (
        read_weights(model),
        model.config.num_attention_heads,
        model.config.clip_qkv,
    )
    hidden = weights["model.embed_tokens.weight"][tokens]
    coefficients, entropies = [], []
    for layer in range(model.config.num_hidden_layers):
        part = {
            name.removeprefix(f"model.layers.{layer}."): weight.T
            for name, weight in weights.items()
        }
        seen = standardise(hidden)
        query, key, value = (
            np.clip(seen @ part[f"self_attn.{role}_proj.weight"], -clip, clip).reshape(
                len(tokens), heads, -1
            )
            for role in "qkv"
        )
        width = query.shape[-1]
        mixed, entropy = attend(rotate(query, width), rotate(key, width), value)
        hidden = hidden + mixed @ part["self_attn.o_proj.weight"]
        seen = standardise(hidden)
        gate = seen @ part["mlp.gate_proj.weight"]
        coefficients.append(gate / (1 + np.exp(-gate)) * (seen @ part["mlp.up_proj.weight"]))
        entropies.append(entropy)
        hidden = hidden + coefficients[-1] @ part["mlp.down_proj.weight"]
    return coefficients, entropies, standardise(hidden) @ weights["lm_head.weight"].T


def run_neox(model: PreTrainedModel, tokens: ndarray) -> tuple[list[ndarray], list[float], ndarray]:
    """One sequence through GPT-NeoX (Pythia): parallel residual, a quarter of each head rotated,
    exact GELU."""
    weights, heads = read_weights(model), model.config.num_attention_heads
    hidden = weights["gpt_neox.embed_in.weight"][tokens]
    coefficients, entropies = [], []
    for layer in range(model.config.num_hidden_layers):
        part = {
            name.removeprefix(f"gpt_neox.layers.{layer}."): weight.T
            for name, weight in weights.items()
        }

        def apply(name: str, given: ndarray, part: dict = part) -> ndarray:
            return given @ part[f"{name}.weight"] + part[f"{name}.bias"]

        def norm(name: str, given: ndarray, part: dict = part) -> ndarray:
            return standardise(given) * part[f"{name}.weight"] + part[f"{name}.bias"]

        joint = apply("attention.query_key_value", norm("input_layernorm", hidden)).reshape(
            len(tokens), heads, 3, -1
        )
        query, key, value = joint[:, :, 0], joint[:, :, 1], joint[:, :, 2]
        mixed, entropy = attend(
            rotate(query, query.shape[-1] // 4), rotate(key, key.shape[-1] // 4), value
        )
        inner = apply("mlp.dense_h_to_4h", norm("post_attention_layernorm", hidden))
        coefficients.append(inner * (1 + np.vectorize(erf)(inner / np.sqrt(2))) / 2)
        entropies.append(entropy)
        hidden = (
            hidden + apply("attention.dense", mixed) + apply("mlp.dense_4h_to_h", coefficients[-1])
        )
    last = (
        standardise(hidden) * weights["gpt_neox.final_layer_norm.weight"]
        + weights["gpt_neox.final_layer_norm.bias"]
    )
    return (
        coefficients,
        entropies,
        last @ model.get_output_embeddings().weight.detach().double().numpy().T,
    )
