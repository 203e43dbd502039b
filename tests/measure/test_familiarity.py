"""Entities are read as they are marked; their perplexity against whole logits in float64, one
document at a time."""

import copy
import json
import math
from itertools import islice

import numpy as np
import pytest
import torch
from architectures import build, describe_state, make
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from kent.measure.familiarity import Familiarity, measure_familiarity, read_entities
from kent.text.templates import Document
from kent.text.world import Name, World

VOCABULARY, LENGTH = 400, 170  # some documents are longer, the others differ in length
END = "<|endoftext|>"


def train_tokenizer(vocabulary: int = VOCABULARY, trimmed: bool = False) -> PreTrainedTokenizerFast:
    """Byte-level BPE of world text; with 257 tokens, every byte is one. `trimmed` offsets leave out
    leading spaces."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = (
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoders.ByteLevel(),
    )
    if trimmed:
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(
        [document.text for document in islice(World(0).documents(), 40)], trainer
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END)


BPE, BYTES = train_tokenizer(), train_tokenizer(257)
DOCUMENTS = read_entities("world-near", limit=12)


@pytest.fixture(scope="module")
def model():
    return make("Llama", vocab_size=VOCABULARY)


def mark(text: str, *names: str) -> Document:
    """A document with one span for each name, where it stands first."""
    return Document(text, tuple((text.index(name), text.index(name) + len(name)) for name in names))


def score_each(model, tokens: list[int], groups: list[list[int]]) -> list[float]:
    """Mean -ln p of each group of places in `tokens`, from the whole logits in float64."""
    with torch.no_grad():
        logits = (
            copy.deepcopy(model)
            .double()(torch.tensor([[BPE.eos_token_id, *tokens]]))
            .logits[0]
            .numpy()
        )
    logits = logits - logits.max(axis=-1, keepdims=True)
    chances = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return [-np.mean([np.log(chances[at, tokens[at]]) for at in group]) for group in groups]


def score(model, tokens: list[int], groups: list[list[int]]) -> float:
    """Mean perplexity of groups of places in `tokens`."""
    return float(np.mean(np.exp(score_each(model, tokens, groups))))


def group_by_hand(document: Document, length: int) -> tuple[list[int], list[list[int]]]:
    """Token ids that are read and the places of whole entities, found from how long each decoded
    token is."""
    tokens = BPE(document.text)["input_ids"]
    ends = np.cumsum([len(BPE.decode([token])) for token in tokens])
    assert ends[-1] == len(document.text)
    owners = np.repeat(np.arange(len(tokens)), np.diff(ends, prepend=0))
    groups = [
        sorted({int(owners[at]) for at in range(start, end) if document.text[at] != " "})
        for start, end in document.entities
    ]
    return tokens[: length - 1], [group for group in groups if group[-1] < length - 1]


# By hand


@pytest.mark.parametrize("name", ["Llama", "GPT-NeoX", "Gemma 2"])
def test_perplexities_against_whole_logits(name):
    model, found = (
        make(name, vocab_size=VOCABULARY),
        [group_by_hand(document, LENGTH) for document in DOCUMENTS],
    )
    assert any(
        len(groups) < len(document.entities)
        for (_, groups), document in zip(found, DOCUMENTS, strict=True)
    )
    result = measure_familiarity(model, BPE, DOCUMENTS, length=LENGTH, batch_size=5)
    expected = [score(model, tokens, groups) for tokens, groups in found]
    np.testing.assert_allclose(result.perplexities, expected, rtol=1e-4)
    surprisals = [np.mean(score_each(model, tokens, groups)) for tokens, groups in found]
    np.testing.assert_allclose(result.surprisals, surprisals, rtol=1e-4)
    assert result.entities.tolist() == [len(groups) for _, groups in found]
    assert result.perplexities.dtype == result.surprisals.dtype == torch.float64
    assert result.documents.tolist() == [*range(len(DOCUMENTS))]


def test_trimmed_offsets_tell_the_same_tokens(model):
    first, second = (
        measure_familiarity(model, tokenizer, DOCUMENTS, length=LENGTH)
        for tokenizer in (BPE, train_tokenizer(trimmed=True))
    )
    assert torch.equal(first.perplexities, second.perplexities)


@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_batch_size_and_order_change_nothing(model, batch_size):
    expected = measure_familiarity(model, BPE, DOCUMENTS, length=LENGTH)
    result = measure_familiarity(model, BPE, DOCUMENTS[::-1], length=LENGTH, batch_size=batch_size)
    np.testing.assert_allclose(result.perplexities.flip(0), expected.perplexities, rtol=1e-5)
    assert torch.equal(result.entities.flip(0), expected.entities)


LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "short_factor": [1.0] * 4,
    "long_factor": [1.0, 2.0, 6.0, 20.0],
}
LONGROPE |= {"original_max_position_embeddings": 155, "factor": 2.0}


def test_batch_size_changes_nothing_where_positions_depend_on_the_longest_row():
    changes = {"rope_parameters": LONGROPE, "original_max_position_embeddings": 155}
    model, found = (
        make("Phi-3", vocab_size=VOCABULARY, **changes),
        [group_by_hand(each, LENGTH) for each in DOCUMENTS],
    )
    assert (
        min(len(tokens) for tokens, _ in found) < 150
        and max(len(tokens) for tokens, _ in found) > 160
    )
    expected = [score(model, tokens, groups) for tokens, groups in found]
    for size in (1, 12):
        result = measure_familiarity(model, BPE, DOCUMENTS, length=LENGTH, batch_size=size)
        np.testing.assert_allclose(result.perplexities, expected, rtol=1e-4)


def test_bfloat16_stays_near_float32(model):
    exact = measure_familiarity(model, BPE, DOCUMENTS, length=LENGTH)
    rough = measure_familiarity(copy.deepcopy(model).bfloat16(), BPE, DOCUMENTS, length=LENGTH)
    assert rough.provenance["dtype"] == "bfloat16"
    assert rough.mean_log_perplexity == pytest.approx(exact.mean_log_perplexity, rel=0.02)


# Which tokens are an entity's


def test_the_first_token_is_given_the_end_of_text_alone(model):
    tokens = BYTES("Ada met Bo")["input_ids"]
    result = measure_familiarity(model, BYTES, [mark("Ada met Bo", "Ada")], length=50)
    assert result.perplexities.item() == pytest.approx(score(model, tokens, [[0, 1, 2]]), rel=1e-5)


def test_an_entity_that_is_cut_off_is_left_out(model):
    documents = [
        mark("we saw Ada", "Ada"),
        mark("Ada met Bo", "Ada", "Bo"),
        mark("Bo", "Bo"),
        mark("nobody"),
    ]
    whole, cut, bare = (
        measure_familiarity(model, BYTES, documents, length=length, batch_size=2)
        for length in (11, 10, 4)
    )
    assert whole.entities.tolist() == [1, 2, 1]
    assert cut.entities.tolist() == bare.entities.tolist() == [1, 1]
    np.testing.assert_allclose(cut.perplexities, bare.perplexities, rtol=1e-5)
    assert [cut.provenance[name] for name in ("documents", "instances", "entities", "length")] == [
        4,
        2,
        2,
        10,
    ]


def test_white_space_is_no_part_of_an_entity(model):
    expected, *others = (
        measure_familiarity(
            model, BYTES, [mark("we  met Ada Bo \n.", name)], length=50
        ).perplexities.item()
        for name in ("Ada", " Ada", "Ada ", " Ada ")
    )
    assert others == [expected] * 3
    inside = measure_familiarity(
        model, BYTES, [mark("met Ada Bo", "Ada Bo")], length=50
    ).perplexities.item()
    tokens = BYTES("met Ada Bo")["input_ids"]
    assert inside == pytest.approx(score(model, tokens, [[4, 5, 6, 8, 9]]), rel=1e-5)
    with pytest.raises(ValueError, match="no document has a whole entity"):
        measure_familiarity(model, BYTES, [mark("Ada met Bo", " ")], length=50)


def test_a_token_that_begins_with_a_space_belongs_to_the_word_after_it(model):
    text = "they were born in the city of the river"
    tokens = BPE(text)["input_ids"]
    ends = np.cumsum([len(BPE.decode([token])) for token in tokens]).tolist()
    at = next(at for at, token in enumerate(tokens) if at > 1 and BPE.decode([token])[0] == " ")
    start, space, end = ends[at - 2 : at + 1]
    assert text[space] == " " and end > space + 1
    before, after = Document(text, ((start, space + 1),)), Document(text, ((space + 1, end),))
    result = measure_familiarity(model, BPE, [before, after], length=50)
    expected = [score(model, tokens, [[at - 1]]), score(model, tokens, [[at]])]
    np.testing.assert_allclose(result.perplexities, expected, rtol=1e-4)


def test_every_byte_of_a_letter_counts(model):
    tokens = BYTES("zoë 東")["input_ids"]
    result = measure_familiarity(model, BYTES, [mark("zoë 東", "ë", "東")], length=50)
    assert result.perplexities.item() == pytest.approx(
        score(model, tokens, [[2, 3], [5, 6, 7]]), rel=1e-5
    )


def test_entities_may_share_tokens(model):
    document = Document("Ada Bo", ((0, 6), (4, 6), (0, 3)))
    expected = score(model, BYTES("Ada Bo")["input_ids"], [[0, 1, 2, 4, 5], [4, 5], [0, 1, 2]])
    result = measure_familiarity(model, BYTES, [document], length=50)
    assert result.perplexities.item() == pytest.approx(expected, rel=1e-5)


# The model is left as found, and asked for little


def test_the_model_is_left_as_found(model):
    model = copy.deepcopy(model).train()
    model.get_decoder().layers[0].eval()
    next(model.parameters()).requires_grad_(False)

    before = describe_state(model)
    result = measure_familiarity(model, BPE, DOCUMENTS, length=LENGTH)
    assert describe_state(model) == before
    assert not result.perplexities.requires_grad


def test_only_what_predicts_an_entity_is_projected(model):
    rows = []
    handle = model.get_output_embeddings().register_forward_hook(
        lambda _, inputs, output: rows.append(output.shape[:-1].numel())
    )
    measure_familiarity(model, BPE, DOCUMENTS, length=200, batch_size=len(DOCUMENTS))
    handle.remove()
    on_trial, places = 2, [group_by_hand(document, 200)[1] for document in DOCUMENTS]
    asked = sum(len({at for group in groups for at in group}) for groups in places)
    assert sum(rows[on_trial:]) == asked > 256
    assert max(rows) <= 256


# Refusals of measuring


def test_a_slow_tokenizer_is_refused(model, monkeypatch):
    monkeypatch.setattr(PreTrainedTokenizerFast, "is_fast", False)
    with pytest.raises(ValueError, match="a fast tokenizer is needed"):
        measure_familiarity(model, BPE, DOCUMENTS, length=LENGTH)


def test_a_tokenizer_without_end_of_text_is_refused(model):
    with pytest.raises(ValueError, match="no end-of-text token"):
        measure_familiarity(
            model,
            PreTrainedTokenizerFast(tokenizer_object=BPE.backend_tokenizer),
            DOCUMENTS,
            length=50,
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 1}, "length must be greater than or equal to 2, not 1"),
        ({"length": 50, "batch_size": 0}, "batch_size must be greater than or equal to 1, not 0"),
        ({"length": 50.0}, "length must be a valid integer, not 50.0"),
        ({"length": 2}, "no document has a whole entity within 2 tokens"),
    ],
)
def test_bad_choices_are_refused(model, options, message):
    with pytest.raises(ValueError, match=message):
        measure_familiarity(model, BYTES, [mark("Ada met Bo", "Ada", "Bo")], **options)


@pytest.mark.parametrize(
    "wrong", [None, {}, "text", ["text"], iter(DOCUMENTS), [None], [DOCUMENTS[0], {"text": "a"}]]
)
def test_what_is_no_list_of_documents_is_refused(model, wrong):
    with pytest.raises(ValueError, match="documents must be"):
        measure_familiarity(model, BPE, wrong, length=LENGTH)


def test_documents_by_hand_are_looked_at(model):
    for document, message in (
        (Document("Ada", ((0, 4),)), r"documents\[1\]: an entity is two integers .* not \(0, 4\)"),
        (Document("Ada", ((2, 2),)), r"documents\[1\]: an entity is two integers .* not \(2, 2\)"),
        (
            Document("Ada \ud83d", ((0, 3),)),
            r"documents\[1\]: character 4 of the text is '.ud83d', half of a surrogate",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            measure_familiarity(model, BYTES, [mark("Ada", "Ada"), document], length=50)


def test_no_documents_are_refused(model):
    with pytest.raises(ValueError, match="no document has a whole entity"):
        measure_familiarity(model, BPE, [], length=LENGTH)


def test_another_models_tokenizer_is_refused():
    with pytest.raises(ValueError, match="0 to 210: do they come from another model's tokenizer"):
        measure_familiarity(build("Llama"), BPE, DOCUMENTS, length=LENGTH)


def test_documents_beyond_the_models_positions_are_refused(model):
    long = mark("Ada " * 200, "Ada")
    assert measure_familiarity(model, BYTES, [long], length=320).entities.tolist() == [1]
    with pytest.raises(
        ValueError, match="documents of 321 tokens: LlamaForCausalLM has positions for 320"
    ):
        measure_familiarity(model, BYTES, [long], length=321)


def test_a_perplexity_that_is_not_finite_is_refused(model):
    for part, factor, what in (
        ("output", 1e6, "a perplexity"),
        ("input", math.nan, "a logit of LlamaForCausalLM"),
    ):
        broken = copy.deepcopy(model)
        getattr(broken, f"get_{part}_embeddings")().weight.data[1:] *= factor
        with pytest.raises(ValueError, match=f"{what} is not finite"):
            measure_familiarity(broken, BPE, DOCUMENTS, length=LENGTH)


# What was measured


def familiarity(*perplexities: float, **provenance) -> Familiarity:
    return Familiarity(
        torch.tensor(perplexities, dtype=torch.float64),
        torch.ones(len(perplexities)).long(),
        torch.tensor(perplexities, dtype=torch.float64).log(),
        torch.arange(len(perplexities)),
        provenance,
    )


def test_mean_and_standard_error_by_hand():
    first, second = familiarity(2, 3, 7), familiarity(4, 9)
    for each, values in ((first, [2, 3, 7]), (second, [4, 9])):
        assert each.mean_log_perplexity == pytest.approx(np.log(values).mean())
        assert each.standard_error == pytest.approx(
            np.log(values).std(ddof=1) / np.sqrt(len(values))
        )
    difference, error = first.difference_from(second)
    assert difference == pytest.approx(np.log([2, 3, 7]).mean() - math.log(6))
    assert error == pytest.approx(math.sqrt(first.standard_error**2 + second.standard_error**2))


def test_one_instance_has_no_error():
    assert math.isnan(familiarity(2).standard_error)
    assert math.isnan(familiarity(2).difference_from(familiarity(2, 3))[1])


def test_saved_and_read_again(model, tmp_path):
    result = measure_familiarity(model, BPE, DOCUMENTS, length=LENGTH)
    assert {"architecture", "name", "device", "commit", "torch"} <= result.provenance.keys()
    result.save(tmp_path / "new" / "near.safetensors")
    read = Familiarity.load(tmp_path / "new" / "near.safetensors")
    assert torch.equal(read.perplexities, result.perplexities)
    assert torch.equal(read.entities, result.entities)
    assert read.provenance == result.provenance
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["near.safetensors"]


def test_a_file_that_is_something_else_is_refused(tmp_path):
    path = tmp_path / "near.safetensors"
    with pytest.raises(FileNotFoundError):
        Familiarity.load(path)
    save_file({"perplexities": torch.ones(2)}, path)
    with pytest.raises(ValueError, match=r"near\.safetensors is not whole"):
        Familiarity.load(path)
    familiarity(2, 3).save(path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match="is not whole: it is no safetensors file"):
        Familiarity.load(path)


# Reading entities


@pytest.mark.parametrize(
    ("source", "domain"), [("world", "pretraining"), ("world-near", "near"), ("world-far", "far")]
)
def test_entities_of_the_world_are_its_names(source, domain):
    documents, world = read_entities(source, limit=20), World(0)
    assert documents == list(islice(world.documents(domain, seed=1), 20))
    entities = [entity for population in world.entities.values() for entity in population]
    names = {entity.name for entity in entities}
    names |= {
        str(fact) for entity in entities for fact in entity.facts.values() if isinstance(fact, Name)
    }
    for document in documents:
        assert document.entities
        assert {document.text[start:end] for start, end in document.entities} <= names


def write_lines(path, *lines) -> str:
    path.write_text(
        "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines),
        encoding="utf-8",
    )
    return str(path)


def test_a_spans_file(tmp_path):
    rows = [
        {"text": text, "entities": spans}
        for text, spans in (("no", []), ("zoë 東", [[4, 5], [0, 3]]), ("x", [[0, 1]]))
    ]
    path = write_lines(tmp_path / "spans.jsonl", *rows[:2], "", rows[2])
    expected = [Document("zoë 東", ((4, 5), (0, 3))), Document("x", ((0, 1),))]
    assert read_entities(path, limit=2) == expected
    assert read_entities(tmp_path / "spans.jsonl", limit=1) == expected[:1]
    with pytest.raises(
        ValueError, match=r"spans.jsonl ends after 2 documents with entities; 3 wanted"
    ):
        read_entities(path, limit=3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "unreadable JSON"),
        ("[" * 100_000 + "]" * 100_000, "JSON that is nested too deeply"),
        (
            '{"text": "Ada", "text": "Bo", "entities": []}',
            "unreadable JSON .the key 'text' is there twice",
        ),
        (
            '{"text": "A\\ud83d", "entities": [[0, 1]]}',
            r"character 1 of the text is '.ud83d', half of a surrogate",
        ),
        ("[1]", "needed are 'text'"),
        ({"text": "Ada"}, "needed are 'text'"),
        ({"entities": [[0, 1]]}, "needed are 'text'"),
        ({"text": 3, "entities": []}, "needed are 'text'"),
        ({"text": "Ada", "entities": {"0": 1}}, "needed are 'text'"),
        *(
            ({"text": "Ada", "entities": [[0, 3], span]}, "an entity is two integers")
            for span in (
                3,
                "ab",
                [0],
                [0, 1, 2],
                [0, 1.0],
                [False, True],
                [-1, 2],
                [2, 2],
                [2, 1],
                [0, 4],
            )
        ),
    ],
)
def test_a_damaged_line_is_named(tmp_path, line, message):
    path = write_lines(tmp_path / "spans.jsonl", {"text": "Ada", "entities": [[0, 3]]}, line)
    assert len(read_entities(path, limit=1)) == 1
    with pytest.raises(ValueError, match=f"spans.jsonl, line 2: {message}"):
        read_entities(path, limit=2)


def test_bytes_that_are_not_utf8_are_named(tmp_path):
    path = tmp_path / "spans.jsonl"
    path.write_bytes('{"text": "ë", "entities": []}'.encode("latin-1"))
    with pytest.raises(ValueError, match=r"spans.jsonl, line 1: not UTF-8"):
        read_entities(path, limit=1)


@pytest.mark.parametrize("source", ["c4", "pretraining", "corpus.txt", "Some plain text."])
def test_other_sources_are_refused(source):
    with pytest.raises(
        ValueError, match=r"world, world-near, world-far, pydoc or .* spans file .* GPT-4o"
    ):
        read_entities(source, limit=1)


def test_a_missing_file_and_a_limit_of_nothing_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_entities(tmp_path / "none.jsonl", limit=1)
    with pytest.raises(ValueError, match="limit must be greater than or equal to 1, not 0"):
        read_entities("world", limit=0)


def test_documents_that_are_passed_over_name_entities_too(tmp_path):
    texts = ["Ada", "nobody", "Bob", "Cy", "Di"]
    marked = [{"text": text, "entities": [[0, 2]] if text != "nobody" else []} for text in texts]
    path = write_lines(tmp_path / "spans.jsonl", *marked)
    found = [document.text for document in read_entities(path, limit=2, skip=1)]
    assert found == ["Bob", "Cy"]
    with pytest.raises(ValueError, match="ends after 4 documents with entities; 5 wanted"):
        read_entities(path, limit=2, skip=3)


def test_an_instance_says_which_document_it_is(model):
    documents = [mark("Ada wrote.", "Ada"), Document("Nobody wrote.", ()), mark("Bob ate.", "Bob")]
    result = measure_familiarity(model, BPE, documents, length=LENGTH)
    assert result.documents.tolist() == [0, 2]


def test_the_text_of_a_spans_file_is_under_the_column_named(tmp_path):
    path = tmp_path / "spans.jsonl"
    path.write_text('{"abstract": "Aspirin relieves pain.", "entities": [[0, 7]]}\n')
    (document,) = read_entities(path, limit=1, column="abstract")
    assert document.text[slice(*document.entities[0])] == "Aspirin"
    with pytest.raises(ValueError, match="line 1: needed are 'text'"):
        read_entities(path, limit=1)


def test_a_difference_from_something_else_is_refused():
    one = familiarity(1, 1)
    with pytest.raises(ValueError, match="other must be an instance of Familiarity"):
        one.difference_from(3)
