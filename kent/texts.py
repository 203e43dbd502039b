"""Documents out of files: plain text, JSON lines and CSV, packed or not, on this machine or at an address."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import zstandard
from huggingface_hub import HfFileSystem

FORMATS = (".txt", ".jsonl", ".json", ".csv")
COMPRESSIONS = (".gz", ".zst")
DAMAGED = (gzip.BadGzipFile, EOFError, zlib.error, zstandard.ZstdError)
SECONDS_TO_ANSWER = 60

csv.field_size_limit(2**31 - 1)


def looks_like_path(item: str | Path) -> bool:
    """Whether `item` is on one line and ends like a file that can be read."""
    return find_format(item) is not None and "\n" not in str(item)


def find_format(path: str | Path) -> str | None:
    """The format in a file's name (.txt, .jsonl, .json, .csv), whether packed or not; None for any other name."""
    name = str(path).lower()
    for compression in COMPRESSIONS:
        name = name.removesuffix(compression)
    return next((ending for ending in FORMATS if name.endswith(ending)), None)


def read_texts(file: str | Path, column: str) -> Iterator[str]:
    """Texts of a file, read as they are asked for: one for a .txt file, else one a row, out of `column`.

    `file` is a path, a web address or a Hub address (hf://…). Raises ValueError, with file and line, for bytes that
    are not UTF-8, a damaged archive, a line that is not JSON or CSV, a missing column, or a value that is no text.
    """
    with _open(file) as stream:
        lines = _decode(file, stream)
        if find_format(file) == ".txt":
            yield "".join(lines)
        elif find_format(file) == ".csv":
            yield from _read_csv(file, lines, column)
        else:
            yield from _read_json_lines(file, lines, column)


def _decode(file: str | Path, stream: Iterable[bytes]) -> Iterator[str]:
    number = 0
    try:
        for number, line in enumerate(stream, start=1):
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}, line {number}: not UTF-8 ({error}); convert the file to UTF-8") from error
    except DAMAGED as error:
        raise ValueError(f"{file} is damaged after line {number}: {error}") from error


def _read_json_lines(file: str | Path, lines: Iterator[str], column: str) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{file}, line {number}: not JSON ({error}); one object per line is read") from error
        if not isinstance(record, dict) or column not in record:
            found = f"columns {', '.join(record)}" if isinstance(record, dict) else type(record).__name__
            raise ValueError(f"{file}, line {number}: no column {column!r} (found: {found})")
        if not isinstance(record[column], str):
            raise ValueError(f"{file}, line {number}: column {column!r} holds no text but {record[column]!r:.80}")
        yield record[column]


def _read_csv(file: str | Path, lines: Iterator[str], column: str) -> Iterator[str]:
    rows = csv.reader(lines, strict=True)
    try:
        header = next(rows, None)
        if header is None:
            return
        if column not in header:
            raise ValueError(f"{file} has no column {column!r} (found: columns {', '.join(header)})")
        for row in filter(None, rows):
            if len(row) != len(header):
                raise ValueError(f"{file}, line {rows.line_num}: {len(row)} fields where the header has {len(header)}")
            yield row[header.index(column)]
    except csv.Error as error:
        raise ValueError(f"{file}, line {rows.line_num}: not CSV ({error})") from error


@contextmanager
def _open(file: str | Path) -> Iterator[Iterable[bytes]]:
    """The unpacked bytes of a file."""
    with _connect(file) as raw:
        if str(file).lower().endswith(".gz"):
            yield gzip.GzipFile(fileobj=raw)
        elif str(file).lower().endswith(".zst"):
            yield io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True))
        else:
            yield raw


def _connect(file: str | Path) -> io.IOBase:
    if str(file).startswith("hf://"):
        return HfFileSystem().open(str(file), "rb", block_size=0)
    if str(file).startswith(("http://", "https://")):
        return urlopen(Request(str(file), headers={"User-Agent": "knowledge-entropy"}), timeout=SECONDS_TO_ANSWER)
    return Path(file).open("rb")
