"""The optimizer's memory: AdamW's moments at a checkpoint, with which learning may begin.

A fresh start has none: the first updates then have the size of the rate whatever the gradient.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from kent.models.trainer import KINDS, MOMENTS
from kent.records import hash_tensors


@dataclass(frozen=True)
class Moments:
    """AdamW's moments after so many optimizer `steps`, by PARAMETER.exp_avg, PARAMETER.exp_avg_sq.

    A number of `values` for each weight.
    """

    values: Mapping[str, Tensor]
    steps: int

    def describe(self) -> dict[str, str | int]:
        """What makes them these, as JSON."""
        return {"sha256": hash_tensors(self.values), "steps": self.steps}

    def give(self, optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
        """Have an optimizer of the model's weights go on from them.

        Raises `ValueError` for weights whose moments are missing or of another shape.
        """
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            state = {"step": torch.tensor(float(self.steps))}
            for kind in KINDS:
                value = self.values.get(f"{name}.{kind}")
                if value is None or value.shape != parameter.shape:
                    found = "lacks" if value is None else "has in another shape"
                    raise ValueError(f"the optimizer's memory {found} the {kind} of {name}")
                state[kind] = value.to(parameter, copy=True)
            optimizer.state[parameter] = state


def read_moments(folder: Path | None, steps: int | str | None) -> Moments:
    """The moments that lie beside a checkpoint's weights.

    Raises `ValueError` where there are none, or where it is not known after how many steps.
    """
    path = folder and folder / MOMENTS
    if path is None or not path.is_file():
        where = folder or "this checkpoint, which is not in a folder,"
        raise ValueError(f"{where} holds no memory of its optimizer ({MOMENTS})")
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(f"the optimizer of {folder} needs a step, 1 or more, not {steps!r}")
    return Moments(load_file(path), steps)
