"""Resuscitation of inactive memory vectors (Algorithm 1, section 4.3), and controls for it.

Every method takes a model and its mean coefficients and returns a changed copy, which saves and
loads like any model.

Axes: neuron (keys and memory vectors of a layer), m of them; a vector "_" has one number for each.
"""

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import get_type_hints

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from kent.change.rescaling import rescale
from kent.measure.copies import (
    PRECISIONS,
    check_own,
    check_remade,
    check_scalable,
    check_vectors,
    copy_model,
    scale_rows,
)
from kent.measure.decoders import Model
from kent.measure.memory import find_memories
from kent.precision import keep_precision
from kent.settings import Array, NotNegative, Percent, Positive, Seed, Share, check, checked

Coefficients = Sequence[Array]


def _read_layer(layer: int, coefficients: Tensor) -> Float[Tensor, " neuron"]:
    values = coefficients.float()
    if values.ndim != 1 or not len(values) or not (values.isfinite() & (values >= 0)).all():
        needed = "must be finite, not negative, and at least one"
        raise ValueError(f"coefficients of layer {layer} {needed}")
    return values


@checked
def find_multipliers(
    coefficients: Coefficients, *, p: Percent = 50, q: Positive = 1.0
) -> list[Float[Tensor, " _"]]:
    """Algorithm 1 (section 4.3): what keys are multiplied by, one float32 vector [m] per layer.

    Chosen in each layer are the neurons whose mean coefficient C̄ is at most its `p`-th percentile
    (in percent, by linear interpolation: torch.quantile in float32); their multiplier is
    mean(C̄)/C̄ · `q`, all others' exactly 1. With `q` = 1 a chosen neuron is taken to the layer's
    mean, from above it too where `p` is large. `p` = 0 chooses none and changes nothing, although
    the formula would choose the least neuron.

    Raises `ValueError` for `p` outside 0 to 100 or between 0 and 1 (the public code's fraction),
    for `q` that is not positive and finite, for coefficients that are not finite or negative, and
    where a chosen one is zero, since no factor makes a neuron fire that never does: it counts these
    by layer.
    """
    multipliers, silent = [], []
    for layer, vector in enumerate(coefficients):
        values = _read_layer(layer, vector)
        # In float32 throughout, so that a neuron at the percentile is at most the percentile. No
        # coefficient is at most -1: the threshold that chooses none.
        chosen = values <= (torch.quantile(values, p / 100) if p else -1)
        # The mean is the whole layer's, and not that of the neurons that are left as they are.
        factors = torch.where(chosen, values.mean() / values * q, 1)
        # Besides those of zero coefficients: what overflows float32, or vanishes in it.
        if lost := (~(factors.isfinite() & (factors > 0))).sum().item():
            silent.append(f"layer {layer}: {lost} of {chosen.sum().item()}")
        multipliers.append(factors)
    if silent:
        raise ValueError(
            "chosen coefficients must be positive, with multipliers within float32's range; not "
            f"so in {', '.join(silent)}: measure them on more text"
        )
    return multipliers


def _plan(
    model: PreTrainedModel, coefficients: Sequence[Tensor], p: float | int, q: float | int
) -> list[Tensor]:
    check_vectors(find_memories(model), coefficients, "coefficients")
    return find_multipliers(coefficients, p=p, q=q)


def _scale_keys(model: PreTrainedModel, multipliers: Sequence[Tensor]) -> PreTrainedModel:
    check_scalable(model, [memory.keys for memory in find_memories(model)])
    changed = copy_model(model)
    memories = find_memories(changed)
    for memory, factors in zip(memories, multipliers, strict=True):
        for rows in memory.key_rows:  # the bias too: only then is the key's whole output scaled
            scale_rows(rows, factors)
    check_scalable(changed, [memory.keys for memory in memories])  # what changed is what computes
    return changed


@checked
@keep_precision()
@torch.no_grad()
def resuscitate(
    model: Model, coefficients: Coefficients, *, p: Percent = 50, q: Positive = 1.0
) -> PreTrainedModel:
    """A copy whose rarely used neurons have their keys scaled up: Algorithm 1 (section 4.3).

    `coefficients` holds one vector [m] of mean coefficients per layer, as `kent.profile` measures
    them. Rows of the up-projection, with their biases, are multiplied by `find_multipliers`; the
    gate and the memory vectors stay. The first layer's mean coefficients are then multiplied just
    so; later layers' are not, as what they read changes too. In a plain model (Pythia, GPT-2) the
    rows and biases of the only first projection are multiplied; an activation follows them, so that
    not even the first layer's coefficients move in proportion. Below float32 the product is worked
    out in float32 and rounded once.

    Raises `ValueError` for coefficients of another number of layers or neurons, for a projection
    that layers share, that is quantised or is not what its weight says (under an adapter, pruned),
    for a model whose copy would not be whole (offloaded), where float16 cannot hold a product, and
    as `find_multipliers` does.
    """
    return _scale_keys(model, _plan(model, coefficients, p, q))


