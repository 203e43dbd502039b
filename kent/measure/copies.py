"""A model changed as a copy: what may be copied and scaled, and which weights are what they say.

Axes: neuron (memory vectors of a layer, and their keys); "..." is what each row holds.
"""

import copy
from collections.abc import Sequence
from types import FunctionType

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from kent.measure.memory import Memory

PRECISIONS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@torch.no_grad()
def is_plain(projection: nn.Module) -> bool:
    """Whether a projection multiplies by what its weight holds, and adds its bias.

    Not so under an adapter, in a packed form, or where the weight is kept elsewhere. Tried on four
    random vectors rather than by the module's class: an adapter may be a linear layer itself.
    """
    weight = getattr(projection, "weight", None)
    if not isinstance(projection, nn.Linear | Conv1D) or weight is None:
        return False
    if weight.dtype not in PRECISIONS or weight.is_meta:
        return False
    weight = weight.T if isinstance(projection, Conv1D) else weight
    states = torch.randn(4, weight.shape[1], generator=torch.Generator().manual_seed(0)).to(weight)
    # By the weight first, since the call may make the weight anew (pruning, weight norm).
    expected = functional.linear(states, weight, projection.bias)
    found, largest = (
        projection(states).to(expected),
        expected.nan_to_num(0, 0, 0).abs().max().item(),
    )
    tolerance = 4 * torch.finfo(weight.dtype).eps * largest
    return torch.allclose(found, expected, rtol=0, atol=tolerance, equal_nan=True)


def check_vectors(memories: Sequence[Memory], vectors: Sequence[Tensor], noun: str) -> None:
    """Raise `ValueError` unless there is one vector [m] per layer; `noun` says what they are.

    And for weights that are not there to be changed: packed, or kept elsewhere.
    """
    for layer, memory in enumerate(memories):
        _check_there(layer, memory)
    if len(vectors) != len(memories):
        raise ValueError(f"{noun} for {len(vectors)} layers: the model has {len(memories)}")
    for layer, (memory, vector) in enumerate(zip(memories, vectors, strict=True)):
        if vector.shape != (count := len(memory.vectors),):
            found = f"{noun} of layer {layer} have shape {[*vector.shape]}"
            raise ValueError(f"{found}, not [{count}]")


def _check_there(layer: int, memory: Memory) -> None:
    for projection in (memory.keys, memory.values):
        weight = getattr(projection, "weight", None)
        if weight is None or weight.dtype not in PRECISIONS:
            kind = type(projection).__name__ if weight is None else weight.dtype
            only = "only floating-point weights can be scaled, so load the model unquantised"
            raise ValueError(f"the memory of layer {layer} is stored as {kind}: {only}")
        if weight.is_meta:
            whole = "load the model whole, without offloading"
            raise ValueError(f"the weights of layer {layer} are kept elsewhere: {whole}")


