"""Precision that the surroundings set, kept out of what is measured and learned."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

AMBIENT = "ACCELERATE_"
"""How the variables begin by which accelerate, and with it the Trainer, is set from outside.

They name a precision, a compiler and its mode, another device, a way to share the work.
"""


@contextmanager
def keep_precision() -> Iterator[None]:
    """Within the block numbers have their tensors' precision, and tensors can be trained.

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
            # A default device is a mode, which slows all that makes tensors: only where needed.
            if torch.get_default_device().type != "cpu":
                stack.enter_context(torch.device("cpu"))
            # No cache: a weight's cast that is kept would outlive the steps learned within.
            for device in ("cpu", "cuda"):
                stack.enter_context(torch.autocast(device, enabled=False, cache_enabled=False))
            yield
    finally:
        torch.set_default_dtype(dtype)
        _take_ambient()
        os.environ.update(ambient)


@contextmanager
def _multiply_in_full() -> Iterator[None]:
    """Within the block float32 products round to float32: no TF32, no bfloat16 in their place."""
    backends = [torch.backends.cuda.matmul, torch.backends.mkldnn.matmul]
    if all(hasattr(backend, "fp32_precision") for backend in backends):
        before = [backend.fp32_precision for backend in backends]
        within = ["ieee"] * len(backends)

        def choose(precisions: list[str]) -> None:
            for backend, precision in zip(backends, precisions, strict=True):
                backend.fp32_precision = precision

    else:  # before torch 2.9, one setting for all backends
        before, within = torch.get_float32_matmul_precision(), "highest"
        choose = torch.set_float32_matmul_precision
    try:
        choose(within)
        yield
    finally:
        choose(before)


def _take_ambient() -> dict[str, str]:
    return {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(AMBIENT)}
