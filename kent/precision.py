"""Precision that the surroundings set, kept out of what is measured and learned."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

AMBIENT = "ACCELERATE_"
"""How the variables begin in which accelerate, and the Trainer with it, finds what nobody asked for.

Its precision, a compiler and its mode, another device, a way to share the work.
"""


@contextmanager
def keep_precision() -> Iterator[None]:
    """Within the block numbers have the precision that their tensors say.

    New tensors are float32 on the CPU unless said otherwise, products of float32 matrices are taken in full, nothing
    is cast automatically, and accelerate reads nothing out of the environment. All is put back after the block.
    """
    dtype, products = torch.get_default_dtype(), torch.get_float32_matmul_precision()
    ambient = _take_ambient()
    try:
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision("highest")
        with ExitStack() as stack:
            if torch.get_default_device().type != "cpu":  # a mode, which slows all that makes tensors
                stack.enter_context(torch.device("cpu"))
            for device in ("cpu", "cuda"):  # a kept cast of a weight would outlive the steps learned within
                stack.enter_context(torch.autocast(device, enabled=False, cache_enabled=False))
            yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_float32_matmul_precision(products)
        _take_ambient()
        os.environ.update(ambient)


def _take_ambient() -> dict[str, str]:
    return {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(AMBIENT)}
