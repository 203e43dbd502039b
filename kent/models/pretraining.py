"""Suites pretrained on the spot: a small OLMo and a GPT-NeoX beside it, taught the synthetic
world."""

import json
import logging
import os
import time
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from datasets import Dataset
from filelock import FileLock
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from kent.models.suites import SUITES
from kent.precision import keep_precision
from kent.records import (
    cache_folder,
    describe_run,
    digest,
    hash_code,
    hash_file,
    make_room,
    save_json,
    set_aside,
)
from kent.settings import checked
from kent.text.corpora import PRETRAINING_SEED, WORLD_SEED, sequences
from kent.text.world import World

logger = logging.getLogger(__name__)

END_OF_TEXT = "<|endoftext|>"
WHOLE = ("config.json", "model.safetensors", "tokenizer.json")
"""What every checkpoint holds, beside other files."""
CODE = (
    *("precision.py", "models/pretraining.py"),
    *(
        f"text/{name}"
        for name in (
            "corpora.py",
            "documents.py",
            "templates.py",
            "tokens.py",
            "world.py",
            "world.yaml",
        )
    ),
)


@dataclass(frozen=True)
class Pretraining:
    """Everything that decides a suite's weights: shape, text, schedule, seed. Lengths are in
    tokens.

    `architecture` is the model type of a Hugging Face configuration: olmo (gated) or gpt_neox
    (plain). AdamW (0.9, 0.95), weight decay 0.1, gradients clipped at 1.0, linear warm-up, then
    cosine to 10 % of the peak rate.
    """

    steps: tuple[int, ...]
    architecture: str = "olmo"
    layers: int = 4
    width: int = 96
    neurons: int = 384
    heads: int = 4
    vocabulary: int = 2048
    length: int = 128
    batch: int = 16
    learning_rate: float = 3e-3
    warmup: int = 64
    tokenizer_documents: int = 4000
    seed: int = 0


RECIPES = {
    "tiny": Pretraining(SUITES["tiny"].steps),
    "tiny-neox": Pretraining(SUITES["tiny-neox"].steps, architecture="gpt_neox"),
    **{
        name: Pretraining(SUITES[name].steps, seed=seed)
        for seed, name in enumerate(SUITES["tiny"].seeds, 1)
    },
}


@checked
def identify(suite: str) -> str:
    """Hash of a suite's recipe and of the code that carries it out: the commit of its checkpoints.

    Raises `ValueError` for a suite that is not pretrained on the spot.
    """
    if suite not in RECIPES:
        raise ValueError(
            f"{suite!r} is not pretrained on the spot; these are: {', '.join(RECIPES)}"
        )
    return digest({"recipe": asdict(RECIPES[suite]), "code": hash_code(*CODE)})


def locate_manifest(suite: str) -> Path:
    """Where the cache keeps the list of a suite's files, written last."""
    return cache_folder() / "suites" / f"{suite}-{identify(suite)}" / "manifest.json"


@checked
def pretrain(suite: str) -> Path:
    """Folder of a suite's checkpoints `step{N}/`, pretraining the model now when they are missing
    or damaged.

    One process works while others wait for it; the folder appears whole or not at all; every file
    is compared with its hash when read. Raises `ValueError` for a suite that is not pretrained on
    the spot, and where torchrun has several processes and the suite is not there.
    """
    manifest = locate_manifest(suite)
    folder = manifest.parent
    with FileLock(make_room(folder.with_suffix(".lock"))):
        damage = _find_damage(manifest, RECIPES[suite])
        if damage is None:
            return folder
        if os.environ.get("WORLD_SIZE", "1") != "1":
            raise ValueError(
                f"the suite {suite} is not there yet, and is pretrained by one process, not by "
                "torchrun's"
            )
        if folder.exists():
            kept = set_aside(folder).name
            logger.warning(
                "the suite %s in the cache is damaged (%s): kept as %s, and pretraining it again",
                suite,
                damage,
                kept,
            )
        with (
            TemporaryDirectory(dir=folder.parent, prefix=f".{suite}-") as scratch,
            keep_precision(),
        ):
            _teach(RECIPES[suite], Path(scratch))
            Path(scratch).rename(folder)
            Path(scratch).mkdir()
    return folder


