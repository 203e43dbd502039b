"""Continual knowledge learning (section 4): the Hugging Face Trainer over rows that already hold
the injected texts."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
import transformers
from torch import Tensor, nn
from torch.utils.data import Subset
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
    set_seed,
)

from kent.change.temperature import Cooling, set_temperature
from kent.errors import DamagedError
from kent.learning.evaluations import Evaluator, find_stop
from kent.learning.injection import InjectedRows
from kent.learning.keeping import Keeper
from kent.learning.knowledge import Knowledge
from kent.learning.outcomes import Outcome
from kent.learning.recipes import Recipe, arrange
from kent.measure.copies import check_remade
from kent.measure.measurement import describe_model
from kent.measure.memory import Model, check_tokens
from kent.precision import keep_precision
from kent.records import describe_run, hash_tensors
from kent.settings import TokenIds, checked

STATE, OUTCOME = "trainer_state.json", "outcome.safetensors"
WIDE = (torch.float32, torch.bfloat16, torch.float64)
"""The dtypes that a model can learn in; the range of float16 is too narrow without a scaled
loss."""


class Trainer(transformers.Trainer):
    """The Hugging Face Trainer, but embeddings decay only if asked to, and losses are per token
    predicted."""

    def __init__(self, *, decay_embeddings: bool, **settings):
        self.decay_embeddings = decay_embeddings
        super().__init__(**settings)
        # It divides by the first token of a row too where it does not know the model's `loss_type`
        # (GPT-2), but no causal model predicts that token.
        self._loss_shifts_labels = True

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """Names of the parameters that decay; an output projection that is tied to the embeddings
        is one with them."""
        names = super().get_decay_parameter_names(model)
        if self.decay_embeddings:
            return names
        kept = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
        parameters = dict(model.named_parameters(remove_duplicate=False))
        return [name for name in names if name in parameters and id(parameters[name]) not in kept]


@checked
@keep_precision()
@torch.enable_grad()
def learn(
    model: Model,
    tokenizer: PreTrainedTokenizerBase,
    sequences: TokenIds,
    knowledge: Knowledge,
    recipe: Recipe,
    out: str | Path,
    *,
    control: Knowledge | None = None,
) -> Outcome:
    """Teach `knowledge` to `model`, in place, within `sequences` [row, position]; K and P before,
    along the way, after.

    Probes are scored at step 0 and after every injection, those of `control` (facts never injected)
    too. The folder `out`, new or empty at first, keeps `model/` (the weights at the end),
    `outcome.safetensors`, and while the run lasts its checkpoints: the same call on an interrupted
    run goes on from the last whole one after which no evaluation is missing (a warning says what is
    passed over), and on a finished run loads what it left. What the run did not make is left alone.
    A loss that is no longer finite ends the run; `Outcome.provenance["stopped"]` says at which step
    and learning rate. Started by torchrun, all processes share the work and get the same outcome.
    At an attention temperature every evaluation is made at that of its moment
    (`kent.change.temperature.Cooling`), the first at the one the run starts at; a constant one
    stays on the model, but not in the weights that are kept. The precision is the recipe's and the
    weights', whatever the surroundings say (`kent.precision.keep_precision`).

    A model that has learned is another one: load it afresh for the same call. Raises ValueError for
    a folder that holds another run (naming what differs) or other things, for token ids or
    positions that the model does not have and weights in float16, for a model that its
    configuration does not make again (under an adapter, pruned, compiled in parts, with weights
    tied by hand: see `kent.measure.copies.check_remade`), for rows that do not fit the recipe (see
    `kent.learning.injection.InjectedRows`), a batch that rows and devices do not divide and a model
    without the temperature asked for (see `kent.change.temperature.set_temperature`);
    `kent.errors.DamagedError`, naming the file, for a finished run that is not whole; OSError where
    `out` cannot be written, with nothing half-written left.
    """
    sequences = sequences.cpu()
    rows = InjectedRows(
        sequences,
        tokenizer,
        knowledge,
        batch=recipe.batch,
        steps=recipe.steps,
        epochs=recipe.epochs,
    )
    _check_model(model, rows)
    out = Path(out)
    arguments = arrange(recipe, out)
    if recipe.temperature != 1:
        set_temperature(model, recipe.temperature)
    steps = range(arguments.save_steps, arguments.max_steps + 1, arguments.save_steps)
    keeper = Keeper(out, _identify(model, sequences, knowledge, recipe, control), steps)
    keeper.claim()
    if (out / OUTCOME).exists():
        return _load_finished(model, recipe, keeper)
    asked = {"knowledge": knowledge} | ({"control": control} if control else {})
    evaluator = Evaluator(
        tokenizer,
        asked,
        keeper.run,
        out / "evaluations",
        tasks=recipe.tasks,
        along=recipe.tasks_along,
    )
    set_seed(recipe.seed)
    trainer = _make_trainer(model, recipe, arguments, rows, (evaluator, keeper))
    with keeper.nothing_half_written():
        _train(trainer, evaluator, keeper)
        if trainer.is_world_process_zero():
            _finish(trainer, evaluator, recipe, rows, keeper)
    trainer.accelerator.wait_for_everyone()
    return Outcome.load(out / OUTCOME)


def _check_model(model: PreTrainedModel, rows: InjectedRows) -> None:
    """ValueError for a model that cannot learn from rows, before any work."""
    check_tokens(model, [rows.sequences], "sequences")
    check_tokens(model, rows.heads.values(), "injected texts")
    parameters = [*model.parameters()]
    if any(parameter.is_meta for parameter in parameters) or not any(
        each.requires_grad for each in parameters
    ):
        raise ValueError(
            f"{type(model).__name__} cannot learn: its weights are frozen, or not on its device"
        )
    if narrow := {parameter.dtype for parameter in parameters} - {*WIDE}:
        raise ValueError(
            f"weights in {', '.join(sorted(map(str, narrow)))} cannot be learned with: load the "
            "model in float32 (bfloat16 and float64 are accepted too)"
        )
    if any(parameter.is_inference() for parameter in parameters):
        raise ValueError(
            f"{type(model).__name__} cannot learn: load it outside of torch.inference_mode()"
        )
    check_remade(model)


def _identify(
    model: PreTrainedModel,
    sequences: Tensor,
    knowledge: Knowledge,
    recipe: Recipe,
    control: Knowledge | None,
) -> dict:
    """What makes a run the run it is; the rows at once on a device do not."""
    return {
        "weights": hash_tensors(model.state_dict()),
        "sequences": hash_tensors({"sequences": sequences}),
        "knowledge": knowledge.describe(),
        "control": control.describe() if control else None,
        **{
            key: list(value) if key == "betas" else value
            for key, value in asdict(recipe).items()
            if key != "rows"
        },
    }


def _load_finished(model: PreTrainedModel, recipe: Recipe, keeper: Keeper) -> Outcome:
    """What a finished run left, with its weights in the model; DamagedError where a part of it is
    not as it was."""
    hint = f"Remove the folder {keeper.folder} to learn it again, or name another"
    try:
        outcome = Outcome.load(keeper.folder / OUTCOME)
    except ValueError as error:
        raise DamagedError(keeper.folder, f"{error}. {hint}") from error
    if fault := keeper.find_fault(keeper.folder / "model"):
        raise DamagedError(keeper.folder / "model", f"{fault}. {hint}")
    own = type(model).from_pretrained(keeper.folder / "model", dtype=model.dtype)
    model.load_state_dict(own.state_dict())
    if recipe.temperature != 1 and recipe.cooling:
        set_temperature(model, 1)
    keeper.remove_checkpoints()  # of a run that was killed at its very end
    return outcome


def _make_trainer(
    model: PreTrainedModel,
    recipe: Recipe,
    arguments: TrainingArguments,
    rows: InjectedRows,
    watchers: Sequence[TrainerCallback],
) -> Trainer:
    """The Trainer of a run; ValueError where the process has it learn in another precision than the
    recipe's."""
    cooling = [Cooling(recipe.temperature, decay=recipe.cooling)] if recipe.temperature != 1 else []
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        callbacks=[*cooling, *watchers],
        decay_embeddings=recipe.decay_embeddings,
    )
    trainer.remove_callback(PrinterCallback)
    wanted, found = "bf16" if arguments.bf16 else "no", trainer.accelerator.mixed_precision
    if found != wanted:
        raise ValueError(
            f"accelerate has this process learn in mixed precision {found!r}, and the recipe asks "
            f"for {wanted!r}: learn in a process in which accelerate has not been set up"
        )
    return trainer


