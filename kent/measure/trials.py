"""Whether layers of experts are what kent takes them for, tried on a few tokens.

Architectures differ in what they do to what experts put out (a factor, a norm, a gate for those
that every token reads) and say so in no one way.

Axes: token, width.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from kent.measure.decoders import draw_tokens, find_decoder, is_packed
from kent.measure.experts import listen
from kent.measure.limits import NotMeasurableError
from kent.measure.memory import Memory, Mixture
from kent.measure.streaming import Batch, find_deviation

Calls = dict[nn.Module, tuple[tuple, dict, Tensor]]
"""What each layer's experts were given, and what they put out."""
Change = Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]


@contextmanager
def _change(changes: Sequence[tuple[nn.Module, Change]]) -> Iterator[None]:
    """Within the block these modules put out what the functions make of what they put out."""
    with ExitStack() as stack:
        for module, change in changes:
            stack.callback(module.register_forward_hook(change).remove)
        yield


def _run(
    model: PreTrainedModel, changes: Sequence[tuple[nn.Module, Change]]
) -> Float[Tensor, "... width"]:
    with _change(changes):
        return Batch(draw_tokens(model), None).run(find_decoder(model))


def _record(model: PreTrainedModel, mixtures: Sequence[Mixture]) -> Calls:
    calls: Calls = {}

    def keep(module: nn.Module, given: tuple, named: dict, output: Tensor) -> None:
        calls[module] = (given, named, output)

    with ExitStack() as stack:
        for mixture in mixtures:
            handle = mixture.experts.register_forward_hook(keep, with_kwargs=True)
            stack.callback(handle.remove)
        _run(model, [])
    return calls


def _add(noise: Tensor) -> Change:
    return lambda module, inputs, output: output + noise.view_as(output)


def _add_shared(noise: Tensor, gate: nn.Module | None) -> Change:
    """What the noise comes to in the layer's sum when it was added to a shared network."""
    if gate is None:
        return _add(noise)
    return lambda module, inputs, output: output + gate(inputs[0]).sigmoid() * noise


def _check_shared(model: PreTrainedModel, mixtures: Sequence[Mixture], calls: Calls) -> None:
    """Noise on a shared network must act as the same noise, so weighted, on the others' sum does.

    Else the architecture adds up the two with weights, or behind norms, that kent does not know.
    """
    source, ours, theirs = torch.Generator().manual_seed(0), [], []
    for mixture in mixtures:
        output = calls[mixture.experts][-1]
        for memory in mixture.shared:
            drawn = torch.randn(output.shape, generator=source).to(output)
            noise = drawn * output.norm() / drawn.norm()
            ours.append((mixture.experts, _add_shared(noise, mixture.gate)))
            theirs.append((memory.values, _add(noise)))
    if find_deviation(_run(model, ours), _run(model, theirs), is_packed(model)):
        shared = "adds its shared experts to the others with weights that kent does not know"
        raise NotMeasurableError("knowledge", f"{type(model).__name__} {shared}")


def try_mixtures(model: PreTrainedModel, layers: Sequence[Memory | Mixture]) -> None:
    """Raise `NotMeasurableError` unless every mixture of experts computes what kent reads of it."""
    mixtures = [layer for layer in layers if isinstance(layer, Mixture)]
    calls = _record(model, mixtures) if mixtures else {}
    with listen(mixtures, lambda *choices: nullcontext(lambda *heard: None)):
        for experts, (given, named, expected) in calls.items():
            if find_deviation(experts(*given, **named), expected, is_packed(model)):
                other = f"{type(experts).__name__} does more than to sum its experts"
                raise NotMeasurableError("knowledge", other)
    if any(mixture.shared for mixture in mixtures):
        try:
            _check_shared(model, mixtures, calls)
        except RuntimeError as error:  # their outputs have other shapes
            shared = "reads its shared experts elsewhere than the others"
            raise NotMeasurableError("knowledge", f"{type(model).__name__} {shared}") from error
