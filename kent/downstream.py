"""Downstream performance P(θ): lm-evaluation-harness, zero-shot, on the model in memory (section 4.1)."""

import json
import logging
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from kent.corpora import WORLD_SEED
from kent.hub import UNREACHABLE
from kent.records import cache_folder, hash_code, write_atomically
from kent.templates import shuffle
from kent.world import Entity, World

PAPER = {
    "sciq": "acc",
    "winogrande": "acc",
    "piqa": "acc_norm",
    "openbookqa": "acc_norm",
    "hellaswag": "acc_norm",
    "arc_easy": "acc",
}
"""The paper's six tasks, with the score its public code takes of each."""
WORLD = ("facts", "coreference", "procedure", "openbook", "continuation", "exam")
"""Six tasks about the synthetic world, one in the spirit of each of the paper's, in its order (`kent/tasks/`)."""
DOCUMENTS = 200


def evaluate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    tasks: str,
    *,
    limit: int | None = None,
    batch_size: int = 64,
) -> pd.DataFrame:
    """Score the model on six multiple-choice tasks: a row per task, named by its index.

    `tasks` is "paper" (SciQ, WinoGrande, PIQA, OpenBookQA, HellaSwag, ARC-Easy, from the Hub) or "world" (local).
    Columns: `score`, the rate of documents answered rightly (0 to 1; by length-normalised likelihood for PIQA,
    OpenBookQA and HellaSwag and their like), `standard_error`, `documents`, and `correct`, an array of 0 and 1 over
    the documents. P(θ) is the unweighted mean score. The model and the global random state are left as found.

    Raises ValueError for other tasks, ConnectionError when the Hub cannot be reached.
    """
    if tasks not in ("paper", "world"):
        raise ValueError(f"tasks are 'paper' ({', '.join(PAPER)}) or 'world' ({', '.join(WORLD)}), not {tasks!r}")
    metrics = PAPER if tasks == "paper" else {task: _read(task)["metric_list"][0]["metric"] for task in WORLD}
    asked = list(PAPER) if tasks == "paper" else [_configure(task) for task in WORLD]
    with _keep_random_state():
        samples = _ask(model, tokenizer, asked, limit, batch_size)
    prefix = "" if tasks == "paper" else "world_"
    correct = {task: np.array([each[metric] for each in samples[prefix + task]]) for task, metric in metrics.items()}
    rows = [
        (answers.mean(), answers.std() / np.sqrt(max(len(answers) - 1, 1)), len(answers), answers)
        for answers in correct.values()
    ]
    columns = ["score", "standard_error", "documents", "correct"]
    return pd.DataFrame(rows, index=pd.Index(correct, name="task"), columns=columns)


def _ask(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    tasks: Sequence[str | dict],
    limit: int | None,
    batch_size: int,
) -> dict[str, list[dict]]:
    """The harness's answers, document by document, under each task's name."""
    from lm_eval import simple_evaluate  # takes seconds to import
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    training = model.training
    try:
        found = simple_evaluate(
            HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size),
            tasks=list(tasks),
            task_manager=TaskManager(include_defaults=isinstance(tasks[0], str)),
            num_fewshot=0,
            limit=limit,
            bootstrap_iters=0,
            log_samples=True,
        )
    except UNREACHABLE as error:
        if isinstance(tasks[0], dict):
            raise
        raise ConnectionError(f"the tasks {', '.join(tasks)} are on the Hub, out of reach: {error}") from error
    finally:
        model.train(training)
    return {task: sorted(each, key=lambda sample: sample["doc_id"]) for task, each in found["samples"].items()}


@contextmanager
def _keep_random_state() -> Iterator[None]:
    """The harness and what it imports seed and draw from every global generator."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        yield
    random.setstate(python)
    np.random.set_state(numpy)


def _read(task: str) -> dict:
    return yaml.safe_load(files("kent").joinpath("tasks", f"{task}.yaml").read_text(encoding="utf-8"))


def _configure(task: str) -> dict:
    """A task of the world as the harness takes it: its file, pointed at the documents, which are written if need be."""
    code = hash_code(f"tasks/{task}.yaml", "downstream.py", "world.py", "world.yaml", "templates.py")
    path = cache_folder() / "tasks" / f"{task}-{code}.jsonl"
    if not path.is_file():
        lines = [json.dumps(document, ensure_ascii=False) + "\n" for document in write_documents(task)]
        with write_atomically(path) as temporary:
            temporary.write_text("".join(lines), encoding="utf-8")
    return {**_read(task), "dataset_kwargs": {"data_files": {"test": str(Path(path).resolve())}}}


def write_documents(task: str) -> list[dict]:
    """The documents of a task of the world: question, choices, and the answer's place, each place equally often.

    Raises ValueError for a task that is not in `WORLD`.
    """
    if task not in WORLD:
        raise ValueError(f"the world has no task {task!r}; it has {', '.join(WORLD)}")
    plan = _read(task)
    setting, swapped = plan["metadata"], plan["doc_to_target"] == "question"
    chance = random.Random(f"world {WORLD_SEED}, task {task}").random
    known = World(WORLD_SEED).entities[setting["about"]][: setting["most"]]
    pairs = shuffle(product(setting["forms"], known), chance)
    documents = []
    for index in range(DOCUMENTS):
        form, subject = pairs[index % len(pairs)]
        differ = form.get("differ", form["choice"])
        others = {_fill(differ, subject): subject}
        for other in shuffle(known, chance):
            others.setdefault(_fill(differ, other), other)
        _, *wrong = list(others.values())[: setting["choices"]]
        place = index % setting["choices"]
        listed = [*wrong[:place], subject, *wrong[place:]]
        question, choice = (form["choice"], form["prompt"]) if swapped else (form["prompt"], form["choice"])
        choices = [_fill(choice, each) for each in listed]
        documents.append({"question": _fill(question, subject), "choices": choices, "answer": place})
    return documents


def _fill(template: str, subject: Entity) -> str:
    return re.sub(r"{(.+?)}", lambda slot: subject.say(slot[1])[0], template)
