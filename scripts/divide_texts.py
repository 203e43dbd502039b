"""Divide what SmolLM2-135M learns from: facts injected and held out, abstracts read and unread.

    python scripts/divide_texts.py FICTIONAL_KNOWLEDGE ABSTRACTS.csv FOLDER

FICTIONAL_KNOWLEDGE is a folder with once60.json and paraphrase70.json (Fictional Knowledge, in its
published form), ABSTRACTS a .csv file whose column medical_abstract holds texts. Written are
once.json and paraphrase.json (injected), once-control.json and paraphrase-control.json (never), of
paragraphs all of whose versions fit into a row of LENGTH tokens, taken in turn; and read.jsonl and
unread.jsonl, three and two of every five abstracts, with the medical terms in them as entities,
each where it stands first.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from transformers import PreTrainedTokenizerBase

import kent
from kent.files import write_atomically

LENGTH = 512
FILES = {"once": ("once60.json", 20, 0), "paraphrase": ("paraphrase70.json", 22, 9)}
"""Of each setting the file, how many paragraphs are injected (and as many are not: 24 texts in an
injection), and how many of a paragraph's other versions are."""
ENDINGS = (
    *("itis", "osis", "oses", "emia", "oma", "omas", "pathy", "pathies", "ectomy", "otomy"),
    *("plasty", "scopy", "algia", "penia", "uria", "trophy", "plegia", "megaly", "stenosis"),
    *("mycin", "cillin", "azole", "olol", "pril", "idine", "statin", "kinase", "globulin"),
)
EVERYDAY = "diagnos|prognos|predispos|hypothes"
TERM = re.compile(rf"\b(?!{EVERYDAY})[A-Za-z]{{2,}}(?:{'|'.join(ENDINGS)})\b")
"""A medical term, by its ending: a rule that anybody can check, where the paper asked GPT-4o."""


def choose_paragraphs(
    path: Path, count: int, versions: int, tokenizer: PreTrainedTokenizerBase
) -> tuple[list[dict], list[dict]]:
    """The first 2 · `count` paragraphs whose texts fit a row, in turn injected and held out."""
    chosen = []
    for record in json.loads(path.read_text("utf-8")):
        texts = [record["train_context"], *record["paraphrases"][:versions]]
        if all(len(ids) < LENGTH for ids in tokenizer(texts)["input_ids"]):
            chosen.append(record)
    del chosen[2 * count :]
    if len(chosen) < 2 * count:
        raise ValueError(f"{len(chosen)} paragraphs fit {LENGTH} tokens; {2 * count} are wanted")
    return chosen[::2], chosen[1::2]


def mark_terms(texts: pd.Series) -> Iterator[str]:
    """A line of a spans file for each text: each term where it is first met, not yet in context."""
    for text in texts:
        first = {}
        for found in TERM.finditer(text):
            first.setdefault(found.group().lower(), [found.start(), found.end()])
        yield json.dumps({"text": text, "entities": [*first.values()]}) + "\n"


def main(knowledge: Path, abstracts: Path, folder: Path) -> None:
    """Write the six files."""
    folder.mkdir(parents=True, exist_ok=True)
    _, tokenizer = kent.load("smollm2")
    for setting, (name, *wanted) in FILES.items():
        halves = choose_paragraphs(knowledge / name, *wanted, tokenizer)
        for suffix, chosen in zip(("", "-control"), halves, strict=True):
            with write_atomically(folder / f"{setting}{suffix}.json") as path:
                path.write_text(json.dumps(chosen), "utf-8")
    texts = pd.read_csv(abstracts)["medical_abstract"]
    place = texts.index % 5
    for name, chosen in (("read", place < 3), ("unread", place >= 3)):
        with write_atomically(folder / f"{name}.jsonl") as path:
            path.write_text("".join(mark_terms(texts[chosen])), "utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
