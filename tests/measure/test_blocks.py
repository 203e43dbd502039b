"""Blocks of instances and the jackknife over them, against numpy written by hand."""

import numpy as np
import pytest
import torch

from kent.measure.blocks import BlockMeans, average, jackknife


def collect(values: torch.Tensor, batches: list[range]) -> BlockMeans:
    blocks = BlockMeans(len(values))
    for batch in batches:
        blocks.add(values[batch.start : batch.stop], batch.start)
    return blocks


def cut(count: int, size: int) -> list[range]:
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 40, 256])
def test_blocks_hold_neighbours_and_differ_by_one_at_most(count):
    blocks = BlockMeans(count)
    assert len(blocks.sizes) == min(16, count)
    assert blocks.sizes.sum() == count
    assert blocks.sizes.max() - blocks.sizes.min() <= 1


def test_means_of_each_block():
    # 18 instances: block of i is 16 i // 18, so instances 0 and 1 share a block, and 9 and 10
    values = torch.arange(18.0)
    means = collect(values, cut(18, 5)).means().tolist()
    assert means == [0.5, *range(2, 9), 9.5, *range(11, 18)]


@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_size_and_order_of_batches_change_no_block(size):
    values = torch.randn(50, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    whole = collect(values, cut(50, 50)).means()
    torch.testing.assert_close(collect(values, cut(50, size)).means(), whole, rtol=1e-14, atol=0)
    torch.testing.assert_close(
        collect(values, cut(50, size)[::-1]).means(), whole, rtol=1e-14, atol=0
    )


def test_average_weighs_blocks_by_their_instances():
    values = torch.randn(21, 3, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    blocks = collect(values, cut(21, 4))
    torch.testing.assert_close(average(blocks.means(), blocks.sizes), values.mean(dim=0))


def test_sums_are_kept_in_float64():
    values = torch.full((1000,), 0.1)
    blocks = collect(values, cut(1000, 10))
    assert average(blocks.means(), blocks.sizes).item() == pytest.approx(
        values[0].item(), rel=1e-15
    )


def test_jackknife_of_a_mean_is_the_standard_error():
    values = np.random.default_rng(0).normal(size=16)
    blocks = collect(torch.from_numpy(values), cut(16, 16))
    error = jackknife(lambda sizes: average(blocks.means(), sizes), blocks.sizes)
    assert error.item() == pytest.approx(values.std(ddof=1) / 4, rel=1e-12)


def test_jackknife_of_an_entropy_against_delete_one_by_hand():
    values = np.random.default_rng(1).exponential(size=(23, 6))
    owner = np.arange(23) * 16 // 23

    def entropy_without(block: int) -> float:
        share = values[owner != block].mean(axis=0)
        share = share / share.sum()
        return -(share * np.log(share)).sum()

    left_out = np.array([entropy_without(block) for block in range(16)])
    expected = np.sqrt(15 / 16 * np.square(left_out - left_out.mean()).sum())

    blocks = collect(torch.from_numpy(values), cut(23, 4))

    def entropy(sizes: torch.Tensor) -> torch.Tensor:
        share = average(blocks.means(), sizes)
        return torch.special.entr(share / share.sum()).sum()

    assert jackknife(entropy, blocks.sizes).item() == pytest.approx(expected, rel=1e-10)


def test_jackknife_of_one_block_is_not_a_number():
    blocks = collect(torch.ones(1, 3), cut(1, 1))
    assert jackknife(lambda sizes: average(blocks.means(), sizes), blocks.sizes).isnan().all()
