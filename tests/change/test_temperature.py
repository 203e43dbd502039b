"""A temperature in the attention: against models with divided queries, against numpy by hand, and
through a Trainer."""

import copy
import math
from pathlib import Path

import pytest
import reference
import torch
from architectures import FOREIGN, HEADS, SUPPORTED, WIDTH, WINDOW, draw_tokens, make
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainingArguments

import kent
from kent.change.temperature import OWN, Cooling, _queries, find_temperature, set_temperature

TOKENS = draw_tokens(3, 60)  # longer than the sliding windows
UNCAPPED = [name for name in SUPPORTED if name != "Gemma 2"]
WINDOWED = (
    "OLMo 3",
    "Mistral",
    "Phi-3",
    "Gemma 3",
    "Gemma 3 with images",
    "Gemma 2 without soft-cap",
)  # in layer 0
STEPS = 6


@pytest.fixture(scope="module", params=[*UNCAPPED, "Gemma 2 without soft-cap"])
def name(request):
    return request.param


def make_own(name: str, **changes) -> PreTrainedModel:
    """A model whose attention may be changed."""
    if name == "Gemma 2 without soft-cap":
        return make("Gemma 2", attn_logit_softcapping=None, **changes)
    return make(name, **changes)


def read_logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        return model(TOKENS).logits


def find_attentions(model: PreTrainedModel) -> list[torch.nn.Module]:
    return [
        part for part in model.get_decoder().modules() if type(part).__name__.endswith("Attention")
    ]


def divide_queries(model: PreTrainedModel, temperature: float) -> None:
    """Divide what makes the queries, after any norm: in the weights alone, in every layout."""
    for attention in find_attentions(model):
        parts = dict(attention.named_children())
        if norm := parts.get("q_norm") or parts.get("q_layernorm"):
            shift = (
                1 if "Gemma" in type(attention).__name__ else 0
            )  # Gemma multiplies by 1 + weight
            weight = norm.weight.data
            weight.copy_((weight + shift) / temperature - shift)
        elif "q_proj" in parts:
            for parameter in parts["q_proj"].parameters():
                parameter.data /= temperature
        elif "qkv_proj" in parts:
            parts["qkv_proj"].weight.data[:WIDTH] /= temperature
        elif "query_key_value" in parts:
            for parameter in parts["query_key_value"].parameters():
                parameter.data.view(HEADS, 3, -1)[:, 0] /= temperature
        else:
            parts["c_attn"].weight.data[:, :WIDTH] /= temperature
            parts["c_attn"].bias.data[:WIDTH] /= temperature


# What a temperature does


@pytest.mark.parametrize(
    ("name", "temperature"),
    [(name, 1.5) for name in [*UNCAPPED, "Gemma 2 without soft-cap"]] + [("OLMo", 0.5), ("OPT", 3)],
)
def test_the_logits_are_those_of_divided_queries(name, temperature):
    """OLMo clips its queries: without the clip here, with it against numpy below."""
    model = make_own(name, **({"clip_qkv": None} if name == "OLMo" else {})).double()
    divided = copy.deepcopy(model)
    divide_queries(divided, temperature)
    before, expected = read_logits(model), read_logits(divided)
    set_temperature(model, temperature)
    largest = before.abs().max().item()
    torch.testing.assert_close(
        read_logits(model), expected, rtol=1e-6, atol=1e-6 * largest
    )  # norms are float32
    assert (expected - before).abs().max() > 1e-2 * largest


@pytest.mark.parametrize("name", ["Gemma 2 without soft-cap", "Gemma 3"])
def test_a_temperature_is_a_larger_scalar_in_gemmas_configuration(name):
    model, scaled = make_own(name).double(), make_own(name, query_pre_attn_scalar=100).double()
    set_temperature(model, 2.5)
    torch.testing.assert_close(read_logits(model), read_logits(scaled), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "run"), [("OLMo", reference.run_olmo), ("GPT-NeoX", reference.run_neox)]
)
def test_logits_and_entropy_against_numpy(name, run, monkeypatch):
    """OLMo with its clip, which comes before the temperature."""
    attend = reference.attend
    monkeypatch.setattr(
        reference, "attend", lambda query, key, value: attend(query / 1.7, key, value)
    )
    model = make(name).double()
    set_temperature(model, 1.7)
    _, entropies, logits = run(model, TOKENS[0].numpy())
    largest = abs(logits).max()
    torch.testing.assert_close(
        read_logits(model)[0], torch.tensor(logits), rtol=1e-6, atol=1e-6 * largest
    )
    measured = kent.profile(model, TOKENS[:1], measures=["attention"]).attention_entropy_by_layer
    torch.testing.assert_close(measured, torch.tensor(entropies), rtol=1e-6, atol=0)


