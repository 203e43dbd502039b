"""Entropy of attention rows, taken while the model attends; no [batch, heads, T, T] matrix is held.

Why: figure 3 sets it beside knowledge entropy, to ask whether attention narrows too in pretraining.
A row of entropy 0 reads one token, one of ln(t) reads t tokens alike. It does not say which tokens
are read, nor how much a head matters to what the model puts out; and it grows with the number of
tokens in sight, so only texts of one length can be compared.

Axes: batch (sequences), head (query heads), group (key-value heads, each shared by heads / groups
query heads), position or row (who attends), key (who is attended to), width and value (numbers in
a query or key, and in a value).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from kent.measure.limits import NotMeasurableError

NAME = "kent_attention_entropy"
QUERIES = 128
WITHOUT_EFFECT = {"sliding_window", "position_ids", "cache_position", "use_cache", "return_dict"}
WITHOUT_EFFECT |= {"output_attentions", "output_hidden_states", "output_router_logits"}
"""Given to every attention function, unused by eager attention: windows are in the mask."""

Listener = Callable[[int, Tensor], None]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def _hide(
    scores: Float[Tensor, "batch group head row key"], mask: Tensor | None, start: int, causal: bool
) -> None:
    """Fill, in place, the scores of what the queries from position `start` on must not see."""
    queries, keys = scores.shape[-2:]
    # The least finite number, not -inf: its weight is 0 too, and 0·(-inf) would make Σ w·s NaN.
    least = torch.finfo(scores.dtype).min
    if mask is not None:
        scores.masked_fill_(~mask[:, :, None, start : start + queries, :keys], least)
    elif causal:
        later = torch.ones(queries, queries, dtype=torch.bool, device=scores.device).triu(1)
        scores[..., start:].masked_fill_(later, least)


def attend(
    module: nn.Module,
    query: Float[Tensor, "batch head position width"],
    key: Float[Tensor, "batch group key width"],
    value: Float[Tensor, "batch group key value"],
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    softcap: float | None = None,
    dropout: float = 0.0,
    is_causal: bool | None = None,
    **others: object,
) -> tuple[Float[Tensor, "batch position head value"], None]:
    """Softmax attention that also hands the entropy of each query's row to the listener.

    An attention function of transformers (its documentation: AttentionInterface), 128 queries at a
    time. The softmax runs in float32 at least. The mask [batch, 1, position, key] is true where a
    query sees; without one `is_causal`, or else the module's, decides.

    Raises `ValueError` for an argument that would change attention (learned sinks, biases,
    dropout), and for a mask that is more than who sees whom.
    """
    check_known(module, attention_mask, {"dropout": dropout or None, **others})
    (batch, heads, length, width), groups = query.shape, key.shape[1]
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    # Heads that share keys are an axis of their own, so that no key is copied for them.
    query = query.view(batch, groups, heads // groups, length, width)
    query = query * (width**-0.5 if scaling is None else scaling)
    exact = torch.promote_types(query.dtype, torch.float32)
    output = query.new_empty(batch, length, heads, value.shape[-1])
    entropies = torch.empty(batch, heads, length, dtype=exact, device=query.device)
    for start in range(0, length, QUERIES):
        stop = min(start + QUERIES, length)
        end = stop if causal else key.shape[2]  # causal queries see no key beyond their own block
        rows = query[:, :, :, start:stop].reshape(batch, groups, -1, width)
        scores = (rows @ key[:, :, :end].mT).to(exact).view(batch, groups, -1, stop - start, end)
        if softcap is not None:
            scores = torch.tanh(scores / softcap) * softcap
        _hide(scores, attention_mask, start, causal)  # after the soft-cap, which would bound it
        weights = scores.softmax(dim=-1)
        mixed = weights.to(value.dtype).view(batch, groups, -1, end) @ value[:, :, :end]
        output[:, start:stop] = mixed.view(batch, heads, stop - start, -1).transpose(1, 2)
        # -Σ w·ln w = ln Σ exp(s) - Σ w·s, as ln w = s - ln Σ exp(s): no logarithm of each weight.
        # Solved for the largest weight, the same equation gives ln Σ exp(s) without exponentials.
        highest, where = scores.max(dim=-1, keepdim=True)
        normalizer = (highest - weights.gather(-1, where).log()).squeeze(-1)
        entropy = normalizer - torch.linalg.vecdot(weights, scores)
        entropies[:, :, start:stop] = entropy.view(batch, heads, -1)
    _listener.get()(module.layer_idx, entropies)
    return output, None


def check_known(module: nn.Module, mask: Tensor | None, others: dict[str, object]) -> None:
    """Raise `NotMeasurableError` for arguments that would change what a masked softmax gives."""
    unknown = sorted(name for name in others.keys() - WITHOUT_EFFECT if others[name] is not None)
    if mask is not None and (mask.dtype != torch.bool or mask.shape[1] != 1):
        unknown.append(f"a mask of {mask.dtype} {[*mask.shape]}")
    if unknown:
        found = ", ".join(unknown)
        unknown = f"{type(module).__name__} attends with {found}, which kent does not know"
        raise NotMeasurableError("attention", unknown)


ALL_ATTENTION_FUNCTIONS.register(NAME, attend)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, sdpa_mask)


@contextmanager
def listen(model: PreTrainedModel, listener: Listener) -> Iterator[None]:
    """Within the block every attention layer calls `listener(layer, entropies)`.

    The entropies [batch, head, position] are in nats, of the attention weights after mask, soft-cap
    and softmax; rows that may attend to nothing hold no meaning. The model's own attention is back
    after the block, also after an exception. Raises `ValueError` for an architecture that lets no
    other attention function in.
    """
    token = _listener.set(listener)
    try:
        with replace_attention(model, NAME):
            yield
    finally:
        _listener.reset(token)


@contextmanager
def replace_attention(model: PreTrainedModel, name: str) -> Iterator[None]:
    """Within the block `model` attends by the function called `name`. Errors as for `listen`."""
    if not model._supports_attention_backend:
        what = f"attention entropy of {type(model).__name__} cannot be measured"
        raise NotMeasurableError("attention", f"{what}: its attention is its own")
    parts = [part for part in model.modules() if isinstance(part, PreTrainedModel)]
    before = {id(part.config): (part.config, part.config._attn_implementation) for part in parts}
    try:
        for config, _ in before.values():
            config._attn_implementation = name
        yield
    finally:
        for config, own in before.values():
            config._attn_implementation = own
