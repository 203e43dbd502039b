"""Chips in links: the verdict of a page behind its name, in the side bar and in search results."""

from collections.abc import Container, Mapping

from kent.pages.evidence import name_slug

THERE = ':is(.bd-links, #search-results) a:is([href="{0}.html"], [href$="/{0}.html"])::after'
UNSAID = "predict first"
"""On the chip of a page that asks for a prediction, until the reader has seen its answer."""


def style_links(verdicts: Mapping[str, str], asked: Container[str] = ()) -> str:
    """CSS that sets a chip behind links to pages, by the first verdict of each page.

    The links are those of the side bar and of search results. A page's link to itself is "#", so
    there its own chip, the one under its title, says which it is. Pages that are `asked` for a
    prediction have another chip until it is made: book/_static/predict/picks.js says of which.
    """
    rules = [_rule(THERE.format(name), verdict) for name, verdict in verdicts.items()]
    unseen = 'html[data-picked]:not([data-picked~="{0}"]) ' + THERE
    rules += [_rule(unseen.format(name), "not run", UNSAID) for name in verdicts if name in asked]
    own = 'body:has(h1 + .verdict > [data-verdict="{}"]) .bd-links a.current[href="#"]::after'
    rules += [_rule(own.format(verdict), verdict) for verdict in sorted(set(verdicts.values()))]
    return "\n".join(["/* Made when the book is built: scripts/chips.py. */", *rules, ""])


def _rule(selector: str, verdict: str, said: str = "") -> str:
    """A chip in the colour of a verdict, which it says where nothing else is `said`."""
    colour = f"var(--chip-{name_slug(verdict)})"
    return f'{selector} {{ content: "{said or verdict}"; background: {colour}; }}'
