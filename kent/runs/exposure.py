"""How much of a document a run of learning was fed: facts injected into a row displace its end.

Axes: row (of the corpus, in its order), position (tokens of a row), document.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from kent.learning.injection import InjectedRows
from kent.models.checkpoints import load
from kent.runs.configurations import read_knowledge
from kent.runs.names import Run
from kent.runs.rows import arrange_rows, place_rows, read_rows
from kent.text.templates import Document

Ids = tuple[int, ...]


def measure_exposure(learning: Run, documents: Sequence[Document]) -> Float64[Tensor, " document"]:
    """The share of each document's tokens, from 0 to 1, that a run of learning was fed.

    A document is known by its tokens, wherever it stands in the run's corpus: of several copies the
    one counts of which most was fed, and the end-of-text token behind it does not count. One that
    the last row cuts is known by its beginning. Nothing is learned here: the rows are cut, ordered
    and injected as the run does it.

    Raises ValueError for another kind of run, and for a document that spells out the end-of-text
    token, which the corpus's documents are told apart by.
    """
    if (kind := learning.config["run"]) != "learning":
        raise ValueError(f"what was fed is asked of a run of learning, not of {kind!r}")
    _, tokenizer = load(learning.config["name"], learning.config["step"])
    whole, begun = _list_documents(learning.config, tokenizer)
    encode = {"add_special_tokens": False, "verbose": False}
    shares = []
    for index, document in enumerate(documents):
        ids = tuple(tokenizer(document.text, **encode)["input_ids"])
        if tokenizer.eos_token_id in ids:
            raise ValueError(f"documents[{index}] spells out the end-of-text token")
        cut = [fed / len(ids) for start, fed in begun if start and ids[: len(start)] == start]
        shares.append(max([whole.get(ids, 0.0), *cut]))
    return torch.tensor(shares, dtype=torch.float64)


def _list_documents(
    config: Mapping, tokenizer: PreTrainedTokenizerBase
) -> tuple[dict[Ids, float], list[tuple[Ids, int]]]:
    """By a document's tokens the share fed; the tokens of those that a last row cuts, and how many
    of these were fed: one of each corpus."""
    whole, cut = {}, []
    for rows, mask in _trace_rows(config, tokenizer):
        tokens, fed = rows.flatten(), mask.flatten()
        ends = (tokens == tokenizer.eos_token_id).nonzero().flatten() + 1
        *parts, last = zip(tokens.tensor_split(ends), fed.tensor_split(ends), strict=True)
        for ids, part in parts:
            key = tuple(ids[:-1].tolist())
            whole[key] = max(whole.get(key, 0.0), part[:-1].double().mean().item())
        cut.append((tuple(last[0].tolist()), int(last[1].sum())))
    return whole, cut


def _trace_rows(
    config: Mapping, tokenizer: PreTrainedTokenizerBase
) -> Iterator[tuple[Int64[Tensor, "row position"], Bool[Tensor, "row position"]]]:
    """Each corpus's rows in its order, without the token that begins them, and which are fed."""
    shape = {"batch": config["batch"], "steps": config["steps"]}
    parts = read_rows(config, tokenizer)
    knowledge, _ = read_knowledge(config)
    rows = InjectedRows(arrange_rows(config, parts), tokenizer, knowledge, **shape)
    begun = int(rows.bos is not None)  # a head takes the place of the row's own first token, too
    fed = torch.ones_like(rows.sequences, dtype=torch.bool)
    for place, head in rows.heads.items():
        fed[place, fed.shape[1] - len(head) + begun :] = False
    for tokens, places in zip(parts, place_rows(config), strict=True):
        yield tokens[:, begun:], fed[places][:, begun:]
