"""Records under `results/` that a page shows beside what it measures itself."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pandas as pd

from kent.pages.seeds import format_interval
from kent.records import PACKAGE


def read_record(name: str) -> dict:
    """A record of the repository that a page runs in, or that kent is installed from.

    Raises `FileNotFoundError` where there is neither.
    """
    path = Path("results", name)
    path = path if path.is_file() else PACKAGE.parent / path
    return json.loads(path.read_text("utf-8"))


def find_record(name: str) -> dict | None:
    """The same, None where there is no repository: a notebook may run alone."""
    with suppress(FileNotFoundError):
        return read_record(name)


def tabulate_bos(record: Mapping) -> pd.DataFrame:
    """What `scripts/bos.py` recorded as a table of texts: a row per way, the usual one first.

    Values with two standard errors, in nats.
    """
    rows = {}
    for name, way in record["ways"].items():
        entropy, loss = way["moved"]["knowledge_entropy"], way["moved"]["loss"]
        rows[f"BOS {name}"] = {
            "H (nats)": format_interval(*way["knowledge_entropy"]),
            "H, moved (nats)": format_interval(*entropy, "+") if rows else "",
            "loss (nats)": format_interval(*way["loss"]),
            "loss, moved (nats)": format_interval(*loss, "+") if any(loss) else "",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def describe_bos(record: Mapping) -> str:
    """What the position and the token move, in two sentences."""
    _, counted, without = record["ways"].values()
    entropy, loss = (
        format_interval(*without["moved"][name], "+") for name in ("knowledge_entropy", "loss")
    )
    position = format_interval(*counted["moved"]["knowledge_entropy"], "+")
    return (
        f"Counted, the one position of {counted['length']} moves H by **{position} nats**. Where "
        f"the model does not read the token at all, H moves by **{entropy} nats** and the loss by "
        f"{loss} nats."
    )


def describe_origin(record: Mapping) -> str:
    """Which model and text a record is of, on what, when, how long it took, and by what."""
    model, text, made = record["model"], record["text"], record["provenance"]
    seconds = sum(way["seconds"] for way in record["ways"].values())
    size = f"{text['sequences']} sequences of {text['length']} tokens"
    versions = ", ".join(f"{name} {made[name]}" for name in ("torch", "transformers", "gguf"))
    return (
        f"A record, not measured while this page ran: `{model['file']}` (SHA-256 "
        f"`{model['sha256'][:10]}`, {made['architecture']}) on {size} of `{text['name']}` "
        f"(`{text['tokens_sha256'][:10]}`) in {made['dtype']}; {made['device']} "
        f"({made['machine']}), {seconds:.0f} s, {made['date'][:10]}, commit `{made['commit']}`, "
        f"{versions}. Made by `{record['command']}`, which says where the file comes from."
    )
