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
from kent.measure.memory import (
    Memory,
    Model,
    check_tokens,
    count_vocabulary,
    find_decoder,
    find_device,
    find_memories,
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
from kent.records import describe_run, hash_tensors
from kent.settings import Array, Count, TokenIds, Whole, checked
from kent.text.tokens import ADDED

MEASURES = ("knowledge", "attention", "token")

Measures = Annotated[Sequence[Literal["knowledge", "attention", "token"]], Field(min_length=1)]


def try_tokens(model: PreTrainedModel) -> Tensor:
    """A model's own logits of a few tokens (`draw_tokens`).

    Raises `NotFiniteError` for logits that are not finite, `ValueError` where there are fewer of
    them than tokens.
    """
    logits = model(draw_tokens(model), use_cache=False, return_dict=True).logits
    kind, found, known = type(model).__name__, logits.shape[-1], count_vocabulary(model)
    if found < known:
        counts = f"{kind} has logits for {found} tokens, and embeddings for {known}"
        raise ValueError(f"{counts}: is its head another model's?")
    if not logits.isfinite().all():
        raise NotFiniteError(f"a logit of {kind}")
    return logits


def find_projection(model: PreTrainedModel) -> nn.Module:
    """The vocabulary projection; `ValueError` for a model that has none."""
    if (projection := model.get_output_embeddings()) is None:
        missing = f"{type(model).__name__} has no vocabulary projection"
        raise ValueError(f"{missing}: load it as a causal language model")
    return projection


def find_head(model: PreTrainedModel) -> Project:
    """The map from last hidden states to logits, tried against the model's own logits.

    With it the logits of a few positions can be made at a time; the model itself makes all of them.
    It is tried because architectures that also scale their logits (Granite) do not say so in one
    way. Raises `ValueError` when the model has no vocabulary projection, or does more than to
    project and to soft-cap, and as `try_tokens` does.
    """
    projection, decoder = find_projection(model), find_decoder(model)
    softcap = getattr(decoder.config, "final_logit_softcapping", None)

    def project(hidden: Tensor) -> Tensor:
        logits = projection(hidden).to(find_exact(hidden.dtype))
        return logits if softcap is None else logits.div_(softcap).tanh_().mul_(softcap)

    expected, hidden = try_tokens(model), Batch(draw_tokens(model), None).run(decoder)
    # Rounding is relative to the largest logit: small ones are differences of large numbers.
    tolerance = 100 * torch.finfo(expected.dtype).eps
    near = {"rtol": tolerance, "atol": tolerance * expected.abs().max().item()}
    fits = getattr(projection, "in_features", hidden.shape[-1]) == hidden.shape[-1]
    if not fits or not torch.allclose(project(hidden).to(expected.dtype), expected, **near):
        more = "more than project and soft-cap its last hidden states"
        raise ValueError(f"{type(model).__name__} does {more}: not known")
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
) -> None:
    """Raise `ValueError` unless a row is in the batch what the model makes of it alone.

    Alone it has no padding and the model's own attention. Tried on the longest row of each kind:
    `tried` holds those that were, 0 for rows without padding, 1 for padding on the right, 2 on the
    left, 3 on both sides.
    """
    real = read_mask(batch.tokens, batch.mask)
    kinds, lengths = 2 * ~real[:, 0] + 1 * ~real[:, -1], real.sum(dim=1)
    for kind in {*kinds.tolist()} - tried:
        row = lengths.where(kinds == kind, 0).argmax().item()
        alone = Batch(batch.tokens[row : row + 1, real[row]], None).run(find_decoder(model))[0]
        if deviation := find_deviation(hidden[row, real[row]], alone):
            raise ValueError(
                f"{type(model).__name__} makes other states of a sequence alone (by "
                f"{deviation:.1g} of their size): kent knows neither attention that is more than a "
                "masked softmax, nor padding that counts. Without padding "
                'measures=("knowledge", "token") can be measured'
            )
        tried.add(kind)


