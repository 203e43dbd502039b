"""What a run of continual learning came to: K and P along it, acquisition and forgetting.

Axes: evaluation (step 0 and every injection), probe, paragraph (probes about one), step (optimizer
steps), occasion (when tasks were asked), document (of a task), sample (of the bootstrap; column 0
is the value itself), lag (injections since a paragraph's own).
"""

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

FORMAT = "kent outcome 2"
RESAMPLES = 1000
SEED = 0

Setting = Literal["once", "paraphrase"]
Measure = Literal["per_target_token", "padded_mean"]
Facts = Literal["knowledge", "control"]
Tables = dict[str, dict[str, Tensor]]
"""Scores by name under what was asked: knowledge, control (by measure), answers (by task)."""


@dataclass(frozen=True)
class Outcome:
    """Scores of every probe at every evaluation, answers to every task, the loss of every step.

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
        """Mean log probability of each paragraph's probes, in nats, in a setting.

        Raises ValueError for a setting or measure that is not one, and where no control or no such
        setting was probed.
        """
        scores, probes = self._find_scores(of), self.provenance["probes"][of]
        chosen = torch.tensor([each == setting for each in probes["setting"]])
        if not chosen.any():
            raise ValueError(f"this run probed no {of} of the setting {setting!r}")
        owners = torch.nn.functional.one_hot(torch.tensor(probes["item"])[chosen]).double()
        return scores[measure][:, chosen] @ owners / owners.sum(0)

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
        probed = self.provenance["probes"][of]["setting"]
        chosen = [each for each in SETTINGS if each in probed] if setting == "all" else [setting]
        tables = {each: self.average_paragraphs(each, measure=measure, of=of) for each in chosen}
        totals = []
        for each, table in tables.items():
            # A setting's draws depend on nothing but its number of paragraphs: runs are paired.
            random = np.random.default_rng([SEED, SETTINGS.index(each)])
            totals.append(table.numpy() @ _draw(table.shape[1], random))
        return sum(totals) / sum(table.shape[1] for table in tables.values())

    def downstream(self) -> Float64[np.ndarray, "occasion sample"]:
        """P from 0 to 1 (mean score of the tasks) and its bootstrap samples.

        Column 0 is the value itself. Tasks and the documents of each are drawn. Raises ValueError
        where no tasks were asked.
        """
        if not self.answers:
            raise ValueError("this run asked no downstream tasks")
        random = np.random.default_rng(SEED)
        tables = [each.numpy() for each in self.answers.values()]
        # Two levels: documents within a task, then how often each task counts (t task).
        scores = [each @ _draw(each.shape[1], random) / each.shape[1] for each in tables]
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
        """A: the rise of K from before to the end, in % of K before (section 4.1), or in nats.

        `since` is the run whose K before counts (default: this one): that of the unchanged model,
        for a changed one. Raises as `average_paragraphs`, and ValueError for a run with other
        facts or probes.
        """
        start = since or self
        if any(start._recall(key, of) != self._recall(key, of) for key in ("facts", "probes")):
            raise ValueError(
                f"the run since which K is to have changed was injected or asked other {of}"
            )
        before = start.performance(setting, measure=measure, of=of)[0]
        after = self.performance(setting, measure=measure, of=of)[-1]
        # K is a mean log probability, so negative: its size keeps a rise positive.
        return 100 * (after - before) / np.abs(before) if relative else after - before

    @checked
    def forgetting(
        self, *, relative: bool = True, since: "InstanceOf[Outcome] | None" = None
    ) -> Float64[np.ndarray, " sample"]:
        """F: the fall of P from before to the end, in % of P before (section 4.1), or in points.

        `relative` and `since` as for `acquisition`.
        """
        start = since or self
        if start.provenance.get("tasks") != self.provenance.get("tasks"):
            raise ValueError("the run since which P is to have changed was asked other tasks")
        before, after = start.downstream()[0], self.downstream()[-1]
        return 100 * (before - after) / before if relative else 100 * (before - after)

    def _recall(self, key: str, of: str) -> object:
        return self.provenance.get(key, {}).get(of)

    def _check_scored(self) -> None:
        if (every := self.provenance["recipe"].get("probes_every", 1)) > 1:
            raise ValueError(f"this run scored probes every {every} injections, not after each")

    def compare_injections(self) -> Float64[Tensor, " paragraph"]:
        """What its one injection does to K of each fact injected once, in nats.

        That is the gain over the injection that holds it, minus the mean gain over each of the
        others. The first injection is left out, with the paragraphs in it: it changes the style of
        everything. Raises ValueError where probes were not scored after every injection.
        """
        self._check_scored()
        gains = self.average_paragraphs("once").diff(dim=0)
        injection = torch.arange(len(gains))[:, None] % INJECTIONS  # again in every epoch
        holds = injection == _find_injections(gains.shape[1])
        gains, holds = gains[1:, ~holds[0]], holds[1:, ~holds[0]]
        when, others = ((gains * chosen).sum(0) / chosen.sum(0) for chosen in (holds, ~holds))
        return when - others

    def follow_injections(self) -> Float64[Tensor, "lag paragraph"]:
        """How K of a fact injected once moves from before its injection to `lag` after, in nats.

        Minus what K of the control's facts injected once does meanwhile (mean), which is style. NaN
        where the run ends before; facts that the first injection holds are left out, as in
        `compare_injections`, which says what is raised.
        """
        self._check_scored()
        facts, control = (self.average_paragraphs("once", of=of) for of in ("knowledge", "control"))
        excess = (facts - control.mean(dim=1, keepdim=True))[: INJECTIONS + 1]  # the first epoch
        own = 1 + _find_injections(excess.shape[1])
        after, last = own + torch.arange(INJECTIONS - 1)[:, None], len(excess) - 1
        # Row 0 is before all injections: own - 1 is the evaluation just before a paragraph's own.
        before = excess.gather(0, (own - 1).clamp(max=last)[None])
        found = excess.gather(0, after.clamp(max=last)) - before
        return found.where(after <= last, torch.nan)[:, own > 1]

    @checked
    def save(self, path: str | Path) -> None:
        """Write to a safetensors file, atomically, with the provenance in its header."""
        tensors = {"steps": self.steps, "curve": self.curve}
        for name in ("knowledge", "control", "answers"):
            tensors |= {f"{name}/{key}": tensor for key, tensor in getattr(self, name).items()}
        save_tensors(tensors, path, format=FORMAT, provenance=self.provenance)

    @classmethod
    @checked
    def load(cls, path: str | Path) -> "Outcome":
        """Read an outcome; DamagedError for a file not whole, ValueError for another kind."""
        tensors, provenance = load_tensors(path, FORMAT)
        with expect_whole(path):
            tables = split_tables({name: tensors.pop(name) for name in [*tensors] if "/" in name})
            answers, tasks = tables["answers"], provenance.get("tasks", tables["answers"])
            tables["answers"] = {task: answers[task] for task in tasks}  # a file sorts its names
            return cls(**tables, **tensors, provenance=provenance)


def split_tables(tensors: Mapping[str, Tensor]) -> Tables:
    """Tensors named table/key by table and key; KeyError for a table that an outcome has not."""
    tables: Tables = {"knowledge": {}, "control": {}, "answers": {}}
    for name, tensor in tensors.items():
        table, key = name.split("/", 1)
        tables[table][key] = tensor
    return tables


def _find_injections(paragraphs: int) -> Int64[Tensor, " paragraph"]:
    """The injection, from 0, that holds each of the paragraphs injected once: a tenth in each."""
    return torch.arange(paragraphs) * INJECTIONS // paragraphs


def _draw(number: int, random: np.random.Generator) -> Float64[np.ndarray, "item sample"]:
    """How often each of `number` items is drawn: once each in column 0, else with replacement."""
    samples = random.multinomial(number, [1 / number] * number, size=RESAMPLES).T
    return np.concatenate([np.ones((number, 1)), samples], axis=1)


@checked
def estimate(samples: Float64[np.ndarray, " sample"]) -> tuple[float, float]:
    """A statistic's value and its bootstrap standard error, from what `Outcome` returns."""
    return float(samples[0]), float(np.std(samples[1:], ddof=1))


@checked
def summarize_paragraphs(values: Float64[Tensor, " paragraph"]) -> tuple[float, float]:
    """Mean and standard error over the paragraphs that have a value (not NaN)."""
    values = values[~values.isnan()]
    return values.mean().item(), values.std().item() / len(values) ** 0.5
