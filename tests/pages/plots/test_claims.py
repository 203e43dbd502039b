"""Small drawings as SVG: what is drawn where."""

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest

from kent.pages.plots import claims


def draw(value, ends, sign=1, seeds=()):
    return ElementTree.fromstring(claims.draw_claim(value, ends, sign, seeds, "a < b"))


def test_a_claim_is_drawn_on_its_side_of_zero_and_inside_the_box():
    drawing = draw(-1.0, (-3.0, 1.0), seeds=[-2.0, 0.0])
    assert drawing.get("aria-label") == "a < b" and drawing.get("role") == "img"
    dot = float(drawing.find("circle").get("cx"))
    low, high = map(float, re.search(r"M(\S+) \S+H(\S+)", drawing[-2].get("d")).groups())
    assert -claims.WIDTH / 2 < low < dot < 0 < high < claims.WIDTH / 2
    assert low == pytest.approx(3 * dot, abs=0.3)


@pytest.mark.parametrize(("sign", "start"), [(1, 0), (-1, -claims.WIDTH / 2)])
def test_the_papers_side_is_shaded(sign, start):
    assert float(draw(1.0, (0.5, 1.5), sign).find("rect").get("x")) == start


def test_nothing_is_drawn_without_a_number():
    assert claims.draw_claim(math.nan, (math.nan, math.nan), 1, [], "") == ""
    assert draw(0.0, (0.0, 0.0)).find("circle").get("cx") == "0.0"


def test_uneven_use_has_the_smaller_entropy_and_the_bars_are_shares():
    said = claims.draw_use()
    even, uneven = map(float, re.findall(r"H = (\S+) nats", said))
    assert uneven < even < math.log(claims.NEURONS)
    for bars in re.findall(r"<svg.*?</svg>", said):
        heights = [float(bar.get("height")) for bar in ElementTree.fromstring(bars).iter("rect")]
        assert heights == sorted(heights, reverse=True)
        assert sum(heights) == pytest.approx(100 / 0.4, abs=1)
