"""Which pages have a chart to explore, and which of their tables' rows stand on which axis."""

import re
from dataclasses import dataclass

from kent.pages import histories
from kent.pages.axes import STEP
from kent.pages.curves import CURVES
from kent.pages.measures import GAP, HEADINGS
from kent.pages.summaries import FALL, NET

CHARTED = (
    "fig02_knowledge_entropy",
    "fig03_other_entropies",
    "fig04_acquisition_and_forgetting",
    "fig06_other_architecture",
    "fig07_other_corpora",
    "fig08_layers",
    "fig09_activation",
    "fig11_once_and_paraphrased",
    "fig12_before_and_after",
    "fig13_learning_corpora",
    "fig14_two_architectures",
    "fig16_resuscitation_by_stage",
    "held_out_loss",
    "learning_curves",
    "optimizer_memory",
    "other_measures",
    "table1_hyperparameters",
    "when_entropy_falls",
)
"""Pages whose figure has line charts over checkpoints, or over the steps of a run."""
STILL = ("appendix_a1_gradients",)
"""Pages where only a part of the figure is one: there the whole figure is shown at first."""
BY_GAP = (
    "fig06_other_architecture",
    "fig07_other_corpora",
    "fig09_activation",
    "when_entropy_falls",
)
"""Pages whose figure has the distance of knowledge entropy to its bound: a chart has it first."""
BY_READ = ("when_entropy_falls",)
"""Pages whose figure goes by tokens per parameter."""
MINUS = "minus unchanged"


@dataclass(frozen=True)
class Panel:
    """A vertical axis: its name, which rows stand on it, and its scale.

    `kinds` are what rows are called behind a model's or a setting's name; none: as the panel.
    """

    name: str
    kinds: tuple[str, ...] = ()
    log: bool = False


LEARNED = ("K after (nats)", "K before (nats)")
ALONE = [HEADINGS[name] for name in ("attention", "token", "loss", "contribution")]
ALONE += ["effective number", "participation ratio", "Gini", "top 1 % share", "top 10 % share"]
ALONE += [histories.DORMANT, histories.RATE, histories.LENGTH]
PANELS = (
    Panel("knowledge entropy H (nats)", ("H (nats)",)),
    Panel(GAP, log=True),
    Panel("ln m − H by layer (nats)", ("ln m − H (nats)",), log=True),
    Panel("acquisition A (%)", (NET, "A (%)", "control: A (%)")),
    Panel("rise of the loss on held-out text (nats)", ("rise of the loss (nats)",)),
    Panel("forgetting F (%)", ("F (%)", FALL)),
    Panel("K (nats)", (*LEARNED, *(f"control: {kind}" for kind in LEARNED))),
    Panel("P (%)", ("P after (%)", "P before (%)")),
    Panel("correlation with |coefficient|", ("AdamW update", "gradient", "SGD update")),
    *(Panel(f"{curve}, K since the start (nats)") for curve in CURVES),
    Panel("left of an injection (nats)"),
    *map(Panel, ALONE),
    Panel("H of the initial model (nats)", ("H before (nats)",)),
)
"""In the order in which a chart offers them."""
KINDS = {kind: panel for panel in PANELS for kind in panel.kinds or (panel.name,)}


@dataclass(frozen=True)
class Row:
    """Where a row is drawn: on which axes, of which kind, and what stands before that in its name.

    `minus` says that it is a difference to the unchanged model.
    """

    panel: Panel
    kind: str
    prefix: str
    minus: bool
    axis: str

    @property
    def title(self) -> str:
        """The vertical axis."""
        return f"{self.panel.name}, {MINUS}" if self.minus else self.panel.name

    @property
    def label(self) -> str:
        """The line's name: the setting, with the kind where the panel has several."""
        kind = self.kind.rpartition(" (")[0] or self.kind
        alone = self.prefix and len(self.panel.kinds) < 2
        return self.prefix if alone else ", ".join(filter(None, [self.prefix, kind]))


def find_row(name: str) -> Row | None:
    """Where a row of a table is drawn, by its name; None where it is not."""
    axis, start = STEP, re.fullmatch(r"(.+), (from .+)", name)
    if start:
        axis = "injections since" if name.startswith("left of") else "optimizer step"
        name = f"{start[2]}, {start[1]}"
    found = [kind for kind in KINDS if name == kind or name.endswith((f", {kind}", f": {kind}"))]
    if not found:
        return None
    kind = max(found, key=len)
    prefix = name.removesuffix(kind).rstrip(",: ")
    minus = prefix.endswith(MINUS)
    return Row(KINDS[kind], kind, prefix.removesuffix(MINUS).rstrip(", "), minus, axis)
