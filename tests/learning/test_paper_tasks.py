"""The paper's six tasks by lm-evaluation-harness's own files, on documents of the real shape
written by hand."""

import datasets
import pytest
from architectures import make
from hub import make_byte_tokenizer

from kent.learning import downstream

CHOICES = {"text": ["red", "blue", "green", "grey"], "label": ["A", "B", "C", "D"]}
ROWS = {
    "allenai/sciq": {
        "question": "Which?",
        "distractor1": "a",
        "distractor2": "b",
        "distractor3": "c",
        "correct_answer": "d",
        "support": "It is d.",
    },
    "allenai/winogrande": {
        "sentence": "Ada met Bo because _ was late.",
        "option1": "Ada",
        "option2": "Bo",
        "answer": "2",
    },
    "baber/piqa": {"goal": "Make tea", "sol1": "Boil water", "sol2": "Boil sand", "label": 0},
    "allenai/openbookqa": {"question_stem": "Grass is", "choices": CHOICES, "answerKey": "C"},
    "Rowan/hellaswag": {
        "ctx_a": "A man sits.",
        "ctx_b": "he",
        "activity_label": "Sitting",
        "endings": ["rises.", "flies.", "sinks.", "melts."],
        "label": "0",
    },
    "allenai/ai2_arc": {"question": "Which is grey?", "choices": CHOICES, "answerKey": "D"},
}


def read(path: str, name: str | None = None, **options) -> dict:
    """Three times the same document in every split."""
    return dict.fromkeys(
        ("train", "validation", "test"), datasets.Dataset.from_list([ROWS[path]] * 3)
    )


def test_the_papers_tasks_are_read_and_scored(monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", read)
    found = downstream.evaluate(make("Llama", vocab_size=257), make_byte_tokenizer(), "paper")
    assert list(found.index) == [
        "sciq",
        "winogrande",
        "piqa",
        "openbookqa",
        "hellaswag",
        "arc_easy",
    ]
    assert set(found.documents) == {3}
    assert set(found.score) <= {0.0, 1.0} and set(found.standard_error) == {0.0}


@pytest.mark.parametrize("task", ["sciq", "arc_easy"])
def test_the_task_that_cannot_be_reached_is_named(monkeypatch, task):
    def fail(path: str, name: str | None = None, **options) -> None:
        raise ConnectionError(f"Couldn't reach {path!r} on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(ConnectionError, match=f"the task '{task}' .* Couldn't reach 'allenai/"):
        downstream.evaluate(make("Llama", vocab_size=257), make_byte_tokenizer(), [task])
