"""What streams out of a forward pass, as means over an instance: no tensor of all of it is held.

That is each layer's coefficients and attention, and each position's distribution over tokens.

Axes: instance (sequences of a batch), position (tokens of a sequence), neuron (memory vectors of a
layer), head, width (numbers in a hidden state), vocabulary.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from kent.measure.limits import NotMeasurableError
from kent.measure.memory import Memory, Mixture, count_vocabulary, find_device
from kent.measure.rotations import start_afresh
from kent.precision import keep_precision

POSITIONS = 256
"""Positions whose logits are held at once."""
ROWS = 16
"""Positions whose distributions are worked out at once on a CPU, so that they stay in its cache."""
DEVIATION = {torch.float64: 1e-5, torch.float32: 1e-5, torch.float16: 0.008, torch.bfloat16: 0.06}
"""How far what must be equal may lie apart by rounding, as a share of its size: three times the
most found over the architectures of the tests in half precision (2.3 eps), ten times in the others
(where also a float64 model takes its norms and positions in float32)."""

Tokens = Int[Tensor, "instance position"]
Mask = Int[Tensor, "instance position"] | None
Project = Callable[[Tensor], Tensor]


def find_exact(dtype: torch.dtype) -> torch.dtype:
    """Float32, or the dtype itself where that is wider."""
    return torch.promote_types(dtype, torch.float32)


def name_dtypes(dtypes: Iterable[torch.dtype]) -> str:
    """Their names, sorted, without "torch."."""
    return ", ".join(sorted(str(each).removeprefix("torch.") for each in dtypes))


def read_mask(tokens: Tokens, mask: Tensor | None) -> Bool[Tensor, "instance position"]:
    """Which tokens are real: all of them where there is no mask."""
    return torch.ones_like(tokens, dtype=torch.bool) if mask is None else mask.bool()


def average_positions(
    values: Float[Tensor, "instance position ..."], mask: Mask
) -> Float[Tensor, "instance ..."]:
    """Mean over each instance's real tokens, in float32 at least.

    Padding never enters, not even as NaN, which it may well be: it is masked, not multiplied by 0.
    """
    if mask is None:
        return values.mean(dim=1, dtype=find_exact(values.dtype))
    real = mask.bool().view(*mask.shape, *[1] * (values.ndim - 2))
    return values.masked_fill(~real, 0).sum(dim=1, dtype=find_exact(values.dtype)) / real.sum(dim=1)


def average_magnitudes(
    activations: Float[Tensor, "instance position neuron"], mask: Mask
) -> Float[Tensor, "instance neuron"]:
    """Mean |coefficient| over each instance's real tokens.

    The paper takes magnitudes first and then means (section 3.1): a coefficient that is as often
    positive as negative is in use. One instance at a time, whose magnitudes stay in the cache.
    """
    masks = [None] * len(activations) if mask is None else mask.split(1)
    pairs = zip(activations.split(1), masks, strict=True)
    return torch.cat([average_positions(each.abs(), real) for each, real in pairs])


def average_tokens(
    hidden: Float[Tensor, "instance position width"], tokens: Tokens, mask: Mask, project: Project
) -> tuple[Float[Tensor, " instance"], Float[Tensor, " instance"]]:
    """Next-token entropy and loss per instance, in nats, from 256 positions' logits at a time."""
    flat, targets = hidden.flatten(0, 1), tokens.roll(-1, dims=1).view(-1, 1)
    rows = ROWS if flat.device.type == "cpu" else POSITIONS
    found = [
        _spread(logits, answers)
        for block, following in zip(flat.split(POSITIONS), targets.split(POSITIONS), strict=True)
        for logits, answers in zip(project(block).split(rows), following.split(rows), strict=True)
    ]
    entropies, losses = (torch.cat(parts).view(tokens.shape) for parts in zip(*found, strict=True))
    # Every real token has a distribution after it. A loss needs the next token too: none is after
    # the last, where `roll` put the first, and none is real on the other side of padding.
    predicted = None if mask is None else mask[:, :-1] * mask[:, 1:]
    return average_positions(entropies, mask), average_positions(losses[:, :-1], predicted)


def _spread(
    logits: Float[Tensor, "position vocabulary"], answers: Int[Tensor, "position 1"]
) -> tuple[Float[Tensor, " position"], Float[Tensor, " position"]]:
    """Entropy of softmax(logits) and -log softmax of the answers; `logits` are overwritten."""
    # With z shifted by its maximum (no overflow), e = exp(z) and s = Σe, the entropy is
    # -Σ e/s·(z - ln s) = ln s - Σ e·z / s. So one exponential serves both; a softmax and a
    # log-softmax would take two, and two more tensors of the size of the logits.
    logits -= logits.amax(dim=-1, keepdim=True)
    answered = logits.gather(1, answers).squeeze(1)
    weights = logits.exp()
    total = weights.sum(dim=-1)
    return total.log() - torch.linalg.vecdot(weights, logits) / total, total.log() - answered


def measure_surprisal(
    states: Float[Tensor, "answer width"], answers: Int[Tensor, " answer"], project: Project
) -> Float64[Tensor, " answer"]:
    """-ln p in nats of each answer after its hidden state, from 256 answers' logits at a time."""
    blocks = zip(states.split(POSITIONS), answers.split(POSITIONS), strict=True)
    losses = [cross_entropy(project(each), right, reduction="none") for each, right in blocks]
    return torch.cat(losses).cpu().double()


class Batch:
    """One batch on its way through the model: its tokens and mask, and its means so far.

    The first `skip` real tokens of each instance are left out of the mean coefficients.
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
        """Last hidden states; `ValueError` where a decoder gives none."""
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
        return hidden

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


def draw_tokens(model: PreTrainedModel) -> Tokens:
    """Eight rows of two tokens from all over the vocabulary: a padding token's embedding is 0."""
    last, device = count_vocabulary(model) - 1, find_device(model)
    return torch.linspace(0, last, 16, device=device).long().view(8, 2)


def find_deviation(found: Tensor, expected: Tensor) -> float | None:
    """How far states lie apart as a share of their size; None where that is rounding."""
    share = ((found.double() - expected.double()).norm() / expected.double().norm()).item()
    return share if share > DEVIATION[found.dtype] else None


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
