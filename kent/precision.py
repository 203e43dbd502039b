"""Precision that the surroundings set, kept out of what is measured and learned."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

AMBIENT = "ACCELERATE_"
"""How the variables begin in which accelerate, and the Trainer with it, finds what nobody asked
for.

Its precision, a compiler and its mode, another device, a way to share the work.
"""


@contextmanager
def keep_precision() -> Iterator[None]:
    """Within the block numbers have the precision that their tensors say, and tensors are such as
    can be trained.

    New tensors are float32 on the CPU unless said otherwise, products of float32 matrices are taken
    in full, nothing is cast automatically, no inference mode is on, and accelerate reads nothing
    out of the environment. All is put back after the block.
    """
    dtype, ambient = torch.get_default_dtype(), _take_ambient()
    try:
        torch.set_default_dtype(torch.float32)
        with ExitStack() as stack:
            stack.enter_context(_multiply_in_full())
            stack.enter_context(torch.inference_mode(False))
            if (
                torch.get_default_device().type != "cpu"
            ):  # a mode, which slows all that makes tensors
                stack.enter_context(torch.device("cpu"))
            for device in (
                "cpu",
                "cuda",
            ):  # a kept cast of a weight would outlive the steps learned within
                stack.enter_context(torch.autocast(device, enabled=False, cache_enabled=False))
            yield
    finally:
        torch.set_default_dtype(dtype)
        _take_ambient()
        os.environ.update(ambient)


@contextmanager
def _multiply_in_full() -> Iterator[None]:
    """Within the block float32 products round to float32: by the setting of each backend, or in
    older torch by one."""
    backends = [torch.backends.cuda.matmul, torch.backends.mkldnn.matmul]
    if not all(hasattr(backend, "fp32_precision") for backend in backends):
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)
        return
    found = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "ieee"
        yield
    finally:
        for backend, before in zip(backends, found, strict=True):
            backend.fp32_precision = before


def _take_ambient() -> dict[str, str]:
    return {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(AMBIENT)}
