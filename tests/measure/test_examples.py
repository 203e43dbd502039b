"""The examples in docstrings run and give what they say; every module named here has some."""

import doctest
import importlib

import pytest

MODULES = ["kent.measure.entropy", "kent.measure.memory"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0 and found.failed == 0
