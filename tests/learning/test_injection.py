"""Every injected token is in the row, step and epoch it belongs to, whoever reads the rows."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from hub import make_byte_tokenizer

from kent.learning.injection import InjectedRows, list_injections
from kent.learning.knowledge import Knowledge

LENGTH = 1200
SHARED = Path(__file__).parents[3] / "shared/data/fictional_knowledge"


@pytest.fixture(scope="module")
def tokenizer():
    return make_byte_tokenizer()


@pytest.fixture(scope="module")
def knowledge():
    return Knowledge.synthetic(0, once=20, paraphrase=3)


def make_rows(number: int) -> torch.Tensor:
    """Rows that tell their own number and place apart from any text: ids of control bytes."""
    return (torch.arange(number)[:, None] + torch.arange(LENGTH)) % 7


def test_a_row_is_the_text_its_end_and_the_row_cut_to_length(tokenizer, knowledge):
    rows = InjectedRows(make_rows(80), tokenizer, knowledge, batch=8, steps=10)
    text = tokenizer(knowledge.injections(2)[1])["input_ids"] + [tokenizer.eos_token_id]
    row = rows[8 + 1]
    assert row["input_ids"].tolist() == text + make_rows(80)[9].tolist()[: LENGTH - len(text)]
    assert row["labels"].tolist() == row["input_ids"].tolist()
    assert torch.equal(rows[8 + 5]["input_ids"], make_rows(80)[13])


def test_rows_may_be_numpy_arrays(tokenizer, knowledge):
    expected = InjectedRows(make_rows(80), tokenizer, knowledge, batch=8, steps=10)
    for rows in (
        make_rows(80).numpy(),
        make_rows(80).int(),
        make_rows(80).numpy().astype("uint16"),
    ):
        found = InjectedRows(rows, tokenizer, knowledge, batch=8, steps=10)
        for index in (9, 13):
            assert torch.equal(found[index]["input_ids"], expected[index]["input_ids"])
            assert found[index]["labels"].dtype == torch.int64


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (make_rows(80).tolist(), "sequences must be an instance of Tensor"),
        (None, "sequences must be an instance of Tensor, not None"),
        (
            make_rows(80).float(),
            r"sequences must be integer token ids \[n, length\] \(found: torch.float32",
        ),
        (
            make_rows(80) > 3,
            r"sequences must be integer token ids \[n, length\] \(found: torch.bool",
        ),
        (
            make_rows(80)[0],
            rf"sequences must be integer token ids \[n, length\] \(found: torch.int64 \[{LENGTH}\]",
        ),
    ],
    ids=["list", "None", "float", "bool", "row"],
)
def test_other_rows_are_refused(rows, message, tokenizer, knowledge):
    with pytest.raises(ValueError, match=message):
        InjectedRows(rows, tokenizer, knowledge, batch=8, steps=10)


@pytest.mark.parametrize("wrong", [None, {}, "knowledge", ()])
def test_other_knowledge_is_refused(wrong, tokenizer):
    for call in (
        list_injections,
        lambda *given, **named: InjectedRows(make_rows(80), tokenizer, *given, **named),
    ):
        with pytest.raises(ValueError, match="knowledge must be an instance of Knowledge"):
            call(wrong, batch=8, steps=10)


@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("batch", [2, 4, 5, 8])
def test_every_text_is_fed_whole_and_once_an_epoch(tokenizer, knowledge, batch, epochs):
    steps = 20
    rows = InjectedRows(
        make_rows(steps * batch), tokenizer, knowledge, batch=batch, steps=steps, epochs=epochs
    )
    assert len(rows) == epochs * steps * batch
    fed = Counter()
    for index in range(len(rows)):
        ids = rows[index]["input_ids"].tolist()
        assert len(ids) == LENGTH
        *texts, _ = tokenizer.decode(ids).split(tokenizer.eos_token)
        fed.update((index // batch % steps + 1, text) for text in texts)
    assert fed == {(2 * k, text): epochs for k in range(1, 11) for text in knowledge.injections(k)}


def test_texts_are_joined_evenly_and_in_order(tokenizer, knowledge):
    schedule = list_injections(knowledge, batch=2, steps=10)
    first = schedule[schedule.step == 1]
    assert first.row.tolist() == [0, 0, 0, 1, 1]
    assert first.text.tolist() == list(knowledge.injections(1))


def test_the_list_says_what_each_text_is(knowledge):
    schedule = list_injections(knowledge, batch=16, steps=30, epochs=2)
    assert schedule.step.unique().tolist() == list(range(3, 61, 3))
    assert schedule.injection.unique().tolist() == list(range(1, 11))
    once = schedule[(schedule.setting == "once") & (schedule.step <= 30)]
    assert once.item.tolist() == list(range(20))
    for line in schedule.itertuples():
        paragraph = getattr(knowledge, line.setting)[line.item]
        assert line.text == (paragraph.text, *paragraph.paraphrases)[line.version]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 15}, "multiple of 10"),
        ({"steps": 20}, "They are enough for 10 steps"),
        ({"epochs": 0}, "epochs must be greater than or equal to 1, not 0"),
        ({"batch": 8.0}, "batch must be a valid integer, not 8.0"),
        ({"steps": True}, "steps must be a valid integer, not True"),
        ({"batch": 1}, r"5 in front of one row .* or a batch of 5 rows"),
    ],
)
def test_what_does_not_fit_is_refused(tokenizer, knowledge, change, message):
    settings = {"batch": 8, "steps": 10, "epochs": 1} | change
    with pytest.raises(ValueError, match=message):
        InjectedRows(make_rows(80), tokenizer, knowledge, **settings)


def test_a_text_may_fill_its_row_to_the_last_token_and_no_further(tokenizer, knowledge):
    texts = [text for k in range(1, 11) for text in knowledge.injections(k)]
    longest = max(len(tokenizer(text)["input_ids"]) for text in texts) + 1  # its end of text
    rows = InjectedRows(make_rows(80)[:, :longest], tokenizer, knowledge, batch=8, steps=10)
    assert max(map(len, rows.heads.values())) == longest
    with pytest.raises(ValueError, match=f"Rows of {longest} tokens would do"):
        InjectedRows(make_rows(80)[:, : longest - 1], tokenizer, knowledge, batch=8, steps=10)


def test_the_paper_injects_76_texts_into_rows_of_1024_tokens():
    if not SHARED.is_dir():
        pytest.skip(
            "the published Fictional Knowledge is not beside this checkout (../shared/data)"
        )
    knowledge = Knowledge.from_json(SHARED / "once60.json", SHARED / "paraphrase70.json")
    schedule = list_injections(knowledge, batch=128, steps=1600)
    assert schedule.step.unique().tolist() == list(range(160, 1601, 160))
    for k, (_, texts) in enumerate(schedule.groupby("step"), 1):
        assert texts.row.tolist() == list(range(76))
        assert texts[texts.setting == "once"].item.tolist() == list(range(6 * (k - 1), 6 * k))
        assert (texts[texts.setting == "paraphrase"].version == k - 1).all()
    large = list_injections(knowledge, batch=2048, steps=100, epochs=3)
    assert large.step.unique().tolist() == list(range(10, 301, 10))
