"""Before any test: annotated shapes are enforced, the cache is a temporary folder, torch uses one thread."""

import os
import tempfile

from jaxtyping import install_import_hook

_cache = tempfile.TemporaryDirectory(prefix="kent-tests-")
os.environ.setdefault("KENT_CACHE", _cache.name)
install_import_hook("kent", "beartype.beartype")

import pytest  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture
def micro(monkeypatch, tmp_path):
    """The recipe of a suite small enough to be pretrained within a test, in a cache of the test's own."""
    from kent import pretraining

    shape = {"layers": 1, "width": 16, "neurons": 32, "heads": 2, "vocabulary": 300}
    text = {"length": 32, "batch": 2, "warmup": 1, "tokenizer_documents": 40}
    recipe = pretraining.Pretraining(steps=(0, 1, 4), **shape, **text)
    monkeypatch.setenv("KENT_CACHE", str(tmp_path))
    monkeypatch.setitem(pretraining.RECIPES, "tiny", recipe)
    return recipe
