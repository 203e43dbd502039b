"""One streaming forward pass over a checkpoint, at the cost of the bare pass: `kent.profile`.

Axes: instance (sequences), position (tokens of a sequence), width (numbers in a hidden state).
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Annotated, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from kent.errors import NotFiniteError
from kent.measure.attention import listen
from kent.measure.blocks import BlockMeans
from kent.measure.copies import is_plain
from kent.measure.experts import watch_mixtures
from kent.measure.limits import NotMeasurableError, leave_out
from kent.measure.memory import (
    Memory,
    Mixture,
    Model,
    check_tokens,
    count_vocabulary,
    find_decoder,
    find_device,
    find_layers,
    read_head,
)
from kent.measure.profiles import Profile
from kent.measure.rotations import depend_on_batch
from kent.measure.streaming import (
    Batch,
    Mask,
    Project,
    average_tokens,
    draw_tokens,
    find_deviation,
    find_exact,
    freeze,
    name_dtypes,
    read_mask,
    watch,
)
from kent.measure.trials import try_mixtures
from kent.records import describe_run, hash_tensors
from kent.settings import Array, Count, TokenIds, Whole, checked
from kent.text.tokens import ADDED

MEASURES = ("knowledge", "attention", "token")

Measures = Annotated[Sequence[Literal["knowledge", "attention", "token"]], Field(min_length=1)]


def try_tokens(model: PreTrainedModel) -> Tensor:
    """A model's own logits of a few tokens (`draw_tokens`).

    Raises `NotFiniteError` for logits that are not finite, `NotMeasurableError` where there are
    fewer of them than tokens.
    """
    logits = model(draw_tokens(model), use_cache=False, return_dict=True).logits
    kind, found, known = type(model).__name__, logits.shape[-1], count_vocabulary(model)
    if found < known:
        counts = f"{kind} has logits for {found} tokens, and embeddings for {known}"
        raise NotMeasurableError("token", f"{counts}: is its head another model's?")
    if not logits.isfinite().all():
        raise NotFiniteError(f"a logit of {kind}")
    return logits


def find_projection(model: PreTrainedModel) -> nn.Module:
    """The vocabulary projection; `ValueError` for a model that has none."""
    if (projection := model.get_output_embeddings()) is None:
        missing = f"{type(model).__name__} has no vocabulary projection"
        raise NotMeasurableError("token", f"{missing}: load it as a causal language model")
    return projection


def find_head(model: PreTrainedModel) -> Project:
    """The map from last hidden states to logits, tried against the model's own logits.

    With it the logits of a few positions can be made at a time; the model itself makes all of them.
    It is tried because architectures do not say in one way what else they do. Raises `ValueError`
    when the model has no vocabulary projection, or does more than to project, to scale and to
    soft-cap, and as `try_tokens` does.
    """
    projection, decoder = find_projection(model), find_decoder(model)
    scale, softcap = read_head(decoder.config)

    def project(hidden: Tensor) -> Tensor:
        logits = projection(hidden).to(find_exact(hidden.dtype))
        logits = logits if scale == 1 else logits.mul_(scale)
        return logits if softcap is None else logits.div_(softcap).tanh_().mul_(softcap)

    expected, hidden = try_tokens(model), Batch(draw_tokens(model), None).run(decoder)
    # Rounding is relative to the largest logit: small ones are differences of large numbers.
    tolerance = 100 * torch.finfo(expected.dtype).eps
    near = {"rtol": tolerance, "atol": tolerance * expected.abs().max().item()}
    fits = getattr(projection, "in_features", hidden.shape[-1]) == hidden.shape[-1]
    if not fits or not torch.allclose(project(hidden).to(expected.dtype), expected, **near):
        more = "more than project, scale and soft-cap its last hidden states"
        raise NotMeasurableError("token", f"{type(model).__name__} does {more}: not known")
    return project


def rows_together(model: PreTrainedModel, batch_size: int) -> int:
    """How many rows that differ in length may share a batch.

    One, where positions depend on the longest of them.
    """
    return 1 if depend_on_batch(model) else batch_size


def _check_none(wrong: Bool[Tensor, " instance"], what: str) -> None:
    if wrong.any():
        raise ValueError(f"instance {wrong.nonzero()[0].item()} {what}")


def _check_mask(sequences: Tensor, mask: Tensor) -> None:
    if mask.shape != sequences.shape:
        shapes = f"{[*mask.shape]}, sequences {[*sequences.shape]}"
        raise ValueError(f"attention_mask has shape {shapes}")
    if not ((mask == 0) | (mask == 1)).all():
        raise ValueError("attention_mask must hold 1 for a real token and 0 for padding")
    _check_none(~mask.bool().any(dim=1), "has no real token")
    starts = (mask.long().diff(dim=1) == 1).sum(dim=1) + mask[:, 0].long()
    gap = "has padding between its real tokens: padding may stand on either side only"
    _check_none(starts > 1, gap)


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
        if deviation := find_deviation(hidden[row, real[row]], alone):
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

    Raises `ValueError` for an architecture of which nothing can be measured, or not what was asked
    for (attention that kent's does not reproduce, say), parts of the model whose hooks do not run,
    malformed sequences or mask (padding between real tokens too), instances with no more than
    `skip` tokens, weights whose dtypes do not go together, unknown measures or activation.
    """
    find_decoder(model)
    check_tokens(model, [sequences], "sequences")
    if attention_mask is not None:
        _check_mask(sequences, attention_mask)
    if measures is None or "token" in measures:
        real = read_mask(sequences, attention_mask)
        alone = ~(real[:, :-1] & real[:, 1:]).any(dim=1)
        _check_none(alone, "has no next token to predict: the loss needs two real tokens in a row")
    whole = attention_mask is None or attention_mask.all()
    mask = None if whole else attention_mask.long()
    skip = count_added(model, sequences, mask) if skip is None else skip
    if measures is None or "knowledge" in measures:
        few = read_mask(sequences, mask).sum(dim=1) <= skip
        _check_none(few, f"has no more than the {skip} tokens that are left out of the mean")

    def run(chosen: Sequence[str]) -> dict[tuple[str, int], BlockMeans]:
        return _stream(model, sequences, mask, batch_size, chosen, activation, skip)

    with freeze(model):
        means, reasons = (run(measures), {}) if measures else leave_out(run, MEASURES)
        layers = find_layers(model) if ("coefficients", 0) in means else None
        norms = layers and _measure_norms(model, layers)
    taken = [each for each in measures or MEASURES if each not in reasons]
    asked = {"measures": taken, "left_out": reasons, "activation": activation, "skip": skip}
    described = describe_model(model) | _describe_text(sequences, mask) | asked | describe_run()
    return _collect(means, layers, norms, described)


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


