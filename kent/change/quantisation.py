"""Weights packed to few bits, block for block as `.gguf` files hold them, and unpacked again.

A control: the model computes with what the packed weights stand for, while what they were is known.
"""

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from kent.errors import NotFiniteError, require
from kent.measure.copies import PRECISIONS, copy_model
from kent.measure.decoders import Model
from kent.settings import checked

BITS = {"Q8_0": 8.5, "Q5_1": 6.0, "Q5_0": 5.5, "Q4_1": 5.0, "Q4_0": 4.5, "MXFP4": 4.25}
"""Bits a weight of the formats that the package gguf can write in blocks of `BLOCK`."""
BLOCK = 32
"""Neighbouring numbers of a row that share a scale (and in Q5_1 and Q4_1 an offset)."""


@checked
@torch.no_grad()
def quantise(model: Model, kind: str) -> PreTrainedModel:
    """A copy of a model whose matrices are what packing to a format of `BITS` leaves of them.

    It is gguf's own arithmetic, that of llama.cpp without weighting by a text. Every matrix is
    packed, embeddings too, in blocks along what is summed over; vectors stay as they are, and so do
    matrices whose rows are not whole blocks, which llama.cpp's converter does not pack either. The
    copy has the model's dtype. Raises `ValueError` for another format, for a model without a matrix
    to pack, for weights that are packed already or not finite, and for a model whose copy would not
    be whole (offloaded); `ImportError` without the extra [gguf].
    """
    if kind not in BITS:
        raise ValueError(f"weights are packed to {', '.join(BITS)}, not to {kind!r}")
    require("gguf", "gguf")
    _check_unpacked(model)
    changed = copy_model(model)
    if not (matrices := _list_matrices(changed)):
        rows = f"has no matrix whose rows are whole blocks of {BLOCK}"
        raise ValueError(f"{type(model).__name__} {rows}")
    for name, weight in matrices.items():
        if not weight.isfinite().all():
            raise NotFiniteError(name)
        weight.copy_(torch.from_numpy(_pack(weight.float().numpy(force=True), kind)))
    return changed


def _check_unpacked(model: PreTrainedModel) -> None:
    kinds = {each.dtype for each in model.parameters()}
    if hasattr(model.config, "quantization_config") or not kinds <= {*PRECISIONS}:
        said = f"the weights of {type(model).__name__} are packed already"
        raise ValueError(f"{said}: load the model unquantised")


def _list_matrices(model: PreTrainedModel) -> dict[str, Tensor]:
    """Every matrix once (tied ones are one), as a view whose last axis is what is summed over."""
    turned = {id(part.weight) for part in model.modules() if isinstance(part, Conv1D)}
    found = {
        name: weight.T if id(weight) in turned else weight
        for name, weight in model.named_parameters()
        if weight.ndim > 1
    }
    return {name: weight for name, weight in found.items() if weight.shape[-1] % BLOCK == 0}


def _pack(weights: np.ndarray, kind: str) -> np.ndarray:
    """What the packed numbers stand for, in float32."""
    from gguf import GGMLQuantizationType, quants

    form = GGMLQuantizationType[kind]
    return quants.dequantize(quants.quantize(np.ascontiguousarray(weights), form), form)
