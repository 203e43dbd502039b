"""The public names with their parameters: to change one is a decision, not an accident."""

import inspect

import pytest

import kent

PUBLIC = {
    "Knowledge": "(once, paraphrase)",
    "Knowledge.from_json": "(once, paraphrase)",
    "Knowledge.injections": "(self, k)",
    "Knowledge.synthetic": "(seed=0, *, once=60, paraphrase=70)",
    "Profile.load": "(path)",
    "Profile.save": "(self, path)",
    "Recipe": "(learning_rate=0.0004, min_rate=0.1, warmup=0.05, warmup_from=0.1, "
    "betas=(0.9, 0.95), "
    "weight_decay=0.1, decay_embeddings=False, clip=1.0, batch=128, steps=1600, epochs=1, "
    "seed=6198, probes_every=1, tasks='paper', tasks_along=False, bf16=None, "
    "temperature=1.0, cooling=True, rows=16)",
    "describe": "(source, *, column='text', tokens=None)",
    "knowledge_entropy": "(coefficients)",
    "learn": "(model, tokenizer, sequences, knowledge, recipe, out, *, control=None, moments=None, "
    "gradual=None)",
    "load": "(name, step=None, *, branch=None, dtype=torch.float32, device=None, device_map=None)",
    "probe": "(model, tokenizer, knowledge, *, batch_size=64)",
    "profile": "(model, sequences, *, attention_mask=None, batch_size=8, "
    "measures=None, activation='abs', skip=None)",
    "resolve": "(name, step=None, *, branch=None)",
    "resuscitate": "(model, coefficients, *, p=50, q=1.0)",
    "sequences": "(source, tokenizer, *, length, limit=None, column='text')",
}
ATTRIBUTES = {
    "Knowledge": {"once", "paraphrase", "probes"},
    "Profile": {
        *("coefficients", "knowledge_entropy", "knowledge_entropy_by_layer", "standard_error"),
        *("attention_entropy", "attention_entropy_by_layer", "next_token_entropy", "loss"),
        *("left_out", "routing_entropy", "experts", "expert_shares", "expert_entropies"),
    },
}


def find(name: str) -> object:
    """What a dotted name stands for in kent."""
    found = kent
    for part in name.split("."):
        found = getattr(found, part)
    return found


def test_kent_has_these_names_and_no_others():
    assert set(kent.__all__) == {name.partition(".")[0] for name in PUBLIC} == set(dir(kent))


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_these_parameters(name):
    signature = inspect.signature(find(name))
    bare = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    plain = signature.replace(parameters=bare, return_annotation=signature.empty)
    assert str(plain) == PUBLIC[name]


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_public_class_has_these_attributes(name):
    fields = getattr(find(name), "__dataclass_fields__", {})
    assert {*dir(find(name)), *fields} >= ATTRIBUTES[name]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_says_what_it_does(name):
    assert inspect.getdoc(find(name))
