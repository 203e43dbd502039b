"""Small drawings as SVG text, which a page holds as HTML: they take its colours, light or dark."""

from collections.abc import Sequence
from html import escape
from math import exp, isfinite

import numpy as np

from kent.measure.entropy import knowledge_entropy

WIDTH, HEIGHT = 150, 20
"""Of the drawing of one claim, in units of its view box; zero is in the middle."""
NEURONS = 16
"""Memory vectors in the drawing of what knowledge entropy is."""


def draw_claim(
    value: float, ends: tuple[float, float], sign: int, seeds: Sequence[float], said: str
) -> str:
    """A dot and its interval around zero, with the paper's side shaded; nothing for no number.

    The line has a scale of its own, on which everything has room. `seeds` are the values that the
    dot is the mean of, as short strokes; `said` tells a screen reader what is drawn.
    """
    if not all(map(isfinite, (value, *ends))):
        return ""
    reach = max(map(abs, (value, *ends, *seeds))) or 1.0
    dot, low, high, *strokes = (0.95 * each / reach * WIDTH / 2 for each in (value, *ends, *seeds))
    half, middle = WIDTH / 2, HEIGHT / 2
    shade = 0 if sign > 0 else -half
    parts = [
        f'<rect x="{shade:g}" width="{half:g}" height="{HEIGHT}" stroke="none" opacity=".13"/>',
        f'<path d="M0 0V{HEIGHT}" stroke-width="1" opacity=".6"/>',
        *(f'<path d="M{x:.1f} 2V{HEIGHT - 2}" stroke-width="1" opacity=".5"/>' for x in strokes),
        f'<path d="M{low:.1f} {middle:g}H{high:.1f}" stroke-width="2.5"/>',
        f'<circle cx="{dot:.1f}" cy="{middle:g}" r="4"/>',
    ]
    return _frame(f"{-half:g} 0 {WIDTH} {HEIGHT}", said, parts)


def draw_use() -> str:
    """What knowledge entropy is: memory vectors used evenly and unevenly, with their entropies."""
    even = 1 + 0.25 * np.sin(2.4 * np.arange(NEURONS))
    uneven = np.exp(-0.45 * np.arange(NEURONS))
    drawn = (_draw_bars(*each) for each in (("evenly", even), ("unevenly", uneven)))
    said = "<p>Drawn, not measured.</p>"
    return f'<div class="use">{"".join(drawn)}</div>{said}'


def _draw_bars(how: str, coefficients: np.ndarray) -> str:
    """Bars of coefficients, the largest first, over their entropy in nats."""
    share = np.sort(coefficients)[::-1] / coefficients.sum()
    entropy = knowledge_entropy([share])
    bars = [
        f'<rect x="{18 * place + 2}" y="{100 * (1 - each / 0.4):.1f}" width="14" '
        f'height="{100 * each / 0.4:.1f}" class="bar"/>'
        for place, each in enumerate(share)
    ]
    drawing = _frame(f"0 0 {18 * NEURONS} 101", f"{NEURONS} bars, used {how}", bars)
    said = f"<b>H = {entropy:.2f} nats</b>, as if {exp(entropy):.1f} of {NEURONS} were used alike"
    return f"<div>{drawing}<p>Used {how}: {said}</p></div>"


def _frame(box: str, said: str, parts: Sequence[str]) -> str:
    style = 'role="img" fill="currentColor" stroke="currentColor"'
    return f'<svg viewBox="{box}" {style} aria-label="{escape(said)}">{"".join(parts)}</svg>'