@checked
def profile(
    model: Model,
    sequences: TokenIds,
    *,
    attention_mask: Array | None = None,
    batch_size: Count = 8,
    measures: Measures = MEASURES,
    activation: Literal["abs", "relu"] = "abs",
    skip: Whole | None = None,
) -> Profile:
    """Measure a checkpoint on token sequences in one streaming pass (section 3 of the paper).

    `sequences` [n, length] are token ids; `attention_mask` [n, length] is 1 for a real token, 0 for
    padding on either side; both may be arrays of NumPy. `measures` are some of "knowledge" (mean
    coefficients and knowledge entropy), "attention", and "token" (next-token entropy and loss).
    `activation` is "abs" (the magnitude of what enters the down-projection) or "relu" (figure 9:
    ReLU(gate) ⊙ up with negatives set to 0; gated models only). Every quantity, in nats, is
    averaged over an instance's real tokens first, then over instances in float64; mean coefficients
    without the first `skip` tokens of an instance. By default that is one where every instance
    begins with the token that the checkpoint's tokenizer puts there (noted by `kent.load`), else
    none: it is the same token in every instance, and what is drawn on there, where attention that
    goes nowhere sinks, says nothing of the text. Never held: more
    than one layer's activations, a [batch, heads, T, T] matrix of floats, the logits of more than
    256 positions. The model is left as found. Memory vectors that are not the rows of a plain
    weight (under an adapter) have no norms.

    Raises `ValueError` for an unsupported architecture, attention that kent's does not reproduce,
    parts of the model whose hooks do not run, malformed sequences or mask (padding between real
    tokens too), instances with no more than `skip` tokens, weights whose dtypes do not go together,
    unknown measures or activation.
    """
    memories = find_memories(model)
    check_tokens(model, [sequences], "sequences")
    if attention_mask is not None:
        _check_mask(sequences, attention_mask)
    if "token" in measures:
        real = read_mask(sequences, attention_mask)
        alone = ~(real[:, :-1] & real[:, 1:]).any(dim=1)
        _check_none(alone, "has no next token to predict: the loss needs two real tokens in a row")
    if activation == "relu" and any(memory.gate is None for memory in memories):
        plain = f"the feed-forward networks of {type(model).__name__} are plain"
        raise ValueError(f'activation="relu" needs a gated model; {plain}')
    whole = attention_mask is None or attention_mask.all()
    mask = None if whole else attention_mask.long()
    skip = count_added(model, sequences, mask) if skip is None else skip
    few = read_mask(sequences, mask).sum(dim=1) <= skip
    _check_none(few, f"has no more than the {skip} tokens that are left out of the coefficients")
    with freeze(model):
        means = _stream(model, sequences, mask, batch_size, measures, activation, skip)
        norms = _measure_norms(model) if "knowledge" in measures else None
    asked = {"measures": list(measures), "activation": activation, "skip": skip}
    text = _describe_text(sequences, mask)
    return _collect(means, norms, describe_model(model) | text | asked | describe_run())


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
    memories, project = find_memories(model), find_head(model) if "token" in measures else None
    # By the model's own attention a row without padding is what it is: nothing is left to try.
    tried = set() if "attention" in measures else {0}
    for start in tqdm(range(0, len(sequences), size), desc="profile", unit="batch", leave=False):
        chosen = slice(start, start + size)
        real = None if mask is None else mask[chosen].to(device)
        batch = Batch(sequences[chosen].to(device), real, skip)
        with _hear(model, memories, batch, measures, activation):
            hidden = batch.run(decoder)
        _check_rows(model, batch, hidden, tried)
        if project is not None:
            entropies, losses = average_tokens(hidden, batch.tokens, real, project)
            batch.means |= {("token", 0): entropies, ("loss", 0): losses}
        for name, values in batch.means.items():
            means.setdefault(name, BlockMeans(len(sequences))).add(values, start)
    return means


@contextmanager
def _hear(
    model: PreTrainedModel,
    memories: Sequence[Memory],
    batch: Batch,
    measures: Sequence[str],
    activation: str,
) -> Iterator[None]:
    """Within the block `batch` hears of every layer what was asked for; after it, that it did."""
    with ExitStack() as stack:
        if "knowledge" in measures:
            stack.enter_context(watch(memories, batch, activation))
        if "attention" in measures:
            stack.enter_context(listen(model, batch.keep_attention))
        yield
    for measure, name in (("knowledge", "coefficients"), ("attention", "attention")):
        if measure in measures:
            batch.check_heard(name, len(memories))


def _measure_norms(model: PreTrainedModel) -> list[Tensor] | None:
    memories, exact = find_memories(model), find_exact(model.dtype)
    if not all(is_plain(memory.values) for memory in memories):
        return None
    return [memory.vectors.norm(dim=1, dtype=exact).double().cpu() for memory in memories]


def _describe_text(sequences: Tensor, mask: Mask) -> dict[str, int | str]:
    """How many sequences and tokens, and a hash by which the same text is known again."""
    text = {"tokens": sequences} | ({} if mask is None else {"mask": mask})
    tokens = int(sequences.numel() if mask is None else mask.sum())
    counts = {"instances": len(sequences), "length": sequences.shape[1], "tokens": tokens}
    return {**counts, "text": hash_tensors(text)}


def _collect(
    means: dict[tuple[str, int], BlockMeans], norms: list[Tensor] | None, provenance: dict
) -> Profile:
    """A profile from the block means.

    What is not finite is refused here, while the layer it comes from is still known.
    """
    blocks: dict[str, list[Tensor]] = {"coefficients": [], "attention": [], "token": [], "loss": []}
    for name, layer in sorted(means):
        values = means[name, layer].means()
        if not values.isfinite().all():
            layered = name in ("coefficients", "attention")
            raise NotFiniteError(f"{name} of layer {layer}" if layered else name)
        blocks[name].append(values)
    return Profile(
        sizes=next(iter(means.values())).sizes,
        coefficient_blocks=blocks["coefficients"] or None,
        vector_norms=norms,
        attention_blocks=torch.stack(blocks["attention"], dim=1) if blocks["attention"] else None,
        token_blocks=next(iter(blocks["token"]), None),
        loss_blocks=next(iter(blocks["loss"]), None),
        provenance=provenance,
    )


def describe_model(model: PreTrainedModel) -> dict[str, str]:
    """What a record says of the model: its class, name, dtype and device."""
    device = find_device(model)
    return {
        "architecture": type(model).__name__,
        "name": model.config.name_or_path,
        "dtype": name_dtypes([model.dtype]),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }
