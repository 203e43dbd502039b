"""Pretraining of a small suite on the synthetic world: tokenizer, rows, model, its checkpoints.

Imported only where a suite is pretrained: transformers' Trainer needs the extra [learn].
Axes: row (sequences of the run, in its order), position (tokens of a sequence).
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from jaxtyping import Int64
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Dataset
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedTokenizerFast
from transformers.trainer import Trainer
from transformers.trainer_callback import TrainerCallback
from transformers.trainer_utils import set_seed
from transformers.training_args import TrainingArguments

from kent.models.suites import Pretraining
from kent.precision import keep_precision
from kent.records import describe_run, hash_file, save_json
from kent.text.corpora import PRETRAINING_SEED, WORLD_SEED, sequences
from kent.text.world import World

END_OF_TEXT = "<|endoftext|>"
MOMENTS = "optimizer.safetensors"
KINDS = ("exp_avg", "exp_avg_sq")
"""The file of AdamW's moments beside a checkpoint's weights, and what each is called behind its
parameter's name."""
STATE, SECONDS = "trainer_state.json", "seconds.json"
HISTORY = ("step", "loss", "grad_norm", "learning_rate")
"""What a long run notes of itself, in the manifest's `history`."""


class Rows(Dataset):
    """Rows [row, position] as the Trainer takes them, each made when it is asked for.

    It shuffles the first `shuffled` rows; those asked for after them come as they are. So a run of
    more steps begins with the same rows as one without.
    """

    def __init__(self, rows: Tensor, shuffled: int):
        self.rows, self.shuffled, self.asked = rows, shuffled, 0

    def __len__(self) -> int:
        return self.shuffled

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        # a batch beyond the last is read ahead
        place = index if self.asked < self.shuffled else self.asked % len(self.rows)
        row = self.rows[place].long()
        self.asked += 1
        return {"input_ids": row, "labels": row}


class _Trainer(Trainer):
    """The Hugging Face Trainer, at the rates of a recipe."""

    def __init__(self, recipe: Pretraining, **settings):
        self.recipe = recipe
        super().__init__(**settings)

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> LambdaLR:
        """The recipe's own, in which the number of steps stands already."""
        schedule = self.recipe.schedule

        def follow(step: int) -> float:  # a method would be kept with its object in the state
            return schedule.follow(step)

        self.lr_scheduler = LambdaLR(optimizer or self.optimizer, follow)
        return self.lr_scheduler


@keep_precision()
def train(recipe: Pretraining, folder: Path, *, every: int | None = None) -> None:
    """Pretrain a model into `folder`: weights and tokenizer at each step, and a manifest.

    With `every`, a long run may be cut short: each so many steps its state is kept in the folder's
    `run`, from which the same call goes on, and its loss is noted. The Trainer reads that state as
    tensors alone.
    """
    start = time.perf_counter() - _read_seconds(folder)
    documents = World(WORLD_SEED).documents("pretraining", seed=PRETRAINING_SEED)
    more = (document.text for document in documents)
    texts = list(islice(more, recipe.tokenizer_documents))
    tokenizer = _train_tokenizer(texts, recipe)
    rows = _collect_rows(texts, more, tokenizer, recipe)
    set_seed(recipe.seed)  # behind the tokenizer and the rows, so that these move no weight
    model = AutoModelForCausalLM.from_config(configure(recipe, tokenizer))
    with nullcontext(folder / "run") if every else TemporaryDirectory() as outputs:
        trainer = _Trainer(
            recipe,
            model=model,
            args=_arrange(recipe, outputs, every),
            train_dataset=Rows(rows, recipe.schedule.planned * recipe.batch),
            callbacks=[_Keeper(recipe, folder, tokenizer, start)],
        )
        trainer.train(resume_from_checkpoint=_find_state(Path(outputs)))
    if recipe.averaged > 1:
        _average([folder / f"step{step}" for step in recipe.steps[-recipe.averaged :]])
    paths = sorted(path for path in folder.glob("step*/*") if path.is_file())
    manifest = {
        "recipe": asdict(recipe),
        "tokens": rows.numel(),
        "parameters": model.num_parameters(),
        "seconds": round(time.perf_counter() - start, 1),
        **describe_run(),
        "files": {path.relative_to(folder).as_posix(): hash_file(path) for path in paths},
    }
    noted = [each for each in trainer.state.log_history if "loss" in each]
    manifest |= {"history": [[each.get(key) for key in HISTORY] for each in noted]} if every else {}
    save_json(manifest, folder / "manifest.json")


