"""Chips in links: the verdict of a page behind its name, in the side bar and in search results."""

from collections.abc import Mapping

from kent.pages.evidence import name_slug


def style_links(verdicts: Mapping[str, str]) -> str:
    """CSS that sets a chip behind links to pages, by the first verdict of each page.

    The links are those of the side bar and of search results. A page's link to itself is "#", so
    there its own chip, the one under its title, says which it is.
    """
    there = ':is(.bd-links, #search-results) a:is([href="{0}.html"], [href$="/{0}.html"])::after'
    rules = [_rule(there.format(name), verdict) for name, verdict in verdicts.items()]
    own = 'body:has(h1 + .verdict > [data-verdict="{}"]) .bd-links a.current[href="#"]::after'
    rules += [_rule(own.format(verdict), verdict) for verdict in sorted(set(verdicts.values()))]
    return "\n".join(["/* Made when the book is built: scripts/chips.py. */", *rules, ""])


def _rule(selector: str, verdict: str) -> str:
    colour = f"var(--chip-{name_slug(verdict)})"
    return f'{selector} {{ content: "{verdict}"; background: {colour}; }}'
