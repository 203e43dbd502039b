"""Injection is data: a dataset whose rows already hold the injected texts (section 4.1 of the
paper).

Row r of step s is what it is however the rows reach the model: one by one, accumulated, on several
devices, in several epochs, or in a run that was interrupted.
"""

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from kent.learning.knowledge import INJECTIONS, Knowledge
from kent.settings import Count, TokenIds, checked


class InjectedRows(Dataset):
    """The rows of a run, in the order of its steps: `epochs` times the first `steps · batch` of
    `sequences`.

    Injection k is in the batch of step k · steps / 10 of every epoch (steps count from 1). Text i,
    followed by the end-of-text token, stands in front of row i of the batch, and the row is cut
    back to its length; where the batch has fewer rows than there are texts, neighbouring texts are
    joined, as evenly as can be, in front of one row.

    Raises ValueError for rows too few for `steps` or that hold no whole numbers, for steps that ten
    injections do not divide, and for texts that would not fit into their row whole (naming what
    would fit).
    """

    @checked
    def __init__(
        self,
        sequences: TokenIds,
        tokenizer: PreTrainedTokenizerBase,
        knowledge: Knowledge,
        *,
        batch: Count,
        steps: Count,
        epochs: Count = 1,
    ):
        schedule = list_injections(knowledge, batch=batch, steps=steps)
        if len(sequences) < steps * batch:
            raise ValueError(
                f"{steps} steps of {batch} rows need {steps * batch} sequences; {len(sequences)} "
                "are given. They are enough for "
                f"{len(sequences) // batch // INJECTIONS * INJECTIONS} steps"
            )
        self.sequences, self.batch, self.steps, self.epochs = (
            sequences[: steps * batch],
            batch,
            steps,
            epochs,
        )
        heads = _join_texts(schedule, tokenizer, sequences.shape[1])
        self.heads = {(step - 1) * batch + row: head for (step, row), head in heads.items()}

    def __len__(self) -> int:
        return self.epochs * len(self.sequences)

    def __getitem__(self, index: int) -> dict[str, Int64[Tensor, " position"]]:
        """Row `index % batch` of step `index // batch + 1`, as the Trainer wants it."""
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        place = index % len(self.sequences)
        row = self.sequences[place]
        if place in self.heads:
            row = torch.cat([self.heads[place], row])[: len(row)]
        return {"input_ids": row, "labels": row}


@checked
def list_injections(
    knowledge: Knowledge, *, batch: Count, steps: Count, epochs: Count = 1
) -> pd.DataFrame:
    """Which text goes in front of which row (from 0) at which step (from 1): one line per text, in
    order.

    Columns: step, injection (1 to 10, again in every epoch), row, setting, item, version (0 the
    original paragraph, else the number of its paraphrase), text. Raises ValueError for steps that
    ten injections do not divide.
    """
    if steps % INJECTIONS:
        raise ValueError(
            f"the steps of an epoch must be a multiple of {INJECTIONS} (the injections), not "
            f"{steps}"
        )
    lines = []
    for number in range(1, epochs * INJECTIONS + 1):
        injection = (number - 1) % INJECTIONS + 1
        texts = knowledge.injections(injection)
        share = len(texts) - len(knowledge.paraphrase)
        items = [("paraphrase", item, injection - 1) for item in range(len(knowledge.paraphrase))]
        items += [("once", item, 0) for item in range(share * (injection - 1), share * injection)]
        parts = np.array_split(np.arange(len(texts)), min(batch, len(texts)))
        rows = [row for row, part in enumerate(parts) for _ in part]
        lines += [
            (number * steps // INJECTIONS, injection, row, *item, text)
            for row, item, text in zip(rows, items, texts, strict=True)
        ]
    return pd.DataFrame(
        lines, columns=["step", "injection", "row", "setting", "item", "version", "text"]
    )


def _join_texts(schedule: pd.DataFrame, tokenizer: PreTrainedTokenizerBase, length: int) -> dict:
    """The tokens to stand in front of each row, under (step, row); every text is followed by the
    end-of-text token."""
    if tokenizer.eos_token_id is None:
        raise ValueError(
            "the tokenizer has no end-of-text token (eos_token), which is to stand after an "
            "injected text"
        )
    encoded = tokenizer(schedule.text.tolist(), add_special_tokens=False, verbose=False)[
        "input_ids"
    ]
    ended = [[*ids, tokenizer.eos_token_id] for ids in encoded]
    joined: dict[tuple[int, int], list[int]] = {}
    for step, row, ids in zip(schedule.step, schedule.row, ended, strict=True):
        joined.setdefault((step, row), []).extend(ids)
    longest = max(map(len, joined.values()))
    if longest > length:
        together = max(schedule.groupby(["step", "row"]).size())
        texts = max(schedule.groupby("step").size())
        raise ValueError(
            f"injected texts do not fit: {together} in front of one row take {longest} tokens, a "
            f"row has {length}. Rows of {longest} tokens would do, or a batch of {texts} rows, one "
            f"text each, of {max(map(len, ended))}"
        )
    return {place: torch.tensor(ids) for place, ids in joined.items()}
