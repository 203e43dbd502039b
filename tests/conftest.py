"""Before any test: annotated shapes are enforced, the cache is a temporary folder, torch uses one thread."""

import os
import tempfile

from jaxtyping import install_import_hook

_cache = tempfile.TemporaryDirectory(prefix="kent-tests-")
os.environ.setdefault("KENT_CACHE", _cache.name)
install_import_hook("kent", "beartype.beartype")

import torch  # noqa: E402

torch.set_num_threads(1)
