"""From last hidden states to what a model says of the next token, a few positions at a time.

Axes: instance (sequences of a batch), position (tokens of a sequence), answer (tokens asked), width
(numbers in a hidden state), vocabulary.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedConfig, PreTrainedModel

from kent.errors import NotFiniteError
from kent.measure.decoders import count_vocabulary, draw_tokens, find_decoder
from kent.measure.limits import NotMeasurableError
from kent.measure.masks import Mask, Tokens, average_positions, find_exact
from kent.measure.streaming import Batch

POSITIONS = 256
"""Positions whose logits are held at once."""
ROWS = 16
"""Positions whose distributions are worked out at once on a CPU, so that they stay in its cache."""

Project = Callable[[Tensor], Tensor]

_FACTORS = {"logits_scaling": -1, "logit_scale": 1, "lm_head_multiplier": 1}
"""What configurations call what logits are multiplied by (1) or divided by (-1)."""
_SOFTCAPS = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")


def read_head(config: PreTrainedConfig) -> tuple[float, float | None]:
    """What logits are multiplied by after their projection, and what they are soft-capped at then.

    As far as a model's configuration says so.

    >>> from transformers import GraniteConfig
    >>> read_head(GraniteConfig(logits_scaling=8.0))
    (0.125, None)
    """
    found = {name: getattr(config, name, None) for name in (*_FACTORS, *_SOFTCAPS)}
    given = {name: value for name, value in found.items() if isinstance(value, int | float)}
    factors = [given[name] ** power for name, power in _FACTORS.items() if name in given]
    return math.prod(factors, start=1.0), next(
        (given[name] for name in _SOFTCAPS if name in given), None
    )


def find_projection(model: PreTrainedModel) -> nn.Module:
    """The vocabulary projection; `ValueError` for a model that has none."""
    if (projection := model.get_output_embeddings()) is None:
        missing = f"{type(model).__name__} has no vocabulary projection"
        raise NotMeasurableError("token", f"{missing}: load it as a causal language model")
    return projection


def try_tokens(model: PreTrainedModel) -> Tensor:
    """A model's own logits of a few tokens (`draw_tokens`).

    Raises `NotFiniteError` for logits that are not finite, `NotMeasurableError` where there are
    fewer of them than tokens.
    """
    logits = model(draw_tokens(model), use_cache=False, return_dict=True).logits
    kind, found, known = type(model).__name__, logits.shape[-1], count_vocabulary(model)
    if found < known:
        counts = f"{kind} has logits for {found} tokens, and embeddings for {known}"
        raise NotMeasurableError("token", f"{counts}: is its head another model's?")
    if not logits.isfinite().all():
        raise NotFiniteError(f"a logit of {kind}")
    return logits


def find_head(model: PreTrainedModel) -> Project:
    """The map from last hidden states to logits, tried against the model's own logits.

    With it the logits of a few positions can be made at a time; the model itself makes all of them.
    It is tried because architectures do not say in one way what else they do. Raises `ValueError`
    when the model has no vocabulary projection, or does more than to project, to scale and to
    soft-cap, and as `try_tokens` does.
    """
    projection, decoder = find_projection(model), find_decoder(model)
    scale, softcap = read_head(decoder.config)

    def project(hidden: Tensor) -> Tensor:
        logits = projection(hidden).to(find_exact(hidden.dtype))
        logits = logits if scale == 1 else logits.mul_(scale)
        return logits if softcap is None else logits.div_(softcap).tanh_().mul_(softcap)

    expected, hidden = try_tokens(model), Batch(draw_tokens(model), None).run(decoder)
    # Rounding is relative to the largest logit: small ones are differences of large numbers.
    tolerance = 100 * torch.finfo(expected.dtype).eps
    near = {"rtol": tolerance, "atol": tolerance * expected.abs().max().item()}
    fits = getattr(projection, "in_features", hidden.shape[-1]) == hidden.shape[-1]
    if not fits or not torch.allclose(project(hidden).to(expected), expected, **near):
        more = "more than project, scale and soft-cap its last hidden states"
        raise NotMeasurableError("token", f"{type(model).__name__} does {more}: not known")
    return project


def average_tokens(
    hidden: Float[Tensor, "instance position width"], tokens: Tokens, mask: Mask, project: Project
) -> tuple[Float[Tensor, " instance"], Float[Tensor, " instance"]]:
    """Next-token entropy and loss per instance, in nats, from 256 positions' logits at a time."""
    flat, targets = hidden.flatten(0, 1), tokens.roll(-1, dims=1).view(-1, 1)
    rows = ROWS if flat.device.type == "cpu" else POSITIONS
    found = [
        _spread(logits, answers)
        for block, following in zip(flat.split(POSITIONS), targets.split(POSITIONS), strict=True)
        for logits, answers in zip(project(block).split(rows), following.split(rows), strict=True)
    ]
    joined = (torch.cat(parts).to(tokens.device) for parts in zip(*found, strict=True))
    entropies, losses = (each.view(tokens.shape) for each in joined)
    # Every real token has a distribution after it. A loss needs the next token too: none is after
    # the last, where `roll` put the first, and none is real on the other side of padding.
    predicted = None if mask is None else mask[:, :-1] * mask[:, 1:]
    return average_positions(entropies, mask), average_positions(losses[:, :-1], predicted)


def _spread(
    logits: Float[Tensor, "position vocabulary"], answers: Int[Tensor, "position 1"]
) -> tuple[Float[Tensor, " position"], Float[Tensor, " position"]]:
    """Entropy of softmax(logits) and -log softmax of the answers; `logits` are overwritten.

    Both are where the logits are, which the answers need not be.
    """
    # With z shifted by its maximum (no overflow), e = exp(z) and s = Σe, the entropy is
    # -Σ e/s·(z - ln s) = ln s - Σ e·z / s. So one exponential serves both; a softmax and a
    # log-softmax would take two, and two more tensors of the size of the logits.
    logits -= logits.amax(dim=-1, keepdim=True)
    answered = logits.gather(1, answers.to(logits.device)).squeeze(1)
    weights = logits.exp()
    total = weights.sum(dim=-1)
    return total.log() - torch.linalg.vecdot(weights, logits) / total, total.log() - answered


def measure_surprisal(
    states: Float[Tensor, "answer width"], answers: Int[Tensor, " answer"], project: Project
) -> Float64[Tensor, " answer"]:
    """-ln p in nats of each answer after its hidden state, from 256 answers' logits at a time."""
    blocks = zip(states.split(POSITIONS), answers.split(POSITIONS), strict=True)
    found = ((project(states), right) for states, right in blocks)
    losses = [cross_entropy(each, right.to(each.device), reduction="none") for each, right in found]
    return torch.cat(losses).cpu().double()
