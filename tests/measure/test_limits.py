"""What an architecture does not allow is left out and named, or an error where it was asked for."""

import pytest
import torch
from architectures import REFUSED, build, draw_tokens, make

import kent
from kent.measure.limits import NotMeasurableError, leave_out

TOKENS = draw_tokens(3, 12)


def test_what_was_measured_is_what_it_is_without_the_rest():
    model = make("BloomForCausalLM")
    found = kent.profile(model, TOKENS)
    asked = kent.profile(model, TOKENS, measures=["knowledge", "token"])
    assert torch.equal(found.coefficient_blocks[0], asked.coefficient_blocks[0])
    assert (found.loss, found.knowledge_entropy) == (asked.loss, asked.knowledge_entropy)
    reason = "attention entropy of BloomForCausalLM cannot be measured: its attention is its own"
    assert found.left_out == {"attention": reason}
    assert found.attention_entropy is None and found.attention_entropy_by_layer is None
    assert found.provenance["measures"] == ["knowledge", "token"]


def test_a_model_that_allows_all_has_nothing_left_out():
    assert kent.profile(build("OLMo"), TOKENS).left_out == {}
    assert kent.profile(build("OLMo"), TOKENS, measures=["token"]).left_out == {}


def test_reasons_are_in_the_file_and_in_the_summary(tmp_path):
    profile = kent.profile(make("BloomForCausalLM"), TOKENS)
    profile.save(tmp_path / "a.safetensors")
    back = kent.Profile.load(tmp_path / "a.safetensors")
    assert back.left_out == profile.left_out == back.summarize()["left_out"]
    summary = profile.summarize()
    assert "attention_entropy" not in summary and "attention_entropy" not in summary["by_layer"]
    assert {"knowledge_entropy", "next_token_entropy", "loss", "entropy_bound"} <= summary.keys()


def test_a_head_that_does_more_is_left_out():
    model = make("Llama")
    own = model.forward

    def forward(*given, **named):
        output = own(*given, **named)
        output.logits = output.logits.square()
        return output

    model.forward = forward
    profile = kent.profile(model, TOKENS)
    assert profile.left_out.keys() == {"token"} and profile.loss is None
    assert profile.attention_entropy == kent.profile(build("Llama"), TOKENS).attention_entropy


def test_a_decoder_alone_has_no_predictions():
    profile = kent.profile(build("OLMo").get_decoder(), TOKENS)
    assert profile.left_out.keys() == {"token"}
    assert "no vocabulary projection" in profile.left_out["token"]


def test_a_network_of_no_known_form_leaves_the_other_two():
    model = make("Llama")
    for layer in model.model.layers:
        network = layer.mlp
        network.last, network.down_proj = network.down_proj, None
        network.forward = lambda x, part=network: part.last(
            part.act_fn(part.gate_proj(x)) * part.up_proj(x)
        )
    profile, whole = kent.profile(model, TOKENS), kent.profile(build("Llama"), TOKENS)
    assert "layer 0 has 0 feed-forward networks" in profile.left_out["knowledge"]
    assert (profile.loss, profile.coefficients) == (whole.loss, None)
    assert profile.attention_entropy == whole.attention_entropy
    assert profile.summarize()["by_layer"].keys() == {"attention_entropy"}
    with pytest.raises(ValueError, match="layer 0 has 0 feed-forward networks"):
        kent.profile(model, TOKENS, measures=["knowledge"])


@pytest.mark.parametrize("measures", [None, ["knowledge"], ["attention"], ["token"]])
@pytest.mark.parametrize("name", REFUSED)
def test_an_encoder_decoder_is_refused_whatever_is_measured(name, measures):
    with pytest.raises(ValueError, match=f"{name} is not supported: it is an encoder-decoder"):
        kent.profile(make(name), draw_tokens(1, 4), measures=measures)


def test_where_nothing_is_left_all_reasons_are_given():
    def run(measures):
        raise NotMeasurableError(measures[0], f"no {measures[0]}")

    with pytest.raises(ValueError, match="no knowledge; no token"):
        leave_out(run, ["knowledge", "token"])
