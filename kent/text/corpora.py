"""Token sequences of one length, to measure or train on: from files, texts, the world, the Hub.

Axes: sequence (rows that are cut from the text, in its order), position (tokens of a sequence).
"""

import hashlib
import platform
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Annotated

import torch
from huggingface_hub import hf_hub_download
from jaxtyping import Int64
from pydantic import PlainValidator
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from kent.files import expand
from kent.hub import UNREACHABLE, list_branches
from kent.records import hash_file
from kent.settings import Count, TokenIds, check_text, checked
from kent.text.documents import COMPRESSIONS, FORMATS, cut, looks_like_path, read_texts
from kent.text.tokens import find_bos, tokenise
from kent.text.topics import read_topics
from kent.text.world import World

WORLD_SEED = 0
PRETRAINING_SEED = 0  # of the documents that pretraining reads
HELD_OUT_SEED = 1  # of those that are measured on: the same world in other documents
DOMAINS = {"world": "pretraining", "world-near": "near", "world-far": "far"}
PYDOC = "pydoc"
"""The language reference that every Python brings along."""

PUBMED = "PUBMED_title_abstracts_2019_baseline"
HUB = {
    "dolma": ("allenai/dolma", ("urls/v1_6-sample.txt",)),
    "c4": ("allenai/c4", tuple(f"en/c4-train.{shard:05d}-of-01024.json.gz" for shard in range(8))),
    "pubmed": (f"casinca/{PUBMED}", (f"{PUBMED}.jsonl.zst",)),
}
"""Dataset and files of each Hub corpus.

Dolma's file lists where its text is: the mixed sample drawn from version 1.5 (`v1_5-sample.txt`
lists the sources one after another, so its first documents would all be of one source).
"""

NAMES = (*DOMAINS, PYDOC, *HUB)
ACCEPTED = (
    f"a corpus name ({', '.join(NAMES)}), a path or a list of paths ending in "
    f"{', '.join(FORMATS)} (or one of these and {' or '.join(COMPRESSIONS)}), or a list of texts"
)


def _read_source(source: object) -> object:
    """A name or path as it is; a list for what holds some in order: a tuple, a table's column."""
    if isinstance(source, str | Path):
        return source
    ordered = isinstance(source, Sequence) or getattr(source, "ndim", None) == 1
    items = list(source) if ordered else [source]
    for index, item in enumerate(items):
        if not isinstance(item, str | Path):
            raise ValueError(ACCEPTED + (f" (item {index} is {item!r:.80})" if ordered else ""))
    return items


Source = Annotated[str | Path | Sequence[str | Path], PlainValidator(_read_source)]


@checked
def sequences(
    source: Source,
    tokenizer: PreTrainedTokenizerBase,
    *,
    length: Count,
    limit: Count | None = None,
    column: str = "text",
) -> Int64[Tensor, "sequence position"]:
    """Cut the documents of `source`, each with the end-of-text token, into sequences of `length`.

    `source` is a corpus name (world, world-near, world-far, pydoc, dolma, c4, pubmed), a path or a
    list of paths, or a list of texts; a list of strings is taken as paths when every one ends like
    one. A .txt file is one document, and so is a topic of Python's reference (pydoc); `column`
    names the text in .jsonl (or .json, one object per line) and .csv files. Where the tokenizer
    puts a token in front of a text by its own default (`kent.text.tokens.find_bos`), every sequence
    begins with it, once, and holds `length` - 1 tokens of the documents: cut anywhere, it is then
    what the model has seen, a text that begins. Nothing else is added by the tokenizer; a special
    token that a text spells out, such as `<|endoftext|>`, is read as that token, as the tokenizer
    itself does. Documents without text are passed over; tokens that do not fill a last sequence are
    left out.

    A limit changes no token, and only about as much is read and tokenised as it takes, of a long
    document too; what is wrong further on is then not found. It is taken for granted that a token
    does not depend on text that is more than 128 tokens behind it, unless longer and longer
    beginnings of the document show that it does. The world and the Hub's datasets have no end worth
    reaching: they need a limit.

    Raises ValueError for a source that is none of these, an empty or damaged file or one that ends
    too early, bytes that are not UTF-8, half of a surrogate pair, a missing column or one that is
    there twice, a tokenizer without an end-of-text token, a length of 1 where a token begins every
    sequence, or fewer than `limit` sequences (or none); FileNotFoundError for a missing file;
    ConnectionError when the Hub cannot be reached.
    """
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no end-of-text token (eos_token) to end documents with")
    kind, _ = _locate(source)
    if limit is None and kind in ("world", "hub"):
        raise ValueError(f"the corpus {source!r} needs a limit: how many sequences to take from it")
    bos = find_bos(tokenizer)
    if (read := length - (bos is not None)) == 0:
        raise ValueError("length must be 2 or more: every sequence begins with the tokenizer's BOS")
    wanted = None if limit is None else limit * read
    tokens = tokenise(_read_documents(source, column), tokenizer, wanted)
    count = len(tokens) // read if limit is None else min(limit, len(tokens) // read)
    if count < (limit or 1):
        found = f"{len(tokens)} tokens make {count} sequences of {length}; {limit or 1} wanted"
        raise ValueError(f"too little text: {found}. Ask for fewer or shorter ones, or give more")
    rows = torch.frombuffer(tokens, dtype=torch.int64)[: count * read].view(count, read)
    return rows if bos is None else torch.cat([torch.full((count, 1), bos), rows], dim=1)


