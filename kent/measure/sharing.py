"""A pass split over the processes that torchrun started, each of which gets the whole result.

Batches stay as they are in one process; each process takes as many neighbouring ones as the others.
So what is measured of a batch does not change, and only the order in which float64 sums are taken
may.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch.distributed as dist
from torch import Tensor
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from kent.measure.blocks import BlockMeans
from kent.measure.limits import NotMeasurableError
from kent.records import hash_tensors

Found = TypeVar("Found")
Means = dict[tuple[str, int], BlockMeans]

LAUNCHED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun tells each of its processes."""
PATIENCE = timedelta(days=1)
"""How long a process waits for slower ones; one that has ended is noticed at once."""


def find_place() -> tuple[int, int]:
    """This process's rank, and how many processes there are: (0, 1) where it is alone."""
    if not dist.is_available():
        return 0, 1
    if dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    launched = all(name in os.environ for name in LAUNCHED)
    return (int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])) if launched else (0, 1)


def walk(batches: range) -> Iterable[int]:
    """This process's share of the batches; the first process shows how far it is."""
    rank, processes = find_place()
    first, end = (len(batches) * place // processes for place in (rank, rank + 1))
    shown = {"desc": "profile", "unit": "batch", "leave": False, "disable": rank > 0}
    return tqdm(batches[first:end], **shown)


@contextmanager
def _connect() -> Iterator[dist.ProcessGroup]:
    """The processes, as a group of their own on the CPU, whatever they are otherwise used for."""
    if not dist.is_initialized():
        dist.init_process_group()
    group = dist.new_group(backend="gloo", timeout=PATIENCE)
    try:
        yield group
    finally:
        dist.destroy_process_group(group)


def exchange(work: Callable[[], Found]) -> list[Found]:
    """What `work` gives in each process, by rank; every process must make the same call.

    What it raises in one of them is raised in all, so that none waits for what will not come: the
    error of the lowest rank, in the others as the `NotMeasurableError`, `ValueError` or
    `RuntimeError` that it is or comes closest to.
    """
    rank, processes = find_place()
    if processes == 1:
        return [work()]
    own, result, found = None, None, [None] * processes
    with _connect() as group:  # before the work, since a connection says when another has ended
        try:
            result = work()
        except Exception as error:
            own = error
        dist.all_gather_object(found, (result, own and _describe(own)), group=group)
    for other, (_, fault) in enumerate(found):
        if fault is not None:
            raise own if other == rank else _restate(other, *fault) from own
    return [result for result, _ in found]


def _describe(error: Exception) -> tuple[str | None, bool, str]:
    """An error as what any process can read: the error itself may hold what cannot be sent."""
    plain = isinstance(error, ValueError)
    said = str(error) if plain else f"{type(error).__name__}: {error}"
    return getattr(error, "measure", None), plain, said


def _restate(rank: int, measure: str | None, plain: bool, said: str) -> Exception:
    if measure is not None:  # kept as the reason, which is the same for all
        return NotMeasurableError(measure, said)
    return (ValueError if plain else RuntimeError)(f"process {rank}: {said}")


def agree(describe: Callable[[], dict[str, object]]) -> None:
    """Raise `ValueError` in all processes unless `describe` gives the same in each."""
    if find_place()[1] == 1:
        return
    first, *others = exchange(describe)
    for rank, other in enumerate(others, start=1):
        if differing := [name for name in first if first[name] != other[name]]:
            what = "; ".join(f"{name}: {other[name]}, not {first[name]}" for name in differing)
            share = "processes share one measurement, and are given the same"
            raise ValueError(f"process {rank} was given another {what}. {share}")


def describe_given(
    model: PreTrainedModel, tensors: dict[str, Tensor | None], settings: dict[str, object]
) -> dict[str, object]:
    """What a measurement was given, arrays as their hashes; `ValueError` for a divided model."""
    kind = type(model).__name__
    if any(hasattr(parameter, "device_mesh") for parameter in model.parameters()):
        whole = "load it whole in each, or on several devices of one process by device_map"
        raise ValueError(f"weights of {kind} are divided between processes: {whole}")
    given = {name: each for name, each in tensors.items() if each is not None}
    hashes = {name: hash_tensors({name: each}) for name, each in given.items()}
    return {"model": kind, **dict.fromkeys(tensors), **hashes, **settings}


def add_up(work: Callable[[], Means]) -> Means:
    """The whole of the means that each process makes of its share, the same in each."""
    whole: Means = {}
    for part in exchange(work):
        for key, means in part.items():
            if key in whole:
                whole[key].join(means)
            else:
                whole[key] = means
    return whole
