"""Records of measured checkpoints: made, written, read again; what is none is refused, by field."""

import copy
import json
import math

import jsonschema
import pytest
import torch
from hub import make_byte_tokenizer
from transformers import OlmoConfig, OlmoForCausalLM

import kent
from kent import records
from kent.measure import contributions

KEYWORDS = {"type", "const", "minimum", "minItems", "pattern", "description", "title", "items"}
KEYWORDS |= {"properties", "required", "additionalProperties", "$ref", "$defs", "$schema"}
"""Those that book/_static/live/records.js knows too."""


def make_model() -> OlmoForCausalLM:
    """A random OLMo of two layers over bytes."""
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    return OlmoForCausalLM(OlmoConfig(num_hidden_layers=2, vocab_size=300, pad_token_id=0, **shape))


@pytest.fixture(scope="module")
def profile():
    texts = ["A text of some words, which a model reads. " * 20]
    tokens = kent.sequences(texts, make_byte_tokenizer(), length=16, limit=8)
    profile = kent.profile(make_model(), tokens)
    profile.provenance["corpus"] = kent.describe(texts, tokens=tokens)
    profile.provenance["revision"] = {"repository": ".", "step": 3, "branch": None}
    return profile


@pytest.fixture(scope="module")
def made(profile) -> dict:
    return contributions.make(profile, name="mine", parameters=1000, tokens=5000)


@pytest.fixture
def record(made) -> dict:
    """What a file holds, to be changed."""
    return copy.deepcopy(json.loads(json.dumps(made)))


def test_a_record_holds_what_figures_draw_and_can_be_read_again(profile, made, tmp_path):
    records.save_json(made, tmp_path / "mine.json")
    [found] = contributions.read(tmp_path / "mine.json")
    assert found == json.loads(json.dumps(made))
    assert found["format"] == contributions.FORMAT
    sizes = [len(each) for each in profile.coefficients]
    about = {"name": "mine", "parameters": 1000, "step": 3, "tokens": 5000, "neurons": sizes}
    assert found["model"] == about | {"architecture": type(make_model()).__name__}
    expected = {"value": profile.knowledge_entropy, "standard_error": profile.standard_error}
    assert found["knowledge_entropy"] == expected
    assert found["by_layer"]["knowledge_entropy"] == profile.knowledge_entropy_by_layer.tolist()
    assert found["text"] == {
        **{"name": "texts", "sha256": profile.provenance["corpus"]["sha256"]},
        **{"length": 16, "sequences": 8},
    }


def test_a_folder_is_read_in_the_order_of_its_names(made, tmp_path):
    for name in ("b", "a"):
        records.save_json(
            made | {"model": made["model"] | {"name": name}}, tmp_path / f"{name}.json"
        )
    assert [each["model"]["name"] for each in contributions.read(tmp_path)] == ["a", "b"]


def test_folders_of_this_machine_are_left_out(profile, tmp_path):
    profile.provenance["revision"]["repository"] = str(tmp_path)
    profile.provenance["name"] = str(tmp_path)
    record = contributions.make(profile, name="mine", parameters=1)
    assert str(tmp_path.parent) not in json.dumps(record)
    assert record["provenance"]["revision"]["repository"] == tmp_path.name


def test_a_single_sequence_has_no_error_and_makes_a_record(profile, tmp_path):
    tokens = torch.arange(16)[None]
    alone = kent.profile(make_model(), tokens)
    alone.provenance.update({key: profile.provenance[key] for key in ("corpus", "revision")})
    records.save_json(contributions.make(alone, name="mine", parameters=1), tmp_path / "x.json")
    [found] = contributions.read(tmp_path / "x.json")
    assert found["knowledge_entropy"]["standard_error"] is None


def change(record: dict, path: str, value: object) -> dict:
    """A record with one field, of dotted names, changed."""
    *outer, name = path.split(".")
    inside = record
    for each in outer:
        inside = inside[each]
    inside[int(name) if isinstance(inside, list) else name] = value
    return record


