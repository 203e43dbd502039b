"""A model changed as a copy: what may be copied and scaled, and whether a projection is what its
weight says."""

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
    """Whether a projection multiplies by what its weight holds, and adds its bias, tried on four
    random vectors.

    Not so under an adapter, in a packed form, or where the weight is kept elsewhere.
    """
    weight = getattr(projection, "weight", None)
    if not isinstance(projection, nn.Linear | Conv1D) or weight is None:
        return False
    if weight.dtype not in PRECISIONS or weight.is_meta:
        return False
    weight = weight.T if isinstance(projection, Conv1D) else weight
    states = torch.randn(
        4,
        weight.shape[1],
        generator=torch.Generator("cpu").manual_seed(0),
        dtype=torch.float32,
        device="cpu",
    ).to(weight)
    expected = functional.linear(
        states, weight, projection.bias
    )  # first: a call may make the weight anew
    tolerance = 4 * torch.finfo(weight.dtype).eps * expected.nan_to_num(0, 0, 0).abs().max().item()
    return torch.allclose(
        projection(states).to(expected), expected, rtol=0, atol=tolerance, equal_nan=True
    )


def check_vectors(memories: Sequence[Memory], vectors: Sequence[Tensor], noun: str) -> None:
    """Raise `ValueError` unless there is one vector [m] per layer; `noun` says what they are."""
    if len(vectors) != len(memories):
        raise ValueError(f"{noun} for {len(vectors)} layers: the model has {len(memories)}")
    for layer, (memory, vector) in enumerate(zip(memories, vectors, strict=True)):
        if vector.shape != (len(memory.vectors),):
            raise ValueError(
                f"{noun} of layer {layer} have shape {[*vector.shape]}, not [{len(memory.vectors)}]"
            )


def check_scalable(model: PreTrainedModel, projections: Sequence[nn.Module]) -> None:
    """Raise `ValueError` where a projection is more than its weight, or where to scale it would
    reach further.

    Refused are a parameter with two names in the model (a projection that two layers share), one
    that is not stored in floating point (a quantised one), and what `check_own` refuses.
    """
    names: dict[nn.Parameter, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(parameter, []).append(name)
    for parameter in (
        parameter for projection in projections for parameter in projection.parameters()
    ):
        if len(names[parameter]) > 1:
            raise ValueError(
                f"{' and '.join(names[parameter])} are one parameter: only projections that "
                "nothing else shares can be scaled"
            )
        if parameter.dtype not in PRECISIONS:
            raise ValueError(
                f"{names[parameter][0]} is stored as {parameter.dtype}: only floating-point "
                "weights can be scaled, so load the model without quantisation"
            )
    check_own(model, projections)


def check_own(model: PreTrainedModel, projections: Sequence[nn.Module]) -> None:
    """Raise `ValueError` for a projection that is not its own weight and bias, and nothing else."""
    names = {module: name for name, module in model.named_modules()}
    for projection in projections:
        if projection._parameters.get("weight") is None or not is_plain(projection):
            raise ValueError(
                f"{names[projection]} is not what its weight says: merge its adapter, make its "
                "pruning or normalisation permanent, or load the model whole, without quantisation"
            )


def check_copyable(model: PreTrainedModel) -> None:
    """Raise `ValueError` for a model whose copy would not be whole, or would compute with the
    original's weights."""
    for name, module in model.named_modules():
        held = [
            *module._parameters.values(),
            *(part for part in vars(module).values() if isinstance(part, Tensor)),
        ]
        if any(part is not None and part.is_meta for part in held):
            raise ValueError(
                f"the weights of {name} are kept elsewhere: load the model whole, without "
                "offloading"
            )
        if not all(part is None or part.is_leaf for part in held):
            raise ValueError(
                f"a weight of {name} is worked out from others: make its pruning or normalisation "
                "permanent"
            )
        if isinstance(vars(module).get("forward"), FunctionType) and not hasattr(
            module, "_orig_mod"
        ):
            raise ValueError(
                f"the forward pass of {name or 'the model'} was replaced by a function, which in a "
                "copy would run the original: load the model anew, without torch.compile"
            )


def check_remade(model: PreTrainedModel) -> None:
    """Raise `ValueError` for a model that its configuration does not make again, which could not be
    loaded as it is.

    Its weights must have the names and shapes that the configuration gives, and be one where it
    makes them one.
    """
    with torch.device("meta"):
        fresh = type(model)(copy.deepcopy(model.config))
    hint = (
        "merge its adapter, make its pruning or normalisation permanent, "
        "load it anew without torch.compile"
    )
    found, made = _list_shapes(model), _list_shapes(fresh)
    for name in sorted(
        name for name in found.keys() | made.keys() if found.get(name) != made.get(name)
    ):
        raise ValueError(
            f"{type(model).__name__}'s configuration makes {_say(name, made)}, and the model has "
            f"{_say(name, found)}: {hint}"
        )
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
    """The names of each parameter that has more than one."""
    names: dict[nn.Parameter, set[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(parameter, set()).add(name)
    return {frozenset(each) for each in names.values() if len(each) > 1}


def copy_model(model: PreTrainedModel) -> PreTrainedModel:
    """A deep copy that shares nothing with the model. Errors as for `check_copyable`."""
    check_copyable(model)
    return copy.deepcopy(model)


def scale_rows(rows: Float[Tensor, "neuron ..."], factors: Float[Tensor, " neuron"]) -> None:
    """Multiply each row in place, worked out in float32 at least and rounded once.

    Raises `ValueError` where a product has no place in the rows' precision (float16 ends at
    65,504).
    """
    factors = factors.to(rows.device, torch.promote_types(rows.dtype, torch.float32))
    rows.copy_(rows.to(factors.dtype) * factors.view(-1, *[1] * (rows.ndim - 1)))
    if not rows.isfinite().all():
        raise ValueError(
            f"a scaled weight is not a finite {rows.dtype}: scale a model in float32 or bfloat16"
        )
