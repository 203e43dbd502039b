"""The rows that a run of learning reads: of one corpus or several, in the order of its steps.

Axes: row (of a corpus or of the run, in its order), position (tokens of a row).
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Int64
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from kent.text.corpora import sequences


def list_sources(config: Mapping) -> list[str | Sequence[str]]:
    """The corpora of a run of learning: its `corpus`, and those of its `mix`."""
    return [config["corpus"], *config.get("mix", {})]


def place_rows(config: Mapping) -> list[Int64[Tensor, " row"]]:
    """Of each corpus of a run of learning, where its rows stand among those of an epoch.

    The corpora of `mix` have their shares of all rows, `corpus` has the rest, each spread as evenly
    as can be; an `order` is a seed that shuffles them. Raises `ValueError` for a corpus that no row
    is left for.
    """
    total = config["batch"] * config["steps"]
    counts = [round(share * total) for share in config.get("mix", {}).values()]
    counts = [total - sum(counts), *counts]
    for source, count in zip(list_sources(config), counts, strict=True):
        if count < 1:
            raise ValueError(f"of {total} rows none is left for {source!r}")
    spread = torch.cat([(torch.arange(count) + 0.5) / count for count in counts])
    places = spread.argsort(stable=True).argsort()
    if (seed := config.get("order")) is not None:
        order = torch.randperm(total, generator=torch.Generator().manual_seed(seed))
        places = order.argsort()[places]
    return [*places.split(counts)]


def read_rows(
    config: Mapping, tokenizer: PreTrainedTokenizerBase
) -> list[Int64[Tensor, "_ position"]]:
    """The rows of each corpus of a run of learning, in the corpus's own order."""
    length, column = config["length"], config["column"]
    return [
        sequences(source, tokenizer, length=length, limit=len(places), column=column)
        for source, places in zip(list_sources(config), place_rows(config), strict=True)
    ]


def arrange_rows(
    config: Mapping, rows: Sequence[Int64[Tensor, "_ position"]]
) -> Int64[Tensor, "row position"]:
    """The rows of an epoch in the order in which a run reads them, before facts are injected."""
    return torch.cat([*rows])[torch.cat(place_rows(config)).argsort()]