@checked
@keep_precision()
@torch.no_grad()
def resuscitate_random(
    model: Model, coefficients: Coefficients, *, p: Percent = 50, q: Positive = 1.0, seed: Seed = 0
) -> PreTrainedModel:
    """Control: the multipliers of `resuscitate` on neurons drawn at random, whatever their use.

    Within each layer the multipliers are permuted, by `seed`. Errors as for `resuscitate`.
    """
    source = torch.Generator().manual_seed(seed)
    multipliers = _plan(model, coefficients, p, q)
    drawn = [each[torch.randperm(len(each), generator=source)] for each in multipliers]
    return _scale_keys(model, drawn)


@checked
@keep_precision()
@torch.no_grad()
def rescale_inactive(
    model: Model, coefficients: Coefficients, *, p: Percent = 50, q: Positive = 1.0
) -> PreTrainedModel:
    """Control: knowledge entropy raised as by `resuscitate`, in a model that computes what it did.

    Keys are multiplied by the same multipliers and their memory vectors divided by them
    (`kent.change.rescaling.rescale`): the mean coefficients of every layer are multiplied exactly
    so. Only gated models have such a change; errors as for `resuscitate` and `rescale`.
    """
    return rescale(model, _plan(model, coefficients, p, q))


def _initialize(model: PreTrainedModel, seed: int) -> dict[str, Tensor]:
    """Parameters of an untrained model of this configuration, by name, drawn on the CPU."""
    # Initialisation draws from torch's own numbers, which then go on as if nothing had been drawn.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        fresh = type(model)(copy.deepcopy(model.config))
    return dict(fresh.named_parameters(remove_duplicate=False))


@checked
@keep_precision()
@torch.no_grad()
def shrink_and_perturb(
    model: Model, *, shrink: Share = 0.4, perturb: NotNegative = 0.1, seed: Seed = 0
) -> PreTrainedModel:
    """Control: every parameter becomes `shrink` × itself + `perturb` × a fresh initialisation.

    A known remedy for a network that learns on badly (Ash & Adams 2020, "On Warm-Starting Neural
    Network Training"); the defaults are those of its code (`run.py` in
    github.com/JordanAsh/warm_start). `seed` draws the initialisation. As there, norms are no
    exception: with the defaults a gain of 1 becomes 0.5, except in Gemma, which stores gains less 1
    (OLMo has none). Tied embeddings are one parameter, changed once, and stay tied. Worked out in
    float32 at least and rounded once; the state of torch's random numbers is left as found.

    Raises `ValueError` for `shrink` outside 0 to 1, for `perturb` that is negative or not finite,
    for a model that its configuration does not make again (see `kent.measure.copies.check_remade`)
    or that is quantised, and for one that computes with other weights than its parameters.
    """
    changed = copy_model(model)
    check_remade(changed)
    fresh = _initialize(model, seed)
    for name, parameter in changed.named_parameters():
        if parameter.dtype not in PRECISIONS:
            stored = f"{name} is stored as {parameter.dtype}"
            raise ValueError(f"{stored}: shrink and perturb needs an unquantised model")
        precision = torch.promote_types(parameter.dtype, torch.float32)
        drawn = fresh[name].to(parameter.device, precision)
        parameter.copy_(shrink * parameter.to(precision) + perturb * drawn)
    kinds = nn.Linear | Conv1D
    check_own(changed, [module for module in changed.modules() if isinstance(module, kinds)])
    return changed


METHODS = {
    "resuscitate": resuscitate,
    "random": resuscitate_random,
    "rescale": rescale_inactive,
    "shrink": shrink_and_perturb,
}
"""The paper's method and its controls by name; all but "shrink" need coefficients."""


@checked
def check_method(
    method: str, methods: Mapping[str, Callable] = METHODS, **settings: object
) -> None:
    """Raise `ValueError` for a method not in `methods`, and for settings that it does not take."""
    if method not in methods:
        raise ValueError(f"a model is changed by {', '.join(methods)}, not by {method!r}")
    known = inspect.signature(methods[method]).parameters.values()
    names = [each.name for each in known if each.kind is each.KEYWORD_ONLY]
    if unknown := settings.keys() - set(names):
        raise ValueError(f"{method} has no {', '.join(sorted(unknown))}; it has {', '.join(names)}")
    check(get_type_hints(methods[method], include_extras=True), settings)


@checked
def change_model(
    model: Model, coefficients: Coefficients, *, method: str, **settings: object
) -> PreTrainedModel:
    """A copy changed by one of `METHODS`. Errors as for `check_method` and the method itself."""
    check_method(method, **settings)
    needed = () if method == "shrink" else (coefficients,)
    return METHODS[method](model, *needed, **settings)
