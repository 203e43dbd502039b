"""Rotary positions that look at the whole batch: at its longest row, and at earlier batches.

Most models turn a position by its number alone. Two kinds also look at how long the longest row is,
so that a sequence would be measured as something else beside a longer one, or after one.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn


def _list_types(module: nn.Module) -> dict[str, str]:
    """A module's rotary types by the prefix of their buffers' names; empty for other modules."""
    found = getattr(module, "rope_type", None)
    if isinstance(found, dict):  # one for each kind of layer (Gemma 3)
        return {f"{layers}_": kind for layers, kind in found.items() if isinstance(kind, str)}
    return {"": found} if isinstance(found, str) else {}


def depend_on_batch(model: nn.Module) -> bool:
    """Whether positions turn by what the longest row of a batch is.

    So do LongRoPE (Phi-3), which has other frequencies for a batch whose longest row goes beyond a
    length, and dynamic NTK scaling, which stretches them by that row.
    """
    kinds = {kind for module in model.modules() for kind in _list_types(module).values()}
    return any(kind == "longrope" or "dynamic" in kind for kind in kinds)


def rows_together(model: nn.Module, batch_size: int) -> int:
    """How many rows that differ in length may share a batch.

    One, where positions depend on the longest of them.
    """
    return 1 if depend_on_batch(model) else batch_size


@contextmanager
def start_afresh(model: nn.Module) -> Iterator[None]:
    """Within the block no batch sees what an earlier one left in the positions.

    Dynamic NTK scaling keeps the frequencies of the longest row that it ever met, for shorter rows
    too. After the block the positions are as they were.
    """
    with ExitStack() as stack:
        for module in model.modules():
            if kinds := _list_types(module):
                stack.callback(_restore, module, *_remember(module))
                growing = [prefix for prefix, kind in kinds.items() if "dynamic" in kind]
                handle = module.register_forward_pre_hook(
                    lambda part, _, names=growing: _reset(part, names)
                )
                stack.callback(handle.remove)
        yield


def _reset(module: nn.Module, prefixes: list[str]) -> None:
    for prefix in prefixes:
        setattr(module, f"{prefix}inv_freq", getattr(module, f"{prefix}original_inv_freq"))
        setattr(module, f"{prefix}max_seq_len_cached", module.original_max_seq_len)


def _list_public(module: nn.Module) -> dict[str, object]:
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


def _remember(module: nn.Module) -> tuple[dict[str, object], dict[str, tuple[Tensor, Tensor]]]:
    """A module's public attributes, and its buffers with copies of what they hold."""
    buffers = module._buffers.items()
    return _list_public(module), {name: (buffer, buffer.clone()) for name, buffer in buffers}


def _restore(
    module: nn.Module, public: dict[str, object], buffers: dict[str, tuple[Tensor, Tensor]]
) -> None:
    for name in _list_public(module).keys() - public.keys():
        delattr(module, name)
    vars(module).update(public)
    module._buffers.clear()
    module._buffers.update({name: buffer for name, (buffer, _) in buffers.items()})
    for buffer, held in buffers.values():
        # A module may have written into the buffer itself; one on the meta device holds nothing.
        if not buffer.is_meta and not torch.equal(buffer, held):
            buffer.copy_(held)
