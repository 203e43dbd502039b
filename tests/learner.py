"""One small run of continual learning, for a process of its own: python learner.py OUT."""

import os
import signal
import sys
from itertools import count
from pathlib import Path

import torch
from hub import make_byte_tokenizer
from safetensors.torch import save_file
from transformers import OlmoConfig, OlmoForCausalLM, Trainer

from kent.learning import evaluations, training
from kent.learning.knowledge import Knowledge
from kent.learning.outcomes import Outcome
from kent.learning.recipes import Recipe
from kent.learning.training import learn

RECIPE = Recipe(learning_rate=1e-2, batch=4, rows=2, steps=20, tasks="")


def make_model() -> OlmoForCausalLM:
    """A random OLMo of one layer over bytes."""
    torch.manual_seed(0)
    shape = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    return OlmoForCausalLM(
        OlmoConfig(vocab_size=300, max_position_embeddings=512, pad_token_id=0, **shape)
    )


def run(
    out: Path, recipe: Recipe = RECIPE, model: OlmoForCausalLM | None = None, rows: int = 80
) -> Outcome:
    """Learn the same knowledge from the same rows, whoever asks."""
    sequences = torch.randint(97, 122, (rows, 400), generator=torch.Generator().manual_seed(0))
    facts, control = (Knowledge.synthetic(seed, once=10, paraphrase=2) for seed in (0, 1))
    return learn(
        model or make_model(), make_byte_tokenizer(), sequences, facts, recipe, out, control=control
    )


def die_at(moment: str) -> None:
    """End this process as an interrupted run ends, without a word: before the n-th probing, save or
    finish."""
    kind, number = moment.split()
    owner, name = {
        "probe": (evaluations, "probe"),
        "save": (Trainer, "_save_optimizer_and_scheduler"),
        "finish": (training, "_finish"),
    }[kind]
    work, calls = getattr(owner, name), count(1)

    def die(*args, **kwargs):
        if next(calls) == int(number):
            os.kill(os.getpid(), signal.SIGKILL)
        return work(*args, **kwargs)

    setattr(owner, name, die)


def keep_what_is_fed(folder: Path) -> None:
    """Write the rows that the Trainer feeds to the model, in their order, to a file per process."""
    step, fed = Trainer.training_step, []

    def keep(trainer, model, inputs, *args, **kwargs):
        fed.append(inputs["input_ids"])
        save_file({"rows": torch.cat(fed)}, folder / f"fed{trainer.args.process_index}.safetensors")
        return step(trainer, model, inputs, *args, **kwargs)

    Trainer.training_step = keep


if __name__ == "__main__":
    torch.set_num_threads(1)
    if moment := os.environ.get("DIE_AT"):
        die_at(moment)
    if folder := os.environ.get("KEEP_FED"):
        keep_what_is_fed(Path(folder))
    run(Path(sys.argv[1]))
