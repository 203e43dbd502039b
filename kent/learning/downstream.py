"""P: zero-shot scores by lm-evaluation-harness, on the paper's tasks or on those of `questions`."""

import io
import json
import logging
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from copy import deepcopy
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from kent.files import write_atomically
from kent.hub import UNREACHABLE
from kent.learning.questions import (
    ENGLISH_TASKS,
    RARE_TASKS,
    WORLD_TASKS,
    read_task,
    write_documents,
)
from kent.measure.decoders import Model, count_vocabulary, find_device
from kent.measure.head import try_tokens
from kent.measure.masks import find_exact
from kent.measure.rotations import rows_together
from kent.measure.streaming import freeze
from kent.records import cache_folder, digest, make_room
from kent.settings import Count, checked
from kent.text.tokens import find_bos

TASKS = {
    "sciq": ("acc", 0.25),
    "winogrande": ("acc", 0.5),
    "piqa": ("acc_norm", 0.5),
    "openbookqa": ("acc_norm", 0.25),
    "hellaswag": ("acc_norm", 0.25),
    "arc_easy": ("acc", 0.25),
}
"""The paper's tasks (section 5): lm-evaluation-harness's metric that it reports, and what guessing
scores (nearly all questions of ARC-Easy have four choices)."""


@checked
def evaluate(
    model: Model,
    tokenizer: PreTrainedTokenizerBase,
    tasks: str | Sequence[str] = "world",
    *,
    limit: Count | None = None,
    batch_size: Count = 64,
) -> pd.DataFrame:
    """Zero-shot scores: a row per task, whose mean is P(θ) of section 5.

    Columns: score (0 to 1), standard_error (over documents; NaN for one), documents (how many), and
    correct (a list with 0 or 1 for each, in the task's order). `tasks` is "paper" (the six, read
    from the Hub), "world" (six about the world), "rare" (the same six about what is seldom told
    there), "english" (four for real models that need no Hub) or a list of names out of these;
    `limit` asks only the first documents of each. Log probabilities are taken in float32 at least,
    whatever the model's dtype; what a batch holds besides never moves a score. A document begins
    with the token that the tokenizer puts in front of a text by its own default, if it does. The
    model, the tokenizer and the global random states are left as found.

    Raises ValueError for an unknown or repeated task, an argument of another type, logits that are
    not finite, weights that are kept elsewhere, another model's tokenizer or one without an
    end-of-text token, and choices longer than the model's positions; ConnectionError, naming the
    task, when the Hub cannot be reached and the cache does not hold its documents.
    """
    names = choose_tasks(tasks)
    _check_tokenizer(model, tokenizer)
    progress = tqdm(names, desc="tasks", unit="task", leave=False)
    with progress, _undisturbed(), freeze(model):
        from lm_eval.models.huggingface import HFLM

        if find_device(model) != model.device:
            kind = type(model).__name__
            raise ValueError(
                f"the weights of {kind} are kept elsewhere: load it without offloading"
            )
        try_tokens(model)
        # The harness pads the rows of a batch, and would normalise in the model's own dtype.
        exact, rows = find_exact(model.dtype), rows_together(model, batch_size)
        settings = {"batch_size": rows, "softmax_dtype": exact}
        if find_bos(tokenizer) is not None:  # else the harness leaves it out (but for Gemma)
            settings["add_bos_token"] = True
        language_model = HFLM(pretrained=model, tokenizer=deepcopy(tokenizer), **settings)
        found = [_score(language_model, name, limit) for name in progress]
    return pd.DataFrame(found).set_index("task")


def _check_tokenizer(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """ValueError for another model's tokenizer, or one without an end-of-text token."""
    added = tokenizer.get_added_vocab()  # a model may lack those that no text has (Gemma 3's image)
    ids = [number for token, number in tokenizer.get_vocab().items() if token not in added]
    largest, last = max(ids, default=0), count_vocabulary(model) - 1
    if largest > last:
        raise ValueError(
            f"the tokenizer has token ids up to {largest}, {type(model).__name__} up to {last}: "
            "it is another model's"
        )
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no end-of-text token (eos_token), which the tasks need")


def find_chance(task: str) -> float:
    """What guessing scores in a task, from 0 to 1; ValueError for an unknown one."""
    choose_tasks([task])
    return TASKS[task][1] if task in TASKS else 1 / read_task(task)["metadata"]["choices"]


@checked
def choose_tasks(tasks: str | Sequence[str]) -> list[str]:
    """The names that `evaluate` takes `tasks` for; ValueError for an unknown or repeated one."""
    sets = {"paper": [*TASKS], "world": [*WORLD_TASKS], "rare": [*RARE_TASKS]}
    sets |= {"english": [*ENGLISH_TASKS]}
    names = sets.get(tasks, [tasks]) if isinstance(tasks, str) else list(tasks)
    accepted = [name for each in sets.values() for name in each]
    if not names or len(set(names)) < len(names) or not set(names) <= set(accepted):
        wanted = f"{', '.join(map(repr, sets))} or different names out of {', '.join(accepted)}"
        raise ValueError(f"tasks may be {wanted}, not {tasks!r}")
    return names


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Within the block the harness is silent; the global random states are put back after it."""
    logger, states = logging.getLogger("lm_eval"), (random.getstate(), np.random.get_state())
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)
        with redirect_stderr(io.StringIO()), torch.random.fork_rng():
            yield
    finally:
        logger.setLevel(level)
        random.setstate(states[0])
        np.random.set_state(states[1])


def _score(language_model, name: str, limit: int | None) -> dict:
    """One row of the table; `language_model` is lm-evaluation-harness's wrapper of the model."""
    import lm_eval

    task = _load(name)
    try:
        found = lm_eval.evaluate(language_model, task, limit=limit, bootstrap_iters=0)
    except AssertionError as error:  # of how many tokens a choice has
        raise ValueError(
            f"the task {name!r} cannot be asked: a document has a choice of no token, or of more "
            f"tokens than the model's {language_model.max_length} positions {error}"
        ) from error
    metric = TASKS[name][0] if name in TASKS else read_task(name)["metric_list"][0]["metric"]
    correct = np.array([sample[metric] for sample in found["samples"][name]])
    return {
        "task": name,
        "score": correct.mean(),
        "standard_error": pd.Series(correct).sem(),
        "documents": len(correct),
        "correct": correct.astype(int).tolist(),
    }


def _load(name: str) -> dict:
    """The task with its documents, as lm-evaluation-harness keeps it."""
    from lm_eval import tasks

    if name not in TASKS:
        return tasks.TaskManager(include_defaults=False).load([_configure(name)])
    # One folder of its registry: reading the whole takes ten seconds.
    folder = Path(tasks.__file__).parent / name.partition("_")[0]
    try:
        return tasks.TaskManager(include_path=folder, include_defaults=False).load([name])
    except UNREACHABLE as error:
        raise ConnectionError(
            f"the documents of the task {name!r} are neither in the cache nor within reach on the "
            f"Hub: {error}"
        ) from error


def _configure(name: str) -> dict:
    """A task of `questions`; its documents are in the cache, written where they are not whole."""
    documents = write_documents(name)
    path = make_room(cache_folder() / "tasks" / f"{name}-{digest(documents)}.jsonl")
    text = "".join(json.dumps(document) + "\n" for document in documents)
    if not path.exists() or path.read_bytes() != text.encode():
        with write_atomically(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    data = {"data_files": {"test": str(path)}, "cache_dir": str(path.parent)}
    return read_task(name) | {"dataset_kwargs": data}
