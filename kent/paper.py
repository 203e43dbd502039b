"""The paper's published numbers and claims, as data (arXiv 2410.01380, version 3)."""

from dataclasses import dataclass
from math import isnan


@dataclass(frozen=True)
class Claim:
    """One claim: the statistic that would carry it, the sign the paper reports, and the setting it was made for."""

    key: str
    statement: str
    statistic: str
    sign: int
    setting: str
    source: str

    def judge(self, value: float, error: float) -> str:
        """Verdict on a measured statistic with its standard error: the interval is two errors either way."""
        if isnan(value) or isnan(error) or abs(value) <= 2 * error:
            return "too small to tell"
        return "agrees" if value * self.sign > 0 else "disagrees at this scale"


CLAIMS = {
    claim.key: claim
    for claim in (
        Claim(
            key="fig02",
            statement="knowledge entropy falls steadily as pretraining advances",
            statistic="H at the last checkpoint minus H at 16 % of the run, in nats",
            sign=-1,
            setting="OLMo-1B and 7B, 2,048 sequences of 2,048 tokens of Dolma v1.5, float32",
            source="figure 2, section 3.2",
        ),
    )
}

FIGURE_2 = {
    "OLMo-1B": {"layers": 16, "neurons": 8192, "axis": (143.6, 144.0)},
    "OLMo-7B": {"layers": 32, "neurons": 11008, "axis": (297.0, 297.6)},
}
"""Extent of figure 2's axes, in nats: the curves fall from near the upper to near the lower end."""

STAGES = {"118k": 0.16, "369k": 0.50, "554k": 0.75, "738k": 1.00}
"""Initial models of continual learning, as a fraction of OLMo-1B's 738,020 steps (section 4.1)."""
