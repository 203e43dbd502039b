"""Tasks that need no Hub, and their documents: about the world, and in English for real models.

Both are files of lm-evaluation-harness (`tasks/*.yaml`), whose metadata say how documents are made.

About the world a form takes each of the `first` entities of a kind with each opening and each
ending [text, choice], with slots as in `world.yaml`. The text is about one entity, the choices
about it and others that `differ` in what is asked. Of a rare task (`RARE_TASKS`) the entities are
the half of a kind that is told of least, in the same forms.

In English a form has texts and groups of cues with their answers. A set of choices is asked once
for each choice, each time with the cue of another: who sees the choices alone, how long they are
or where they stand cannot do better than guess. Where a form has a `fact`, chance pairs its cues
and answers, and its texts tell those of all choices, with `between` between two.
"""

import random
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import islice, product

import yaml

from kent.settings import checked
from kent.text.corpora import WORLD_SEED
from kent.text.templates import Chance, fill, shuffle
from kent.text.world import World

WORLD_TASKS = ("facts", "coreference", "procedure", "open_book", "continuation", "exam")
"""The tasks about the world, each like the paper's task in the same place."""
RARE_TASKS = tuple(f"rare_{name}" for name in WORLD_TASKS)
"""Those about the world that ask for what is seldom told: a model may know the rest by heart."""
ENGLISH_TASKS = ("grammar", "general", "everyday", "in_context")
"""The tasks in English: minimal pairs, general knowledge, common sense, finding a fact again."""
DOCUMENTS = 200
"""Documents of a task, at most."""


def read_task(name: str) -> dict:
    """A task, as lm-evaluation-harness reads it, but without documents."""
    file = name.removeprefix("rare_")
    task = yaml.safe_load(files(__package__).joinpath(f"tasks/{file}.yaml").read_text("utf-8"))
    return task | {"task": name}


@checked
@cache
def write_documents(name: str) -> list[dict]:
    """The documents of a task that is written here, always the same.

    Each has text, choices, and label, the answer's place, about the world opening too; the places
    take turns, and no two documents are the same. Raises ValueError for another task.
    """
    known = (*WORLD_TASKS, *RARE_TASKS, *ENGLISH_TASKS)
    if name not in known:
        raise ValueError(f"{name!r} is no task that is written here; these are: {', '.join(known)}")
    plan, chance = read_task(name)["metadata"], random.Random(f"task {name}").random
    if name in ENGLISH_TASKS:
        return list(islice(_write_in_english(plan, chance), DOCUMENTS))
    return list(_write_about_the_world(plan, chance, rare=name in RARE_TASKS))


def _write_about_the_world(plan: dict, chance: Chance, rare: bool) -> Iterator[dict]:
    entities, drafts = World(WORLD_SEED).entities, []
    for form in plan["forms"]:
        told, openings = entities[form["about"]], form.get("openings", [""])
        known = told[len(told) // 2 :] if rare else told[: form["first"]]
        drafts += product([(known, form.get("differ"))], known, openings, form["endings"])
    count = plan["choices"]
    for at, draft in enumerate(islice(shuffle(drafts, chance), DOCUMENTS)):
        yield _ask(draft, at % count, count, chance)


def _ask(draft: tuple, label: int, count: int, chance: Chance) -> dict:
    """One document: `count` choices, the one about the subject in the place `label`."""
    (known, differ), subject, opening, (text, choice) = draft
    # Two entities are apart by `differ`, which may be less than what a choice says of them.
    chosen = {fill(differ or choice, subject)}
    choices = [fill(choice, subject)]
    for other in shuffle(known, chance):
        key, said = fill(differ or choice, other), fill(choice, other)
        if len(choices) < count and key not in chosen and said not in choices:
            chosen.add(key)
            choices.append(said)
    choices.insert(label, choices.pop(0))
    asked = {"opening": fill(opening, subject), "text": fill(text, subject)}
    return asked | {"choices": choices, "label": label}


def _write_in_english(plan: dict, chance: Chance) -> Iterator[dict]:
    drafts = [
        (form, text, answers)
        for form in plan["forms"]
        for text, group in product(form.get("texts", ["{cue}"]), _pair(form, chance))
        for answers in _cut(group, plan["choices"], chance)
    ]
    for form, text, answers in shuffle(drafts, chance):
        told = [form.get("fact", "").format(cue=cue, answer=answer) for cue, answer in answers]
        facts, choices = form.get("between", "").join(told), [answer for _, answer in answers]
        for label, (cue, _) in enumerate(answers):
            asked = text.format(cue=cue, facts=facts)
            yield {"text": asked, "choices": choices, "label": label}


def _pair(form: dict, chance: Chance) -> list[dict]:
    """The groups of a form: answers by cue."""
    if "fact" not in form:
        return form["groups"]
    pairs = zip(shuffle(form["cues"], chance), shuffle(form["answers"], chance), strict=True)
    return [dict(pairs)]


def _cut(group: dict, count: int, chance: Chance) -> Iterator[list[tuple[str, str]]]:
    """The answers of a group in random order, `count` at a time; a smaller rest is left out."""
    answers = shuffle(group.items(), chance)
    for start in range(0, len(answers) - count + 1, count):
        yield answers[start : start + count]
