"""Settings as files have them: what YAML says, a recipe, the facts that a run injects."""

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

from kent.learning.knowledge import Knowledge
from kent.learning.recipes import Recipe

SETTINGS = tuple(field.name for field in fields(Recipe))
"""The settings of a recipe."""


def read_config(path: str | Path) -> dict:
    """What a YAML file sets: one run, or a page's parameters.

    Words and numbers are read as YAML 1.2 has them: 4e-4 is a number, 010 is ten, and `no` is a
    word. Raises `ValueError`, naming the file, for what is not YAML, sets a name twice, or holds no
    settings; OSError for a file that cannot be read.
    """
    text = Path(path).read_bytes()
    try:
        config = YAML(typ="safe", pure=True).load(text)
    except Exception as error:  # among them LookupError and RecursionError
        raise ValueError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} holds no settings: it needs lines such as `name: value`")
    return config


def make_recipe(settings: Mapping[str, object]) -> Recipe:
    """A recipe from a configuration, where JSON and YAML know lists only.

    Raises `ValueError` for settings that a recipe does not have, and as `Recipe` does.
    """
    if unknown := sorted(settings.keys() - {*SETTINGS}):
        raise ValueError(f"a recipe has no {', '.join(unknown)}; it has {', '.join(SETTINGS)}")
    lists = {key: tuple(value) for key, value in settings.items() if isinstance(value, list)}
    return Recipe(**{**settings, **lists})


def read_knowledge(config: Mapping) -> list[Knowledge]:
    """The facts that a run injects, and those that it never does.

    Raises `ValueError` for files that are not two, and as `Knowledge.from_json`.
    """
    for name in ("knowledge", "control"):
        if len(config[name]) not in (0, 2):
            kinds = "what is injected once and what is paraphrased"
            raise ValueError(f"{name} is two files, {kinds}, not {config[name]!r}")
    return [
        Knowledge.from_json(*config[name])
        if config[name]
        else _invent(seed, config["once"], config["paraphrase"])
        for seed, name in enumerate(("knowledge", "control"))
    ]


@cache
def _invent(seed: int, once: int, paraphrase: int) -> Knowledge:
    """Facts of the synthetic world, written once for all the runs of a plan."""
    return Knowledge.synthetic(seed, once=once, paraphrase=paraphrase)
