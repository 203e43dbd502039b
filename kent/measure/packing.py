"""A profile as named tensors, which its file holds, and back.

A list of layers is tensors called "NAME.0", "NAME.1", …
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from kent.measure.estimates import Means

LAYERED = {"coefficients": "coefficient_blocks", "norms": "vector_norms"}
LAYERED |= {"routing": "routing_blocks", "experts": "expert_sizes"}
WHOLE = {"attention": "attention_blocks", "token": "token_blocks", "loss": "loss_blocks"}
"""What a file calls the fields of a profile: lists of layers, and single tensors."""


def pack(means: Means) -> dict[str, Tensor]:
    """The tensors of a profile by their names in its file."""
    tensors = {"sizes": means.sizes}
    for name, field in LAYERED.items():
        for layer, values in enumerate(getattr(means, field) or ()):
            tensors[f"{name}.{layer}"] = torch.as_tensor(values, device="cpu")
    whole = {name: getattr(means, field) for name, field in WHOLE.items()}
    return tensors | {name: each for name, each in whole.items() if each is not None}


def unpack(tensors: Mapping[str, Tensor]) -> dict[str, object]:
    """The fields of a profile; `KeyError` where a layer is missing."""
    counts = {name: sum(key.startswith(f"{name}.") for key in tensors) for name in LAYERED}
    if counts["coefficients"] < (count := max(counts.values())):
        raise KeyError("coefficients")

    def read(name: str) -> list[Tensor] | None:
        """A list may be absent; else all have one length: what lacks a layer is not whole."""
        layers = range(count if counts[name] else 0)
        return [tensors[f"{name}.{layer}"] for layer in layers] or None

    found = {field: read(name) for name, field in LAYERED.items()}
    if found["expert_sizes"]:
        found["expert_sizes"] = [each.tolist() for each in found["expert_sizes"]]
    found |= {field: tensors.get(name) for name, field in WHOLE.items()}
    return found | {"sizes": tensors["sizes"]}
