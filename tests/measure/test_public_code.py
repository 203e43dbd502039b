"""An imitation of how the paper's public code measures knowledge entropy.

How far each of its deviations from the text moves the number is in a table that
`pytest -s tests/measure/test_public_code.py` prints.

As described, not copied: token sequences are decoded and tokenised again, cut or padded to the full
length; the mean runs over every position, padding included, with no attention mask kept out of it;
1e-9 is added inside the logarithm.
"""

import pytest
import torch
from architectures import build, make
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

import kent
from kent.measure.memory import find_memories

LENGTH, END, PAD = 64, "<|end|>", "<|pad|>"
TEXT = (
    "the memory of a language model lies in its feed-forward layers, where each key answers to a "
    "pattern of words and each value writes into the stream; knowledge entropy asks how evenly a "
    "model draws on those values as it reads."
)


def measure_as_public_code(
    model,
    tokenizer,
    tokens: torch.Tensor,
    *,
    again: bool = True,
    padding: bool = True,
    epsilon: float = 1e-9,
) -> float:
    """Knowledge entropy in nats with the public code's deviations, each of which can be left
    out."""
    mask = torch.ones_like(tokens)
    if again:
        texts = [tokenizer.decode(row) for row in tokens]
        batch = tokenizer(
            texts,
            padding="max_length",
            truncation=True,
            max_length=tokens.shape[1],
            return_tensors="pt",
        )
        tokens, mask = batch.input_ids, batch.attention_mask
    inputs = {}
    handles = [
        memory.values.register_forward_pre_hook(
            lambda _, given, layer=layer: inputs.update({layer: given[0]})
        )
        for layer, memory in enumerate(find_memories(model))
    ]
    with torch.no_grad():
        model(input_ids=tokens, attention_mask=mask)
    [handle.remove() for handle in handles]
    weight = torch.ones_like(mask) if padding else mask
    total = 0
    for values in inputs.values():
        means = (values.double().abs() * weight[..., None]).sum(dim=1) / weight.sum(
            dim=1, keepdim=True
        )
        share = means.mean(dim=0) / means.mean(dim=0).sum()
        total -= (share * (share + epsilon).log()).sum().item()
    return total


DEVIATIONS = {
    "as the text defines it": {"again": False, "padding": False, "epsilon": 0},
    "1e-9 inside the logarithm": {"again": False, "padding": False},
    "tokenised again, padding left out": {"padding": False, "epsilon": 0},
    "tokenised again, padding in the mean": {"epsilon": 0},
    "all three: the public code": {},
}


@pytest.fixture(scope="module")
def tokenizer():
    """Byte-pair tokenizer with merges, so that a sequence of its tokens need not be what their text
    tokenises to."""
    model = Tokenizer(BPE())
    model.pre_tokenizer, model.decoder = ByteLevel(add_prefix_space=False), ByteLevelDecoder()
    letters = sorted(
        {
            letter
            for word in ByteLevel(add_prefix_space=False).pre_tokenize_str(TEXT)
            for letter in word[0]
        }
    )
    trainer = BpeTrainer(
        vocab_size=90, special_tokens=[PAD, END], initial_alphabet=letters, show_progress=False
    )
    model.train_from_iterator([TEXT], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=model, eos_token=END, pad_token=PAD, padding_side="right"
    )


@pytest.fixture(scope="module")
def tokens(tokenizer):
    """32 windows of 64 tokens that spell the text letter by letter: its own tokenisation is less
    than half as long."""
    letters = torch.tensor(
        [tokenizer.convert_tokens_to_ids(letter) for letter in TEXT.replace(" ", "Ġ")]
    )
    starts = torch.randint(len(letters) - LENGTH, (32,), generator=torch.Generator().manual_seed(0))
    return letters[starts[:, None] + torch.arange(LENGTH)]


@pytest.fixture(scope="module")
def moved(tokenizer, tokens):
    """How far each deviation moves the knowledge entropy, in nats, on a model with wide and one
    with usual weights."""
    table = {}
    for label, model in {"wide weights": build("OLMo"), "usual weights": _initialise()}.items():
        values = {
            name: measure_as_public_code(model, tokenizer, tokens, **options)
            for name, options in DEVIATIONS.items()
        }
        table[label] = {
            name: value - values["as the text defines it"] for name, value in values.items()
        }
        print(f"\n{label}: H = {values['as the text defines it']:.6f} nats")
        for name, change in table[label].items():
            print(f"  {name:<38}{change:+.2e}")
    return table


def _initialise():
    model = make("OLMo")
    for parameter in model.parameters():
        parameter.data *= 0.02 / parameter.data.std()
    return model


def test_without_its_deviations_it_agrees_with_kent(tokenizer, tokens):
    options = DEVIATIONS["as the text defines it"]
    expected = kent.profile(build("OLMo"), tokens, measures=["knowledge"]).knowledge_entropy
    assert measure_as_public_code(build("OLMo"), tokenizer, tokens, **options) == pytest.approx(
        expected, rel=1e-7
    )


def test_a_padded_mask_is_what_the_text_means(tokenizer, tokens):
    """Padding left out of the mean is what `kent.profile` measures of the same sequences with their
    mask."""
    texts = [tokenizer.decode(row) for row in tokens]
    again = tokenizer(
        texts, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt"
    )
    assert not again.attention_mask.all(), "tokenising again must shorten some sequence"
    profile = kent.profile(
        build("OLMo"), again.input_ids, attention_mask=again.attention_mask, measures=["knowledge"]
    )
    options = DEVIATIONS["tokenised again, padding left out"]
    found = measure_as_public_code(build("OLMo"), tokenizer, tokens, **options)
    assert found == pytest.approx(profile.knowledge_entropy, rel=1e-7)


def test_the_number_in_the_logarithm_hardly_moves_it(moved):
    for changes in moved.values():
        assert -1e-4 < changes["1e-9 inside the logarithm"] < 0


def test_padding_in_the_mean_moves_it(moved):
    for changes in moved.values():
        shift = (
            changes["tokenised again, padding in the mean"]
            - changes["tokenised again, padding left out"]
        )
        assert abs(shift) > 1e-4


def test_tokenising_again_moves_it(moved):
    for changes in moved.values():
        assert abs(changes["tokenised again, padding left out"]) > 1e-5