def _find_damage(manifest: Path, recipe: Pretraining) -> str | None:
    """What is wrong with the checkpoints on disk; None when every file is as it was written."""
    try:
        hashes = dict(json.loads(manifest.read_text("utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return f"{manifest.name} is missing or unreadable"
    needed = {f"step{step}/{name}" for step in recipe.steps for name in WHOLE}
    if missing := sorted(needed - hashes.keys()):
        return f"{manifest.name} does not list {missing[0]}"
    for name, expected in hashes.items():
        path = manifest.parent / name
        if not path.is_file() or hash_file(path) != expected:
            return f"{name} is missing or changed"
    return None


def _teach(recipe: Pretraining, folder: Path) -> None:
    """Pretrain into `folder`: tokenizer, text, model, one checkpoint per step of the recipe, and
    the manifest."""
    start = time.perf_counter()
    documents = World(WORLD_SEED).documents("pretraining", seed=PRETRAINING_SEED)
    texts = [document.text for document in islice(documents, recipe.tokenizer_documents)]
    tokenizer = _train_tokenizer(texts, recipe)
    rows = _collect_rows(texts, documents, tokenizer, recipe)
    set_seed(recipe.seed)
    model = AutoModelForCausalLM.from_config(_configure(recipe, tokenizer))
    keeper = _Keeper(recipe.steps, folder, tokenizer)
    with TemporaryDirectory() as outputs:
        trainer = Trainer(
            model=model,
            args=_schedule(recipe, outputs),
            train_dataset=Dataset.from_dict(
                {"input_ids": rows.numpy(), "labels": rows.numpy()}
            ).with_format("torch"),
            callbacks=[keeper],
        )
        trainer.train()
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = {
        "recipe": asdict(recipe),
        "tokens": rows.numel(),
        "parameters": model.num_parameters(),
        "seconds": round(time.perf_counter() - start, 1),
        **describe_run(),
        "files": {path.relative_to(folder).as_posix(): hash_file(path) for path in paths},
    }
    save_json(manifest, folder / "manifest.json")


def _train_tokenizer(texts: list[str], recipe: Pretraining) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=recipe.vocabulary,
            special_tokens=[END_OF_TEXT],
            initial_alphabet=alphabet,
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END_OF_TEXT, pad_token=END_OF_TEXT
    )


def _collect_rows(
    texts: list[str], more, tokenizer: PreTrainedTokenizerFast, recipe: Pretraining
) -> torch.Tensor:
    """Every row of the run, each seen once: [steps · batch, length]."""
    wanted = recipe.steps[-1] * recipe.batch * recipe.length
    known = sum(map(len, tokenizer(texts)["input_ids"])) + len(texts)
    missing = max(0, wanted - known)
    texts = texts + [
        document.text for document in islice(more, int(1.1 * missing * len(texts) / known) + 1)
    ]
    return sequences(texts, tokenizer, length=recipe.length, limit=recipe.steps[-1] * recipe.batch)


def _configure(recipe: Pretraining, tokenizer: PreTrainedTokenizerFast) -> PretrainedConfig:
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


def _schedule(recipe: Pretraining, outputs: str) -> TrainingArguments:
    return TrainingArguments(
        output_dir=outputs,
        max_steps=recipe.steps[-1],
        per_device_train_batch_size=recipe.batch,
        learning_rate=recipe.learning_rate,
        adam_beta2=0.95,
        weight_decay=0.1,
        max_grad_norm=1.0,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": 0.1},
        warmup_steps=recipe.warmup,
        seed=recipe.seed,
        use_cpu=True,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        dataloader_pin_memory=False,
    )


class _Keeper(TrainerCallback):
    """Saves the model at the steps of the recipe, the untrained one among them."""

    def __init__(self, steps: tuple[int, ...], folder: Path, tokenizer: PreTrainedTokenizerFast):
        self.steps, self.folder, self.tokenizer = steps, folder, tokenizer

    def _save(self, model: PreTrainedModel, step: int) -> None:
        if step in self.steps:
            model.save_pretrained(self.folder / f"step{step}")
            self.tokenizer.save_pretrained(self.folder / f"step{step}")

    def on_train_begin(self, args, state, control, *, model, **kwargs) -> None:
        """Save the untrained model."""
        self._save(model, 0)

    def on_step_end(self, args, state, control, *, model, **kwargs) -> None:
        """Save after a step of the recipe."""
        self._save(model, state.global_step)
