"""The page of what kent measures: its counts, its kinds of reasons, and a row's writing."""

import pytest

from kent.pages import architectures, archive

ROWS = [
    {"type": "one", "class": "One", "layout": "gated", "causal": True, "why": {}},
    {
        "type": "two",
        "class": "Two",
        "layout": "experts and gated",
        "causal": True,
        "why": {
            "attention": "attention entropy of Two cannot be measured: its attention is its own",
            "resuscitation": "layer 1 is a mixture of experts, which kent.profile measures and so",
        },
    },
    {
        "type": "three",
        "class": "Three",
        "layout": None,
        "causal": False,
        "why": {"knowledge": "layer 0 has 2 feed-forward networks of a known form, <not> one"},
    },
    {
        "type": "four",
        "class": "Four",
        "layout": None,
        "causal": None,
        "why": {"model": "not built"},
    },
]
HAS = [(1, 1, 1, 1), (1, 0, 1, 0), (0, 1, 1, 0), (0, 0, 0, 0)]
RECORD = {
    "run": {"transformers": "5.0"},
    "counts": {"types": 4, "all measures": 1, "knowledge": 2, "attention": 2, "token": 3}
    | {"resuscitation": 1},
    "models": [
        row | dict(zip(architectures.COLUMNS, map(bool, has), strict=True))
        for row, has in zip(ROWS, HAS, strict=True)
    ],
}


def test_the_answer_counts_types_and_those_with_experts():
    said = architectures.sum_up(RECORD)
    assert "Of the **4** types of causal language model that transformers 5.0 knows" in said
    assert "knowledge entropy of **2** (1 of them with experts), and of **1** all three" in said
    assert "from 2, next-token entropy and loss from 3; Algorithm 1 changes 1. Of 1 nothing" in said


def test_reasons_are_counted_by_kind():
    table = architectures.count_reasons(RECORD)
    assert sorted(map(tuple, table.to_numpy().tolist())) == sorted([
        ("att.", "attention by code of the type's own", 1),
        ("change", "experts, which are measured and not changed", 1),
        ("H", "no decoder layers of a known form", 1),
        ("all", "not built or not run, tiny", 1),
    ])  # fmt: skip
    assert architectures.name_reason("something else") == "other"


def test_types_that_attend_to_later_tokens_are_named():
    assert architectures.list_both_ways(RECORD) == ["three"]
    assert "1 types attend" not in (said := architectures.describe_both_ways(RECORD))
    assert "1 type attends to later tokens too: three." in said
    alone = {**RECORD, "models": RECORD["models"][:2]}
    assert architectures.describe_both_ways(alone) == "All types attend to earlier tokens only."


def test_a_type_opens_to_say_why():
    html = architectures.Table(RECORD["models"])._repr_mimebundle_()["text/html"]
    lines = [line for line in html.splitlines() if line.startswith("<tr>")]
    assert len(lines) == 4
    assert lines[0].endswith("<td>✓</td><td>✓</td><td>✓</td><td>✓</td></tr>")
    assert "<summary>three</summary>Three, no known layout<br>H: layer 0" in lines[2]
    long = RECORD["models"][0] | {"type": "gpt_neo-x"}
    html = architectures.Table([long])._repr_mimebundle_()["text/html"]
    assert "<summary>gpt_<wbr>neo-<wbr>x</summary>" in html
    assert "&lt;not&gt;" in lines[2] and lines[2].count("<td>–</td>") == 2


def test_the_committed_record_has_a_reason_for_all_that_is_missing():
    record = architectures.read_record()
    table = architectures.count_reasons(record)
    missing = dict.fromkeys((*architectures.COLUMNS.values(), "all"), 0)
    missing |= table.groupby("missing")["types"].sum().to_dict()
    for column, name in list(architectures.COLUMNS.items())[:3]:
        lacking = record["counts"]["types"] - record["counts"][column]
        assert missing[name] + missing["all"] == lacking
    assert "other" not in set(table["because of"])


def test_a_record_that_is_nowhere_is_said(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(archive, "PACKAGE", tmp_path / "kent")
    with pytest.raises(FileNotFoundError, match=r"results.models\.json"):
        architectures.read_record()
