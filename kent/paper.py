"""The paper's published numbers and claims, as data (arXiv 2410.01380, version 3; the claims are in `paper.yaml`)."""

from dataclasses import dataclass
from importlib.resources import files
from math import isnan

import yaml


@dataclass(frozen=True)
class Claim:
    """One claim: the statistic that would carry it, the sign the paper reports, and the setting it was made for.

    `unit` is that of the statistic, `published` what the paper says of its value, `source` where it says so, and
    `page` the notebook that tests it, None while there is none.
    """

    key: str
    statement: str
    statistic: str
    unit: str
    sign: int
    published: str
    setting: str
    source: str
    page: str | None = None

    def judge(self, value: float, error: float) -> str:
        """Verdict on a measured statistic with its standard error: the interval is two errors either way."""
        if isnan(value) or isnan(error) or abs(value) <= 2 * error:
            return "too small to tell"
        return "agrees" if value * self.sign > 0 else "disagrees at this scale"


_PLAN = yaml.safe_load(files("kent").joinpath("paper.yaml").read_text(encoding="utf-8"))
CLAIMS = {key: Claim(key, **claim) for key, claim in _PLAN.items()}
"""Every claim of the paper that can be tested, in the order of its figures."""

AXES = {
    "figure 2": {"OLMo-1B": (143.6, 144.0, 16, 8192), "OLMo-7B": (297.0, 297.6, 32, 11008)},
    "figure 6": {"Pythia": (143.4, 143.7, 16, 8192)},
    "figure 8": {"OLMo-1B": (8.88, 9.00, 1, 8192), "OLMo-7B": (9.12, 9.30, 1, 11008)},
}
"""Lower and upper end of published axes of knowledge entropy in nats, and the layers and neurons per layer they hold
for. Curves fall from near the upper to near the lower end. Figure 6 names a model of 24 layers; its axis fits 16."""

ENTROPIES = {"attention": (70, 40), "token": (2.8, 2.4)}
"""Attention entropy and next-token entropy of OLMo-1B in nats, early and late, read off figure 3."""

STAGES = {"118k": 0.16, "369k": 0.50, "554k": 0.75, "738k": 1.00}
"""Initial models of continual learning, as a fraction of OLMo-1B's 738,020 steps (section 4.1)."""
