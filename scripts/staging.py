"""What Sphinx reads: configuration, prose, pages as published, styles and files made from them."""

import json
from collections.abc import Mapping
from pathlib import Path

import chips
import layout
import narrow
import nesting
import predictions
import recorded
import yaml
from cells import bind_errors, collect
from downloads import list_files

ROOT = Path(__file__).parents[1]
UNSET = "-address-not-set-"
STATIC = "book/_static"


def configure(text: str) -> str:
    """The book's configuration; without an address, none of the buttons that would lead to it."""
    settings = yaml.safe_load(text)
    if UNSET in settings["repository"]["url"]:
        for key in ("launch_buttons", "repository"):
            del settings[key]
        html = settings["html"]
        html |= {"baseurl": "", "use_repository_button": False, "use_issues_button": False}
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)


def publish_page(name: str, page: dict, table: dict, level: int = 1) -> list[dict]:
    """The cells of an executed page in the order in which the book shows them."""
    kinds = [kind for kind in ("csv", "json", "ipynb", "py") if kind in list_files(name, page)]
    homes, suite = nesting.find_homes(table), nesting.find_suites(table).get(name)
    if suite:
        page = recorded.adapt(page, name, suite, nesting.list_notebooks(table))
    elsewhere = bool(suite) or recorded.RECORDED in page["metadata"]
    taken = layout.take_apart(name, page["cells"], elsewhere)
    cells = layout.compose(taken, kinds, level)
    return [bind_errors(nesting.redirect_cell(cell, homes)) for cell in cells]


def compile_site(table: dict, executed: Mapping[str, dict]) -> dict[str, bytes]:
    """Every file of the staging folder by its path there, from the executed pages by name."""
    homes = nesting.find_homes(table)
    texts = {
        "_config.yml": configure((ROOT / "_config.yml").read_text("utf8")),
        "_toc.yml": yaml.safe_dump(nesting.drop_sections(table), sort_keys=False),
    }
    published, variants = _compile_pages(table, executed)
    texts |= published
    texts |= {f"{STATIC}/narrow/{label}.svg": text for label, text in variants.items()}
    texts[f"{STATIC}/pages.css"] = _style(executed, homes) + narrow.style_variants([*variants])
    texts |= _compile_files(executed, homes)
    return {path: text.encode() for path, text in texts.items()} | _compile_prose(homes)


def _compile_pages(
    table: dict, executed: Mapping[str, dict]
) -> tuple[dict[str, str], dict[str, str]]:
    """The notebooks that are pages of the book, and the narrow variants of their figures."""
    texts, variants = {}, {}
    for name, sections in nesting.list_chapters(table).items():
        nested = {each: publish_page(each, executed[each], table, 2) for each in sections}
        own = publish_page(name, executed[name], table)
        own = predictions.add_tally(own, executed) if name == predictions.SCORECARD else own
        cells = nesting.fold(own, nested)
        cells, found = narrow.collect_variants(name, cells)
        page = {**executed[name], "cells": cells}
        texts[f"notebooks/{name}.ipynb"] = json.dumps(page, indent=1, ensure_ascii=False)
        variants |= found
    return texts, variants


def _style(executed: Mapping[str, dict], homes: Mapping[str, str]) -> str:
    found = {
        name: [row["verdict"] for rows in collect(page["cells"], "kent") for row in rows]
        for name, page in executed.items()
        if name not in homes
    }
    first = {name: each[0] for name, each in found.items() if each}
    return chips.style_links(first, predictions.ASKED)


def _compile_files(executed: Mapping[str, dict], homes: Mapping[str, str]) -> dict[str, str]:
    """What is copied beside the built pages: their files, and what stands at old addresses."""
    files = {
        f"extra/files/{name}.{kind}": text
        for name, page in executed.items()
        for kind, text in list_files(name, page).items()
    }
    old = {
        f"extra/notebooks/{name}.html": nesting.forward(name, home) for name, home in homes.items()
    }
    return files | old


def _compile_prose(homes: Mapping[str, str]) -> dict[str, bytes]:
    paths = [path for path in (ROOT / "book").rglob("*") if path.is_file()]
    files = {str(path.relative_to(ROOT)): path.read_bytes() for path in paths}
    changed = {
        name: nesting.redirect(content.decode(), homes).encode()
        for name, content in files.items()
        if name.endswith(".md")
    }
    return files | changed
