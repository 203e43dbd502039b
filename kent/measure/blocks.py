"""Means over blocks of instances, and the jackknife over them, apart from the loop that feeds it.

Axes: instance (sequences), block (neighbouring instances); "..." is whatever each of them has.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

BLOCKS = 16


class BlockMeans:
    """Running float64 sums of per-instance values in at most 16 blocks of neighbouring instances.

    Instance i of n belongs to block i·g // n, with g = min(16, n); so neither the batch size nor
    the order in which batches arrive changes a block.
    """

    def __init__(self, instances: int):
        self.instances, self.count = instances, min(BLOCKS, instances)
        self.sums: Tensor | None = None
        self.sizes = self._find_blocks(0, instances).bincount()

    def _find_blocks(self, start: int, stop: int) -> Int[Tensor, " instance"]:
        return torch.arange(start, stop) * self.count // self.instances

    def add(self, values: Float[Tensor, "instance ..."], start: int) -> None:
        """Add the values of instances start, start + 1, …"""
        values = values.detach().cpu().double()
        if self.sums is None:
            self.sums = values.new_zeros(self.count, *values.shape[1:])
        self.sums.index_add_(0, self._find_blocks(start, start + len(values)), values)

    def join(self, others: "BlockMeans") -> None:
        """Add what was summed elsewhere over others of the same instances."""
        self.sums += others.sums

    def means(self) -> Float[Tensor, "block ..."]:
        """Mean of each block's instances."""
        return self.sums / self.sizes.view(-1, *[1] * (self.sums.ndim - 1))


def average(
    means: Float[Tensor, "block ..."], sizes: Int[Tensor, " block"]
) -> Float[Tensor, "..."]:
    """Mean over instances from the means of blocks."""
    return torch.einsum("b,b...->...", sizes.to(means.dtype) / sizes.sum(), means)


def jackknife(
    statistic: Callable[[Int[Tensor, " block"]], Float[Tensor, "..."]], sizes: Int[Tensor, " block"]
) -> Float[Tensor, "..."]:
    """Standard error of `statistic` by leaving out one block of instances at a time.

    `statistic` maps the blocks' sizes to the estimate; a block is left out by giving it size 0.
    With g blocks the error is sqrt((g-1)/g · Σ (θ₍ᵢ₎ - θ̄)²) (Efron and Stein 1981). NaN for one.

    Why blocks: neighbours may come from one document, and an error that took them as independent
    would be too small. Why a jackknife: knowledge entropy is that of mean coefficients, no mean of
    entropies, so it has no standard deviation over instances. It says how far other text of the
    same kind would move the value, not how far another training run would.
    """
    if len(sizes) < 2:
        return torch.full_like(statistic(sizes), torch.nan)
    kept = sizes.repeat(len(sizes), 1).fill_diagonal_(0)
    estimates = torch.stack([statistic(row) for row in kept])
    # correction=0 divides by g: (g-1)·variance is (g-1)/g · Σ (θ₍ᵢ₎ - θ̄)²
    return ((len(sizes) - 1) * estimates.var(dim=0, correction=0)).sqrt()
