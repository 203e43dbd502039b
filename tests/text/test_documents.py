"""Files are read in pieces, whole or not at all: what is packed, cut off, nested, doubled or half a
character."""

import gzip
import json
import random

import pytest
import zstandard

from kent import describe
from kent.text.documents import PIECE, read_json_lines, read_texts

PACK = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}
LINES = [(json.dumps({"text": f"line {number}"}) + "\n").encode() for number in range(50)]


def read(path, column: str = "text") -> list[str]:
    return ["".join(pieces) for pieces in read_texts(path, column)]


# Pieces


@pytest.mark.parametrize("packing", PACK)
def test_a_text_in_pieces_is_the_text(packing, tmp_path):
    """Whatever stands at the border of two pieces: a character of several bytes, or the middle of a
    line's end."""
    path = tmp_path / f"a.txt{packing}"
    for shift in range(6):
        text = "x" * (PIECE - 3 + shift) + "é東😀\r\n" * 400 + "\r" + "y" * (PIECE + shift) + "😀"
        path.write_bytes(PACK[packing](b"\xef\xbb\xbf" + text.encode()))
        (pieces,) = (list(pieces) for pieces in read_texts(path, "text"))
        assert "".join(pieces) == text
        assert max(map(len, pieces)) <= PIECE


def test_a_row_comes_in_pieces_too(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "é" * 5000}) + "\n")
    (pieces,) = (list(pieces) for pieces in read_texts(path, "text"))
    assert "".join(pieces) == "é" * 5000 and max(map(len, pieces)) <= PIECE


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("end", ["\n", ""], ids=["lines", "one line"])
def test_no_more_of_a_text_is_read_than_is_asked_for(packing, end, tmp_path):
    """The damage at the end is found by whoever reads that far, or asks for the next text."""
    path, noise = tmp_path / f"a.txt{packing}", random.Random(0)
    content = end.join(str(noise.random()) for _ in range(50_000)).encode()
    path.write_bytes(PACK[packing](content + b"\xff"))
    texts = read_texts(path, "text")
    pieces = next(texts)
    assert next(pieces) == content.decode()[: 1024 if not end else content.index(b"\n") + 1]
    with pytest.raises(ValueError, match=f"line {50_000 if end else 1}: not UTF-8"):
        next(texts)
    with pytest.raises(ValueError, match="not UTF-8"):
        describe(path)


@pytest.mark.parametrize(
    "content", [b"caf\xc3", b"x" * 1023 + b"\xc3", b"a\n\xf0\x9f\x98", b"\xff\xfea\x00"]
)
def test_a_text_that_ends_within_a_character_is_refused(content, tmp_path):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(ValueError, match=f"line {content.count(10) + 1}: not UTF-8"):
        read(tmp_path / "a.txt")


# Packed


@pytest.mark.parametrize("packing", [".gz", ".zst"])
@pytest.mark.parametrize("ending", [".txt", ".jsonl", ".csv"])
def test_a_packed_file_that_ends_too_early_is_refused(packing, ending, tmp_path):
    """Cut anywhere: also where the text read so far ends with a line, and within the second of two
    frames."""
    header, path = (b"text\n" if ending == ".csv" else b""), tmp_path / f"a{ending}{packing}"
    first, second = (
        PACK[packing](header + b"".join(LINES[:25])),
        PACK[packing](b"".join(LINES[25:])),
    )
    for cut in [*range(1, len(first)), *range(len(first) + 1, len(first + second))]:
        path.write_bytes((first + second)[:cut])
        with pytest.raises(
            ValueError, match=r"is damaged after line \d+: .*(end|magic|Not a gzipped)"
        ):
            read(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"damaged after line 0: the file ends too early|is empty"):
        describe(path)


