"""Runs: found by what decides their numbers, done once, measured again when the record is damaged;
the command line."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from hub import make_byte_tokenizer
from learner import make_model
from sizes import LESSON, SMALL, TEXT

import kent
from kent import records
from kent.__main__ import main
from kent.models import pretraining
from kent.runs import configurations, definitions, execution, names


def test_a_run_is_measured_once_and_then_loaded(pretrained, monkeypatch):
    run = definitions.plan_profile("tiny", 4, **SMALL)
    assert not run.done
    first = execution.fetch(run)
    monkeypatch.setattr(execution, "do", lambda run: pytest.fail("measured twice"))
    assert execution.fetch(run).knowledge_entropy == first.knowledge_entropy
    assert first.provenance["revision"]["step"] == 4
    assert first.provenance["corpus"]["sequences"] == 4


def test_the_record_depends_on_text_and_numbers_but_not_on_batches(micro, tmp_path):
    (tmp_path / "a.txt").write_text("one text " * 100)
    settings = SMALL | {"corpus": str(tmp_path / "a.txt")}
    path = definitions.plan_profile("tiny", 4, **settings).path
    assert definitions.plan_profile("tiny", 4, **settings, batch_size=3).path == path
    assert definitions.plan_profile("tiny", 4, **settings, dtype="bfloat16").path != path
    (tmp_path / "a.txt").write_text("another text " * 100)
    assert definitions.plan_profile("tiny", 4, **settings).path != path


def test_a_folder_whose_weights_are_written_again_is_measured_anew(micro, tmp_path):
    model, folder, found = make_model(), tmp_path / "model", {}
    make_byte_tokenizer().save_pretrained(folder)
    for _ in range(2):
        model.model.layers[0].mlp.gate_proj.weight.data *= 100
        model.save_pretrained(folder)
        run = definitions.plan_profile(str(folder), None, **SMALL)
        found[run.path] = execution.fetch(run).knowledge_entropy
    assert len(found) == len(set(found.values())) == 2


def test_what_moves_no_number_is_not_decisive(micro):
    for plan, settings, free in (
        (definitions.plan_profile, SMALL, "batch_size"),
        (definitions.plan_learning, LESSON, "rows"),
    ):
        for change in (None, RESUSCITATED):
            one, other = (
                plan("tiny", 4, **settings, change=change, **{free: number}) for number in (1, 2)
            )
            assert one.decisive == other.decisive != {} and one.config[free] != other.config[free]


def test_shuffled_tokens_are_the_same_tokens_in_another_order(pretrained):
    ordered, shuffled = (
        execution.fetch(definitions.plan_profile("tiny", 4, **SMALL, shuffled=each))
        for each in (False, True)
    )
    assert ordered.provenance["tokens"] == shuffled.provenance["tokens"]
    assert (
        ordered.provenance["corpus"]["tokens_sha256"]
        != shuffled.provenance["corpus"]["tokens_sha256"]
    )


def test_the_relu_variant_is_another_run_and_measures_coefficients_alone(pretrained):
    rectified = definitions.plan_profile("tiny", 4, **SMALL, activation="relu")
    assert rectified.path != definitions.plan_profile("tiny", 4, **SMALL).path
    measured = execution.fetch(rectified)
    assert measured.provenance["activation"] == "relu" and measured.loss is None


def test_every_kind_of_run_leaves_a_record_that_says_where_it_comes_from(finished):
    for kind, run in finished.items():
        found = execution.fetch(run).provenance
        assert run.done and found["revision"]["step"] == 4, kind
        assert found["seconds"] >= 0
        assert found["corpus"]["sha256"] if kind == "probing" else found["corpus"]["files"][0]
        assert definitions.from_config(run.config).path == run.path


def test_a_run_of_learning_is_done_once_and_keeps_its_weights(finished, monkeypatch):
    monkeypatch.setattr(execution, "do", lambda run: pytest.fail("learnt twice"))
    run = finished["learning"]
    outcome = execution.fetch(run)
    assert outcome.steps.tolist() == list(range(11)) and outcome.provenance["seed"] == 6198
    assert outcome.provenance["corpus"]["sequences"] == 20
    weights = records.cache_folder() / "learning" / run.path.stem / "model/model.safetensors"
    assert weights.is_file()


def test_a_run_of_learning_depends_on_its_recipe_and_facts_but_not_on_rows_at_once(micro):
    path = definitions.plan_learning("tiny", 4, **LESSON).path
    assert definitions.plan_learning("tiny", 4, **LESSON, rows=1).path == path
    for change in (
        {"learning_rate": 1e-3},
        {"seed": 1},
        {"paraphrase": 2},
        {"corpus": ["another text"]},
        {"tasks_along": True},
    ):
        assert definitions.plan_learning("tiny", 4, **LESSON | change).path != path


def test_rows_may_come_in_another_order(finished):
    """The same rows: the loss of the first step differs, the number of rows does not."""
    plain, shuffled = (
        execution.fetch(definitions.plan_learning("tiny", 4, **LESSON | order))
        for order in ({}, {"order": 1})
    )
    assert plain.curve[0, 0] != shuffled.curve[0, 0]
    assert plain.provenance["instances"] == shuffled.provenance["instances"]


@pytest.mark.parametrize("kind", ["profile", "familiarity"])
def test_what_a_run_has_made_of_a_model_is_measured(finished, lessons, kind):
    plan, settings = definitions.PLANS[kind], lessons[kind]
    run = plan("tiny", 4, **settings, learned=LESSON)
    assert run.path != finished[kind].path and finished["learning"].path in [
        need.path for need in run.needs
    ]
    found = execution.fetch(run)
    assert found.provenance["learned"] == LESSON
    folder = records.cache_folder() / "learning" / finished["learning"].path.stem / "model"
    again = execution.fetch(plan(str(folder), None, **settings))
    if kind == "profile":
        assert found.loss == again.loss != execution.fetch(finished[kind]).loss
    else:
        assert found.perplexities.equal(again.perplexities)
    with pytest.raises(ValueError, match="without name"):
        plan("tiny", 4, **settings, learned=LESSON | {"name": "tiny"})


def test_a_model_that_has_learned_is_not_changed_after(micro):
    with pytest.raises(ValueError, match="before learning"):
        definitions.plan_profile("tiny", 4, **SMALL, learned=LESSON, change=RESUSCITATED)


RESUSCITATED = {"method": "resuscitate", "p": 50.0, "q": 2.0, "measured": SMALL}


def test_a_changed_checkpoint_is_changed_by_the_profile_that_it_needs(pretrained):
    run, plain = (
        definitions.plan_profile("tiny", 4, **SMALL, change=RESUSCITATED),
        definitions.plan_profile("tiny", 4, **SMALL),
    )
    assert run.needs[-1].path == plain.path and run.path != plain.path
    found = execution.fetch(run)
    assert plain.done and found.provenance["change"] == RESUSCITATED
    model, tokenizer = kent.load("tiny", 4)
    resuscitated = kent.resuscitate(model, execution.fetch(plain).coefficients, p=50, q=2.0)
    expected = kent.profile(resuscitated, kent.sequences(str(TEXT), tokenizer, length=16, limit=4))
    assert (
        found.knowledge_entropy
        == expected.knowledge_entropy
        != execution.fetch(plain).knowledge_entropy
    )
    assert definitions.from_config(run.config).path == run.path


def test_a_change_decides_the_record_with_all_that_it_is_measured_on(micro):
    changes = [
        RESUSCITATED,
        RESUSCITATED | {"q": 1.0},
        RESUSCITATED | {"method": "random"},
        RESUSCITATED | {"measured": SMALL | {"limit": 2}},
    ]
    assert (
        len(
            {
                definitions.plan_learning("tiny", 4, **LESSON, change=each).path
                for each in (*changes, None)
            }
        )
        == 5
    )
    same = RESUSCITATED | {"measured": SMALL | {"batch_size": 2}}
    assert (
        definitions.plan_profile("tiny", 4, **SMALL, change=same).path
        == definitions.plan_profile("tiny", 4, **SMALL, change=RESUSCITATED).path
    )


def test_a_changed_checkpoint_learns_from_where_the_change_left_it(finished):
    run = definitions.plan_learning("tiny", 4, **LESSON, change=RESUSCITATED)
    outcome, plain = map(execution.fetch, (run, finished["learning"]))
    assert outcome.provenance["change"] == RESUSCITATED and plain.provenance["change"] is None
    assert outcome.performance()[0, 0] != plain.performance()[0, 0]


@pytest.mark.parametrize("method", ["random", "rescale", "shrink"])
def test_the_controls_are_runs_too(pretrained, method):
    run = definitions.plan_profile("tiny", 4, **SMALL, change={"method": method, "measured": SMALL})
    found, plain = (
        execution.fetch(run),
        execution.fetch(definitions.plan_profile("tiny", 4, **SMALL)),
    )
    assert found.knowledge_entropy != plain.knowledge_entropy
    assert (abs(found.loss - plain.loss) < 1e-5) == (method == "rescale")


def test_a_profile_at_a_temperature_leaves_the_checkpoint_as_it_was(pretrained):
    plain, warm, again = (
        definitions.plan_profile("tiny", 4, **SMALL, temperature=each, shuffled=last)
        for each, last in ((1.0, False), (2.0, False), (1.0, True))
    )
    assert definitions.plan_profile("tiny", 4, **SMALL).path == plain.path
    found = [execution.fetch(each) for each in (plain, warm, again)]
    assert (
        found[1].attention_entropy > found[0].attention_entropy
        and found[1].provenance["temperature"] == 2
    )
    model, _ = execution._load(plain.config)
    assert model.model.layers[0].self_attn.scaling == 8**-0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"method": "resuscitate"},
            "a change needs a method, and what its coefficients are measured on",
        ),
        (
            RESUSCITATED | {"method": "revive"},
            "a model is changed by resuscitate, random, rescale, shrink, not by 'revive'",
        ),
        (RESUSCITATED | {"p": 0.5}, "p must be in percent"),
        (RESUSCITATED | {"factor": 2}, "resuscitate has no factor; it has p, q"),
    ],
)
def test_a_change_that_is_none_is_refused_before_anything_is_loaded(micro, change, message):
    for plan, settings in ((definitions.plan_profile, SMALL), (definitions.plan_learning, LESSON)):
        with pytest.raises(ValueError, match=message):
            plan("tiny", 4, **settings, change=change)


def test_a_temperature_that_is_none_is_refused_before_anything_is_loaded(micro):
    for plan, settings in ((definitions.plan_profile, SMALL), (definitions.plan_learning, LESSON)):
        with pytest.raises(ValueError, match="temperature must be greater than or equal to"):
            plan("tiny", 4, **settings, temperature=0.0)


def test_settings_of_learning_that_do_not_exist_are_refused(micro):
    with pytest.raises(
        ValueError, match="a recipe has no learning_rat; it has learning_rate, min_rate"
    ):
        definitions.plan_learning("tiny", 4, **LESSON, learning_rat=1)
    with pytest.raises(ValueError, match="control is two files"):
        definitions.plan_learning("tiny", 4, **LESSON, control=["once.json"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 15}, "must be a multiple of 10 injections, not 15"),
        ({"batch": 5, "rows": 2}, "a batch of 5 rows is not a multiple of 2 rows at once"),
        (
            {"tasks": "worlds"},
            "tasks may be 'paper', 'world', 'rare', 'english' or .*, not 'worlds'",
        ),
        ({"epochs": 0}, "epochs must be greater than or equal to 1, not 0"),
        ({"warmup": 1.0}, "warmup must be less than 1, not 1.0"),
    ],
)
def test_a_recipe_that_no_run_can_have_is_refused_before_the_hub_is_asked(
    monkeypatch, settings, message
):
    monkeypatch.setattr(names, "resolve", pytest.fail)
    with pytest.raises(ValueError, match=message):
        definitions.plan_learning("olmo-1b", None, **LESSON | settings)


def test_a_configuration_describes_its_run(micro):
    for shuffled in (False, True):
        run = definitions.plan_profile("tiny", 0, **SMALL, shuffled=shuffled)
        assert definitions.from_config(run.config).path == run.path
        assert definitions.from_config(run.needs[0].config).path == run.needs[0].path
    for config in ({}, {"run": "learn"}):
        with pytest.raises(
            ValueError, match="pretrain or profile or familiarity or gradients or learning"
        ):
            definitions.from_config(config)
    with pytest.raises(ValueError, match="do not fit"):
        definitions.from_config({"run": "profile", "name": "tiny", "stepp": 4})


def test_an_unknown_dtype_is_refused_before_anything_is_loaded(micro):
    with pytest.raises(
        ValueError,
        match="dtype must be 'float32', 'bfloat16', 'float16' or 'float64', not 'float23'",
    ):
        definitions.plan_profile("tiny", 0, **SMALL, dtype="float23")


def test_the_command_line_does_runs_once(pretrained, tmp_path, capsys, monkeypatch):
    run = definitions.plan_profile("tiny", 0, **SMALL)
    config = tmp_path / "run.yaml"
    config.write_text(yaml.safe_dump(run.config))
    assert main(["run", str(config)]) == 0
    assert run.done and str(run.path) in capsys.readouterr().out
    monkeypatch.setattr(execution, "do", lambda run: pytest.fail("done twice"))
    assert main(["run", str(config), str(config)]) == 0


def test_the_command_line_measures_a_checkpoint(pretrained, tmp_path, capsys):
    record = tmp_path / "record.json"
    sizes = ["--length", "16", "--limit", "4", "--record", str(record)]
    assert main(["profile", "tiny", "--corpus", str(TEXT), *sizes]) == 0
    printed, saved = capsys.readouterr().out, json.loads(record.read_text())
    assert f"{saved['knowledge_entropy']['value']:.4f}" in printed
    assert saved["provenance"]["revision"]["step"] == 4
    assert len(saved["by_layer"]["Gini"]) == 1


def test_the_command_line_says_what_was_wrong(micro, tmp_path, capsys):
    assert main(["profile", "tiny", "--corpus", str(tmp_path / "missing.txt")]) == 2
    assert "missing.txt" in capsys.readouterr().err
    empty = tmp_path / "empty.yaml"
    empty.write_text("")
    assert main(["run", str(empty)]) == 2
    assert "holds no settings" in capsys.readouterr().err
    empty.write_text("run: [profile")
    assert main(["run", str(empty)]) == 2
    assert "empty.yaml cannot be read as YAML: while parsing" in capsys.readouterr().err


def test_words_and_numbers_are_read_as_their_writer_meant_them(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(
        "step: 010\nrate: 4e-4\nshuffled: no\nlimit: 1e1\nword: '8'\nwhole: 8\ntrue: true\n"
    )
    config = configurations.read_config(path)
    assert config == {
        "step": 10,
        "rate": 4e-4,
        "shuffled": "no",
        "limit": 10.0,
        "word": "8",
        "whole": 8,
        True: True,
    }
    for text, message in (
        ("limit: 8\nlimit: 9", "run.yaml cannot be read as YAML: .*duplicate key"),
        ("run: [profile", "run.yaml cannot be read as YAML: while parsing"),
        ("- profile", "run.yaml holds no settings"),
        ("", "run.yaml holds no settings"),
        ("a: \x01", "run.yaml cannot be read as YAML"),
        ("run: " + "[" * 1500, "run.yaml cannot be read as YAML"),
        ("run: !!bool 3", "run.yaml cannot be read as YAML"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=f"(?s){message}"):
            configurations.read_config(path)
    with pytest.raises(FileNotFoundError):
        configurations.read_config(tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [
        *(("limit", value) for value in (8.0, "8", True, 10.0, None, 0, [8])),
        ("limit", 10**20),
        ("length", 1),
        *(("step", value) for value in (-1, 1.5, ["4"], True)),
        *(("shuffled", value) for value in ("no", 0, None)),
        *(("batch_size", value) for value in (0, 2.0, "2")),
        *(("column", value) for value in (1, None)),
        *(("dtype", value) for value in ("float23", None, 32)),
        *(("activation", value) for value in ("gelu", 1)),
        *(("temperature", value) for value in ("2", 0, -1.0)),
        *(("corpus", value) for value in (None, 3, [3], {"a": 1})),
        *(("name", value) for value in (None, 3, ["tiny"])),
    ],
)
def test_a_setting_of_another_type_is_named_before_anything_is_looked_up(
    monkeypatch, setting, wrong
):
    for what in ("resolve", "describe"):
        monkeypatch.setattr(names, what, pytest.fail)
    config = {"run": "profile", "name": "olmo-1b", "step": 4, **SMALL, setting: wrong}
    with pytest.raises(ValueError, match=f"{setting} must be"):
        definitions.from_config(config)


def test_settings_of_a_recipe_and_of_a_change_are_looked_at_with_the_run(micro):
    learning = {"run": "learning", "name": "tiny", "step": 4, **LESSON}
    for setting in (
        {"once": 1.0},
        {"paraphrase": "2"},
        {"knowledge": "once.json"},
        {"length": 64.0},
    ):
        [name] = setting
        with pytest.raises(ValueError, match=f"{name} must be"):
            definitions.from_config(learning | setting)
    with pytest.raises(ValueError, match="not fit: got an unexpected keyword argument 'limits'"):
        definitions.plan_profile(
            "tiny", 4, **SMALL, change={"method": "resuscitate", "measured": {**SMALL, "limits": 3}}
        )
    with pytest.raises(ValueError, match="run: pretrain or profile"):
        definitions.from_config({"run": ["profile"]})
    with pytest.raises(ValueError, match="a setting has a word for a name, not 1"):
        definitions.from_config({"run": "profile", 1: 2})


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        *(
            (value, "measured must be a valid dictionary")
            for value in (None, "abc", 3, ["a"], [["corpus", "world"]])
        ),
        ({**SMALL, "name": "tiny-1"}, "its own checkpoint, unchanged: without name"),
        (
            {**SMALL, "temperature": 2.0, "step": 1},
            "its own checkpoint, unchanged: without step, temperature",
        ),
    ],
)
def test_a_change_is_measured_on_its_own_checkpoint(micro, measured, message):
    with pytest.raises(ValueError, match=message):
        definitions.plan_profile(
            "tiny", 4, **SMALL, change={"method": "resuscitate", "measured": measured}
        )


def test_a_folder_that_is_called_like_a_suite_is_a_folder(pretrained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    shutil.copytree(pretraining.pretrain("tiny") / "step4", tmp_path / "tiny" / "step7")
    run = definitions.plan_profile(Path("tiny"), 7, **SMALL)
    assert run.config["name"] == str(tmp_path / "tiny") and run.needs == []
