"""Continual knowledge learning (section 4): the Hugging Face Trainer over rows that already hold the injected texts."""

import errno
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
from jaxtyping import Int64
from safetensors import SafetensorError
from torch import Tensor
from torch.utils.data import Subset
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainerState,
    set_seed,
)

from kent.evaluations import Examiner, find_stop
from kent.injection import InjectedRows
from kent.knowledge import Knowledge
from kent.measurement import describe_model
from kent.outcomes import Outcome
from kent.recipes import Recipe, arrange
from kent.records import describe_run, hash_tensors, save_json
from kent.temperature import Cooling, set_temperature

STATE = "trainer_state.json"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EIO)
"""Errors of a disk that takes no more, or of a folder that cannot be written."""


def learn(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sequences: Int64[Tensor, "row position"],
    knowledge: Knowledge,
    recipe: Recipe,
    out: str | Path,
    *,
    control: Knowledge | None = None,
) -> Outcome:
    """Teach `knowledge` to `model`, in place, within `sequences`; K and P before, along the way and after.

    Probes are scored at step 0 and after every injection, those of `control` (facts never injected) too. The folder
    `out` keeps `model/` (the weights at the end), `outcome.safetensors`, and while the run lasts its checkpoints: the
    same call on an interrupted run goes on from the last whole one, and on a finished run loads what it left. A loss
    that is no longer finite ends the run; `Outcome.provenance["stopped"]` says at which step and learning rate.
    Started by torchrun, all processes share the work and get the same outcome. At an attention temperature every
    evaluation is made at that of its moment (`kent.temperature.Cooling`), the first at the one the run starts at; a
    constant one stays on the model, but not in the weights that are kept.

    A model that has learned is another one: load it afresh for the same call. Raises ValueError for a folder that
    holds another run (naming what differs), for rows that do not fit the recipe
    (see `kent.injection.InjectedRows`), a batch that rows and devices do not divide and a model without the
    temperature asked for (see `kent.temperature.set_temperature`); OSError where `out` cannot be written, with nothing
    half-written left.
    """
    rows = InjectedRows(sequences, tokenizer, knowledge, batch=recipe.batch, steps=recipe.steps, epochs=recipe.epochs)
    out = Path(out)
    arguments = arrange(recipe, out)
    if recipe.temperature != 1:
        set_temperature(model, recipe.temperature)
    _claim(out, _identify(model, sequences, knowledge, recipe, control))
    if (out / "outcome.safetensors").is_file():
        model.load_state_dict(type(model).from_pretrained(out / "model", dtype=model.dtype).state_dict())
        if recipe.temperature != 1 and recipe.cooling:
            set_temperature(model, 1)
        return Outcome.load(out / "outcome.safetensors")
    asked = {"knowledge": knowledge} | ({"control": control} if control else {})
    examiner = Examiner(tokenizer, asked, out / "evaluations", tasks=recipe.tasks, along=recipe.tasks_along)
    set_seed(recipe.seed)
    cooling = [Cooling(recipe.temperature, decay=recipe.cooling)] if recipe.temperature != 1 else []
    trainer = Trainer(model=model, args=arguments, train_dataset=rows, callbacks=[*cooling, examiner])
    trainer.remove_callback(PrinterCallback)
    with _nothing_half_written(out):
        checkpoint = _find_checkpoint(out)
        if checkpoint is None and trainer.is_world_process_zero():
            examiner.examine(model, 0)
        if checkpoint and (stopped := find_stop(TrainerState.load_from_json(f"{checkpoint}/{STATE}").log_history)):
            arguments.max_steps = stopped["step"]  # no more is learnt than was
            trainer.train_dataset = Subset(rows, range(stopped["step"] * recipe.batch))
        trainer.train(resume_from_checkpoint=checkpoint)
        if trainer.is_world_process_zero():
            if examiner.stopped:
                examiner.examine(model, trainer.state.global_step, last=True)
            _finish(trainer, examiner, recipe, rows, out)
    trainer.accelerator.wait_for_everyone()
    return Outcome.load(out / "outcome.safetensors")


