"""What a run of continual learning came to: K and P before, along the way and after; acquisition
and forgetting."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float64, Int64
from pydantic import InstanceOf
from torch import Tensor

from kent.learning.knowledge import INJECTIONS, SETTINGS
from kent.learning.probes import MEASURES
from kent.records import expect_whole, load_tensors, save_tensors
from kent.settings import checked

FORMAT = "kent outcome 1"
RESAMPLES = 1000
SEED = 0

Setting = Literal["once", "paraphrase"]
Measure = Literal["per_target_token", "padded_mean"]
Facts = Literal["knowledge", "control"]


@dataclass(frozen=True)
class Outcome:
    """Scores of every probe at every evaluation, answers to every task document, and the loss of
    every step.

    `steps` are the optimizer steps of the evaluations, 0 first. `knowledge` and `control` hold, per
    measure (per_target_token, padded_mean: see `kent.probe`), log probabilities in nats; the
    control's facts were never injected. `answers` holds, per task, 1 for every document answered
    rightly, before and at the end (or at every evaluation, where the recipe asked). `curve` has a
    row per step: loss (nats), learning rate, norm of the gradient before clipping.
    `provenance["stopped"]` names step and learning rate where the loss was no longer finite.
    """

    steps: Int64[Tensor, " evaluation"]
    knowledge: Mapping[str, Float64[Tensor, "evaluation probe"]]
    control: Mapping[str, Float64[Tensor, "evaluation probe"]]
    answers: Mapping[str, Float64[Tensor, "occasion document"]]
    curve: Float64[Tensor, "step 3"]
    provenance: dict = field(default_factory=dict)

    @checked
    def average_paragraphs(
        self, setting: Setting, *, measure: Measure = MEASURES[0], of: Facts = "knowledge"
    ) -> Float64[Tensor, "evaluation paragraph"]:
        """Mean log probability of each paragraph's probes, in nats; `setting` is once or
        paraphrase.

        Raises ValueError for a setting or measure that is not one, and where no control or no such
        setting was probed.
        """
        scores = self._find_scores(of)
        probes = self.provenance["probes"][of]
        chosen = torch.tensor([each == setting for each in probes["setting"]])
        if not chosen.any():
            raise ValueError(f"this run probed no {of} of the setting {setting!r}")
        items = torch.tensor(probes["item"])[chosen]
        paragraphs = torch.nn.functional.one_hot(items).double()
        return scores[measure][:, chosen] @ paragraphs / paragraphs.sum(0)

    def _find_scores(self, of: Facts) -> Mapping[str, Float64[Tensor, "evaluation probe"]]:
        if not (scores := getattr(self, of)):
            raise ValueError(f"this run probed no {of}")
        return scores

    @checked
    def performance(
        self,
        setting: Setting | Literal["all"] = "all",
        *,
        measure: Measure = MEASURES[0],
        of: Facts = "knowledge",
    ) -> Float64[np.ndarray, "evaluation sample"]:
        """K at every evaluation, in nats (section 4.1), and its bootstrap samples over paragraphs.

        Column 0 is the value itself. `setting` is once, paraphrase or all, which weights both by
        their paragraphs. The samples are the same paragraphs for every run over the same knowledge,
        so that differences of runs are paired. Raises as `average_paragraphs`.
        """
        self._find_scores(of)
        probed = {*self.provenance["probes"][of]["setting"]}
        chosen = [each for each in SETTINGS if each in probed] if setting == "all" else [setting]
        tables = [self.average_paragraphs(each, measure=measure, of=of).numpy() for each in chosen]
        random = {
            each: np.random.default_rng([SEED, number]) for number, each in enumerate(SETTINGS)
        }
        totals = [
            table @ _draw(table.shape[1], random[each])
            for each, table in zip(chosen, tables, strict=True)
        ]
        return sum(totals) / sum(table.shape[1] for table in tables)

    def downstream(self) -> Float64[np.ndarray, "occasion sample"]:
        """P as a rate from 0 to 1 (mean score of the tasks) and its bootstrap samples over tasks
        and their documents.

        Column 0 is the value itself. Raises ValueError where no tasks were asked.
        """
        if not self.answers:
            raise ValueError("this run asked no downstream tasks")
        random = np.random.default_rng(SEED)
        scores = [
            answers.numpy() @ _draw(answers.shape[1], random) / answers.shape[1]
            for answers in self.answers.values()
        ]
        return np.einsum("tos,ts->os", np.stack(scores), _draw(len(scores), random)) / len(scores)

    @checked
    def acquisition(
        self,
        setting: Setting | Literal["all"] = "all",
        *,
        measure: Measure = MEASURES[0],
        of: Facts = "knowledge",
        relative: bool = True,
        since: "InstanceOf[Outcome] | None" = None,
    ) -> Float64[np.ndarray, " sample"]:
        """A: the rise of K from before to the end, in % of its size before (section 4.1), or in
        nats.

        `since` is the run whose K before counts (default: this one): that of the unchanged model,
        for a changed one. Raises as `average_paragraphs`, and ValueError for a run that was taught
        or asked something else.
        """
        start = since or self
        if any(start._recall(key, of) != self._recall(key, of) for key in ("facts", "probes")):
            raise ValueError(
                f"the run since which K is to have changed was taught or asked other {of}"
            )
        before = start.performance(setting, measure=measure, of=of)[0]
        after = self.performance(setting, measure=measure, of=of)[-1]
        return 100 * (after - before) / np.abs(before) if relative else after - before

    @checked
    def forgetting(
        self, *, relative: bool = True, since: "InstanceOf[Outcome] | None" = None
    ) -> Float64[np.ndarray, " sample"]:
        """F: the fall of P from before to the end, in % of P before (section 4.1), or in points if
        not `relative`.

        `since` as for `acquisition`.
        """
        start = since or self
        if start.provenance.get("tasks") != self.provenance.get("tasks"):
            raise ValueError("the run since which P is to have changed was asked other tasks")
        before, after = start.downstream()[0], self.downstream()[-1]
        return 100 * (before - after) / before if relative else 100 * (before - after)

    def _recall(self, key: str, of: str) -> object:
        return self.provenance.get(key, {}).get(of)

    def compare_injections(self) -> Float64[Tensor, " paragraph"]:
        """What the one injection of a fact does to its K, in nats, paragraph by paragraph: the gain
        over the injection that holds it, minus the mean gain over each of the others.

        The first injection is left out, with the paragraphs in it: it changes the style of
        everything.
        """
        gains = self.average_paragraphs("once").diff(dim=0)
        paragraphs = gains.shape[1]
        holds = (
            torch.arange(len(gains))[:, None] % INJECTIONS
            == torch.arange(paragraphs) * INJECTIONS // paragraphs
        )
        gains, holds = gains[1:, ~holds[0]], holds[1:, ~holds[0]]
        when, others = ((gains * chosen).sum(0) / chosen.sum(0) for chosen in (holds, ~holds))
        return when - others

    def follow_tellings(self) -> Float64[Tensor, "lag paragraph"]:
        """How K of a fact injected once moves from before its injection to `lag` injections after,
        in nats.

        Minus what K of the control's facts injected once does meanwhile (mean), which is style. NaN
        where the run ends before; facts that the first injection holds are left out, as in
        `compare_injections`.
        """
        facts, control = (self.average_paragraphs("once", of=of) for of in ("knowledge", "control"))
        excess = (facts - control.mean(dim=1, keepdim=True))[: INJECTIONS + 1]
        paragraphs = excess.shape[1]
        own = 1 + torch.arange(paragraphs) * INJECTIONS // paragraphs
        after = own + torch.arange(INJECTIONS - 1)[:, None]
        columns, last = torch.arange(paragraphs), len(excess) - 1
        found = (
            excess[after.clamp(max=last), columns.expand_as(after)]
            - excess[(own - 1).clamp(max=last), columns]
        )
        return found.where(after < len(excess), torch.nan)[:, own > 1]

    @checked
    def save(self, path: str | Path) -> None:
        """Write to a safetensors file, atomically, with the provenance in its header."""
        tables = {"knowledge": self.knowledge, "control": self.control, "answers": self.answers}
        tensors = {
            f"{name}/{key}": tensor
            for name, table in tables.items()
            for key, tensor in table.items()
        }
        tensors |= {"steps": self.steps, "curve": self.curve}
        save_tensors(tensors, path, format=FORMAT, provenance=self.provenance)

    @classmethod
    @checked
    def load(cls, path: str | Path) -> "Outcome":
        """Read an outcome; `DamagedError` (a ValueError) for a damaged file, `ValueError` for
        something else."""
        tensors, provenance = load_tensors(path, FORMAT)
        tables: dict[str, dict[str, Tensor]] = {"knowledge": {}, "control": {}, "answers": {}}
        with expect_whole(path):
            for name in [name for name in tensors if "/" in name]:
                table, key = name.split("/", 1)
                tables[table][key] = tensors.pop(name)
            tables["answers"] = {
                task: tables["answers"][task] for task in provenance.get("tasks", tables["answers"])
            }
            return cls(**tables, **tensors, provenance=provenance)


def _draw(number: int, random: np.random.Generator) -> Float64[np.ndarray, "item sample"]:
    """How often each of `number` items is drawn: once each in column 0, with replacement in the
    others."""
    samples = random.multinomial(number, [1 / number] * number, size=RESAMPLES).T
    return np.concatenate([np.ones((number, 1)), samples], axis=1)


@checked
def estimate(samples: Float64[np.ndarray, " sample"]) -> tuple[float, float]:
    """A statistic's value and its bootstrap standard error, from what the methods of `Outcome`
    return."""
    return float(samples[0]), float(np.std(samples[1:], ddof=1))


@checked
def summarize_paragraphs(values: Float64[Tensor, " paragraph"]) -> tuple[float, float]:
    """Mean and standard error over the paragraphs that have a value (not NaN)."""
    values = values[~values.isnan()]
    return values.mean().item(), values.std().item() / len(values) ** 0.5