@checked
def describe(source: Source, *, column: str = "text", tokens: TokenIds | None = None) -> dict:
    """Say what `source` holds, as JSON: what a record stores beside a measurement.

    Always `kind` (files, texts, python, world, hub), `rows` (documents; None for the endless and
    the streamed) and `sha256`: of the texts, of all files' bytes, of the first thousand documents
    of a world, or of a Hub corpus's file list at its `revision`. Python's reference has the version
    of `python` too. Files come with name, bytes and hash.
    Given `tokens`, the sequences cut from it, also their number, length and hash. Raises what
    `sequences` raises for a source that cannot be read.
    """
    kind, items = _locate(source)
    counted = kind in ("files", "texts", "python")
    rows = sum(1 for _ in _read_documents(source, column)) if counted else None
    if kind == "files":
        files = [_describe_file(path) for path in items]
        record = {"files": files, "column": column}
        record["sha256"] = _hash(file["sha256"] for file in files)
    elif kind == "texts":
        record = {"sha256": _hash(items)}
    elif kind == "python":
        record = {"corpus": source, "python": platform.python_version()}
        record["sha256"] = _hash(document.text for document in read_topics())
    elif kind == "world":
        record = {"corpus": source, "world_seed": WORLD_SEED, "document_seed": HELD_OUT_SEED}
        record["sha256"] = _hash(map("".join, islice(_read_documents(source, column), 1000)))
    else:
        revision, files = _find_files(source)
        record = {"corpus": source, "dataset": HUB[source][0], "revision": revision}
        record |= {"files": list(files), "sha256": _hash([revision, *files])}
    record = {"kind": kind, "rows": rows, **record}
    if tokens is not None:
        digest = hashlib.sha256(tokens.cpu().contiguous().numpy().tobytes()).hexdigest()
        record |= {"sequences": len(tokens), "length": tokens.shape[1], "tokens": tokens.numel()}
        record["tokens_sha256"] = digest
    return record


def _describe_file(path: Path) -> dict:
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": hash_file(path)}


def _locate(source: Source) -> tuple[str, Sequence[str | Path]]:
    """Kind of source (files, texts, python, world, hub), and its paths or texts."""
    if isinstance(source, str) and source in NAMES:
        return "hub" if source in HUB else "python" if source == PYDOC else "world", [source]
    items = [source] if isinstance(source, str | Path) else source
    if not items:
        raise ValueError(f"an empty list holds no text; source may be {ACCEPTED}")
    paths = all(isinstance(item, Path) or looks_like_path(item) for item in items)
    if isinstance(source, str | Path) or paths:
        return "files", [_check_path(item) for item in items]
    if not all(isinstance(item, str) for item in items):
        raise ValueError(f"a list holds either paths or texts, not both; source may be {ACCEPTED}")
    if names := sorted({*NAMES} & {*items}):
        fault = f"a corpus name stands alone, and this list holds {names}"
        raise ValueError(f"{fault}; source may be {ACCEPTED}")
    return "texts", items


def _check_path(item: str | Path) -> Path:
    path = expand(item)
    if not looks_like_path(item):
        raise ValueError(f"{str(item)[:200]!r} is no source that is known: it may be {ACCEPTED}")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(item)!r}; a source may be {ACCEPTED}")
    return path


def _read_documents(source: Source, column: str) -> Iterator[Iterator[str]]:
    """The texts of `source`, each in pieces, without those that hold nothing but white space."""
    kind, items = _locate(source)
    if kind == "world":
        documents = World(seed=WORLD_SEED).documents(domain=DOMAINS[source], seed=HELD_OUT_SEED)
        yield from (cut(document.text) for document in documents)
    elif kind == "python":
        yield from (cut(document.text) for document in read_topics())
    elif kind == "texts":
        texts = (check_text(text, f"source[{index}]") for index, text in enumerate(items))
        yield from (cut(text) for text in texts if text.strip())
    else:
        for file in items if kind == "files" else _find_files(source)[1]:
            documents = _skip_blanks(read_texts(file, column))
            if (first := next(documents, None)) is None:
                raise ValueError(f"{file} is empty: it holds no text")
            yield first
            yield from documents


def _skip_blanks(documents: Iterator[Iterator[str]]) -> Iterator[Iterator[str]]:
    for pieces in documents:
        read = []
        for piece in pieces:
            read.append(piece)
            if piece.strip():
                yield chain(read, pieces)
                break


@cache
def _find_files(name: str) -> tuple[str, tuple[str, ...]]:
    """Revision of a Hub corpus (the commit of its main branch), and its files' addresses there."""
    dataset, files = HUB[name]
    try:
        revision = list_branches(dataset, "dataset")["main"]
        if name == "dolma":
            listing = hf_hub_download(dataset, files[0], repo_type="dataset", revision=revision)
            return revision, tuple(Path(listing).read_text(encoding="utf-8").split())
    except UNREACHABLE as error:
        fault = f"the corpus {name!r} is streamed from the Hub, out of reach now"
        raise ConnectionError(f"{fault}; a file can be given instead: {error}") from error
    return revision, tuple(f"hf://datasets/{dataset}@{revision}/{file}" for file in files)


def _hash(texts: Iterable[str]) -> str:
    """Digest of a series of texts that also tells where one ends and the next begins."""
    digest = hashlib.sha256()
    for text in texts:
        encoded = text.encode()
        digest.update(len(encoded).to_bytes(8) + encoded)
    return digest.hexdigest()
