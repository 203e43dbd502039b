"""Suites as data: whole, and correctable by whoever knows better."""

import pytest

from kent.models.catalogue import UNKNOWN, describe_suite, list_descriptions
from kent.models.places import Place

DESCRIPTIONS = {each.name: each for each in list_descriptions()}


def test_there_are_some_twenty_suites_each_with_its_own_repositories():
    assert len(DESCRIPTIONS) == len(list_descriptions()) >= 20
    for each in DESCRIPTIONS.values():
        assert each.example
        assert [describe_suite(name) for name in each.example] == [each] * len(each.example)


@pytest.mark.parametrize(
    ("repository", "branch", "tokens"),
    [
        ("EleutherAI/pythia-1b", "step143000", 299_892_736_000),
        ("EleutherAI/pythia-14m-seed3", "step1000", 2_097_152_000),
        ("allenai/OLMo-1B-hf", "step1000-tokens4B", 4 * 10**9),
        ("allenai/Olmo-3-1025-7B", "stage1-step10000", 41_943_040_000),
        ("allenai/Olmo-3-1025-7B", "stage2-ingredient2-step1000", None),
        ("HuggingFaceTB/SmolLM3-3B-checkpoints", "stage3-step-4720000", 11_135_877_120_000),
        ("LLM360/Amber", "ckpt_358", 1_253_000_000_000),
        ("nobody/unknown", "step1000", None),
    ],
)
def test_tokens_are_worked_out_where_names_do_not_say_them(repository, branch, tokens):
    assert describe_suite(repository).read(branch).tokens == tokens


def test_names_that_say_nothing_are_read_from_the_map():
    marin = describe_suite("marin-community/marin-8b-base")
    assert [marin.read(name).stage for name in ("kestrel", "deeper-starling")] == [1, 6]
    assert marin.read("owl") == Place()


def test_what_is_to_be_ignored_has_no_place():
    assert DESCRIPTIONS["Olmo 3"].read("stage2-step47684-mix-round5-from-2T-ckpt") is None
    assert DESCRIPTIONS["TOAA"].read("step110000-unsharded") is None


def test_a_repository_that_no_suite_covers_is_read_by_its_names_alone():
    assert describe_suite("nobody/pythia-1b") == UNKNOWN
    assert UNKNOWN.read("step5-tokens1B") == Place(step=5, tokens=10**9)


ENTRY = "- {name: Own, repositories: 'me/.*', example: [me/it], source: card"


def test_a_user_corrects_what_is_wrong(tmp_path, monkeypatch):
    own = tmp_path / "own.yaml"
    own.write_text(
        f"{ENTRY}, tokens_per_step: 3}}\n" + ENTRY.replace("me/.*", "LLM360/Amber") + "}"
    )
    monkeypatch.setenv("KENT_SUITES", str(own))
    assert describe_suite("me/model").read("step7") == Place(step=7, tokens=21)
    assert describe_suite("LLM360/Amber").read("ckpt_358").tokens is None
    assert describe_suite("EleutherAI/pythia-1b").name == "Pythia"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "is not YAML"),
        ("a: b", r"must be .*list"),
        ("- a", r"must be .*dict"),
        ("- {name: Own}", r"own.yaml .*, Own: the key 'repositories' is missing"),
        (f"{ENTRY}, color: red}}", "Own: no key 'color' is known; accepted: name, "),
        (f"{ENTRY}, tokens_per_step: many}}", "Own: tokens_per_step must be"),
        (f"{ENTRY}, ignore: '('}}", "Own: '\\(' is no regular expression"),
        (f"{ENTRY}, places: {{a: {{where: 3}}}}}}", "a has a place with 'where'; accepted: ingr"),
    ],
)
def test_a_file_that_describes_no_suites_is_refused_by_name(tmp_path, monkeypatch, text, message):
    own = tmp_path / "own.yaml"
    own.write_text(text)
    monkeypatch.setenv("KENT_SUITES", str(own))
    with pytest.raises(ValueError, match=message):
        describe_suite("me/it")
    monkeypatch.setenv("KENT_SUITES", str(tmp_path / "none.yaml"))
    with pytest.raises(ValueError, match="cannot be read"):
        describe_suite("me/it")
