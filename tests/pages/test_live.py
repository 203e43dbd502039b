"""Pictures to play with: what a page holds of measured coefficients, and Python's numbers."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from test_baselines import make_profile

from kent.measure.entropy import knowledge_entropy
from kent.pages import live

EVEN, UNEVEN = torch.ones(8), torch.tensor([4.0, 1.0, 1.0, 1.0, 0.25, 0.25, 0.25, 0.25])
MODEL = live.Model("small", "Measured on a text.", {"step 1": live.round_layers([EVEN, UNEVEN])})


def test_layers_are_sorted_relative_to_their_mean_and_rounded():
    [layer] = live.round_layers([torch.tensor([1.0, 5.0, 3.0])])
    assert layer.dtype == torch.float16
    assert layer.tolist() == pytest.approx([5 / 3, 1, 1 / 3], rel=1e-3)


@given(st.lists(arrays(np.float16, st.integers(1, 40), elements=st.floats(0, 60_000, width=16))))
def test_what_is_packed_is_unpacked_bit_for_bit(layers):
    layers = [torch.from_numpy(np.sort(np.abs(each))[::-1].copy()) for each in layers]
    found = live.unpack(live.pack(layers), [*map(len, layers)])
    assert all(torch.equal(*pair) for pair in zip(layers, found, strict=True))


def test_the_packed_form_is_the_documented_one():
    # 1.0 is 0x3C00, and 0x7C00 - 0x3C00 = 0x4000 is 00, 00, 01 in sevens of bits; then 0 follows
    assert live.pack([torch.tensor([1.0, 1.0]).half()]) == "gIABAA=="


def test_algorithm_1_is_counted_by_rows_and_layers():
    found = live.edit([EVEN, UNEVEN], 50, 2.0)
    # Even: all eight are at the percentile, so all are doubled: no entropy moves. Uneven: four of
    # 0.25 become twice the mean of 1.
    after = [EVEN, torch.tensor([4.0, 1, 1, 1, 2, 2, 2, 2])]
    assert found["after"] == pytest.approx(knowledge_entropy(after))
    assert found["before"] == pytest.approx(knowledge_entropy([EVEN, UNEVEN]))
    counted = {name: found[name] for name in ("up", "down", "raised", "lowered")}
    assert counted == {"up": 12, "down": 0, "raised": 1, "lowered": 0}
    assert live.edit([UNEVEN], 100, 0.5)["down"] == 4
    assert live.edit([UNEVEN], 50, 2.0, alike=3)["up"] == 12


def test_a_page_holds_models_by_title_with_what_they_were_measured_on():
    revision = {"repository": "a", "branch": "main", "step": 4, "tokens": None}
    about = {"corpus": {"corpus": "world"}, "instances": 1000, "length": 8, "revision": revision}
    profile = replace(make_profile(0.02, 0.3), provenance=about)
    [model] = live.collect({"a model": [profile]})
    assert model.title == "a model"
    assert model.note == "Measured on world, 1,000 sequences of 8 tokens."
    [(name, layers)] = model.checkpoints.items()
    assert name == "step 4"
    expected = profile.knowledge_entropy
    assert knowledge_entropy(layers) == pytest.approx(expected, abs=1e-4)


def test_a_picture_is_read_back_from_the_page():
    strange = live.Model("</script><b>", "", MODEL.checkpoints, alike=2)
    shown = live.Picture([MODEL, strange], "algorithm")._repr_mimebundle_()["text/html"]
    assert shown.count("</script>") == 1 and "<b>" not in shown
    read = live.read(shown)
    assert read["format"] == "kent live 1" and read["kind"] == "algorithm"
    assert [each["title"] for each in read["models"]] == ["small", "</script><b>"]
    [checkpoint] = read["models"][0]["checkpoints"]
    assert checkpoint["name"] == "step 1"
    layers = live.unpack(checkpoint["data"], read["models"][0]["neurons"])
    assert torch.equal(layers[1], MODEL.checkpoints["step 1"][1])
    with pytest.raises(ValueError, match="no picture"):
        live.read("<p>nothing</p>")


def test_what_is_too_large_or_missing_is_left_out_and_said(monkeypatch):
    monkeypatch.setattr(live, "BUDGET", 30)
    large = live.Model("large", "", {"end": live.round_layers([torch.rand(200)])})
    picture = live.Picture([large, MODEL], wanted=["small", "absent"])
    assert [each["title"] for each in picture.describe()["models"]] == ["small"]
    assert picture.left_out.startswith("Left out: large, absent (")
    assert live.Picture([MODEL], wanted=["small"]).left_out == ""
    assert "text/html" not in live.Picture([large])._repr_mimebundle_()


def test_a_picture_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="entropy or algorithm, not 'pie'"):
        live.Picture([MODEL], "pie")


def test_another_page_finds_the_picture_and_has_a_drawing_in_its_place(tmp_path):
    page = tmp_path / "page.ipynb"
    shown = live.Picture([MODEL])._repr_mimebundle_()
    outputs = [{"data": {"text/html": "<table>"}}, {"data": shown}, {"text": "said"}]
    page.write_text(json.dumps({"cells": [{"source": ""}, {"outputs": outputs}]}), "utf-8")
    assert live.recall(page) == shown["text/html"]
    assert live.recall(tmp_path / "none.ipynb") == ""
    both = live.stand_in(shown["text/html"], "<svg/>")
    assert both.endswith('</div><div class="stand-in"><svg/></div>')
    assert math.isclose(live.read(both)["p"], 50)
