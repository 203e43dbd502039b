"""Continual knowledge learning (section 4): the Hugging Face Trainer over injected rows."""

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

from kent.change.gradual import Gradual
from kent.change.temperature import Cooling, set_temperature
from kent.errors import DamagedError
from kent.learning.evaluations import Evaluator, find_stop
from kent.learning.folder import RunFolder
from kent.learning.injection import InjectedRows
from kent.learning.knowledge import Knowledge
from kent.learning.moments import Moments
from kent.learning.outcomes import Outcome
from kent.learning.recipes import Recipe, arrange
from kent.measure.copies import check_remade
from kent.measure.decoders import Model, check_tokens, describe_model
from kent.precision import keep_precision
from kent.records import describe_run, hash_tensors
from kent.settings import TokenIds, checked
from kent.text.tokens import find_bos

STATE, OUTCOME = "trainer_state.json", "outcome.safetensors"
WIDE = (torch.float32, torch.bfloat16, torch.float64)
"""Dtypes that a model can learn in; float16's range is too narrow without a scaled loss."""


class Trainer(transformers.Trainer):
    """The Hugging Face Trainer: embeddings decay if asked to, losses are per predicted token.

    The optimizer goes on from `moments`, where they are given.
    """

    def __init__(self, *, decay_embeddings: bool, moments: Moments | None = None, **settings):
        self.decay_embeddings, self.moments = decay_embeddings, moments
        super().__init__(**settings)
        # Where it does not know the model's `loss_type` (GPT-2), it would divide by a row's first
        # token too, which no causal model predicts.
        self._loss_shifts_labels = True

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """The optimizer of the arguments, with its memory."""
        new = self.optimizer is None
        optimizer = super().create_optimizer(model)
        if new and self.moments:
            self.moments.give(optimizer, self.model if model is None else model)
        return optimizer

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """Names of the parameters that decay; what is tied to the embeddings is one with them."""
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
    moments: Moments | None = None,
    gradual: Gradual | None = None,
) -> Outcome:
    """Have `model` learn on in place from `sequences` [row, position] with `knowledge` injected.

    Probes are scored at step 0 and after injections, those of `control` (facts never injected)
    too, tasks when the recipe says so. The folder `out`, new or empty at first, keeps `model/` (the
    weights at the end), `outcome.safetensors`, and while the run lasts its checkpoints: the same
    call on an interrupted run goes on from the last whole one after which no evaluation is missing
    (a warning says what is passed over), and on a finished run loads what it left. What the run did
    not make is left alone. A loss that is no longer finite ends the run;
    `Outcome.provenance["stopped"]` says at which step and learning rate. Started by torchrun, all
    processes share the work and get the same outcome. At an attention temperature every evaluation
    is made at that of its moment (`kent.change.temperature.Cooling`), the first at the one the run
    starts at; a constant one stays on the model, but not in the weights that are kept. The
    precision is the recipe's and the weights', whatever the surroundings say
    (`kent.precision.keep_precision`).

    With `moments` (`kent.learning.moments.read_moments`) the optimizer goes on as if pretraining
    had not ended; without them it begins afresh, as in the paper. `gradual` acts on the model's
    memory while it learns (`kent.change.gradual`).

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
    sequences, out = sequences.cpu(), Path(out)
    shape = {"batch": recipe.batch, "steps": recipe.steps, "epochs": recipe.epochs}
    rows = InjectedRows(sequences, tokenizer, knowledge, **shape)
    _check_model(model, rows)
    if gradual:
        gradual.check(model)
    arguments = arrange(recipe, out)
    if recipe.temperature != 1:
        set_temperature(model, recipe.temperature)
    steps = range(arguments.save_steps, arguments.max_steps + 1, arguments.save_steps)
    facts = {"knowledge": knowledge, "control": control}
    memory = {"moments": moments.describe()} if moments else {}
    memory |= gradual.describe() if gradual else {}
    folder = RunFolder(out, _identify(model, sequences, recipe, **facts) | memory, steps)
    folder.claim()
    if (out / OUTCOME).exists():
        return _load_finished(model, recipe, folder)
    asked = {name: known for name, known in facts.items() if known}
    when = {"every": arguments.save_steps * recipe.probes_every}
    when |= {"tasks": recipe.tasks, "along": recipe.tasks_along}
    evaluator = Evaluator(tokenizer, asked, folder.run, out / "evaluations", **when)
    set_seed(recipe.seed)
    watchers = [*([gradual] if gradual else []), evaluator, folder]
    trainer = _make_trainer(model, recipe, arguments, rows, watchers, moments)
    with folder.nothing_half_written():
        _train(trainer, evaluator, folder)
        if trainer.is_world_process_zero():
            _finish(trainer, evaluator, recipe, rows, folder)
    trainer.accelerator.wait_for_everyone()
    return Outcome.load(out / OUTCOME)


def _check_model(model: PreTrainedModel, rows: InjectedRows) -> None:
    """ValueError for a model that cannot learn from rows, before any work."""
    check_tokens(model, [rows.sequences], "sequences")
    check_tokens(model, rows.heads.values(), "injected texts")
    name, parameters = type(model).__name__, [*model.parameters()]
    learnable = any(each.requires_grad for each in parameters)
    if not learnable or any(each.is_meta for each in parameters):
        raise ValueError(f"{name} cannot learn: its weights are frozen, or not on its device")
    if narrow := {each.dtype for each in parameters} - {*WIDE}:
        raise ValueError(
            f"weights in {', '.join(sorted(map(str, narrow)))} cannot be learned with: load the "
            "model in float32 (bfloat16 and float64 are accepted too)"
        )
    if any(each.is_inference() for each in parameters):
        raise ValueError(f"{name} cannot learn: load it outside of torch.inference_mode()")
    check_remade(model)


def _identify(
    model: PreTrainedModel, sequences: Tensor, recipe: Recipe, **facts: Knowledge | None
) -> dict:
    """What makes a run the run it is; the rows at once on a device do not."""
    settings = asdict(recipe) | {"betas": list(recipe.betas)}  # as JSON has them
    del settings["rows"]
    return {
        "weights": hash_tensors(model.state_dict()),
        "sequences": hash_tensors({"sequences": sequences}),
        **{name: known and known.describe() for name, known in facts.items()},
        **settings,
    }


def _load_finished(model: PreTrainedModel, recipe: Recipe, folder: RunFolder) -> Outcome:
    """What a finished run left, its weights in the model; DamagedError where it is not whole."""
    hint = f"Remove the folder {folder.path} to learn it again, or name another"
    try:
        outcome = Outcome.load(folder.path / OUTCOME)
    except ValueError as error:
        raise DamagedError(folder.path, f"{error}. {hint}") from error
    path = folder.path / "model"
    if fault := folder.find_fault(path):
        raise DamagedError(path, f"{fault}. {hint}")
    own = type(model).from_pretrained(path, dtype=model.dtype)
    model.load_state_dict(own.state_dict())
    if recipe.temperature != 1 and recipe.cooling:
        set_temperature(model, 1)
    folder.remove_checkpoints()  # of a run that was killed at its very end
    return outcome


def _make_trainer(
    model: PreTrainedModel,
    recipe: Recipe,
    arguments: TrainingArguments,
    rows: InjectedRows,
    watchers: Sequence[TrainerCallback],
    moments: Moments | None,
) -> Trainer:
    """The Trainer of a run; ValueError where accelerate's precision is not the recipe's."""
    cooling = [Cooling(recipe.temperature, decay=recipe.cooling)] if recipe.temperature != 1 else []
    settings = {"train_dataset": rows, "callbacks": [*cooling, *watchers], "moments": moments}
    decayed = recipe.decay_embeddings
    trainer = Trainer(model=model, args=arguments, decay_embeddings=decayed, **settings)
    trainer.remove_callback(PrinterCallback)
    wanted, found = "bf16" if arguments.bf16 else "no", trainer.accelerator.mixed_precision
    if found != wanted:
        raise ValueError(
            f"accelerate has this process learn in mixed precision {found!r}, and the recipe asks "
            f"for {wanted!r}: learn in a process in which accelerate has not been set up"
        )
    return trainer


def _train(trainer: Trainer, evaluator: Evaluator, folder: RunFolder) -> None:
    """Learn the steps not learned yet, with the evaluations before and along the way."""
    total, main = trainer.args.max_steps, trainer.is_world_process_zero()
    checkpoint = folder.find_checkpoint(lambda step: evaluator.find_gap(step, ended=step == total))
    trainer.accelerator.wait_for_everyone()  # before anything is written
    if checkpoint is None and main:
        evaluator.examine(trainer.model, 0)
    if checkpoint:
        logs = TrainerState.load_from_json(f"{checkpoint}/{STATE}").log_history
        if stopped := find_stop(logs):
            # Else the Trainer would go on past the stop: give it no more than was learned.
            trainer.args.max_steps, rows = stopped["step"], trainer.train_dataset
            trainer.train_dataset = Subset(rows, range(stopped["step"] * rows.batch))
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if evaluator.stopped and main:
        evaluator.examine(trainer.model, trainer.state.global_step, last=True)


def _finish(
    trainer: Trainer, evaluator: Evaluator, recipe: Recipe, rows: InjectedRows, folder: RunFolder
) -> None:
    """Leave the weights, then the outcome, which says they are whole; remove the checkpoints."""
    model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    path = folder.path / "model"
    with folder.writing(path):
        model.save_pretrained(path)
        evaluator.tokenizer.save_pretrained(path)
    steps, tables = evaluator.collect(trainer.state.global_step)
    logs = [log for log in trainer.state.log_history if "loss" in log]
    curve = [[log["loss"], log["learning_rate"], log["grad_norm"]] for log in logs]
    asked = {name: knowledge.probes for name, knowledge in evaluator.asked.items()}
    provenance = {
        **describe_run(),
        **describe_model(model),
        "recipe": asdict(recipe) | {"bf16": trainer.args.bf16},
        "instances": len(rows),
        "length": rows.sequences.shape[1],
        "processes": trainer.args.world_size,
        "stopped": evaluator.stopped,
        "bos": find_bos(evaluator.tokenizer),
        "tasks": list(tables["answers"]),
        "facts": {name: knowledge.describe() for name, knowledge in evaluator.asked.items()},
        "probes": {
            name: {key: [getattr(each, key) for each in probes] for key in ("setting", "item")}
            for name, probes in asked.items()
        },
    }
    losses = torch.tensor(curve, dtype=torch.float64)
    outcome = Outcome(torch.tensor(steps), **tables, curve=losses, provenance=provenance)
    outcome.save(folder.path / OUTCOME)
    folder.remove_checkpoints()
