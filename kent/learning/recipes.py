"""Recipes of continual learning, and what the Trainer makes of them (section 4.1)."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import TrainingArguments

from kent.learning.downstream import choose_tasks
from kent.learning.knowledge import INJECTIONS
from kent.settings import (
    Count,
    NotNegative,
    Positive,
    Seed,
    Share,
    ShareBelowOne,
    Temperature,
    check_fields,
)


@dataclass(frozen=True)
class Recipe:
    """How a model learns on; the defaults are the paper's (section 4.1).

    AdamW with linear warm-up over the share `warmup` of all steps, from the share `warmup_from` of
    the peak rate, then cosine to `min_rate` of it. Weights decay, biases and norms do not, and
    embeddings where `decay_embeddings` says so (an output projection that is tied to them is one of
    them). `steps` are optimizer steps of one epoch of `batch` rows; every epoch has ten injections.
    Probes are scored before, at the end, and after every injection or every `probes_every` of them.
    `tasks` are those of `kent.learning.downstream.evaluate` ("" for none), asked before and at the
    end, and whenever probes are scored where `tasks_along` says so. `bf16` is autocast, by default
    where there is a GPU. `rows` go through a device at once (gradients are accumulated up to
    `batch`). A `temperature` other than 1 is that of the attention's softmax (figure 18), which
    `cooling` lowers linearly to 1 over the run.
    """

    learning_rate: Positive = 4e-4
    min_rate: Share = 0.1
    warmup: ShareBelowOne = 0.05
    warmup_from: Share = 0.1
    betas: tuple[ShareBelowOne, ShareBelowOne] = (0.9, 0.95)
    weight_decay: NotNegative = 0.1
    decay_embeddings: bool = False
    clip: Positive = 1.0
    batch: Count = 128
    steps: Count = 1600
    epochs: Count = 1
    seed: Seed = 6198
    probes_every: Count = 1
    tasks: str = "paper"
    tasks_along: bool = False
    bf16: bool | None = None
    temperature: Temperature = 1.0
    cooling: bool = True
    rows: Count = 16

    def __post_init__(self):
        """Raise ValueError, naming the setting, for what no run can have."""
        check_fields(self)
        if self.steps % INJECTIONS:
            rule = f"a multiple of {INJECTIONS} injections"
            raise ValueError(f"the steps of an epoch must be {rule}, not {self.steps}")
        if self.batch % min(self.rows, self.batch):
            rows = f"{self.rows} rows at once"
            raise ValueError(f"a batch of {self.batch} rows is not a multiple of {rows}")
        if self.tasks:
            choose_tasks(self.tasks)


def arrange(recipe: Recipe, out: Path) -> TrainingArguments:
    """The Trainer's arguments; `ValueError` where rows and devices do not divide the batch."""
    on_gpu = torch.cuda.is_available()
    total = recipe.steps * recipe.epochs
    arguments = TrainingArguments(
        output_dir=str(out),
        max_steps=total,
        per_device_train_batch_size=min(recipe.rows, recipe.batch),
        learning_rate=recipe.learning_rate,
        adam_beta1=recipe.betas[0],
        adam_beta2=recipe.betas[1],
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.clip,
        **_schedule(recipe),
        warmup_steps=round(recipe.warmup * total),
        seed=recipe.seed,
        bf16=on_gpu if recipe.bf16 is None else recipe.bf16,
        use_cpu=not on_gpu,
        train_sampling_strategy="sequential",
        save_steps=recipe.steps // INJECTIONS,
        logging_steps=1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
        dataloader_pin_memory=on_gpu,
    )
    together = arguments.train_batch_size * arguments.world_size
    if recipe.batch % together:
        parts = f"{together}: rows at once × devices"
        raise ValueError(f"a batch of {recipe.batch} rows is not a multiple of {parts}")
    arguments.gradient_accumulation_steps = recipe.batch // together
    return arguments


def _schedule(recipe: Recipe) -> dict:
    """The Trainer's name of the schedule, and its shares of the peak rate.

    Its two cosines differ by where the warm-up starts, and by a step: from 0, the first step learns
    nothing.
    """
    name, shares = "cosine_with_min_lr", {"min_lr_rate": recipe.min_rate}
    if recipe.warmup_from:
        name = "cosine_warmup_with_min_lr"
        shares["warmup_lr_rate"] = recipe.warmup_from
    return {"lr_scheduler_type": name, "lr_scheduler_kwargs": shares}
