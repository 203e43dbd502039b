"""One small run of continual learning: `run`, or in a process of its own python learner.py OUT.

With a CONFIG.yaml instead, what `python -m kent run CONFIG.yaml` does.
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path

import torch
from hub import make_byte_tokenizer
from safetensors.torch import save_file
from transformers import OlmoConfig, OlmoForCausalLM, Trainer

from kent.__main__ import main
from kent.learning import evaluations, training
from kent.learning.knowledge import Knowledge
from kent.learning.outcomes import Outcome
from kent.learning.recipes import Recipe

RECIPE = Recipe(learning_rate=1e-2, batch=4, rows=2, steps=20, tasks="")
ROWS = torch.randint(97, 122, (80, 400), generator=torch.Generator().manual_seed(0))


@cache
def make_knowledge(seed: int) -> Knowledge:
    """Twelve paragraphs with one probe of each kind, as probing costs most of a small run."""
    whole = Knowledge.synthetic(seed, once=10, paraphrase=2)
    settings = [
        tuple(replace(each, probes=each.probes[::5]) for each in paragraphs)
        for paragraphs in (whole.once, whole.paraphrase)
    ]
    return Knowledge(*settings)


def make_model() -> OlmoForCausalLM:
    """A random OLMo of one layer over bytes."""
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    places = {"vocab_size": 300, "max_position_embeddings": 512, "pad_token_id": 0}
    return OlmoForCausalLM(OlmoConfig(num_hidden_layers=1, **shape, **places))


def run(out: Path, recipe: Recipe = RECIPE, **changes) -> Outcome:
    """Learn the same knowledge from the same rows, whoever asks; `changes` are other arguments."""
    asked = {"model": make_model(), "tokenizer": make_byte_tokenizer(), "sequences": ROWS}
    asked |= {"knowledge": make_knowledge(0), "control": make_knowledge(1)}
    return training.learn(**asked | {"recipe": recipe, "out": out} | changes)


def kill() -> None:
    """End this process as an interrupted run ends, without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(moment: str, die: Callable[[], None] = kill, patch: Callable = setattr) -> None:
    """Have a run end before the n-th probing, save or finish: "probe 9"."""
    kind, number = moment.split()
    owner, name = {
        "probe": (evaluations, "probe"),
        "save": (Trainer, "_save_optimizer_and_scheduler"),
        "finish": (training, "_finish"),
    }[kind]
    work, calls = getattr(owner, name), count(1)

    def work_or_die(*args, **kwargs):
        if next(calls) == int(number):
            die()
        return work(*args, **kwargs)

    patch(owner, name, work_or_die)


def keep_what_is_fed(folder: Path, patch: Callable = setattr) -> None:
    """Write the rows that the Trainer feeds to the model, in their order, to a file per process."""
    step, fed = Trainer.training_step, []

    def keep(trainer, model, inputs, *args, **kwargs):
        fed.append(inputs["input_ids"])
        save_file({"rows": torch.cat(fed)}, folder / f"fed{trainer.args.process_index}.safetensors")
        return step(trainer, model, inputs, *args, **kwargs)

    patch(Trainer, "training_step", keep)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if moment := os.environ.get("DIE_AT"):
        die_at(moment)
    if folder := os.environ.get("KEEP_FED"):
        keep_what_is_fed(Path(folder))
    if sys.argv[1].endswith(".yaml"):
        sys.exit(main(["run", sys.argv[1]]))
    run(Path(sys.argv[1]))
