"""How familiar a corpus is to a model: the perplexity of the entities it names (figure 10).

Why: knowledge entropy is measured on some text, and what falls on one corpus might not on another.
Entities carry a corpus's knowledge, while words in between are alike everywhere: their perplexity
says how much of it a model has met. It compares corpora under one tokenizer only, and says nothing
of what the model would put in an entity's place.

Axes: instance (documents with an entity), position (tokens of a document), answer (tokens asked).
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from numbers import Integral
from pathlib import Path
from typing import Annotated

import torch
from jaxtyping import Float64, Int64
from pydantic import Field
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from kent.errors import NotFiniteError
from kent.files import expand
from kent.measure.decoders import Model, check_tokens, describe_model, find_decoder, find_device
from kent.measure.head import Project, find_head, measure_surprisal
from kent.measure.rotations import rows_together
from kent.measure.streaming import Batch, freeze
from kent.records import describe_run, expect_whole, load_tensors, save_tensors
from kent.settings import Count, Whole, check_text, checked
from kent.text.corpora import DOMAINS, HELD_OUT_SEED, PYDOC, WORLD_SEED
from kent.text.documents import read_json_lines
from kent.text.templates import Document
from kent.text.tokens import begin, find_bos
from kent.text.topics import read_topics
from kent.text.world import World

FORMAT = "kent familiarity 2"


@dataclass(frozen=True)
class Familiarity:
    """Each instance's mean perplexity of its entities, and how many of them were scored.

    `surprisals` are the means over its entities of -ln p per token, in nats: an entity that is
    hardly known weighs no more there than any other. `documents` say which of the documents given
    an instance is; they stand in the documents' order.
    """

    perplexities: Float64[Tensor, " instance"]
    entities: Int64[Tensor, " instance"]
    surprisals: Float64[Tensor, " instance"]
    documents: Int64[Tensor, " instance"]
    provenance: dict = field(default_factory=dict)

    @property
    def mean_log_perplexity(self) -> float:
        """Mean over instances of ln(perplexity), in nats."""
        return self.perplexities.log().mean().item()

    @property
    def standard_error(self) -> float:
        """Standard error of the mean log perplexity (deviation / √n), in nats; NaN for one."""
        spread = self.perplexities.log().var(correction=0)
        return (spread / (len(self.perplexities) - 1)).sqrt().item()

    @checked
    def difference_from(self, other: "Familiarity") -> tuple[float, float]:
        """This mean log perplexity minus the other's, and its standard error, in nats.

        The samples are taken as independent.
        """
        difference = self.mean_log_perplexity - other.mean_log_perplexity
        return difference, math.hypot(self.standard_error, other.standard_error)

    @checked
    def save(self, path: str | Path) -> None:
        """Write to a safetensors file, atomically, with the provenance in its header."""
        names = ("perplexities", "entities", "surprisals", "documents")
        tensors = {name: getattr(self, name) for name in names}
        save_tensors(tensors, path, format=FORMAT, provenance=self.provenance)

    @classmethod
    @checked
    def load(cls, path: str | Path) -> "Familiarity":
        """Read what `save` wrote.

        Raises `DamagedError` (a ValueError) for a damaged file, `ValueError` for something else.
        """
        tensors, provenance = load_tensors(path, FORMAT)
        with expect_whole(path):
            return cls(**tensors, provenance=provenance)


@checked
def read_entities(
    source: str | Path, *, limit: Count, column: str = "text", skip: Whole = 0
) -> list[Document]:
    """The first `limit` documents of `source` that name at least one entity, behind `skip` others.

    `source` is a corpus of the world (world, world-near, world-far), pydoc (Python's reference,
    whose entities are the names in code marks) or the path of a spans file: .jsonl, one object a
    line with the text under `column` and under `entities` a list of [start, end) pairs that count
    characters (Unicode code points).

    Raises ValueError for any other source, a damaged line (named by file and number) or too few
    documents; FileNotFoundError for a missing file.
    """
    check_source(source)
    if source in DOMAINS:
        documents = World(seed=WORLD_SEED).documents(domain=DOMAINS[source], seed=HELD_OUT_SEED)
    elif source == PYDOC:
        documents = read_topics()
    else:
        documents = _read_spans(expand(source), column)
    named = (document for document in documents if document.entities)
    found = list(islice(named, skip + limit))
    if (count := len(found)) < skip + limit:
        wanted = f"{skip + limit} wanted"
        raise ValueError(f"{source} ends after {count} documents with entities; {wanted}")
    return found[skip:]


def check_source(source: str | Path) -> None:
    """Raise `ValueError` for a source that `read_entities` does not take."""
    known = (*DOMAINS, PYDOC)
    if str(source) not in known and not str(source).lower().endswith(".jsonl"):
        raise ValueError(
            f"{str(source)!r:.200} is no source of entities: it may be {', '.join(known)} or the "
            "path of a spans file (.jsonl). A plain text needs one, because its entities must be "
            "known: the paper had GPT-4o find them"
        )


def _read_spans(path: Path, column: str) -> Iterator[Document]:
    for place, record in read_json_lines(path):
        found = record if isinstance(record, dict) else {}
        text, spans = found.get(column), found.get("entities")
        if not isinstance(text, str) or not isinstance(spans, list):
            needed = f"needed are {column!r}, a string, and 'entities', a list"
            raise ValueError(f"{place}: {needed}; found {record!r:.80}")
        _check_marks(text, spans, place)
        yield Document(text, tuple(map(tuple, spans)))


def _check_marks(text: object, spans: object, place: str) -> None:
    length = len(check_text(text, place))
    spans = spans if isinstance(spans, tuple | list) else [spans]
    for span in spans:
        if not _is_span(span, length):
            raise ValueError(
                f"{place}: an entity is two integers [start, end) with 0 <= start < end <= "
                f"{length}, the text's length, not {span!r:.80}"
            )


def _is_span(span: object, length: int) -> bool:
    if not isinstance(span, tuple | list) or len(span) != 2:
        return False
    whole = all(isinstance(end, Integral) and not isinstance(end, bool) for end in span)
    return whole and 0 <= span[0] < span[1] <= length


@dataclass(frozen=True)
class _Instance:
    """Token ids behind the one in front, and the positions of each entity that is whole."""

    tokens: Int64[Tensor, " position"]
    entities: list[list[int]]


@checked
def measure_familiarity(
    model: Model,
    tokenizer: PreTrainedTokenizerBase,
    documents: Sequence[Document],
    *,
    length: Annotated[Count, Field(ge=2)],
    batch_size: Count = 8,
) -> Familiarity:
    """Mean perplexity of the entities in each document (figure 10), in one streaming pass.

    An entity's perplexity is exp(mean -ln p) over its tokens (that mean is its surprisal), each
    given everything before it in its document and one token in front: that which the tokenizer puts
    there by its own default (`kent.text.tokens.find_bos`), else the end-of-text token. A token is
    an entity's when a character that both hold is not white space; the token in front is none's.
    Documents are cut to `length` tokens; entities not whole then are left out, and so are documents
    that keep none. Log probabilities are taken in float32 at least, of 256 positions of entities at
    a time. Documents are read one by one where the model's positions depend on the longest row of a
    batch. The model is left as found.

    Raises ValueError for a document that is no text or has spans beyond it (named by its index); a
    tokenizer without offsets or end-of-text token, or another model's; a length below 2 or beyond
    the model's positions; no entity left; a perplexity that is not finite.
    """
    _check_tokenizer(tokenizer)
    for index, document in enumerate(documents):
        _check_marks(document.text, document.entities, f"documents[{index}]")
    tokenised = [_tokenise(document, tokenizer, length) for document in documents]
    places = [index for index, instance in enumerate(tokenised) if instance.entities]
    instances = [tokenised[index] for index in places]
    if not instances:
        none = f"no document has a whole entity within {length} tokens"
        raise ValueError(f"{none}: give longer ones, or other documents")
    check_tokens(model, (instance.tokens for instance in instances), "documents")
    scores = torch.empty(2, len(instances), dtype=torch.float64)
    # The longest first: rows of one batch are about as long, so that little of it is padding.
    order = sorted(range(len(instances)), key=lambda index: -len(instances[index].tokens))
    with freeze(model):
        project, size = find_head(model), rows_together(model, batch_size)
        starts = range(0, len(order), size)
        for start in tqdm(starts, desc="familiarity", unit="batch", leave=False):
            chosen = order[start : start + size]
            scores[:, chosen] = _score([instances[index] for index in chosen], model, project)
    perplexities, surprisals = scores
    if not perplexities.isfinite().all():
        raise NotFiniteError("a perplexity")
    entities = torch.tensor([len(instance.entities) for instance in instances])
    counts = {"documents": len(documents), "instances": len(entities)}
    counts |= {"entities": int(entities.sum()), "length": length, "bos": find_bos(tokenizer)}
    provenance = describe_model(model) | counts | describe_run()
    return Familiarity(perplexities, entities, surprisals, torch.tensor(places), provenance)


def _tokenise(document: Document, tokenizer: PreTrainedTokenizerBase, length: int) -> _Instance:
    encoded = tokenizer(
        document.text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    text, offsets = document.text, encoded["offset_mapping"]
    front = begin([], tokenizer) or [tokenizer.eos_token_id]
    tokens = torch.tensor([*front, *encoded["input_ids"]][:length])
    entities = [_find_positions(text, span, offsets) for span in document.entities]
    return _Instance(tokens, [each for each in entities if each and each[-1] < length])


def _find_positions(text: str, span: tuple[int, int], offsets: list[tuple[int, int]]) -> list[int]:
    """Positions of the tokens that share a character other than white space with the span.

    Counted from 1: at 0 stands the token in front.
    """
    first = bisect_right(offsets, span[0], key=lambda offset: offset[1])
    last = bisect_left(offsets, span[1], key=lambda offset: offset[0])
    shared = [text[max(span[0], start) : min(span[1], end)] for start, end in offsets[first:last]]
    return [position for position, part in enumerate(shared, start=first + 1) if part.strip()]


def _score(
    instances: list[_Instance], model: PreTrainedModel, project: Project
) -> Float64[Tensor, "2 instance"]:
    """Mean perplexity of each instance's entities, and their mean surprisal per token."""
    rows, device = [instance.tokens for instance in instances], find_device(model)
    tokens = pad_sequence(rows, batch_first=True).to(device)
    real = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True).to(device)
    asked = torch.zeros(tokens.shape, dtype=torch.bool)
    for row, instance in zip(asked, instances, strict=True):
        row[[position for positions in instance.entities for position in positions]] = True
    # The state at a position is what its next token is predicted from.
    states = Batch(tokens, real).run(find_decoder(model))[:, :-1][asked[:, 1:]]
    surprisal = torch.zeros(tokens.shape, dtype=torch.float64)
    surprisal[asked] = measure_surprisal(states, tokens[asked], project)
    # Entities may share tokens, and one of many tokens counts as much as one of few.
    means = [
        [row[positions].mean() for positions in instance.entities]
        for row, instance in zip(surprisal, instances, strict=True)
    ]
    perplexities = [torch.stack([each.exp() for each in found]).mean() for found in means]
    surprisals = [torch.stack(found).mean() for found in means]
    return torch.stack([torch.stack(perplexities), torch.stack(surprisals)])


def _check_tokenizer(tokenizer: PreTrainedTokenizerBase) -> None:
    if not tokenizer.is_fast:
        kind = type(tokenizer).__name__
        raise ValueError(f"{kind} is slow and tells no offsets: a fast tokenizer is needed")
    if tokenizer.eos_token_id is None:
        missing = "the tokenizer has no end-of-text token (eos_token)"
        raise ValueError(f"{missing}, which is to stand before every document")
