"""Six tasks of the harness's own kind: written fairly, scored as by hand, learnt by the trained model alone."""

import random
from collections import Counter

import numpy as np
import pytest
import torch
from learner import make_model

import kent
from kent import downstream
from kent.world import World


@pytest.mark.parametrize("task", downstream.WORLD)
def test_documents_are_the_same_each_time_and_their_answers_stand_everywhere(task):
    documents = downstream.write_documents(task)
    assert documents == downstream.write_documents(task) and len(documents) == downstream.DOCUMENTS
    places = Counter(each["answer"] for each in documents)
    assert max(places.values()) - min(places.values()) <= 1
    for each in documents:
        assert len(set(each["choices"])) == len(each["choices"]) == len(places)
        assert "{" not in each["question"] + "".join(each["choices"])


def test_an_answer_is_right_in_the_world_and_the_other_choices_are_not():
    languages = {country.name: country.say("language")[0] for country in World(0).entities["country"]}
    asked = [each for each in downstream.write_documents("exam") if "language" in each["question"]]
    for each in asked:
        name = each["question"].removeprefix("Question: Which language is spoken in ").removesuffix("?\nAnswer:")
        assert [choice == languages[name] for choice in each["choices"]].index(True) == each["answer"]


def score(model, tokenizer, context: str, continuation: str) -> float:
    """Log probability of a continuation behind a context and a space, by one plain forward pass."""
    start, tokens = len(tokenizer(context)["input_ids"]), tokenizer(f"{context} {continuation}", return_tensors="pt")
    ids = tokens["input_ids"]
    with torch.no_grad():
        logs = model(ids).logits[0, :-1].log_softmax(-1)
    return logs.gather(1, ids[0, 1:, None])[start - 1 :].sum().item()


@pytest.fixture(scope="module")
def byte_tokenizer():
    from hub import make_byte_tokenizer

    return make_byte_tokenizer()


@pytest.mark.filterwarnings("ignore")
def test_scores_are_those_counted_by_hand(byte_tokenizer, monkeypatch):
    """Plain likelihood, likelihood by length, and contexts as choices."""
    model = make_model()
    found = downstream.evaluate(model, byte_tokenizer, "world", limit=12)
    for task in ("exam", "openbook", "coreference"):
        right = []
        for each in downstream.write_documents(task)[:12]:
            pairs = [(each["question"], choice) for choice in each["choices"]]
            pairs = [pair[::-1] for pair in pairs] if task == "coreference" else pairs
            scores = [score(model, byte_tokenizer, *pair) for pair in pairs]
            if task == "openbook":
                scores = [value / len(choice) for value, choice in zip(scores, each["choices"], strict=True)]
            right.append(int(np.argmax(scores)) == each["answer"])
        assert found.correct[task].tolist() == right, task
        assert found.score[task] == np.mean(right) and found.documents[task] == 12


def test_model_and_global_random_state_are_left_as_found(byte_tokenizer):
    model = make_model().train()
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    downstream.evaluate(model, byte_tokenizer, "world", limit=2)
    assert model.training
    assert random.getstate() == states[0] and np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])


def test_the_trained_model_answers_every_task_and_the_untrained_none():
    chance = {task: 1 / len(downstream.write_documents(task)[0]["choices"]) for task in downstream.WORLD}
    for step, learnt in ((0, False), (768, True)):
        found = downstream.evaluate(*kent.load("tiny", step), "world")
        for task, row in found.iterrows():
            error = (chance[task] * (1 - chance[task]) / row.documents) ** 0.5
            assert (row.score - chance[task] > 3 * error) == learnt, f"{task} at step {step}: {row.score}"


def test_other_tasks_are_refused(byte_tokenizer):
    with pytest.raises(ValueError, match=r"tasks are 'paper' .sciq, .* or 'world' .facts, .*not 'glue'"):
        downstream.evaluate(make_model(), byte_tokenizer, "glue")
    with pytest.raises(ValueError, match="the world has no task 'sciq'"):
        downstream.write_documents("sciq")


def test_the_papers_tasks_say_that_they_need_the_hub(byte_tokenizer, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError, match="sciq, winogrande, piqa, openbookqa, hellaswag, arc_easy are on the Hub"):
        downstream.evaluate(make_model(), byte_tokenizer, "paper", limit=2)
