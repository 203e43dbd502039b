"""`quantise`: matrices as packing leaves them, block for block, and nothing else touched."""

import copy

import numpy as np
import pytest
import torch
from architectures import draw_tokens
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

import kent
from kent.change.quantisation import BITS, BLOCK, quantise
from kent.errors import NotFiniteError

gguf = pytest.importorskip("gguf", reason="the extra [gguf] is not installed")
TOKENS = draw_tokens(3, 20)


def make(width: int = 64, neurons: int = 96, tied: bool = False) -> LlamaForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": width, "intermediate_size": neurons, "vocab_size": 211}
    shape = sizes | {"num_hidden_layers": 2, "num_attention_heads": 4}
    return LlamaForCausalLM(LlamaConfig(**shape, tie_word_embeddings=tied)).eval()


def round_by_hand(row: np.ndarray) -> np.ndarray:
    """Q8_0 as llama.cpp describes it: a block's scale is a 127th of its largest, in float16."""
    blocks = row.reshape(-1, BLOCK).astype(np.float32)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    whole = np.rint(blocks / scale)
    return (whole * scale.astype(np.float16).astype(np.float32)).reshape(row.shape)


def test_formats_have_the_bits_that_gguf_gives_them():
    for kind, bits in BITS.items():
        block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
        assert (block, 8 * size / block) == (BLOCK, bits)


def test_a_matrix_is_what_its_blocks_stand_for_and_vectors_stay():
    model = make()
    packed, before = quantise(model, "Q8_0").state_dict(), model.state_dict()
    for name, weight in before.items():
        if weight.ndim > 1:
            rows = [round_by_hand(row) for row in weight.numpy()]
            torch.testing.assert_close(packed[name], torch.from_numpy(np.stack(rows)))
        assert torch.equal(packed[name], weight) == (weight.ndim == 1), name


def test_a_matrix_whose_rows_are_not_whole_blocks_stays():
    model = make(neurons=48)
    packed = quantise(model, "Q4_0").state_dict()
    stayed = {name for name, each in model.state_dict().items() if torch.equal(each, packed[name])}
    assert {name for name in stayed if packed[name].ndim > 1} == {
        f"model.layers.{layer}.mlp.down_proj.weight" for layer in range(2)
    }


def test_the_model_stays_as_it_was_and_tied_weights_stay_tied():
    model = make(tied=True)
    before = copy.deepcopy(model.state_dict())
    packed = quantise(model, "Q4_0")
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
    assert packed.lm_head.weight is packed.get_input_embeddings().weight


def test_blocks_of_a_transposed_weight_run_along_what_is_summed_over():
    config = GPT2Config(n_embd=32, n_layer=1, n_head=2, n_positions=32, vocab_size=64)
    torch.manual_seed(0)
    model = GPT2LMHeadModel(config).eval()
    name = "transformer.h.0.mlp.c_fc.weight"
    weight, packed = (each.state_dict()[name].T for each in (model, quantise(model, "Q8_0")))
    rows = [round_by_hand(row) for row in weight.numpy()]
    torch.testing.assert_close(packed, torch.from_numpy(np.stack(rows)), rtol=0, atol=1e-6)


def test_the_fewer_bits_the_further_a_layer_moves():
    model = make()
    by_layer = kent.profile(model, TOKENS).knowledge_entropy_by_layer
    moved = []
    for kind in ("Q8_0", "Q5_0", "Q4_0"):
        packed = kent.profile(quantise(model, kind), TOKENS)
        moved.append(max(map(abs, packed.knowledge_entropy_by_layer - by_layer)))
    assert 0 < moved[0] < moved[1] < moved[2]


def test_the_dtype_stays():
    packed = quantise(make().bfloat16(), "Q8_0")
    assert {each.dtype for each in packed.parameters()} == {torch.bfloat16}


def test_what_is_not_a_format_or_not_to_be_packed_is_refused():
    with pytest.raises(ValueError, match=r"packed to Q8_0, .* not to 'Q4_K'"):
        quantise(make(), "Q4_K")
    damaged = make()
    damaged.get_input_embeddings().weight.data[0, 0] = torch.nan
    with pytest.raises(NotFiniteError, match="embed_tokens"):
        quantise(damaged, "Q8_0")
    config = GPT2Config(n_embd=24, n_inner=40, n_layer=1, n_head=2, n_positions=16, vocab_size=50)
    with pytest.raises(ValueError, match="GPT2LMHeadModel has no matrix whose rows are whole"):
        quantise(GPT2LMHeadModel(config), "Q8_0")
    packed = make()
    packed.config.quantization_config = {"quant_method": "gptq"}
    with pytest.raises(ValueError, match="LlamaForCausalLM are packed already"):
        quantise(packed, "Q8_0")


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setattr("kent.errors.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'knowledge-entropy\[gguf\]'"):
        quantise(make(), "Q8_0")
