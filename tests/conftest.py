"""Before any test: annotated shapes are enforced, the cache is a temporary folder, torch uses one
thread.

And nbval, which runs the executed pages again, hears all that they say.
"""

import os
import shutil
import tempfile

from jaxtyping import install_import_hook

_cache = tempfile.TemporaryDirectory(prefix="kent-tests-")
os.environ.setdefault("KENT_CACHE", _cache.name)
# The world is left out, which would write twenty times slower, and the ground, which has no shapes.
ROOMS = ("models", "measure", "change", "learning", "runs", "pages")
install_import_hook(["kent.text.corpora", *(f"kent.{room}" for room in ROOMS)], "beartype.beartype")

import nbval.kernel  # noqa: E402
import nbval.plugin  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from jupyter_client.manager import KernelManager  # noqa: E402

torch.set_num_threads(1)


class _Listener(KernelManager):
    """Keeps all that a cell says until it is done, which is when nbval reads it.

    ZeroMQ's default keeps about a thousand messages and drops the rest, the word that the cell is
    done among them: a cell that learns for minutes behind a progress bar sends more, and nbval
    takes the silence for a time-out.
    """

    def client(self, **settings):
        client = super().client(**settings)
        client.context.rcvhwm = 0  # no limit
        return client


nbval.kernel.KernelManager = _Listener


def pytest_collection_modifyitems(items):
    """On a busy machine the word that a cell is done may take longer than nbval's five seconds."""
    for item in items:
        if isinstance(item, nbval.plugin.IPyNbCell):
            item.output_timeout = 60


@pytest.fixture(scope="session")
def use_micro():
    """Have the suite "tiny" be small enough to be pretrained within a test, in this cache."""
    from kent.models import pretraining

    shape = {"layers": 1, "width": 16, "neurons": 32, "heads": 2, "vocabulary": 300}
    text = {"length": 32, "batch": 2, "warmup": 1, "tokenizer_documents": 40}
    recipe = pretraining.Pretraining(steps=(0, 1, 4), **shape, **text)

    def use_micro(monkeypatch, cache):
        monkeypatch.setenv("KENT_CACHE", str(cache))
        monkeypatch.setitem(pretraining.RECIPES, "tiny", recipe)
        return recipe

    return use_micro


@pytest.fixture
def micro(use_micro, monkeypatch, tmp_path):
    """The recipe of the micro suite, in a cache of the test's own; it is not pretrained yet."""
    return use_micro(monkeypatch, tmp_path)


@pytest.fixture(scope="session")
def pretrained_cache(use_micro, tmp_path_factory):
    """A cache in which the micro suite is pretrained."""
    from kent.models import pretraining

    cache = tmp_path_factory.mktemp("pretrained")
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_micro(monkeypatch, cache)
        pretraining.pretrain("tiny")
    return cache


@pytest.fixture
def pretrained(micro, pretrained_cache, tmp_path):
    """As `micro`, and pretrained: the test's own copy of what is pretrained once a session."""
    shutil.copytree(pretrained_cache, tmp_path, dirs_exist_ok=True)
    return micro
