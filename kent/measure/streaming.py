"""What streams out of a forward pass, as means over an instance: no tensor of all of it is held.

That is each layer's coefficients and attention (`kent.measure.head` has each position's
distribution over tokens), from a model that is left as it was.

Axes: instance (sequences of a batch), position (tokens of a sequence), neuron (memory vectors of a
layer), head, width (numbers in a hidden state).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from kent.measure.decoders import name_dtypes
from kent.measure.limits import NotMeasurableError
from kent.measure.masks import Mask, Tokens, average_positions, read_mask
from kent.measure.memory import Memory, Mixture
from kent.measure.rotations import start_afresh
from kent.precision import keep_precision

DEVIATION = {torch.float64: 1e-5, torch.float32: 1e-5, torch.float16: 0.008, torch.bfloat16: 0.06}
"""How far what must be equal may lie apart by rounding, as a share of its size: three times the
most found over the architectures of the tests in half precision (2.3 eps), ten times in the others
(where also a float64 model takes its norms and positions in float32)."""
PACKED = 0.07
"""The same where weights are quantised: layers may round what they read to eight bits, which makes
much of little (bitsandbytes), to three times the most found, 0.023."""


def average_magnitudes(
    activations: Float[Tensor, "instance position neuron"], mask: Mask
) -> Float[Tensor, "instance neuron"]:
    """Mean |coefficient| over each instance's real tokens, or those that count.

    The paper takes magnitudes first and then means (section 3.1): a coefficient that is as often
    positive as negative is in use. One instance at a time, whose magnitudes stay in the cache.
    """
    masks = [None] * len(activations) if mask is None else mask.split(1)
    pairs = zip(activations.split(1), masks, strict=True)
    return torch.cat([average_positions(each.abs(), real) for each, real in pairs])


class Batch:
    """One batch on its way through the model: its tokens and mask, and its means so far.

    The first `skip` real tokens of each instance are left out of the mean coefficients: `counted`
    is the mask without them.
    """

    def __init__(self, tokens: Tokens, mask: Mask, skip: int = 0):
        self.tokens, self.mask, self.counted = tokens, mask, mask
        if skip:
            real = read_mask(tokens, mask)
            self.counted = (real & (real.cumsum(dim=1) > skip)).long()
        self.means: dict[tuple[str, int], Tensor] = {}
        self.heard: Counter[tuple[str, int]] = Counter()

    def check_positions(self, layer: int, positions: int) -> None:
        """Raise `ValueError` unless a layer's memory is read at every position of the batch."""
        if positions != (expected := self.tokens.numel()):
            found = f"layer {layer} reads its memory at {positions} positions"
            reason = f"{found} where the batch has {expected}: not known"
            raise NotMeasurableError("knowledge", reason)

    def average(self, layer: int, activations: Tensor) -> Float[Tensor, "instance neuron"]:
        """Mean magnitudes of what a layer's memory is read with."""
        self.check_positions(layer, activations.shape[:-1].numel())
        return average_magnitudes(activations.view(*self.tokens.shape, -1), self.counted)

    def keep_coefficients(self, layer: int, activations: Tensor) -> None:
        """Take in what a layer's memory is read with."""
        self.keep("coefficients", layer, self.average(layer, activations))

    def keep_attention(self, layer: int, rows: Float[Tensor, "instance head position"]) -> None:
        """Take in the entropies of a layer's attention rows."""
        self.keep("attention", layer, average_positions(rows.mT, self.mask).mean(dim=-1))

    def keep(self, name: str, layer: int, means: Float[Tensor, "instance ..."]) -> None:
        """Take in each instance's means of a layer."""
        self.means[name, layer] = means
        self.heard[name, layer] += len(means)

    def run(self, decoder: PreTrainedModel) -> Float[Tensor, "instance position width"]:
        """Last hidden states, where the tokens are; `ValueError` where a decoder gives none."""
        padding = {}
        if self.mask is not None:
            # Counted over real tokens, so that padding on the left shifts no position.
            positions = (self.mask.cumsum(dim=1) - 1).clamp(min=0)
            padding = {"attention_mask": self.mask, "position_ids": positions}
        output = decoder(input_ids=self.tokens, use_cache=False, return_dict=True, **padding)
        hidden = getattr(output, "last_hidden_state", None)
        if hidden is None:
            what = f"{type(decoder).__name__} is not supported"
            raise ValueError(f"{what}: its output has no last hidden states")
        return hidden.to(self.tokens.device)

    def check_heard(self, name: str, layers: int) -> None:
        """Raise `ValueError` unless a quantity came in once from every layer and every instance.

        Hooks stay silent in code that was compiled before they were set, and the means would be
        those of fewer layers.
        """
        expected = {(name, layer): len(self.tokens) for layer in range(layers)}
        heard = {key: count for key, count in self.heard.items() if key[0] == name}
        if wrong := sorted({layer for (_, layer), _ in expected.items() ^ heard.items()}):
            hybrid = ", or has it layers without softmax attention" if name == "attention" else ""
            reason = (
                f"the {name} of layers {', '.join(map(str, wrong))} did not come in once for each "
                f"of {len(self.tokens)} sequences: hooks did not run. Is a part of the model "
                f"compiled (load it anew, without torch.compile){hybrid}?"
            )
            raise NotMeasurableError("attention", reason) if hybrid else ValueError(reason)