def _identify(
    model: PreTrainedModel, sequences: Tensor, knowledge: Knowledge, recipe: Recipe, control: Knowledge | None
) -> dict:
    """What makes a run the run it is; the rows at once on a device do not."""
    return {
        "weights": hash_tensors(model.state_dict()),
        "sequences": hash_tensors({"sequences": sequences}),
        "knowledge": knowledge.describe(),
        "control": control.describe() if control else None,
        **{key: list(value) if key == "betas" else value for key, value in asdict(recipe).items() if key != "rows"},
    }


def _claim(out: Path, identity: dict) -> None:
    """Have the folder say which run it holds; `ValueError` when it holds another one."""
    try:
        held = json.loads((out / "recipe.json").read_text("utf-8"))
    except FileNotFoundError:
        with _nothing_half_written(out):
            save_json(identity, out / "recipe.json")
        return
    except (OSError, ValueError) as error:
        raise OSError(f"the folder {out} cannot be used for a run: {error}") from error
    differing = [key for key in identity if held.get(key) != identity[key]]
    if differing:
        held, asked = ({key: run.get(key) for key in differing} for run in (held, identity))
        hint = ". Has the model learned since it was loaded? Load it afresh" if differing == ["weights"] else ""
        raise ValueError(f"the folder {out} holds another run, with {held}; asked for is {asked}{hint}")


@contextmanager
def _nothing_half_written(out: Path) -> Iterator[None]:
    """Where the disk is full or read-only: remove what was begun, and say which folder could not be written."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        full = isinstance(error, OSError) and error.errno in FULL
        torn = any(writer in str(error) for writer in ("PytorchStreamWriter", "inline_container"))  # of torch.save
        if not (full or isinstance(error, SafetensorError) or torn):
            raise
        _find_checkpoint(out)
        shutil.rmtree(out / "model", ignore_errors=True)
        raise OSError(f"the folder {out} cannot be written: {error}") from error


def _find_checkpoint(out: Path) -> str | None:
    """The newest whole checkpoint of an interrupted run; what was only half written is removed.

    The Trainer writes its state last, so a checkpoint is whole when that can be read.
    """
    found = sorted(out.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for path in reversed(found):
        try:
            json.loads((path / STATE).read_text("utf-8"))
            return str(path)
        except (OSError, ValueError):
            shutil.rmtree(path, ignore_errors=True)
    return None


def _finish(trainer: Trainer, examiner: Examiner, recipe: Recipe, rows: InjectedRows, out: Path) -> None:
    """Leave the weights, then the outcome, which says that they are whole; remove what an interrupted run needs."""
    model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    model.save_pretrained(out / "model")
    examiner.tokenizer.save_pretrained(out / "model")
    steps, tables = examiner.collect()
    logs = [log for log in trainer.state.log_history if "loss" in log]
    curve = [[log["loss"], log["learning_rate"], log["grad_norm"]] for log in logs]
    provenance = {
        **describe_run(),
        **describe_model(model),
        "recipe": asdict(recipe),
        "instances": len(rows),
        "length": rows.sequences.shape[1],
        "processes": trainer.args.world_size,
        "stopped": examiner.stopped,
        "tasks": list(tables["answers"]),
        "told": {name: knowledge.describe() for name, knowledge in examiner.asked.items()},
        "probes": {
            name: {"setting": [each.setting for each in known.probes], "item": [each.item for each in known.probes]}
            for name, known in examiner.asked.items()
        },
    }
    losses = torch.tensor(curve, dtype=torch.float64)
    Outcome(torch.tensor(steps), **tables, curve=losses, provenance=provenance).save(out / "outcome.safetensors")
    for path in out.glob("checkpoint-*"):
        shutil.rmtree(path, ignore_errors=True)
