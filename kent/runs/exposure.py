"""How much of a document a run of learning was fed: facts injected into a row displace its end.

Axes: row (of the corpus, in its order), position (tokens of a row), document.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from kent.learning.injection import InjectedRows
from kent.models.checkpoints import load
from kent.runs.configurations import read_knowledge
from kent.runs.definitions import Run
from kent.text.corpora import sequences
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
    whole, (beginning, fed) = _list_documents(learning.config, tokenizer)
    encode = {"add_special_tokens": False, "verbose": False}
    shares = []
    for index, document in enumerate(documents):
        ids = tuple(tokenizer(document.text, **encode)["input_ids"])
        if tokenizer.eos_token_id in ids:
            raise ValueError(f"documents[{index}] spells out the end-of-text token")
        cut = fed / len(ids) if beginning and ids[: len(beginning)] == beginning else 0.0
        shares.append(max(whole.get(ids, 0.0), cut))
    return torch.tensor(shares, dtype=torch.float64)


def _list_documents(
    config: Mapping, tokenizer: PreTrainedTokenizerBase
) -> tuple[dict[Ids, float], tuple[Ids, int]]:
    """By a document's tokens the share fed; the tokens of the last, cut one, and how many were."""
    tokens, fed = (each.flatten() for each in _trace_rows(config, tokenizer))
    ends = (tokens == tokenizer.eos_token_id).nonzero().flatten() + 1
    *parts, last = zip(tokens.tensor_split(ends), fed.tensor_split(ends), strict=True)
    whole: dict[Ids, float] = {}
    for ids, mask in parts:
        key = tuple(ids[:-1].tolist())
        whole[key] = max(whole.get(key, 0.0), mask[:-1].double().mean().item())
    return whole, (tuple(last[0].tolist()), int(last[1].sum()))


def _trace_rows(
    config: Mapping, tokenizer: PreTrainedTokenizerBase
) -> tuple[Int64[Tensor, "row position"], Bool[Tensor, "row position"]]:
    """Rows in the corpus's order, without the token that begins them, and what of each is fed."""
    shape = {"batch": config["batch"], "steps": config["steps"]}
    size = {"length": config["length"], "limit": config["batch"] * config["steps"]}
    tokens = sequences(config["corpus"], tokenizer, **size, column=config["column"])
    order = torch.arange(len(tokens))
    if (seed := config.get("order")) is not None:
        order = torch.randperm(len(tokens), generator=torch.Generator().manual_seed(seed))
    knowledge, _ = read_knowledge(config)
    rows = InjectedRows(tokens[order], tokenizer, knowledge, **shape)
    begun = int(rows.bos is not None)  # a head takes the place of the row's own first token, too
    fed = torch.ones_like(tokens, dtype=torch.bool)
    for place, head in rows.heads.items():
        fed[order[place], tokens.shape[1] - len(head) + begun :] = False
    return tokens[:, begun:], fed[:, begun:]
