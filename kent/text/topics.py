"""Natural English that every Python brings along: its language reference, by topic."""

import re
from functools import cache

from kent.text.templates import Document

NAME = re.compile(r"""["`]([A-Za-z_][\w.]*(?:\(\))?)["`]""")
"""A name in the marks that the reference sets code in, such as "None" or "__new__()"."""


@cache
def read_topics() -> tuple[Document, ...]:
    """The topics that `help` shows, in the order of their names; their entities are names in code.

    Spans count characters, without the marks. Texts differ between versions of Python.
    """
    from pydoc_data.topics import topics  # half a megabyte

    texts = [topics[name] for name in sorted(topics)]
    return tuple(Document(each, tuple(m.span(1) for m in NAME.finditer(each))) for each in texts)