def test_attention_entropy_rises_with_the_temperature(name):
    model, entropies = make_own(name), []
    for temperature in (0.5, 1.5, 1e6):
        set_temperature(model, temperature)
        entropies.append(
            kent.profile(model, TOKENS, measures=["attention"]).attention_entropy_by_layer
        )
    first, total = torch.stack(entropies)[:, 0], torch.stack(entropies).sum(dim=1)
    assert (first.diff() > 1e-3).all() and (total.diff() > 1e-3).all()
    seen = torch.arange(1.0, len(TOKENS[0]) + 1).clamp(
        max=WINDOW if name in WINDOWED else len(TOKENS[0])
    )
    assert first[-1] == pytest.approx(seen.log().mean().item(), rel=1e-5)


@pytest.mark.parametrize("name", UNCAPPED)
def test_eager_and_sdpa_agree(name):
    model = make(name)
    set_temperature(model, 2.0)
    logits = []
    for implementation in ("eager", "sdpa"):
        model.set_attn_implementation(implementation)
        logits.append(read_logits(model))
    torch.testing.assert_close(*logits, rtol=1e-4, atol=1e-4)


# What it leaves


def test_at_1_the_model_is_bit_for_bit_its_own(name):
    model = make_own(name)
    before, parts = read_logits(model), [dict(vars(part)) for part in find_attentions(model)]
    set_temperature(model, 1.0)
    assert torch.equal(read_logits(model), before) and _queries.get(None) is None
    set_temperature(model, 2.0)
    assert not torch.equal(read_logits(model), before)
    set_temperature(model, 1.0)
    assert torch.equal(read_logits(model), before)
    assert [vars(part) for part in find_attentions(model)] == parts


def test_temperatures_do_not_multiply(name):
    model, other = make_own(name), make_own(name)
    own = read_logits(other)
    for temperature in (1.5, 3.0, 2.0):
        set_temperature(model, temperature)
    set_temperature(other, 2.0)
    expected = read_logits(other)
    assert torch.equal(read_logits(model), expected)
    copied = copy.deepcopy(model)
    assert torch.equal(read_logits(copied), expected)
    set_temperature(copied, 1.0)
    assert torch.equal(read_logits(copied), own)
    assert torch.equal(read_logits(model), expected)


@pytest.mark.parametrize("name", ["OLMo", "GPT-2", "OPT", "Phi-3", "Gemma 3 with images"])
def test_nothing_of_it_is_saved(name, tmp_path):
    model = make_own(name)
    model.save_pretrained(tmp_path / "before")
    config = model.config.to_dict()
    set_temperature(model, 2.0)
    model.save_pretrained(tmp_path / "after")
    before, after = (
        {path.name: path.read_bytes() for path in (tmp_path / at).iterdir()}
        for at in ("before", "after")
    )
    assert before == after
    assert model.config.to_dict() == config
    assert model.state_dict().keys() == make_own(name).state_dict().keys()
    loaded = type(model).from_pretrained(tmp_path / "after", dtype=torch.float32)
    assert torch.equal(read_logits(loaded), read_logits(make_own(name)))


# What is refused


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("Gemma 2", {}, "a soft-cap stands between its scaling and the softmax"),
        (*FOREIGN, {}, "its attention is its own"),
        ("T5ForConditionalGeneration", {}, "its attention is its own"),
        (
            "GPT-2",
            {"add_cross_attention": True},
            "4 modules with a `scaling` were found in 2 layers",
        ),
    ],
)
def test_other_attention_is_refused_and_left_alone(name, changes, reason):
    model = make(name, **changes)
    parts = [dict(vars(part)) for part in model.modules()]
    with pytest.raises(
        ValueError,
        match=f"attention of {type(model).__name__} has no softmax temperature: {reason}",
    ):
        set_temperature(model, 2.0)
    assert [vars(part) for part in model.modules()] == parts


