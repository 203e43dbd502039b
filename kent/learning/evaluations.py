"""What is asked along a run: probes after injections, tasks before it and at its end."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

from kent.errors import DamagedError, NotFiniteError
from kent.learning.downstream import evaluate
from kent.learning.knowledge import Knowledge
from kent.learning.outcomes import Tables, split_tables
from kent.learning.probes import MEASURES, probe
from kent.records import load_tensors, save_tensors

FORMAT = "kent evaluation 1"

Stop = dict[str, float | int]


@dataclass(eq=False)
class Evaluator(TrainerCallback):
    """Scores probes every so many steps, tasks in their turn; stops where a loss is not finite.

    Every evaluation is a file in `folder` that names the `run`, so that an interrupted run keeps
    those it has. Probes are scored `every` so many steps, and after the last. `asked` are the facts
    under their names (knowledge, control); `tasks` as for `kent.learning.downstream.evaluate`, ""
    for none, asked before learning, at its end, and where `along` says so whenever probes are.
    `stopped` names step and learning rate where a loss, a gradient or a probe was first not finite;
    all that is asked from there on is NaN.
    """

    tokenizer: PreTrainedTokenizerBase
    asked: Mapping[str, Knowledge]
    run: str
    folder: Path
    every: int
    tasks: str
    along: bool
    stopped: Stop | None = None

    def examine(
        self, model: PreTrainedModel, step: int, *, rate: float = 0.0, last: bool = False
    ) -> None:
        """Evaluate the model as it is after `step`, learned at a learning rate; keep the scores."""
        scores, tasks = None, self.tasks if step == 0 or last or self.along else ""
        try:
            if not self.stopped:
                scores = self._score(model, tasks)
        except NotFiniteError:
            if step == 0:  # the model came so, and nothing was learned
                raise
            self.stopped = {"step": step, "learning_rate": rate}
        if scores is None:
            before, _ = self._read(0)
            asked = [name for name in before if tasks or not name.startswith("answers/")]
            scores = {name: torch.full_like(before[name], torch.nan) for name in asked}
        kept = {"run": self.run, "step": step, "stopped": self.stopped}
        save_tensors(scores, self._locate(step), format=FORMAT, provenance=kept)

    def _score(self, model: PreTrainedModel, tasks: str) -> dict[str, Tensor]:
        scores = {}
        with _without_autocast(model):
            for name, knowledge in self.asked.items():
                table = probe(model, self.tokenizer, knowledge)
                scores |= {f"{name}/{key}": torch.tensor(table[key].to_numpy()) for key in MEASURES}
            if tasks:
                answered = evaluate(model, self.tokenizer, tasks).correct
                scores |= {
                    f"answers/{task}": torch.tensor(each).double()
                    for task, each in answered.items()
                }
        return scores

    def collect(self, last: int, *, ended: bool = True) -> tuple[list[int], Tables]:
        """The steps of all evaluations up to the last, and their scores, as `Outcome` has them.

        The last step is one of them where the run has `ended` there. Raises ValueError
        (DamagedError as a rule) for an evaluation that is missing or not whole.
        """
        steps = sorted({*range(0, last + 1, self.every), *([last] if ended else [])})
        found = [self._read(step)[0] for step in steps]
        # Tasks may be asked at the two ends only: their tables have fewer rows.
        rows = {name: [each[name] for each in found if name in each] for name in found[0]}
        return steps, split_tables({name: torch.stack(each) for name, each in rows.items()})

    def find_gap(self, last: int, *, ended: bool) -> str | None:
        """What is wrong with the first evaluation not whole up to a step; None if none is."""
        try:
            self.collect(last, ended=ended)
        except ValueError as error:
            return str(error)
        return None

    def _locate(self, step: int) -> Path:
        return self.folder / f"step{step}.safetensors"

    def _read(self, step: int) -> tuple[dict[str, Tensor], dict]:
        """One evaluation, scores and header."""
        path = self._locate(step)
        try:
            scores, header = load_tensors(path, FORMAT)
        except FileNotFoundError:
            raise DamagedError(path, "it is missing") from None
        if (header.get("run"), header.get("step")) != (self.run, step):
            raise DamagedError(path, "it is of another run or step")
        return scores, header

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Show a bar, where the run has got to already; remember that it was stopped, if it was."""
        asked = range(0, state.global_step + 1, self.every)
        marks = [*(self._read(step)[1]["stopped"] for step in asked), find_stop(state.log_history)]
        self.stopped = min(filter(None, marks), key=lambda each: each["step"], default=None)
        hidden, shown = not state.is_world_process_zero, {"desc": "learning", "unit": "step"}
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, disable=hidden, **shown)

    def on_log(self, args, state, control, *, model, logs, **kwargs) -> None:
        """After a step, before its checkpoint: stop where a loss is not finite, else examine."""
        if "loss" not in logs:
            return
        self.bar.update()
        step, rate = state.global_step, logs["learning_rate"]
        last = step == state.max_steps
        if stopped := find_stop([{"step": step, **logs}]):
            self.stopped = self.stopped or stopped
            control.should_training_stop = True
        elif (last or step % self.every == 0) and state.is_world_process_zero:
            self.examine(model, step, rate=rate, last=last)

    def on_train_end(self, args, state, control, **kwargs) -> None:
        """Put the bar away."""
        self.bar.close()


def find_stop(logs: Sequence[Mapping[str, float | int]]) -> Stop | None:
    """Step and learning rate of the first log whose loss or gradient is not finite."""
    for log in logs:
        if "loss" in log and not (math.isfinite(log["loss"]) and math.isfinite(log["grad_norm"])):
            return {"step": log["step"], "learning_rate": log["learning_rate"]}
    return None


@contextmanager
def _without_autocast(model: PreTrainedModel) -> Iterator[None]:
    """Evaluate in the weights' own dtype, as before learning.

    Under bf16 accelerate wraps `forward` on the instance, where no context reaches it.
    """
    wrapped = model.__dict__.pop("forward", None)
    try:
        yield
    finally:
        if wrapped is not None:
            model.forward = wrapped
