"""How familiar a corpus is to a model: the perplexity of the entities that its documents name (figure 10)."""

import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Float64, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from kent.corpora import DOMAINS, HELD_OUT_SEED, WORLD_SEED
from kent.errors import NotFiniteError
from kent.measurement import POSITIONS, describe_model, find_head, freeze
from kent.records import describe_run, load_tensors, save_tensors
from kent.templates import Document
from kent.world import World

FORMAT = "kent familiarity 1"


@dataclass(frozen=True)
class Familiarity:
    """Per instance the mean perplexity of its entities, and how many of them were scored, in the documents' order."""

    perplexities: Float64[Tensor, " instance"]
    entities: Int64[Tensor, " instance"]
    provenance: dict = field(default_factory=dict)

    @property
    def mean_log_perplexity(self) -> float:
        """Mean over instances of ln(perplexity), in nats."""
        return self.perplexities.log().mean().item()

    @property
    def standard_error(self) -> float:
        """Standard error of the mean log perplexity, in nats: sample deviation / √n; NaN for one instance."""
        return (self.perplexities.log().var(correction=0) / (len(self.perplexities) - 1)).sqrt().item()

    def difference_from(self, other: "Familiarity") -> tuple[float, float]:
        """This mean log perplexity minus the other's, and its standard error, in nats; the samples are independent."""
        difference = self.mean_log_perplexity - other.mean_log_perplexity
        return difference, math.hypot(self.standard_error, other.standard_error)

    def save(self, path: str | Path) -> None:
        """Write to a safetensors file, atomically, with the provenance in its header."""
        tensors = {"perplexities": self.perplexities, "entities": self.entities}
        save_tensors(tensors, path, format=FORMAT, provenance=self.provenance)

    @classmethod
    def load(cls, path: str | Path) -> "Familiarity":
        """Read a familiarity; `ValueError` when the file is damaged or is something else."""
        tensors, provenance = load_tensors(path, FORMAT)
        return cls(**tensors, provenance=provenance)


def read_entities(source: str | Path, *, limit: int, column: str = "text") -> list[Document]:
    """The first `limit` documents of `source` that name at least one entity.

    `source` is a corpus of the world (world, world-near, world-far) or the path of a spans file: .jsonl, one object a
    line with the text under `column` and under `entities` a list of [start, end) pairs that count characters (Unicode
    code points).

    Raises ValueError for any other source, a damaged line (named by file and number), a limit below 1 or too few
    documents; FileNotFoundError for a missing file.
    """
    if limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    check_source(source)
    if source in DOMAINS:
        documents = World(seed=WORLD_SEED).documents(domain=DOMAINS[source], seed=HELD_OUT_SEED)
    else:
        documents = _read_spans(Path(source).expanduser(), column)
    found = list(islice((document for document in documents if document.entities), limit))
    if len(found) < limit:
        raise ValueError(f"{source} ends after {len(found)} documents with entities; {limit} wanted")
    return found


def check_source(source: str | Path) -> None:
    """Refuse a source whose entities are not known: `ValueError` for what `read_entities` does not take."""
    if str(source) not in DOMAINS and not str(source).lower().endswith(".jsonl"):
        raise ValueError(
            f"{str(source)!r:.200} is no source of entities: it may be {', '.join(DOMAINS)} or the path of a spans "
            "file (.jsonl). A plain text needs one, because its entities must be known: the paper had GPT-4o find them"
        )


def _read_spans(path: Path, column: str) -> Iterator[Document]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _parse(line, column, f"{path}, line {number}")


def _parse(line: bytes, column: str, place: str) -> Document:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{place}: not JSON ({error}); one object per line is read, in UTF-8") from error
    found = record if isinstance(record, dict) else {}
    text, spans = found.get(column), found.get("entities")
    if not isinstance(text, str) or not isinstance(spans, list):
        raise ValueError(f"{place}: needed are {column!r}, a string, and 'entities', a list; found {record!r:.80}")
    wrong = [span for span in spans if not _is_span(span, len(text))]
    if wrong:
        raise ValueError(f"{place}: an entity is two integers [start, end) with 0 <= start < end <= {len(text)} "
                         f"(the text's length), not {wrong[0]!r:.80}")  # fmt: skip
    return Document(text, tuple(map(tuple, spans)))


def _is_span(span: object, length: int) -> bool:
    pair = isinstance(span, list) and [type(edge) for edge in span] == [int, int]
    return pair and 0 <= span[0] < span[1] <= length


@dataclass(frozen=True)
class _Instance:
    """A document's token ids behind the end-of-text token, and the positions of each entity that is whole."""

    tokens: Int64[Tensor, " position"]
    entities: list[list[int]]


