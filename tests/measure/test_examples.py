"""The examples in docstrings run and give what they say; which modules must have some."""

import doctest
import importlib
from pathlib import Path

import pytest

import kent

FOLDER = Path(kent.__file__).parent
WRITTEN = [path for path in FOLDER.rglob("*.py") if ">>> " in path.read_text("utf8")]
NAMES = {".".join(path.relative_to(FOLDER.parent).with_suffix("").parts) for path in WRITTEN}


def test_the_entropies_the_memory_and_the_regressions_have_examples():
    assert {"kent.measure.entropy", "kent.measure.memory", "kent.pages.regressions"} <= NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_examples_give_what_they_say(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0 and found.failed == 0
