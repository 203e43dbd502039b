"""A Sphinx extension: signatures show declared types without the ranges and readers they carry."""

import inspect
from typing import get_type_hints

from sphinx.application import Sphinx


def strip_ranges(app: Sphinx, documented: object, bound: bool) -> None:
    """Before a signature is written: `Count`, int from 1 on with a reader for NumPy's, is int."""
    if not inspect.isfunction(function := inspect.unwrap(documented)):
        return
    types = get_type_hints(function)
    layer = getattr(documented, "__func__", documented)
    while layer is not None:  # every wrapper around a function has its annotations, too
        if inspect.isfunction(layer):
            layer.__annotations__ = types
        layer = getattr(layer, "__wrapped__", None)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-before-process-signature", strip_ranges)
    return {"parallel_read_safe": True}
