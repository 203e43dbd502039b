"""One streaming forward pass over a checkpoint, at the cost of the bare pass: `kent.profile`.

Axes: instance (sequences), position (tokens of a sequence), width (numbers in a hidden state).
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Annotated, Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from transformers import PreTrainedModel

from kent.measure.attention import listen
from kent.measure.blocks import BlockMeans
from kent.measure.collection import collect, measure_norms
from kent.measure.decoders import (
    Model,
    check_tokens,
    describe_model,
    find_decoder,
    find_device,
    is_packed,
)
from kent.measure.experts import watch_mixtures
from kent.measure.head import average_tokens, find_head
from kent.measure.limits import NotMeasurableError, leave_out
from kent.measure.masks import (
    Mask,
    check_counted,
    check_followed,
    count_added,
    describe_text,
    read_mask,
    settle_mask,
)
from kent.measure.memory import Memory, Mixture, find_layers
from kent.measure.profiles import Profile
from kent.measure.rotations import rows_together
from kent.measure.sharing import add_up, agree, describe_given, exchange, walk
from kent.measure.streaming import Batch, find_deviation, freeze, watch
from kent.measure.trials import try_mixtures
from kent.records import describe_run
from kent.settings import Array, Count, TokenIds, Whole, checked

MEASURES = ("knowledge", "attention", "token")

Measures = Annotated[Sequence[Literal["knowledge", "attention", "token"]], Field(min_length=1)]


def _check_rows(
    model: PreTrainedModel,
    batch: Batch,
    hidden: Float[Tensor, "instance position width"],
    tried: set[int],
    attention: bool,
) -> None:
    """Raise `ValueError` unless a row is in the batch what the model makes of it alone.

    Alone it has no padding and the model's own attention. Tried on the longest row of each kind:
    `tried` holds those that were, 0 for rows without padding, 1 for padding on the right, 2 on the
    left, 3 on both sides. `attention` says whether attention is kent's in the batch.
    """
    real = read_mask(batch.tokens, batch.mask)
    kinds, lengths = 2 * ~real[:, 0] + 1 * ~real[:, -1], real.sum(dim=1)
    for kind in {*kinds.tolist()} - tried:
        row = lengths.where(kinds == kind, 0).argmax().item()
        alone = Batch(batch.tokens[row : row + 1, real[row]], None).run(find_decoder(model))[0]
        if deviation := find_deviation(hidden[row, real[row]], alone, is_packed(model)):
            reason = (
                f"{type(model).__name__} makes other states of a sequence alone (by "
                f"{deviation:.1g} of their size): kent knows neither attention that is more than a "
                "masked softmax, nor padding that counts. Without padding "
                'measures=("knowledge", "token") can be measured'
            )
            raise NotMeasurableError("attention", reason) if attention else ValueError(reason)
        tried.add(kind)


@checked
def profile(
    model: Model,
    sequences: TokenIds,
    *,
    attention_mask: Array | None = None,
    batch_size: Count = 8,
    measures: Measures | None = None,
    activation: Literal["abs", "relu"] = "abs",
    skip: Whole | None = None,
) -> Profile:
    """Measure a checkpoint on token sequences in one streaming pass (section 3 of the paper).

    `sequences` [n, length] are token ids; `attention_mask` [n, length] is 1 for a real token, 0 for
    padding on either side; both may be arrays of NumPy. `measures` are some of "knowledge" (mean
    coefficients and knowledge entropy), "attention", and "token" (next-token entropy and loss);
    without them all that the architecture allows, and `left_out` of the profile says why not
    others. `activation` is "abs" (the magnitude of what enters the down-projection) or "relu"
    (figure 9: ReLU(gate) ⊙ up with negatives set to 0; gated models only). Every quantity, in nats,
    is averaged over an instance's real tokens first, then over instances in float64.

    Mean coefficients leave out the first `skip` tokens of an instance. By default that is one where
    every instance begins with the token that the checkpoint's tokenizer puts there (noted by
    `kent.load`), else none: it is the same token in every instance, and what is drawn on there,
    where attention that goes nowhere sinks, says nothing of the text.

    Never held: more than one layer's activations, a [batch, heads, T, T] matrix of floats, the
    logits of more than 256 positions. The model is left as found. Memory vectors that are not the
    rows of a plain weight (under an adapter) have no norms. A layer of experts has all experts'
    vectors for its memory (see `kent.measure.experts`).

    Processes that torchrun started, or that `torch.distributed` joins, each make the same call;
    they share the batches, and each gets the whole. Layers may lie on several devices.

    Raises `ValueError` for an architecture of which nothing can be measured, or not what was asked
    for (attention that kent's does not reproduce, say), parts of the model whose hooks do not run,
    malformed sequences or mask (padding between real tokens too), instances with no more than
    `skip` tokens, weights whose dtypes do not go together, unknown measures or activation, and
    processes that were given different things. What is raised in one process is raised in all.
    """
    tensors = {"sequences": sequences, "attention_mask": attention_mask}
    settings = {"batch_size": batch_size, "measures": measures, "activation": activation}
    agree(lambda: describe_given(model, tensors, settings | {"skip": skip}))
    find_decoder(model)
    check_tokens(model, [sequences], "sequences")
    mask = settle_mask(sequences, attention_mask)
    if measures is None or "token" in measures:
        check_followed(sequences, mask)
    skip = count_added(model, sequences, mask) if skip is None else skip
    if measures is None or "knowledge" in measures:
        check_counted(sequences, mask, skip)

    def run(chosen: Sequence[str]) -> dict[tuple[str, int], BlockMeans]:
        return add_up(lambda: _stream(model, sequences, mask, batch_size, chosen, activation, skip))

    with freeze(model):
        means, reasons = (run(measures), {}) if measures else leave_out(run, MEASURES)
        layers = find_layers(model) if ("coefficients", 0) in means else None
        norms = layers and measure_norms(model, layers)
    taken = [each for each in measures or MEASURES if each not in reasons]
    asked = {"measures": taken, "left_out": reasons, "activation": activation, "skip": skip}
    described = describe_model(model) | describe_text(sequences, mask) | asked | describe_run()
    return collect(means, layers, norms, exchange(lambda: described)[0])


def _find_layers(model: PreTrainedModel, activation: str) -> list[Memory | Mixture]:
    """The layers' memories, tried where they are mixtures; errors as for `find_layers`."""
    layers = find_layers(model)
    if activation == "relu":
        kind = type(model).__name__
        if any(isinstance(each, Mixture) for each in layers):
            raise ValueError(f'activation="relu" is not defined for the experts of {kind}')
        if any(each.gate is None for each in layers):
            plain = f"the feed-forward networks of {kind} are plain"
            raise ValueError(f'activation="relu" needs a gated model; {plain}')
    try_mixtures(model, layers)
    return layers


def _stream(
    model: PreTrainedModel,
    sequences: Tensor,
    mask: Mask,
    batch_size: int,
    measures: Sequence[str],
    activation: str,
    skip: int,
) -> dict[tuple[str, int], BlockMeans]:
    """The pass itself: what was asked for, by name and layer."""
    decoder, device, means = find_decoder(model), find_device(model), {}
    size = batch_size if mask is None else rows_together(model, batch_size)
    layers = _find_layers(model, activation) if "knowledge" in measures else None
    project = find_head(model) if "token" in measures else None
    # By the model's own attention a row without padding is what it is: nothing is left to try.
    tried = set() if "attention" in measures else {0}
    for start in walk(range(0, len(sequences), size)):
        chosen = slice(start, start + size)
        real = None if mask is None else mask[chosen].to(device)
        batch = Batch(sequences[chosen].to(device), real, skip)
        with _hear(model, layers, batch, "attention" in measures, activation):
            hidden = batch.run(decoder)
        _check_rows(model, batch, hidden, tried, "attention" in measures)
        if project is not None:
            entropies, losses = average_tokens(hidden, batch.tokens, real, project)
            batch.means |= {("token", 0): entropies, ("loss", 0): losses}
        for name, values in batch.means.items():
            means.setdefault(name, BlockMeans(len(sequences))).add(values, start)
    return means


@contextmanager
def _hear(
    model: PreTrainedModel,
    layers: Sequence[Memory | Mixture] | None,
    batch: Batch,
    attention: bool,
    activation: str,
) -> Iterator[None]:
    """Within the block `batch` hears of every layer what was asked for; after it, that it did."""
    with ExitStack() as stack:
        if layers is not None:
            stack.enter_context(watch(layers, batch, activation))
            stack.enter_context(watch_mixtures(layers, batch))
        if attention:
            stack.enter_context(listen(model, batch.keep_attention))
        yield
    count = find_decoder(model).config.num_hidden_layers
    for name, asked in (("coefficients", layers is not None), ("attention", attention)):
        if asked:
            batch.check_heard(name, count)
