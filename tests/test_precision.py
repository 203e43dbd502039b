"""Whatever the surroundings set, numbers have their tensors' precision within; all is as it was
after."""

import os

import pytest
import torch

from kent.precision import keep_precision

AMBIENT = "ACCELERATE_MIXED_PRECISION"


def observe() -> tuple:
    """What the surroundings do to a new tensor, to a product, and to accelerate."""
    product = torch.ones(2, 2, dtype=torch.float32, device="cpu") @ torch.ones(
        2, 2, dtype=torch.float32, device="cpu"
    )
    new = torch.empty(1)
    products = torch.backends.mkldnn.matmul.fp32_precision
    modes = (torch.is_inference_mode_enabled(), os.environ.get(AMBIENT))
    return new.dtype, new.device.type, product.dtype, products, *modes


@pytest.fixture
def disturbed(monkeypatch):
    """Surroundings in which nothing is as usual."""
    monkeypatch.setenv(AMBIENT, "bf16")
    torch.set_default_dtype(torch.bfloat16)
    torch.set_default_device("meta")
    torch.set_float32_matmul_precision("medium")
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
        yield
    torch.set_float32_matmul_precision("highest")
    torch.set_default_device(None)
    torch.set_default_dtype(torch.float32)


def test_precision_is_that_of_the_tensors_and_the_surroundings_come_back(disturbed):
    before = observe()
    assert before == (torch.bfloat16, "meta", torch.bfloat16, "bf16", True, "bf16")
    with keep_precision():
        assert observe() == (torch.float32, "cpu", torch.float32, "ieee", False, None)
        os.environ[AMBIENT] = os.environ["ACCELERATE_USE_CPU"] = "true"  # as a Trainer may
    assert observe() == before and "ACCELERATE_USE_CPU" not in os.environ


def test_the_precision_of_one_backend_is_kept_out_too():
    products = torch.backends.mkldnn.matmul
    before, products.fp32_precision = (
        products.fp32_precision,
        "bf16",
    )  # torch then refuses to tell the whole
    try:
        with keep_precision():
            assert products.fp32_precision == "ieee"
        assert products.fp32_precision == "bf16"
    finally:
        products.fp32_precision = before


def test_the_surroundings_come_back_after_an_error(disturbed):
    before = observe()
    with pytest.raises(KeyError), keep_precision():
        raise KeyError
    assert observe() == before
