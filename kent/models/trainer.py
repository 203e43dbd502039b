"""Pretraining of a small suite on the synthetic world: tokenizer, rows, model, its checkpoints.

Imported only where a suite is pretrained: transformers' Trainer needs the extra [learn].
Axes: row (sequences of the run, in its order), position (tokens of a sequence).
"""

import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from jaxtyping import Int64
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
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


@keep_precision()
def train(recipe: Pretraining, folder: Path) -> None:
    """Pretrain a model into `folder`: weights and tokenizer at each step, and a manifest."""
    start = time.perf_counter()
    documents = World(WORLD_SEED).documents("pretraining", seed=PRETRAINING_SEED)
    more = (document.text for document in documents)
    texts = list(islice(more, recipe.tokenizer_documents))
    tokenizer = _train_tokenizer(texts, recipe)
    rows = _collect_rows(texts, more, tokenizer, recipe)
    set_seed(recipe.seed)  # behind the tokenizer and the rows, so that these move no weight
    model = AutoModelForCausalLM.from_config(configure(recipe, tokenizer))
    with TemporaryDirectory() as outputs:
        Trainer(
            model=model,
            args=_schedule(recipe, outputs),
            train_dataset=[{"input_ids": row, "labels": row} for row in rows],
            callbacks=[_Keeper(recipe.steps, folder, tokenizer)],
        ).train()
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

    def on_step_end(self, args, state, control, *, model, **kwargs) -> None:
        """Save after a step of the recipe, or before the first one."""
        if state.global_step in self.steps:
            for part in (model, self.tokenizer):
                part.save_pretrained(self.folder / f"step{state.global_step}")

    on_train_begin = on_step_end