def test_text_that_is_all_there_but_for_the_packings_end_is_refused(tmp_path):
    """Every line has come when the file breaks off."""
    packer = zstandard.ZstdCompressor().compressobj()
    packed = packer.compress(b"".join(LINES)) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    (tmp_path / "a.jsonl.zst").write_bytes(packed)
    with pytest.raises(ValueError, match="damaged after line 50: the file ends too early"):
        read(tmp_path / "a.jsonl.zst")
    (tmp_path / "a.jsonl.zst").write_bytes(packed + packer.flush())
    assert len(read(tmp_path / "a.jsonl.zst")) == 50


def test_frames_that_hold_no_text_are_passed_over(tmp_path):
    skipped = b"\x50\x2a\x4d\x18" + (10).to_bytes(4, "little") + b"0123456789"
    frames = [
        skipped,
        zstandard.compress(b""),
        zstandard.compress(LINES[0]),
        skipped,
        zstandard.compress(LINES[1]),
    ]
    (tmp_path / "a.jsonl.zst").write_bytes(b"".join(frames))
    assert read(tmp_path / "a.jsonl.zst") == ["line 0", "line 1"]


@pytest.mark.parametrize("logarithm", [27, 28, 31])
def test_long_windows_are_read(logarithm, tmp_path):
    settings = zstandard.ZstdCompressionParameters(window_log=logarithm, compression_level=1)
    packer = zstandard.ZstdCompressor(compression_params=settings).compressobj()
    packed = packer.compress(LINES[0]) + packer.flush()
    assert zstandard.get_frame_parameters(packed).window_size == 2**logarithm
    (tmp_path / "a.jsonl.zst").write_bytes(packed)
    assert read(tmp_path / "a.jsonl.zst") == ["line 0"]


def test_a_window_beyond_any_memory_is_called_so(tmp_path):
    (tmp_path / "a.txt.zst").write_bytes(
        b"\x28\xb5\x2f\xfd\x00" + bytes([(41 - 10) << 3]) + b"\x01\x00\x00"
    )
    with pytest.raises(
        ValueError, match=r"takes more memory to unpack than there is: .*2 GiB for --long=31"
    ):
        read(tmp_path / "a.txt.zst")


# JSON and CSV


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"meta": ' + "[" * 100_000 + "]" * 100_000 + ', "text": "a"}',
            "JSON that is nested too deeply",
        ),
        (
            '{"meta": ' + '{"a":' * 100_000 + "1" + "}" * 100_000 + ', "text": "a"}',
            "JSON that is nested too deeply",
        ),
        ('{"text": "a", "id": ' + "9" * 5000 + "}", "unreadable JSON .*4300 digits"),
        ('{"text": "a", "id": 1, "text": "b"}', "unreadable JSON .the key 'text' is there twice"),
        (
            '{"text": "a", "meta": {"id": 1, "id": 2}}',
            "unreadable JSON .the key 'id' is there twice",
        ),
        (
            r'{"text": "one \ud83d two"}',
            r"column 'text': character 4 of the text is '.ud83d', half of a surrogate",
        ),
        (
            r'{"text": "\ude00\ud83d"}',
            r"column 'text': character 0 of the text is '.ude00', half of a surrogate",
        ),
    ],
)
def test_lines_of_json_that_hold_no_text_are_named(line, message, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "first"}\n' + line + "\n")
    with pytest.raises(ValueError, match=rf"a\.jsonl, line 2(: |, ){message}"):
        read(tmp_path / "a.jsonl")


def test_whole_pairs_and_halves_elsewhere_are_fine(tmp_path):
    (tmp_path / "a.jsonl").write_text(r'{"text": "\ud83d\ude00", "title": "\ud83d"}')
    assert read(tmp_path / "a.jsonl") == ["😀"]
    assert [place[-6:] for place, _ in read_json_lines(tmp_path / "a.jsonl")] == ["line 1"]


def test_two_columns_of_one_name_are_refused_where_that_one_is_read(tmp_path):
    (tmp_path / "a.csv").write_text("text,id,text,body\na,1,b,c\n")
    with pytest.raises(ValueError, match=r"a\.csv, line 1: columns 1, 3 are all called 'text'"):
        read(tmp_path / "a.csv")
    assert read(tmp_path / "a.csv", "body") == ["c"]