def find_deviation(found: Tensor, expected: Tensor, packed: bool = False) -> float | None:
    """How far states lie apart as a share of their size; None where that is rounding."""
    share = ((found.double() - expected.double()).norm() / expected.double().norm()).item()
    return share if share > (PACKED if packed else DEVIATION[found.dtype]) else None


@contextmanager
def watch(layers: Sequence[Memory | Mixture], batch: Batch, activation: str) -> Iterator[None]:
    """Within the block `batch` is given the coefficients of every layer that has no experts.

    The hooks go after it, also on an exception.
    """
    hook = _hook_magnitudes if activation == "abs" else _hook_rectified
    single = [(at, layer) for at, layer in enumerate(layers) if isinstance(layer, Memory)]
    with ExitStack() as stack:
        for layer, memory in single:
            for handle in hook(memory, lambda each, at=layer: batch.keep_coefficients(at, each)):
                stack.callback(handle.remove)
        yield


def _hook_magnitudes(memory: Memory, keep: Callable[[Tensor], None]) -> list[RemovableHandle]:
    return [memory.values.register_forward_pre_hook(lambda _, inputs: keep(inputs[0]))]


def _hook_rectified(memory: Memory, keep: Callable[[Tensor], None]) -> list[RemovableHandle]:
    """Hooks that keep ReLU(gate) ⊙ up, negatives set to 0 (figure 9), while the model goes on."""
    outputs = {}

    def rectify(*_) -> None:
        if not outputs:  # the projections ran where no hook does; `Batch.check_heard` says so
            return
        gate, keys = outputs["gate"], outputs["keys"]
        if memory.fused:
            gate, keys = gate.chunk(2, dim=-1)
        outputs.clear()
        keep(gate.relu().mul_(keys).relu_())

    return [
        memory.gate.register_forward_hook(lambda _, inputs, output: outputs.update(gate=output)),
        memory.keys.register_forward_hook(lambda _, inputs, output: outputs.update(keys=output)),
        memory.values.register_forward_pre_hook(rectify),
    ]


@contextmanager
def freeze(model: nn.Module) -> Iterator[None]:
    """Within the block the model only answers, and each answer is its own.

    Evaluation mode without gradients, the precision that tensors say (`kent.precision`), rotary
    positions that do not remember earlier batches (`kent.measure.rotations`), and no compiled code,
    which runs no hooks. After the block all is as before: every submodule's training flag, and the
    settings of torch. Raises `ValueError` where the model does not run because its weights differ
    in dtype.
    """
    training = {module: module.training for module in model.modules()}
    with keep_precision(), start_afresh(model), torch.no_grad(), _run_eager(model), _explain(model):
        try:
            model.eval()
            yield
        finally:  # flag by flag: `model.train()` would turn all dropout on
            for module, flag in training.items():
                module.training = flag


@contextmanager
def _explain(model: nn.Module) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        kinds = {each.dtype for each in model.parameters() if each.is_floating_point()}
        if len(kinds) < 2:
            raise
        what = f"{type(model).__name__} does not run with weights in {name_dtypes(kinds)}"
        raise ValueError(f"{what}: load it in one dtype ({error})") from error


@contextmanager
def _run_eager(model: nn.Module) -> Iterator[None]:
    """Set compiled code aside where the model has any.

    Else leave alone what compiles for itself (flex attention).
    """
    if not any(map(_is_compiled, model.modules())):
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


def _is_compiled(module: nn.Module) -> bool:
    marks = (hasattr(module, "_orig_mod"), hasattr(module.forward, "_torchdynamo_orig_callable"))
    return module._compiled_call_impl is not None or any(marks)