COUNT = "a whole number, 0 or more, or null where it is not known"
NUMBER = "a number, 0 or more"
FAULTS = [
    ("format", "kent record 2", 'format is "kent record 2"; accepted is "kent record 1"'),
    ("model.name", 3, "model.name is 3; accepted is a text of 1 to 80 characters"),
    ("model.name", "", 'model.name is ""; accepted is a text of 1 to 80 characters'),
    ("model.tokens", -1, f"model.tokens is -1; accepted is {COUNT}"),
    ("model.step", 1.5, f"model.step is 1.5; accepted is {COUNT}"),
    ("model.neurons", [], "model.neurons is a list of 0; accepted is a list with each layer's"),
    ("model.neurons.1", True, "model.neurons[1] is true; accepted is a whole number, 2 or more"),
    ("model.colour", "red", "model.colour is not known; accepted are name, architecture, param"),
    ("colour", "red", "colour is not known; accepted are format, model, text, knowledge"),
    ("text.sha256", "abc", 'text.sha256 is "abc"; accepted is a SHA-256 hash in 64 hexadecimal'),
    ("loss", [], "loss is a list of 0; accepted is an object with value and standard_error, in"),
    ("loss.value", math.inf, f"loss.value is Infinity; accepted is {NUMBER}"),
    ("loss.value", math.nan, f"loss.value is NaN; accepted is {NUMBER}"),
    ("knowledge_entropy.value", "high", f'_entropy.value is "high"; accepted is {NUMBER}'),
    ("knowledge_entropy.standard_error", -0.5, f"standard_error is -0.5; accepted is {NUMBER}, or"),
    ("by_layer.Gini", [0.5], "by_layer.Gini has 1 numbers; accepted are 2, one for each of model"),
    ("left_out", {"loss": 1}, "left_out.loss is 1; accepted is a text"),
    ("provenance.date", "today", 'provenance.date is "today"; accepted is a date and time, as 20'),
]


@pytest.mark.parametrize(("path", "value", "sentence"), FAULTS)
def test_a_wrong_field_is_refused_by_name(record, path, value, sentence):
    with pytest.raises(ValueError) as refused:
        contributions.check(change(record, path, value), "mine.json")
    assert str(refused.value).startswith("mine.json: ") and sentence in str(refused.value)


@pytest.mark.parametrize("path", ["format", "model.name", "knowledge_entropy", "provenance.date"])
def test_a_missing_field_is_refused_by_name(record, path):
    *outer, name = path.split(".")
    del (record[outer[0]] if outer else record)[name]
    with pytest.raises(ValueError, match=rf"^mine.json: {path} is missing; needed are \w+, "):
        contributions.check(record, "mine.json")


def test_an_entropy_above_its_maximum_is_refused(record):
    size = record["model"]["neurons"][1]
    said = rf"by_layer.knowledge_entropy\[1\] is 9.0000; accepted is at most ln {size} = "
    with pytest.raises(ValueError, match=said):
        contributions.check(change(record, "by_layer.knowledge_entropy.1", 9.0), "mine.json")


@pytest.mark.parametrize("path", ["knowledge_entropy.value", "attention_entropy.value"])
def test_a_sum_that_its_layers_do_not_add_up_to_is_refused(record, path):
    total = sum(record["by_layer"][path.removesuffix(".value")])
    said = f"{path} is 0.1000; accepted is what its layers add up to, {total:.4f}"
    with pytest.raises(ValueError, match=said):
        contributions.check(change(record, path, 0.1), "mine.json")


def test_a_bound_that_is_not_of_these_layers_is_refused(record):
    with pytest.raises(ValueError, match=r"entropy_bound is 1\.0000; accepted is what its layers"):
        contributions.check(change(record, "entropy_bound", 1.0), "mine.json")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "mine.json: this is no JSON file"),
        (b"\xff", "mine.json: this is no JSON file"),
        (b"[]", "mine.json: the file is a list of 0; accepted is an object with the fields"),
        (b"[" * 100_000, "mine.json: this is no JSON file"),
    ],
)
def test_what_is_no_record_at_all_is_refused(tmp_path, text, said):
    (tmp_path / "mine.json").write_bytes(text)
    with pytest.raises(ValueError, match=said):
        contributions.read(tmp_path / "mine.json")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"this folder holds no \.json file"):
        contributions.read(tmp_path)


def test_a_profile_without_coefficients_makes_a_record_that_figures_refuse(profile, tmp_path):
    few = kent.profile(make_model(), torch.arange(32).reshape(2, 16), measures=("token",))
    few.provenance.update({key: profile.provenance[key] for key in ("corpus", "revision")})
    record = contributions.make(few, name="mine", parameters=1)
    with pytest.raises(ValueError, match=r"model\.neurons is missing"):
        contributions.check(record, "mine.json")


def list_schemas(schema: dict) -> list[dict]:
    """A schema and all within it."""
    inner = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    inner += [schema[key] for key in ("items", "additionalProperties") if schema.get(key)]
    return [schema, *(each for one in inner for each in list_schemas(one))]


def test_the_schema_is_one_and_uses_what_the_browser_knows():
    schema = contributions.load_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for each in list_schemas(schema):
        assert each.keys() <= KEYWORDS
        assert "$ref" in each or "description" in each, each