def test_sinks_are_refused():
    model = make("Llama")
    find_attentions(model)[0].sinks = torch.nn.Parameter(torch.zeros(HEADS))
    with pytest.raises(ValueError, match="its sinks enter the softmax unscaled"):
        set_temperature(model, 2.0)


def test_a_scaling_that_nobody_reads_is_refused_and_left_alone():
    model = make("Llama")
    for attention in find_attentions(model):
        attention.forward = copy.copy(attention).forward
    scaling = [attention.scaling for attention in find_attentions(model)]
    with pytest.raises(
        ValueError, match="LlamaForCausalLM has no softmax temperature: its logits do not follow"
    ):
        set_temperature(model, 2.0)
    assert [attention.scaling for attention in find_attentions(model)] == scaling


def test_an_attention_bias_is_refused():
    """It enters the softmax unscaled."""
    model = make("Llama")
    own = model.model.forward
    model.model.forward = lambda **given: own(**given, position_bias=torch.zeros(1))
    with pytest.raises(
        ValueError, match="LlamaAttention attends with position_bias, which kent does not know"
    ):
        set_temperature(model, 2.0)


def test_experts_are_no_obstacle():
    """Their attention is as Llama's."""
    for name in ("OLMoE", "Mixtral", "Qwen3-MoE"):
        model = make(name)
        before = read_logits(model)
        set_temperature(model, 2.0)
        assert not torch.equal(read_logits(model), before)


@pytest.mark.parametrize(
    "temperature", [0.0, -0.0, -1.5, math.inf, -math.inf, math.nan, "2", True, None]
)
def test_a_temperature_must_be_finite_and_above_0(temperature):
    model = make("OLMo")
    before = read_logits(model)
    for refuse in (
        lambda: set_temperature(model, temperature),
        lambda: find_temperature(temperature, 0, 4, decay=True),
        lambda: Cooling(temperature),
    ):
        with pytest.raises(
            ValueError, match=f"(temperature|start) must be .*, not {temperature!r}"
        ):
            refuse()
    assert torch.equal(read_logits(model), before)


# The schedule


def test_the_schedule_by_hand():
    assert [find_temperature(3.0, step, 4, decay=True) for step in range(5)] == [
        3.0,
        2.5,
        2.0,
        1.5,
        1.0,
    ]
    assert [find_temperature(0.5, step, 2, decay=True) for step in range(3)] == [0.5, 0.75, 1.0]
    assert [find_temperature(1.5, step, 4, decay=False) for step in range(5)] == [1.5] * 5
    assert find_temperature(1.5, 400, 1600, decay=True) == 1.375


@pytest.mark.parametrize("start", [0.1, 1.0, 1.1, 1.5, 2.7, 3.0])
@pytest.mark.parametrize("total", [1, 3, 7, 49, 1600])
def test_the_schedule_has_exact_ends(start, total):
    assert find_temperature(start, 0, total, decay=True) == start
    assert find_temperature(start, total, total, decay=True) == 1.0


@pytest.mark.parametrize(
    ("step", "total", "message"),
    [
        (-1, 4, "step must be greater than or equal to 0, not -1"),
        (5, 4, "step 5 is not within a run of 4 steps"),
        (0, 0, "total must be greater than or equal to 1, not 0"),
    ],
)
def test_a_step_outside_the_run_is_refused(step, total, message):
    with pytest.raises(ValueError, match=message):
        find_temperature(1.5, step, total, decay=True)


# Through a Trainer


class Watcher(TrainerCallback):
    """Notes the temperature of every forward pass in training, and of the model when step s is
    logged and saved."""

    def __init__(self, model: PreTrainedModel, *, stop: int | None = None):
        self.attention, self.stop = find_attentions(model)[-1], stop
        self.own, self.fed, self.logged, self.saved = self.attention.scaling, [], {}, {}
        self.attention.register_forward_pre_hook(self.feed)

    def feed(self, attention: torch.nn.Module, _) -> None:
        if attention.training:
            self.fed.append(self.read())

    def read(self) -> float:
        return self.own / self.attention.scaling

    def on_log(self, args, state, control, **kwargs) -> None:
        self.logged[state.global_step] = self.read()

    def on_save(self, args, state, control, **kwargs) -> None:
        self.saved[state.global_step] = self.read()
        control.should_training_stop = state.global_step == self.stop


