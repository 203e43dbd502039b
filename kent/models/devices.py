"""Where a model is put: on a device, or laid over several of them, the CPU and the disk."""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from transformers import PretrainedConfig
from transformers.quantizers import AutoHfQuantizer

from kent.errors import require

Map = str | dict[str, int | str | torch.device]
"""A device map of transformers: how to spread a model, or the place of each of its parts."""

SPREAD = ("auto", "balanced", "balanced_low_0", "sequential")
"""How accelerate spreads a model over what there is."""


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device of that name (ValueError where it is not here); of none, the GPU or the CPU.

    Of torchrun's processes each has a GPU of its own, as far as there are so many.
    """
    if device is None:
        if not torch.cuda.is_available():
            return torch.device("cpu")
        own = os.environ.get("LOCAL_RANK")
        return torch.device("cuda", own and int(own) % torch.cuda.device_count())
    name, here = "cpu" if str(device) == "cpu:0" else str(device), ["cpu"]
    if torch.accelerator.is_available():
        kind = torch.accelerator.current_accelerator().type
        here += [kind, *(f"{kind}:{index}" for index in range(torch.accelerator.device_count()))]
    if name not in here:
        raise ValueError(f"device is {name!r}, and torch finds {', '.join(here)} here, no other")
    return torch.device(name)


def settle_place(device: str | torch.device | None, device_map: Map | None) -> torch.device | Map:
    """Where a model is to be: on a device, or as a map says.

    Raises `ValueError` for both at once, for a map that is none, and for a device that is not here;
    ImportError for a map where accelerate, which follows it, is not installed.
    """
    if device_map is None:
        return choose_device(device)
    if device is not None:
        raise ValueError("device and device_map both say where the model is to be: name one")
    if not isinstance(device_map, dict) and device_map not in SPREAD:
        raise ValueError(f"device_map must be {', '.join(SPREAD)} or a dict, not {device_map!r}")
    if not device_map:
        raise ValueError("device_map must name a place for each part of the model; it is empty")
    for place in device_map.values() if isinstance(device_map, dict) else ():
        if place != "disk":
            choose_device(f"cuda:{place}" if isinstance(place, int) else place)
    require("learn", "accelerate")
    return device_map


def read_packing(source: str | Path, **options: str) -> Mapping[str, object] | None:
    """How a checkpoint says that its weights are quantised; None for one that is not.

    Raises `ValueError` for a way that transformers does not know: it would take the packed numbers
    for the weights.
    """
    config = PretrainedConfig.get_config_dict(source, **options)[0]
    inner = config.get("text_config")
    nested = inner.get("quantization_config") if isinstance(inner, Mapping) else None
    packing = config.get("quantization_config") or nested
    if packing and not AutoHfQuantizer.supports_quant_method(packing):
        method = packing.get("quant_method")
        raise ValueError(f"it is quantised by {method!r}, which transformers does not know")
    return packing or None


def map_devices(place: torch.device | Map, packing: Mapping | None) -> Map | None:
    """The device map that a checkpoint is read with; None for one that is moved afterwards.

    Packed weights are put on a GPU as they are read: some kinds cannot be moved.
    """
    if not isinstance(place, torch.device):
        return place
    return {"": place} if packing and torch.accelerator.is_available() else None
