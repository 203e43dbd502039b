"""One small run of continual learning, for a process of its own: python learner.py OUT [STEPS OF EPOCH]."""

import os
import sys
from pathlib import Path

import torch
from hub import make_byte_tokenizer
from transformers import OlmoConfig, OlmoForCausalLM

from kent.knowledge import Knowledge
from kent.learning import Recipe, learn
from kent.outcomes import Outcome

RECIPE = Recipe(learning_rate=1e-2, batch=4, rows=2, steps=20, tasks="")


def make_model() -> OlmoForCausalLM:
    """A random OLMo of one layer over bytes."""
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    return OlmoForCausalLM(OlmoConfig(vocab_size=300, max_position_embeddings=512, pad_token_id=0, **shape))


def run(out: Path, recipe: Recipe = RECIPE, model: OlmoForCausalLM | None = None, rows: int = 80) -> Outcome:
    """Learn the same knowledge from the same rows, whoever asks."""
    sequences = torch.randint(97, 122, (rows, 400), generator=torch.Generator().manual_seed(0))
    facts, control = (Knowledge.synthetic(seed, once=10, paraphrase=2) for seed in (0, 1))
    return learn(model or make_model(), make_byte_tokenizer(), sequences, facts, recipe, out, control=control)


if __name__ == "__main__":
    if step := os.environ.get("DIE_AT"):  # as an interrupted run dies: without a word, at this step or while it saves
        from transformers import Trainer

        import kent.learning

        kind, number = step.split()
        score, save = kent.learning.probe, Trainer._save_optimizer_and_scheduler
        calls = {"probe": 0, "save": 0}

        def die(name, work):
            def count(*args, **kwargs):
                calls[name] += 1
                if name == kind and calls[name] == int(number):
                    os.kill(os.getpid(), 9)
                return work(*args, **kwargs)

            return count

        kent.learning.probe = die("probe", score)
        Trainer._save_optimizer_and_scheduler = die("save", save)
    torch.set_num_threads(1)
    run(Path(sys.argv[1]))