def train(
    out: Path, *callbacks: TrainerCallback, stop: int | None = None, bf16: bool = False, **options
) -> tuple[Watcher, Trainer]:
    """Six steps of two accumulated batches; `stop` ends them after a checkpoint."""
    model = make("OLMo")
    watcher = Watcher(model, stop=stop)
    rows = [{"input_ids": row, "labels": row} for row in draw_tokens(2 * STEPS, 20)]
    fixed = {
        "use_cpu": True,
        "report_to": "none",
        "disable_tqdm": True,
        "logging_steps": 1,
        "save_steps": 2,
        "bf16": bf16,
    }
    arguments = TrainingArguments(
        str(out),
        max_steps=STEPS,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=2,
        **fixed,
    )
    trainer = Trainer(
        model=model, args=arguments, train_dataset=rows, callbacks=[watcher, *callbacks]
    )
    trainer.train(**options)
    return watcher, trainer


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Watcher, Trainer]:
    """A run that nothing interrupted."""
    return train(tmp_path_factory.mktemp("whole"), Cooling(2.5))


def test_every_step_is_learned_at_its_temperature(whole):
    watcher, _ = whole
    expected = [2.5, 2.5, 2.25, 2.25, 2.0, 2.0, 1.75, 1.75, 1.5, 1.5, 1.25, 1.25]
    assert watcher.fed == pytest.approx(expected, rel=1e-12)


def test_what_follows_a_step_is_evaluated_at_that_steps_temperature(whole):
    watcher, _ = whole
    expected = {
        step: find_temperature(2.5, step, STEPS, decay=True) for step in range(1, STEPS + 1)
    }
    assert watcher.logged == pytest.approx(expected, rel=1e-12)
    assert watcher.saved == pytest.approx({step: expected[step] for step in (2, 4, 6)}, rel=1e-12)


def test_a_cooled_model_ends_as_any_other(whole):
    watcher, trainer = whole
    assert watcher.read() == 1.0
    assert not any(OWN in vars(part) for part in trainer.model.modules())


def test_a_constant_temperature_stays(tmp_path):
    watcher, _ = train(tmp_path, Cooling(2.0, decay=False))
    assert (
        set(watcher.fed) == {2.0}
        and set(watcher.logged.values()) == {2.0}
        and watcher.read() == 2.0
    )


def test_a_resumed_run_sees_the_same_temperatures(whole, tmp_path):
    watcher, trainer = whole
    first, _ = train(tmp_path, Cooling(2.5), stop=2)
    second, resumed = train(
        tmp_path, Cooling(2.5), resume_from_checkpoint=str(tmp_path / "checkpoint-2")
    )
    assert first.fed + second.fed == watcher.fed and len(first.fed) == 4
    assert {**first.logged, **second.logged} == watcher.logged
    weights, expected = resumed.model.state_dict(), trainer.model.state_dict()
    assert all(torch.equal(weights[key], expected[key]) for key in expected)


def test_the_temperature_reaches_the_weights(whole, tmp_path):
    _, plain = train(tmp_path)
    weights, cooled = plain.model.state_dict(), whole[1].model.state_dict()
    assert not torch.equal(weights["model.layers.0.self_attn.q_proj.weight"],
                           cooled["model.layers.0.self_attn.q_proj.weight"])  # fmt: skip


def test_autocast_is_left_in_place(whole, tmp_path):
    """Accelerate wraps `forward` on the instance, which unwrapping could undo; and the loss is then
    another."""
    watcher, trainer = train(tmp_path, Cooling(2.5), bf16=True)
    assert watcher.fed == whole[0].fed
    lost = [
        [log["loss"] for log in run.state.log_history if "loss" in log]
        for run in (trainer, whole[1])
    ]
    assert all(loss != other for loss, other in zip(*lost, strict=True))


def test_a_wrapped_model_is_unwrapped(whole):
    _, trainer = whole
    model = make("OLMo")
    watcher, state = Watcher(model), copy.copy(trainer.state)
    for step, temperature in ((0, 3.0), (3, 2.0), (6, 1.0)):
        state.global_step = step
        Cooling(3.0).on_step_end(
            trainer.args, state, trainer.control, model=torch.nn.DataParallel(model)
        )
        assert watcher.read() == temperature
