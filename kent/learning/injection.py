"""Injection is data: a dataset whose rows already hold the injected texts (section 4.1).

Row r of step s is what it is however the rows reach the model: one by one, accumulated, on several
devices, in several epochs, or in a run that was interrupted. Axes: position (tokens of a row).
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
from kent.text.tokens import begin, find_bos


class InjectedRows(Dataset):
    """The rows of a run in the order of its steps: `epochs` times as many of `sequences`.

    Injection k is in the batch of step k · steps / 10 of every epoch (steps count from 1). Text i,
    followed by the end-of-text token, stands in front of row i of the batch, and the row is cut
    back to its length; where the batch has fewer rows than there are texts, neighbouring texts are
    joined, as evenly as can be, in front of one row. Where the tokenizer puts a token in front of a
    text by its own default (`kent.text.tokens.find_bos`), a row with texts begins with it, once, as
    the others do.

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
        schedule, needed = list_injections(knowledge, batch=batch, steps=steps), steps * batch
        if len(sequences) < needed:
            enough = len(sequences) // batch // INJECTIONS * INJECTIONS
            raise ValueError(
                f"{steps} steps of {batch} rows need {needed} sequences; {len(sequences)} are "
                f"given. They are enough for {enough} steps"
            )
        self.sequences, self.batch, self.epochs = sequences[:needed], batch, epochs
        self.bos = find_bos(tokenizer)
        heads = _join_texts(schedule, tokenizer, sequences.shape[1])
        self.heads = {(step - 1) * batch + row: head for (step, row), head in heads.items()}

    def __len__(self) -> int:
        return self.epochs * len(self.sequences)

    def __getitem__(self, index: int) -> dict[str, Int64[Tensor, " position"]]:
        """Row `index % batch` of step `index // batch + 1`, as the Trainer wants it."""
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        place = index % len(self.sequences)  # every epoch has the same rows, injections included
        row = self.sequences[place]
        if place in self.heads:
            begun = int(self.bos is not None and row[0] == self.bos)  # the head begins with it
            row = torch.cat([self.heads[place], row[begun:]])[: len(row)]
        return {"input_ids": row, "labels": row}


@checked
def list_injections(
    knowledge: Knowledge, *, batch: Count, steps: Count, epochs: Count = 1
) -> pd.DataFrame:
    """Which text goes in front of which row (from 0) at which step (from 1): a line per text.

    Columns: step, injection (1 to 10, again in every epoch), row, setting, item, version (0 the
    original paragraph, else the number of its paraphrase), text. Raises ValueError for steps that
    ten injections do not divide.
    """
    if steps % INJECTIONS:
        rule = f"a multiple of {INJECTIONS} (the injections)"
        raise ValueError(f"the steps of an epoch must be {rule}, not {steps}")
    lines = []
    for number in range(1, epochs * INJECTIONS + 1):
        k = (number - 1) % INJECTIONS + 1
        texts, repeated = knowledge.injections(k), len(knowledge.paraphrase)
        share = len(texts) - repeated
        items = [("paraphrase", item, k - 1) for item in range(repeated)]
        items += [("once", item, 0) for item in range(share * (k - 1), share * k)]
        # Neighbours share a row where rows are few: the sizes of the parts differ by one at most.
        parts = np.array_split(np.arange(len(texts)), min(batch, len(texts)))
        rows = [row for row, part in enumerate(parts) for _ in part]
        step = number * steps // INJECTIONS
        placed = zip(rows, items, texts, strict=True)
        lines += [(step, k, row, *item, text) for row, item, text in placed]
    columns = ["step", "injection", "row", "setting", "item", "version", "text"]
    return pd.DataFrame(lines, columns=columns)


def _join_texts(schedule: pd.DataFrame, tokenizer: PreTrainedTokenizerBase, length: int) -> dict:
    """The tokens in front of each row, under (step, row); an end-of-text token ends every text."""
    if (end := tokenizer.eos_token_id) is None:
        raise ValueError(
            "the tokenizer has no end-of-text token (eos_token) to stand after an injected text"
        )
    # Each text is tokenised alone, so that joining it to others does not change its tokens.
    front = begin([], tokenizer)
    encoded = tokenizer(schedule.text.tolist(), add_special_tokens=False, verbose=False)
    ended = [[*ids, end] for ids in encoded["input_ids"]]
    joined: dict[tuple[int, int], list[int]] = {}
    for step, row, ids in zip(schedule.step, schedule.row, ended, strict=True):
        joined.setdefault((step, row), [*front]).extend(ids)
    longest = max(map(len, joined.values()))
    if longest > length:
        together = max(schedule.groupby(["step", "row"]).size())
        texts = max(schedule.groupby("step").size())
        raise ValueError(
            f"injected texts do not fit: {together} in front of one row take {longest} tokens, a "
            f"row has {length}. Rows of {longest} tokens would do, or a batch of {texts} rows, one "
            f"text each, of {len(front) + max(map(len, ended))}"
        )
    return {place: torch.tensor(ids) for place, ids in joined.items()}