def _train(trainer: Trainer, evaluator: Evaluator, keeper: Keeper) -> None:
    """Learn the steps that are not learned yet, with the evaluations before and along the way."""
    checkpoint = keeper.find_checkpoint(
        lambda step: evaluator.find_gap(step, trainer.args.save_steps)
    )
    trainer.accelerator.wait_for_everyone()  # before anything is written
    if checkpoint is None and trainer.is_world_process_zero():
        evaluator.examine(trainer.model, 0)
    if checkpoint and (
        stopped := find_stop(TrainerState.load_from_json(f"{checkpoint}/{STATE}").log_history)
    ):
        rows = trainer.train_dataset
        trainer.args.max_steps = stopped["step"]  # no more is learnt than was
        trainer.train_dataset = Subset(rows, range(stopped["step"] * rows.batch))
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if evaluator.stopped and trainer.is_world_process_zero():
        evaluator.examine(trainer.model, trainer.state.global_step, last=True)


def _finish(
    trainer: Trainer, evaluator: Evaluator, recipe: Recipe, rows: InjectedRows, keeper: Keeper
) -> None:
    """Leave the weights, then the outcome, which says that they are whole; remove what an
    interrupted run needs."""
    model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    out = keeper.folder
    with keeper.writing(out / "model"):
        model.save_pretrained(out / "model")
        evaluator.tokenizer.save_pretrained(out / "model")
    steps, tables = evaluator.collect(trainer.state.global_step, trainer.args.save_steps)
    logs = [log for log in trainer.state.log_history if "loss" in log]
    curve = [[log["loss"], log["learning_rate"], log["grad_norm"]] for log in logs]
    provenance = {
        **describe_run(),
        **describe_model(model),
        "recipe": asdict(recipe) | {"bf16": trainer.args.bf16},
        "instances": len(rows),
        "length": rows.sequences.shape[1],
        "processes": trainer.args.world_size,
        "stopped": evaluator.stopped,
        "tasks": list(tables["answers"]),
        "facts": {name: knowledge.describe() for name, knowledge in evaluator.asked.items()},
        "probes": {
            name: {
                "setting": [each.setting for each in known.probes],
                "item": [each.item for each in known.probes],
            }
            for name, known in evaluator.asked.items()
        },
    }
    losses = torch.tensor(curve, dtype=torch.float64)
    Outcome(torch.tensor(steps), **tables, curve=losses, provenance=provenance).save(out / OUTCOME)
    keeper.remove_checkpoints()
