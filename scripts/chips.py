"""Chips: a verdict as a small label beside a title, in the side bar and in search results."""

from collections.abc import Mapping
from html import escape

from kent.pages.evidence import ONE_MODEL

SLUGS = {
    "agrees": "agrees",
    "disagrees": "disagrees",
    "too small to tell": "small",
    "not measurable": "floor",
    "by construction": "construction",
    "one seed": "oneseed",
    "no value": "novalue",
    "not run": "notrun",
}
"""By the words that a verdict begins with, the name of its colour in book/_static/kent.css."""


def name_slug(verdict: str) -> str:
    """The name of a verdict's colour, of one model or of several seeds.

    Raises:
        ValueError: for a text that begins as no verdict does.
    """
    words = verdict.removesuffix(ONE_MODEL)
    for beginning, slug in SLUGS.items():
        if words.startswith(beginning):
            return slug
    raise ValueError(f"no verdict begins as {verdict!r}; known: {', '.join(SLUGS)}")


def chip(verdict: str) -> str:
    """A verdict as a piece of HTML."""
    return f'<span class="chip chip-{name_slug(verdict)}">{escape(verdict)}</span>'


def style_links(verdicts: Mapping[str, str]) -> str:
    """CSS that sets a chip behind links to pages, by the first verdict of each page.

    The links are those of the side bar and of search results. A page's link to itself is "#", so
    there its own chip, the one under its title, says which it is.
    """
    rules = [
        _rule(f':is(.bd-links, #search-results) a[href$="{name}.html"]::after', verdict)
        for name, verdict in verdicts.items()
    ]
    own = 'body:has(h1 + .verdict > [data-verdict="{}"]) .bd-links a.current[href="#"]::after'
    rules += [_rule(own.format(verdict), verdict) for verdict in sorted(set(verdicts.values()))]
    return "\n".join(["/* Made when the book is built: scripts/chips.py. */", *rules, ""])


def _rule(selector: str, verdict: str) -> str:
    colour = f"var(--chip-{name_slug(verdict)})"
    return f'{selector} {{ content: "{verdict}"; background: {colour}; }}'
