"""The record of what kent measures of each architecture (`scripts/census.py`), for a page."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd

from kent.pages import archive

COLUMNS = {"knowledge": "H", "attention": "att.", "token": "token", "resuscitation": "change"}
"""What a row says was possible, and what the table calls it."""
REASONS = {
    r"not built|took more than|Error:|language unknown|positions for": "not built or not run, tiny",
    r"attention is its own": "attention by code of the type's own",
    r"which kent does not know": "attention with sinks, chosen keys or a mask of its own",
    r"attention of layers .* did not come in": "layers without softmax attention",
    r"which kent\.profile measures": "experts, which are measured and not changed",
    r"expert": "experts of another form than transformers' experts interface runs",
    r"did not come in": "layers that are not run once for each sequence",
    r"feed-forward networks|decoder layers|decoder was not": "no decoder layers of a known form",
    r"more than project": "logits by more than to project, to scale and to soft-cap",
    r"has logits for": "other numbers of logits than of embeddings",
}
"""Patterns of what a row says, the first that fits, and what it comes to."""


def read_record() -> dict:
    """The record `results/models.json`; errors as for `kent.pages.archive.read_record`."""
    return archive.read_record("models.json")


def sum_up(record: Mapping) -> str:
    """How many types there are, and what of them was measured or changed, in two sentences."""
    counts, rows = record["counts"], record["models"]
    experts = sum("experts" in (row["layout"] or "") for row in rows)
    none = sum("model" in row["why"] for row in rows)
    return (
        f"Of the **{counts['types']}** types of causal language model that transformers "
        f"{record['run']['transformers']} knows, kent measures knowledge entropy of "
        f"**{counts['knowledge']}** ({experts} of them with experts), and of "
        f"**{counts['all measures']}** all three entropies. Attention entropy can be had from "
        f"{counts['attention']}, next-token entropy and loss from {counts['token']}; Algorithm 1 "
        f"changes {counts['resuscitation']}. Of {none} nothing was measured."
    )


def list_both_ways(record: Mapping) -> list[str]:
    """The types whose states depend on later tokens too, of which something was measured."""
    return [row["type"] for row in record["models"] if row["causal"] is False]


def describe_both_ways(record: Mapping) -> str:
    """What the measures mean of types that attend to later tokens too, in two sentences."""
    if not (types := list_both_ways(record)):
        return "All types attend to earlier tokens only."
    return (
        "As their configurations are by default (`is_decoder=False` of BERT and its kin), "
        f"{'1 type attends' if len(types) == 1 else f'{len(types)} types attend'} to later tokens "
        f"too: {', '.join(types)}. What is measured then is attention in both directions, and "
        "the loss is no language model's."
    )


def name_reason(said: str) -> str:
    """What a row's reason comes to, in the words of `REASONS`; "other" for none of them."""
    return next((name for pattern, name in REASONS.items() if re.search(pattern, said)), "other")


def count_reasons(record: Mapping) -> pd.DataFrame:
    """How many types lack a measure (or the change) for each kind of reason."""
    found = [
        {"missing": "all" if key == "model" else COLUMNS[key], "because of": name_reason(said)}
        for row in record["models"]
        for key, said in row["why"].items()
    ]
    return pd.DataFrame(found).value_counts().rename("types").reset_index()


@dataclass(frozen=True)
class Table:
    """One row for each type; a type opens to say its class, its layout, and why not."""

    rows: Sequence[Mapping]

    def _repr_mimebundle_(self, **_: object) -> dict:
        head = "".join(f"<th>{name}</th>" for name in ("type", *COLUMNS.values()))
        body = "\n".join(map(_write_row, self.rows))
        table = f'<table class="dataframe">\n<thead><tr>{head}</tr></thead>\n'
        plain = pd.DataFrame(self.rows).set_index("type")[[*COLUMNS]].to_string()
        html = f"<div>{table}<tbody>\n{body}\n</tbody></table></div>"
        return {"text/html": html, "text/plain": plain}


def _write_row(row: Mapping) -> str:
    said = [f"{row['class']}, {row['layout'] or 'no known layout'}"]
    said += [f"{COLUMNS.get(key, key)}: {why}" for key, why in row["why"].items()]
    about = "<br>".join(map(escape, said))
    cells = "".join(f"<td>{'✓' if row[column] else '–'}</td>" for column in COLUMNS)
    name = re.sub(r"([_-])", r"\1<wbr>", escape(row["type"]))  # a narrow screen breaks it there
    summary = f"<details><summary>{name}</summary>{about}</details>"
    return f"<tr><th>{summary}</th>{cells}</tr>"