def _list_names(model: PreTrainedModel) -> dict[nn.Parameter, list[str]]:
    """Every name of each parameter: tied and shared ones have several."""
    names: dict[nn.Parameter, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(parameter, []).append(name)
    return names


def check_scalable(model: PreTrainedModel, projections: Sequence[nn.Module]) -> None:
    """Raise `ValueError` where to scale a projection would reach further, or not act.

    Refused are a parameter with two names in the model (a projection that two layers share), one
    that is not stored in floating point (a quantised one), and what `check_own` refuses.
    """
    names = _list_names(model)
    for parameter in nn.ModuleList(projections).parameters():
        shared, kind = " and ".join(names[parameter]), parameter.dtype
        if len(names[parameter]) > 1:
            only = "only projections that nothing else shares can be scaled"
            raise ValueError(f"{shared} are one parameter: {only}")
        if kind not in PRECISIONS:
            only = "only floating-point weights can be scaled, so load the model unquantised"
            raise ValueError(f"{shared} is stored as {kind}: {only}")
    check_own(model, projections)


_MEND = "merge its adapter, make its pruning or normalisation permanent"


def check_own(model: PreTrainedModel, projections: Sequence[nn.Module]) -> None:
    """Raise `ValueError` for a projection that is not its own weight and bias, and nothing else."""
    names = {module: name for name, module in model.named_modules()}
    for projection in projections:
        if projection._parameters.get("weight") is None or not is_plain(projection):
            what = f"{names[projection]} is not what its weight says"
            raise ValueError(f"{what}: {_MEND}, or load the model whole, without quantisation")


def check_copyable(model: PreTrainedModel) -> None:
    """Raise `ValueError` for a model whose copy would lack weights or run the original's."""
    for name, module in model.named_modules():
        held = [*module._parameters.values(), *vars(module).values()]
        held = [part for part in held if isinstance(part, Tensor)]
        if any(part.is_meta for part in held):
            what = f"the weights of {name} are kept elsewhere"
            raise ValueError(f"{what}: load the model whole, without offloading")
        if not all(part.is_leaf for part in held):
            what = f"a weight of {name} is worked out from others"
            raise ValueError(f"{what}: make its pruning or normalisation permanent")
        # A bound method is copied with its module; a function goes on to use what it closed over.
        replaced = isinstance(vars(module).get("forward"), FunctionType)
        if replaced and not hasattr(module, "_orig_mod"):
            what = f"the forward pass of {name or 'the model'} was replaced by a function"
            raise ValueError(
                f"{what}, which in a copy would run the original: load the model anew, without "
                "torch.compile"
            )


def check_remade(model: PreTrainedModel) -> None:
    """Raise `ValueError` for a model that its configuration does not make again.

    Its weights must have the names and shapes that the configuration gives, and be one where it
    makes them one; else it could not be loaded as it is.
    """
    with torch.device("meta"):
        fresh = type(model)(copy.deepcopy(model.config))
    found, made = _list_shapes(model), _list_shapes(fresh)
    if wrong := [name for name in {**found, **made} if found.get(name) != made.get(name)]:
        name = min(wrong)
        makes = f"{type(model).__name__}'s configuration makes {_say(name, made)}"
        hint = f"{_MEND}, load it anew without torch.compile"
        raise ValueError(f"{makes}, and the model has {_say(name, found)}: {hint}")
    if differing := _list_ties(model) ^ _list_ties(fresh):
        names = " and ".join(sorted(min(differing, key=sorted)))
        raise ValueError(
            f"{names} are one parameter in the model or in what its configuration makes, and not "
            "in both: set tie_word_embeddings in the configuration, or give each its own weight"
        )


def _list_shapes(model: PreTrainedModel) -> dict[str, list[int]]:
    return {name: [*tensor.shape] for name, tensor in model.state_dict().items()}


def _say(name: str, shapes: dict[str, list[int]]) -> str:
    return f"{name} of shape {shapes[name]}" if name in shapes else f"no {name}"


def _list_ties(model: PreTrainedModel) -> set[frozenset[str]]:
    return {frozenset(names) for names in _list_names(model).values() if len(names) > 1}


def copy_model(model: PreTrainedModel) -> PreTrainedModel:
    """A deep copy that shares nothing with the model. Errors as for `check_copyable`."""
    check_copyable(model)
    return copy.deepcopy(model)


def scale_rows(rows: Float[Tensor, "neuron ..."], factors: Float[Tensor, " neuron"]) -> None:
    """Multiply each row in place, worked out in float32 at least and rounded once.

    Raises `ValueError` where a product is beyond the rows' precision (float16 ends at 65,504).
    """
    factors = factors.to(rows.device, torch.promote_types(rows.dtype, torch.float32))
    rows.copy_(rows.to(factors.dtype) * factors.view(-1, *[1] * (rows.ndim - 1)))
    if not rows.isfinite().all():
        wide = "scale a model in float32 or bfloat16"
        raise ValueError(f"a scaled weight is not a finite {rows.dtype}: {wide}")