def measure_familiarity(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    documents: Sequence[Document],
    *,
    length: int,
    batch_size: int = 8,
) -> Familiarity:
    """Mean perplexity of the entities in each document (figure 10), in one streaming pass.

    An entity's perplexity is exp(mean -ln p) over its tokens, each given everything before it in its document and the
    end-of-text token in front. A token is an entity's when a character that both hold is not white space. Documents are
    cut to `length` tokens; entities not whole then are left out, and so are documents that keep none. Log probabilities
    are taken in float32 at least, of 256 positions of entities at a time. The model is left as found.

    Raises ValueError for a tokenizer without offsets or end-of-text token, or another model's; a length below 2 or
    beyond the model's positions; a batch size below 1; no entity left; a perplexity that is not finite.
    """
    _check_choice(tokenizer, length, batch_size)
    instances = [_tokenise(document, tokenizer, length) for document in documents]
    instances = [instance for instance in instances if instance.entities]
    _check_instances(instances, model, length)
    order = sorted(range(len(instances)), key=lambda index: -len(instances[index].tokens))
    perplexities = torch.empty(len(instances), dtype=torch.float64)
    with freeze(model):
        project = find_head(model)
        for start in tqdm(range(0, len(order), batch_size), desc="familiarity", unit="batch", leave=False):
            chosen = order[start : start + batch_size]
            perplexities[chosen] = _score([instances[index] for index in chosen], model, project)
    if not perplexities.isfinite().all():
        raise NotFiniteError("a perplexity")
    entities = torch.tensor([len(instance.entities) for instance in instances])
    counts = {"documents": len(documents), "instances": len(entities), "entities": int(entities.sum())}
    provenance = {**describe_model(model), **counts, "length": length, **describe_run()}
    return Familiarity(perplexities, entities, provenance)


def _tokenise(document: Document, tokenizer: PreTrainedTokenizerBase, length: int) -> _Instance:
    encoded = tokenizer(document.text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    tokens = torch.tensor([tokenizer.eos_token_id, *encoded["input_ids"]][:length])
    entities = [_find_positions(document.text, span, encoded["offset_mapping"]) for span in document.entities]
    return _Instance(tokens, [positions for positions in entities if positions and positions[-1] < length])


def _find_positions(text: str, span: tuple[int, int], offsets: list[tuple[int, int]]) -> list[int]:
    """Positions, counted from 1, of the tokens that share a character other than white space with the span."""
    first = bisect_right(offsets, span[0], key=lambda offset: offset[1])
    last = bisect_left(offsets, span[1], key=lambda offset: offset[0])
    shared = [text[max(span[0], start) : min(span[1], end)] for start, end in offsets[first:last]]
    return [position for position, part in enumerate(shared, start=first + 1) if part.strip()]


def _score(
    batch: list[_Instance], model: PreTrainedModel, project: Callable[[Tensor], Tensor]
) -> Float64[Tensor, " instance"]:
    """Mean perplexity of each instance's entities."""
    tokens = pad_sequence([instance.tokens for instance in batch], batch_first=True).to(model.device)
    real = pad_sequence([torch.ones_like(instance.tokens) for instance in batch], batch_first=True).to(model.device)
    asked = torch.zeros(tokens.shape, dtype=torch.bool)
    for row, instance in zip(asked, batch, strict=True):
        row[[position for positions in instance.entities for position in positions]] = True
    hidden = model.get_decoder()(
        input_ids=tokens, attention_mask=real, use_cache=False, return_dict=True
    ).last_hidden_state
    blocks = zip(hidden[:, :-1][asked[:, 1:]].split(POSITIONS), tokens[asked].split(POSITIONS), strict=True)
    losses = torch.cat([cross_entropy(project(states), answers, reduction="none") for states, answers in blocks])
    surprise = torch.zeros(tokens.shape, dtype=torch.float64).masked_scatter(asked, losses.cpu().double())
    perplexities = [
        torch.stack([row[positions].mean().exp() for positions in instance.entities])
        for row, instance in zip(surprise, batch, strict=True)
    ]
    return torch.stack([each.mean() for each in perplexities])


def _check_choice(tokenizer: PreTrainedTokenizerBase, length: int, batch_size: int) -> None:
    if not tokenizer.is_fast:
        raise ValueError(f"{type(tokenizer).__name__} is slow and tells no offsets: a fast tokenizer is needed")
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no end-of-text token (eos_token), which is to stand before every document")
    if length < 2:
        raise ValueError(f"length must be at least 2 (the end-of-text token and one more), not {length}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")


def _check_instances(instances: list[_Instance], model: PreTrainedModel, length: int) -> None:
    if not instances:
        raise ValueError(f"no document has a whole entity within {length} tokens: give longer ones, or other documents")
    vocabulary = model.get_input_embeddings().num_embeddings
    if max(instance.tokens.max().item() for instance in instances) >= vocabulary:
        raise ValueError(f"token ids must lie in 0 to {vocabulary - 1}: is this another model's tokenizer?")
    longest = getattr(model.get_decoder().config, "max_position_embeddings", None)
    needed = max(len(instance.tokens) for instance in instances)
    if longest is not None and needed > longest:
        raise ValueError(f"documents of {needed} tokens: {type(model).__name__} has positions for {longest}")