def _find_state(run: Path) -> str | None:
    """The newest state of a run that was written to its end."""
    whole = [path.parent for path in run.glob(f"checkpoint-*/{STATE}")]
    newest = max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
    return newest and str(newest)


def _train_tokenizer(texts: list[str], recipe: Pretraining) -> PreTrainedTokenizerFast:
    """Byte-level byte pairs, so that any text can be spelt."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    ends = {"eos_token": END_OF_TEXT, "pad_token": END_OF_TEXT}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **ends)


def _collect_rows(
    texts: list[str], more: Iterator[str], tokenizer: PreTrainedTokenizerFast, recipe: Pretraining
) -> Int64[Tensor, "row position"]:
    """Every row of the run, each seen once: [steps · batch, length]."""
    rows = recipe.steps[-1] * recipe.batch
    known = sum(map(len, tokenizer(texts)["input_ids"])) + len(texts)
    missing = max(0, rows * recipe.length - known)
    # As many more as have the missing tokens, by the mean length of those at hand, and a tenth.
    texts = [*texts, *islice(more, int(1.1 * missing * len(texts) / known) + 1)]
    return sequences(texts, tokenizer, length=recipe.length, limit=rows)


def configure(recipe: Pretraining, tokenizer: PreTrainedTokenizerFast) -> PretrainedConfig:
    """The configuration of the recipe's model, whose embeddings are tied."""
    return AutoConfig.for_model(
        recipe.architecture,
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        intermediate_size=recipe.neurons,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _average(checkpoints: Sequence[Path]) -> None:
    """Give the last checkpoint the mean of all their weights."""
    paths = [path / "model.safetensors" for path in checkpoints]
    kept = [*map(load_file, paths)]
    mean = {name: torch.stack([each[name] for each in kept]).mean(0) for name in kept[-1]}
    save_file(mean, paths[-1], metadata={"format": "pt"})


def _arrange(recipe: Pretraining, outputs: str | Path, every: int | None) -> TrainingArguments:
    kept = {"save_strategy": "no", "logging_strategy": "no"}
    if every:
        kept = {"save_steps": every, "save_total_limit": 2, "logging_steps": max(every // 5, 1)}
    return TrainingArguments(
        output_dir=str(outputs),
        max_steps=recipe.steps[-1],
        per_device_train_batch_size=recipe.batch,
        learning_rate=recipe.learning_rate,
        adam_beta2=0.95,
        weight_decay=recipe.weight_decay,
        max_grad_norm=1.0,
        seed=recipe.seed,
        use_cpu=True,
        report_to="none",
        dataloader_pin_memory=False,
        **kept,
    )


class _Keeper(TrainerCallback):
    """Saves the model at the steps of the recipe, the untrained one among them."""

    def __init__(
        self, recipe: Pretraining, folder: Path, tokenizer: PreTrainedTokenizerFast, start: float
    ):
        self.recipe, self.folder = recipe, folder
        self.tokenizer, self.start = tokenizer, start

    def on_step_end(self, args, state, control, *, model, optimizer=None, **kwargs) -> None:
        """Save after a step of the recipe, or before the first one."""
        if state.global_step not in self.recipe.steps:
            return
        folder = self.folder / f"step{state.global_step}"
        for part in (model, self.tokenizer):
            part.save_pretrained(folder)
        if state.global_step in self.recipe.moments:
            save_file(_collect_moments(model, optimizer), folder / MOMENTS)

    on_train_begin = on_step_end

    def on_save(self, args, state, control, **kwargs) -> None:
        """Note the seconds spent so far, beside the state of the run."""
        spent = {"seconds": time.perf_counter() - self.start}
        save_json(spent, self.folder / "run" / SECONDS)


def _collect_moments(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """AdamW's moments by the parameter's name."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {
        f"{names[parameter]}.{moment}": state[moment].contiguous()
        for parameter, state in optimizer.state.items()
        for moment in KINDS
    }


def _read_seconds(folder: Path) -> float:
    """What a run had taken when its state was last kept; 0 for a new one."""
    noted = folder / "run" / SECONDS
    return json.loads(noted.read_text("utf-8"))["seconds"] if noted.exists() else 0.0
