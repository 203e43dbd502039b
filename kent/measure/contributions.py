"""A measured checkpoint as a small JSON file, to drop on a page of the book or to contribute.

`contributions.schema.json` says which fields there are, and what each may be. What one must be
because of another stands in `_find_misfits`. The book checks files by the same schema in the
browser (book/_static/live/records.js), with the same sentences.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from math import isfinite, log
from pathlib import Path
from typing import Annotated

from pydantic import Field

from kent.errors import require
from kent.files import expand
from kent.measure.profiles import Profile
from kent.settings import Whole, checked

FORMAT = "kent record 1"
Title = Annotated[str, Field(min_length=1, max_length=80)]
SLACK = 1e-6
"""Nats by which rounding may part a sum from its terms."""


@cache
def load_schema() -> dict:
    """The JSON Schema of a record."""
    return json.loads(Path(__file__).with_suffix(".schema.json").read_text("utf-8"))


@checked
def make(
    profile: Profile, *, name: Title, parameters: Whole | None, tokens: Whole | None = None
) -> dict:
    """What figures draw of a profile, and how it was measured: a record, as JSON-able values.

    `name` is what readers call the model, `parameters` its size, `tokens` are those it had read in
    pretraining, each None where it is not known. Folders of this machine are left out. A profile
    without coefficients makes a record too, which figures refuse.
    """
    about = profile.provenance
    step = about["revision"]["step"]
    model = {"name": name, "architecture": about["architecture"], "parameters": parameters}
    model |= {"step": step, "tokens": tokens}
    if profile.coefficients:
        model["neurons"] = [len(each) for each in profile.coefficients]
    head = {"format": FORMAT, "model": model, "text": _describe_text(about)}
    return head | profile.summarize() | {"provenance": _hide_folders(about)}


def _describe_text(provenance: Mapping) -> dict:
    corpus = provenance["corpus"]
    files = ", ".join(each["name"] for each in corpus.get("files", ()) if isinstance(each, dict))
    name = corpus.get("corpus") or files or corpus["kind"]
    sizes = {"length": provenance["length"], "sequences": provenance["instances"]}
    return {"name": name[:80], "sha256": corpus["sha256"], **sizes}


def _hide_folders(provenance: Mapping) -> dict:
    """Provenance in which a checkpoint of this machine has the name of its folder alone."""
    kept, revision = {**provenance}, provenance["revision"]
    kept.pop("name", None)
    if expand(revision["repository"]).exists():
        kept["revision"] = revision | {"repository": Path(revision["repository"]).absolute().name}
    return kept


@checked
def read(source: str | Path) -> list[dict]:
    """The records in a file, or in all `.json` files of a folder, in the order of their names.

    Raises what `check` raises, `ValueError` too for a file that is no JSON and for a folder without
    files, OSError where there is nothing to read.
    """
    path = expand(source)
    if not path.is_dir():
        return [_read(path)]
    if files := sorted(path.glob("*.json")):
        return [*map(_read, files)]
    raise ValueError(f"{path}: this folder holds no .json file")


def _read(path: Path) -> dict:
    try:
        record = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name}: this is no JSON file ({error})") from error
    check(record, path.name)
    return record


def check(record: object, name: str) -> None:
    """Raise `ValueError` for what is no record: `name` of the file, field, what it is, what fits.

    Raises ImportError where jsonschema is not installed.
    """
    if fault := next(_list_faults(record), None):
        raise ValueError(f"{name}: {fault}")


def _list_faults(record: object) -> Iterator[str]:
    """Sentences: from the schema, or where it has none, on fields that do not fit each other."""
    require("book", "jsonschema")
    from jsonschema import Draft202012Validator, validators

    finite = Draft202012Validator.TYPE_CHECKER.redefine("number", lambda _, each: _is_number(each))
    checker = validators.extend(Draft202012Validator, type_checker=finite)(load_schema())
    fault = next(checker.iter_errors(record), None)
    yield from [_word(fault)] if fault else _find_misfits(record)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _word(error: Exception) -> str:
    """A fault that the schema finds, in words."""
    path, found = [*error.absolute_path], error.instance
    if error.validator == "required":
        missing = next(each for each in error.validator_value if each not in found)
        needed = ", ".join(error.validator_value)
        return f"{_name([*path, missing])} is missing; needed are {needed}"
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        other = next(each for each in found if each not in known)
        return f"{_name([*path, other])} is not known; accepted are {', '.join(known)}"
    return f"{_name(path)} is {_show(found)}; accepted is {error.schema['description']}"


def _name(path: list[str | int]) -> str:
    """A field's place.

    >>> _name(["by_layer", "Gini", 0])
    'by_layer.Gini[0]'
    """
    parts = [f"[{each}]" if isinstance(each, int) else f".{each}" for each in path]
    return "".join(parts).removeprefix(".") or "the file"


def _show(value: object) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else f"a list of {len(value)}"
    return json.dumps(value, ensure_ascii=False)[:60]


def _find_misfits(record: Mapping) -> Iterator[str]:
    """Sentences on fields that are each well-formed and do not fit each other."""
    sizes, by_layer = record["model"]["neurons"], record["by_layer"]
    for name, values in by_layer.items():
        if len(values) != len(sizes):
            found = f"by_layer.{name} has {len(values)} numbers"
            yield f"{found}; accepted are {len(sizes)}, one for each of model.neurons"
    length = record["text"]["length"]
    for name, most in {"knowledge": sizes, "attention": [length] * len(sizes)}.items():
        values = by_layer.get(f"{name}_entropy", [])
        yield from _exceed(f"by_layer.{name}_entropy", values, most)
    bounds = {"entropy_bound": [*map(log, sizes)]}
    for name in ("knowledge_entropy", "attention_entropy", "routing_entropy"):
        bounds[f"{name}.value"] = by_layer.get(name, [])
    for place, terms in bounds.items():
        yield from _miss_sum(place, record.get(place.removesuffix(".value")), terms)


def _exceed(place: str, values: list, most: list[int]) -> Iterator[str]:
    for layer, (value, size) in enumerate(zip(values, most, strict=True)):
        if value > log(size) + SLACK:
            bound = f"at most ln {size} = {log(size):.4f}"
            yield f"{place}[{layer}] is {value:.4f}; accepted is {bound}"


def _miss_sum(place: str, found: object, terms: list) -> Iterator[str]:
    value = found["value"] if isinstance(found, Mapping) else found
    if value is not None and terms and abs(value - sum(terms)) > SLACK * len(terms):
        total = f"what its layers add up to, {sum(terms):.4f}"
        yield f"{place} is {value:.4f}; accepted is {total}"