def count_added(model: PreTrainedModel, sequences: Tensor, mask: Mask) -> int:
    """1 where every instance begins with the token that `kent.load` noted as added, else 0."""
    if (added := getattr(model.config, ADDED, None)) is None:
        return 0
    first = read_mask(sequences, mask).long().argmax(dim=1, keepdim=True)
    return int((sequences.gather(1, first) == added).all())


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
    for start in tqdm(range(0, len(sequences), size), desc="profile", unit="batch", leave=False):
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


def _measure_norms(
    model: PreTrainedModel, layers: Sequence[Memory | Mixture]
) -> list[Float[Tensor, " neuron"]] | None:
    """Each memory vector's norm; None where some are not the rows of a weight of their own."""
    exact, norms = find_exact(model.dtype), []
    for layer in layers:
        memories = layer.shared if isinstance(layer, Mixture) else [layer]
        if not all(is_plain(memory.values) for memory in memories):
            return None
        vectors = [layer.routed] if isinstance(layer, Mixture) else []
        vectors += [memory.vectors for memory in memories]
        parts = [each.norm(dim=-1, dtype=exact).flatten() for each in vectors]
        norms.append(torch.cat(parts).double().cpu())
    return norms


def _describe_text(sequences: Tensor, mask: Mask) -> dict[str, int | str]:
    """How many sequences and tokens, and a hash by which the same text is known again."""
    text = {"tokens": sequences} | ({} if mask is None else {"mask": mask})
    tokens = int(sequences.numel() if mask is None else mask.sum())
    counts = {"instances": len(sequences), "length": sequences.shape[1], "tokens": tokens}
    return {**counts, "text": hash_tensors(text)}


def _collect(
    means: dict[tuple[str, int], BlockMeans],
    layers: Sequence[Memory | Mixture] | None,
    norms: list[Tensor] | None,
    provenance: dict,
) -> Profile:
    """A profile from the block means.

    What is not finite is refused here, while the layer it comes from is still known.
    """
    blocks: dict[str, list[Tensor]] = {"coefficients": [], "attention": [], "token": [], "loss": []}
    routing: dict[int, Tensor] = {}
    for name, layer in sorted(means):
        values = means[name, layer].means()
        if not values.isfinite().all():
            layered = name in ("coefficients", "attention", "routing")
            raise NotFiniteError(f"{name} of layer {layer}" if layered else name)
        if name == "routing":
            routing[layer] = values
        else:
            blocks[name].append(values)
    return Profile(
        sizes=next(iter(means.values())).sizes,
        coefficient_blocks=blocks["coefficients"] or None,
        vector_norms=norms,
        routing_blocks=_fill_routing(blocks["coefficients"], routing),
        expert_sizes=[each.sizes for each in layers] if routing else None,
        attention_blocks=torch.stack(blocks["attention"], dim=1) if blocks["attention"] else None,
        token_blocks=next(iter(blocks["token"]), None),
        loss_blocks=next(iter(blocks["loss"]), None),
        provenance=provenance,
    )


def _fill_routing(
    coefficients: list[Tensor], routing: dict[int, Tensor]
) -> list[Float[Tensor, "block _"]] | None:
    """Every layer's mean routing weights; one without experts is a single one, always chosen."""
    single = [each.new_ones(len(each), 1) for each in coefficients]
    return [routing.get(at, each) for at, each in enumerate(single)] if routing else None


def describe_model(model: PreTrainedModel) -> dict[str, str]:
    """What a record says of the model: its class, name, dtype and device."""
    device = find_device(model)
    return {
        "architecture": type(model).__name__,
        "name": model.config.name_or_path,
        "dtype": name_dtypes([model.dtype]),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }
