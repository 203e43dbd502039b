"""Documents out of files: text, JSON lines and CSV, packed or not, on this machine or elsewhere."""

import codecs
import csv
import gzip
import io
import json
import sys
import zlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

import zstandard
from huggingface_hub import HfFileSystem

from kent.settings import check_text

FORMATS = (".txt", ".jsonl", ".json", ".csv")
COMPRESSIONS = (".gz", ".zst")
DAMAGED = (gzip.BadGzipFile, EOFError, zlib.error, zstandard.ZstdError, HTTPException)
PIECE = 2**10  # the most characters (bytes, of a .txt file) that are handed on at once
PACKED = 2**14  # bytes that are unpacked at once
WINDOW = 2**31  # bytes a .zst file may be packed with in view: the most that zstd has (--long=31)
NARROW = (
    "takes more memory to unpack than there is: as much as the window it was packed with, "
    "256 MiB for zstd --long=28, 2 GiB for --long=31, the most that is read"
)

csv.field_size_limit(2**31 - 1)


def looks_like_path(item: str | Path) -> bool:
    """Whether `item` is on one line and ends like a file that can be read."""
    return _find_format(item) is not None and "\n" not in str(item)


def _find_format(path: str | Path) -> str | None:
    """The format in a file's name, whether packed or not; None for any other name."""
    name = str(path).lower()
    for compression in COMPRESSIONS:
        name = name.removesuffix(compression)
    return next(filter(name.endswith, FORMATS), None)


def read_texts(file: str | Path, column: str) -> Iterator[Iterator[str]]:
    """Documents of a file, each as its pieces in order: a .txt file, or a row's `column`.

    All is read as it is asked for, and the rest of a document when the next one is asked for.
    `file` is a path, a web address or a Hub address (hf://…). Raises ValueError, with file and
    line, for bytes that are not UTF-8, a packed file that is damaged or ends too early, a line that
    is not JSON or CSV, a missing column or one that is there twice, or a value that is no text.
    """
    if _find_format(file) == ".txt":
        with _open(file) as stream:
            pieces = _decode(file, stream, PIECE)
            yield pieces
            deque(pieces, maxlen=0)
    else:
        read = _read_csv if _find_format(file) == ".csv" else _read_column
        yield from map(cut, read(file, column))


def cut(text: str) -> Iterator[str]:
    """A text in pieces."""
    return (text[start : start + PIECE] for start in range(0, len(text), PIECE))


def read_json_lines(file: str | Path) -> Iterator[tuple[str, object]]:
    """Place (file and line) and content of every line; ValueError as for `read_texts`."""
    with _open(file) as stream:
        for number, line in enumerate(_decode(file, stream), start=1):
            if line.strip():
                place = f"{file}, line {number}"
                yield place, parse_json(line, place, "one object per line, in UTF-8,")


def parse_json(text: str | bytes, place: str, accepted: str) -> object:
    """What a JSON text holds (bytes of UTF-8, too).

    Raises ValueError, naming `place`, for what is not JSON, is nested too deeply, or has a key
    twice in one object.
    """
    try:
        return _JSON.decode(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except RecursionError as error:
        raise ValueError(f"{place}: JSON that is nested too deeply; {accepted} is read") from error
    except ValueError as error:
        raise ValueError(f"{place}: unreadable JSON ({error}); {accepted} is read") from error


def _make_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(made := dict(pairs)) < len(pairs):
        ((key, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {key!r:.80} is there twice")
    return made


_JSON = json.JSONDecoder(object_pairs_hook=_make_object)


def _read_column(file: str | Path, column: str) -> Iterator[str]:
    for place, record in read_json_lines(file):
        if not isinstance(record, dict) or column not in record:
            raise _miss(column, place, record)
        yield check_text(record[column], f"{place}, column {column!r}")


def _miss(column: str, place: str, found: object) -> ValueError:
    names = f"columns {', '.join(found)}" if isinstance(found, dict) else type(found).__name__
    return ValueError(f"{place}: no column {column!r} (found: {names})")


def _read_csv(file: str | Path, column: str) -> Iterator[str]:
    with _open(file) as stream:
        rows = csv.reader(_decode(file, stream), strict=True)
        try:
            header = next(rows, [])
            at = _find_column(header, column, f"{file}, line 1") if header else None
            for row in filter(None, rows):
                if len(row) != len(header):
                    found = f"{len(row)} fields where the header has {len(header)}"
                    raise ValueError(f"{file}, line {rows.line_num}: {found}")
                yield row[at]
        except csv.Error as error:
            raise ValueError(f"{file}, line {rows.line_num}: not CSV ({error})") from error


def _find_column(header: list[str], column: str, place: str) -> int:
    if column not in header:
        raise _miss(column, place, dict.fromkeys(header))
    if header.count(column) > 1:
        places = ", ".join(str(at) for at, name in enumerate(header, start=1) if name == column)
        raise ValueError(f"{place}: columns {places} are all called {column!r}; one is to be")
    return header.index(column)


def _decode(file: str | Path, stream: io.BufferedIOBase, size: int = sys.maxsize) -> Iterator[str]:
    """The lines of a file, in parts of at most `size` bytes."""
    decoder, number = codecs.getincrementaldecoder("utf-8-sig")(), 1
    try:
        while part := stream.readline(size):
            yield decoder.decode(part, final=len(part) < size)
            number += part.endswith(b"\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        place = f"{file}, line {number}"
        raise ValueError(f"{place}: not UTF-8 ({error}); convert the file to UTF-8") from error
    except DAMAGED as error:
        fault = f"is damaged after line {number - 1}" if "memory" not in str(error) else NARROW
        raise ValueError(f"{file} {fault}: {error}") from error


@contextmanager
def _open(file: str | Path) -> Iterator[io.BufferedIOBase]:
    """The unpacked bytes of a file."""
    with _connect(str(file)) as raw:
        if str(file).lower().endswith(".gz"):
            yield gzip.GzipFile(fileobj=raw)
        elif str(file).lower().endswith(".zst"):
            yield io.BufferedReader(_Chunks(_unpack(raw)))
        else:
            yield raw


def _connect(file: str) -> io.BufferedIOBase:
    if file.startswith("hf://"):
        return io.BufferedReader(HfFileSystem().open(file, "rb", block_size=0))
    if file.startswith(("http://", "https://")):
        return urlopen(Request(file, headers={"User-Agent": "knowledge-entropy"}), timeout=60)
    return Path(file).open("rb")


def _unpack(packed: io.BufferedIOBase) -> Iterator[bytes]:
    """The bytes of a Zstandard file, frame after frame.

    EOFError, which zstandard's own reader leaves out, where it ends within or before a frame.
    """
    unpacker = zstandard.ZstdDecompressor(max_window_size=WINDOW)
    frame = unpacker.decompressobj()
    while chunk := packed.read(PACKED):
        while chunk:
            frame = unpacker.decompressobj() if frame.eof else frame
            yield frame.decompress(chunk)
            chunk = frame.unused_data
    if not frame.eof:
        raise EOFError("the file ends too early, as one whose download broke off")


class _Chunks(io.RawIOBase):
    """A file that is made of chunks of bytes."""

    def __init__(self, chunks: Iterable[bytes]):
        self.chunks, self.chunk = filter(None, chunks), memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer as far as the next chunk that holds anything does; 0 at the end."""
        self.chunk = self.chunk or memoryview(next(self.chunks, b""))
        count = min(len(buffer), len(self.chunk))
        buffer[:count], self.chunk = self.chunk[:count], self.chunk[count:]
        return count
