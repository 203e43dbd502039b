"""Token sequences as they are measured: which tokens are real, which count, and means over them.

Axes: instance (sequences), position (tokens of a sequence); "..." is whatever each position has.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from kent.records import hash_tensors
from kent.text.tokens import ADDED

Tokens = Int[Tensor, "instance position"]
Mask = Int[Tensor, "instance position"] | None


def find_exact(dtype: torch.dtype) -> torch.dtype:
    """Float32, or the dtype itself where that is wider."""
    return torch.promote_types(dtype, torch.float32)


def read_mask(tokens: Tokens, mask: Tensor | None) -> Bool[Tensor, "instance position"]:
    """Which tokens are real: all of them where there is no mask."""
    return torch.ones_like(tokens, dtype=torch.bool) if mask is None else mask.bool()


def average_positions(
    values: Float[Tensor, "instance position ..."], mask: Mask
) -> Float[Tensor, "instance ..."]:
    """Mean over each instance's real tokens, in float32 at least.

    Padding never enters, not even as NaN, which it may well be: it is masked, not multiplied by 0.
    """
    if mask is None:
        return values.mean(dim=1, dtype=find_exact(values.dtype))
    mask = mask.to(values.device)  # a layer may lie elsewhere than the tokens
    real = mask.bool().view(*mask.shape, *[1] * (values.ndim - 2))
    return values.masked_fill(~real, 0).sum(dim=1, dtype=find_exact(values.dtype)) / real.sum(dim=1)


def _check_none(wrong: Bool[Tensor, " instance"], what: str) -> None:
    if wrong.any():
        raise ValueError(f"instance {wrong.nonzero()[0].item()} {what}")


def settle_mask(sequences: Tensor, mask: Tensor | None) -> Mask:
    """The mask, None where every token is real; `ValueError` for a malformed one."""
    if mask is None:
        return None
    if mask.shape != sequences.shape:
        shapes = f"{[*mask.shape]}, sequences {[*sequences.shape]}"
        raise ValueError(f"attention_mask has shape {shapes}")
    if not ((mask == 0) | (mask == 1)).all():
        raise ValueError("attention_mask must hold 1 for a real token and 0 for padding")
    _check_none(~mask.bool().any(dim=1), "has no real token")
    starts = (mask.long().diff(dim=1) == 1).sum(dim=1) + mask[:, 0].long()
    gap = "has padding between its real tokens: padding may stand on either side only"
    _check_none(starts > 1, gap)
    return None if mask.all() else mask.long()


def check_followed(sequences: Tensor, mask: Mask) -> None:
    """Raise `ValueError` for an instance in which no token follows another."""
    real = read_mask(sequences, mask)
    alone = ~(real[:, :-1] & real[:, 1:]).any(dim=1)
    _check_none(alone, "has no next token to predict: the loss needs two real tokens in a row")


def check_counted(sequences: Tensor, mask: Mask, skip: int) -> None:
    """Raise `ValueError` for an instance of which nothing is left without its first tokens."""
    few = read_mask(sequences, mask).sum(dim=1) <= skip
    _check_none(few, f"has no more than the {skip} tokens that are left out of the coefficients")


def count_added(model: PreTrainedModel, sequences: Tensor, mask: Mask) -> int:
    """1 where every instance begins with the token that `kent.load` noted as added, else 0."""
    if (added := getattr(model.config, ADDED, None)) is None:
        return 0
    first = read_mask(sequences, mask).long().argmax(dim=1, keepdim=True)
    return int((sequences.gather(1, first) == added).all())


def describe_text(sequences: Tensor, mask: Mask) -> dict[str, int | str]:
    """How many sequences and tokens, and a hash by which the same text is known again."""
    text = {"tokens": sequences} | ({} if mask is None else {"mask": mask})
    tokens = int(sequences.numel() if mask is None else mask.sum())
    counts = {"instances": len(sequences), "length": sequences.shape[1], "tokens": tokens}
    return {**counts, "text": hash_tensors(text)}
