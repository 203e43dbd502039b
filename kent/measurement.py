"""One streaming forward pass over a checkpoint, at the cost of the bare forward pass: `kent.profile`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from kent.attention import listen
from kent.blocks import BlockMeans
from kent.errors import NotFiniteError
from kent.memory import Memory, find_memories
from kent.profiles import Profile
from kent.records import describe_run

MEASURES = ("knowledge", "attention", "token")
ACTIVATIONS = ("abs", "relu")
POSITIONS = 256
"""Positions whose logits are held at once."""
ROWS = 16
"""Positions whose distributions are worked out at once on a CPU, so that they stay in its cache."""

Tokens = Int[Tensor, "instance position"]
Mask = Int[Tensor, "instance position"] | Bool[Tensor, "instance position"] | None


def _exact(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def average_positions(values: Float[Tensor, "instance position ..."], mask: Mask) -> Float[Tensor, "instance ..."]:
    """Mean over each instance's real tokens, in float32 at least; padding never enters, not even as NaN."""
    if mask is None:
        return values.mean(dim=1, dtype=_exact(values.dtype))
    real = mask.bool().view(*mask.shape, *[1] * (values.ndim - 2))
    return values.masked_fill(~real, 0).sum(dim=1, dtype=_exact(values.dtype)) / real.sum(dim=1)


def average_magnitudes(
    activations: Float[Tensor, "instance position neuron"], mask: Mask
) -> Float[Tensor, "instance neuron"]:
    """Mean |coefficient| over each instance's real tokens, one instance at a time: its magnitudes stay in the cache."""
    masks = [None] * len(activations) if mask is None else mask.split(1)
    return torch.cat(
        [average_positions(each.abs(), real) for each, real in zip(activations.split(1), masks, strict=True)]
    )


def average_tokens(
    hidden: Float[Tensor, "instance position width"], tokens: Tokens, mask: Mask, project: Callable[[Tensor], Tensor]
) -> tuple[Float[Tensor, " instance"], Float[Tensor, " instance"]]:
    """Next-token entropy and loss per instance, in nats, projecting 256 positions onto the vocabulary at a time."""
    flat, targets = hidden.flatten(0, 1), tokens.roll(-1, dims=1).view(-1, 1)
    rows = ROWS if flat.device.type == "cpu" else POSITIONS
    found = [
        _spread(logits, answers)
        for block, following in zip(flat.split(POSITIONS), targets.split(POSITIONS), strict=True)
        for logits, answers in zip(project(block).split(rows), following.split(rows), strict=True)
    ]
    entropies, losses = (torch.cat(parts).view(tokens.shape) for parts in zip(*found, strict=True))
    predicted = None if mask is None else mask[:, :-1] * mask[:, 1:]
    return average_positions(entropies, mask), average_positions(losses[:, :-1], predicted)


def _spread(
    logits: Float[Tensor, "position vocabulary"], answers: Int[Tensor, "position 1"]
) -> tuple[Float[Tensor, " position"], Float[Tensor, " position"]]:
    """Entropy of softmax(logits) and -log softmax of the answers, with one exponential; `logits` are overwritten.

    With z shifted by its maximum, e = exp(z) and s = Σe, the entropy is ln s - Σ e·z / s.
    """
    logits -= logits.amax(dim=-1, keepdim=True)
    answered = logits.gather(1, answers).squeeze(1)
    weights = logits.exp()
    total = weights.sum(dim=-1)
    return total.log() - torch.linalg.vecdot(weights, logits) / total, total.log() - answered


class _Batch:
    """One batch on its way through the model: its tokens and mask, and the per-instance means met so far."""

    def __init__(self, tokens: Tokens, mask: Mask):
        self.tokens, self.mask = tokens, mask
        self.means: dict[tuple[str, int], Tensor] = {}

    def keep_coefficients(self, layer: int, activations: Tensor) -> None:
        activations = activations.view(*self.tokens.shape, -1)
        self.means["coefficients", layer] = average_magnitudes(activations, self.mask)

    def keep_attention(self, layer: int, entropies: Float[Tensor, "instance head position"]) -> None:
        self.means["attention", layer] = average_positions(entropies.mT, self.mask).mean(dim=-1)

    def run(self, decoder: nn.Module) -> Float[Tensor, "instance position width"]:
        """Last hidden states; positions are counted over real tokens, so that padding on the left shifts nothing."""
        padding = {}
        if self.mask is not None:
            padding = {"attention_mask": self.mask, "position_ids": (self.mask.cumsum(dim=1) - 1).clamp(min=0)}
        return decoder(input_ids=self.tokens, use_cache=False, return_dict=True, **padding).last_hidden_state


@contextmanager
def _watch(memories: Sequence[Memory], batch: _Batch, activation: str) -> Iterator[None]:
    """Within the block `batch` is given every layer's coefficients; the hooks go, also on an exception."""
    with ExitStack() as stack:
        for layer, memory in enumerate(memories):
            hooks = _hook_magnitudes if activation == "abs" else _hook_rectified
            for handle in hooks(memory, lambda activations, layer=layer: batch.keep_coefficients(layer, activations)):
                stack.callback(handle.remove)
        yield


def _hook_magnitudes(memory: Memory, keep: Callable[[Tensor], None]) -> list[RemovableHandle]:
    return [memory.values.register_forward_pre_hook(lambda _, inputs: keep(inputs[0]))]


def _hook_rectified(memory: Memory, keep: Callable[[Tensor], None]) -> list[RemovableHandle]:
    outputs = {}

    def rectify(_, inputs) -> None:
        gate, keys = outputs["gate"].chunk(2, dim=-1) if memory.fused else (outputs["gate"], outputs["keys"])
        outputs.clear()
        keep(gate.relu().mul_(keys).relu_())

    return [
        memory.gate.register_forward_hook(lambda _, inputs, output: outputs.update(gate=output)),
        memory.keys.register_forward_hook(lambda _, inputs, output: outputs.update(keys=output)),
        memory.values.register_forward_pre_hook(rectify),
    ]


@contextmanager
def freeze(model: nn.Module) -> Iterator[None]:
    """Within the block, evaluation mode without gradients; every submodule's training flag is put back after it."""
    training = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with torch.no_grad():
            yield
    finally:
        for module, flag in training.items():
            module.training = flag


def find_head(model: PreTrainedModel) -> Callable[[Tensor], Tensor]:
    """The map from last hidden states to logits, tried on two tokens against the model's own logits.

    Raises `ValueError` when the model has no vocabulary projection, or does more than to project and to soft-cap, and
    `NotFiniteError` for logits that are not finite.
    """
    projection, decoder = model.get_output_embeddings(), model.get_decoder()
    if projection is None:
        raise ValueError(f"{type(model).__name__} has no vocabulary projection: load it as a causal language model")
    softcap = getattr(decoder.config, "final_logit_softcapping", None)

    def project(hidden: Tensor) -> Tensor:
        logits = projection(hidden).to(_exact(hidden.dtype))
        return logits if softcap is None else logits.div_(softcap).tanh_().mul_(softcap)

    vocabulary = model.get_input_embeddings().num_embeddings  # all over it: a padding token's embedding is zero
    tokens = torch.linspace(0, vocabulary - 1, 16, device=model.device).long().view(8, 2)
    expected = model(tokens, use_cache=False, return_dict=True).logits
    found = project(_Batch(tokens, None).run(decoder)).to(expected.dtype)
    if not expected.isfinite().all():
        raise NotFiniteError(f"a logit of {type(model).__name__}")
    tolerance = 100 * torch.finfo(expected.dtype).eps
    if not torch.allclose(found, expected, rtol=tolerance, atol=tolerance * expected.abs().max().item()):
        raise ValueError(
            f"{type(model).__name__} does more than project and soft-cap its last hidden states: not known"
        )
    return project


def _check_input(model: PreTrainedModel, sequences: Tensor, mask: Tensor | None) -> None:
    vocabulary = model.get_input_embeddings().num_embeddings
    longest = getattr(model.get_decoder().config, "max_position_embeddings", None)
    if sequences.ndim != 2 or 0 in sequences.shape or sequences.is_floating_point() or sequences.dtype == torch.bool:
        raise ValueError(f"sequences must be integer token ids [n, length], not {sequences.dtype} {[*sequences.shape]}")
    if sequences.min() < 0 or sequences.max() >= vocabulary:
        raise ValueError(f"token ids must lie in 0 to {vocabulary - 1}: do the sequences come from another tokenizer?")
    if longest is not None and sequences.shape[1] > longest:
        raise ValueError(
            f"sequences of {sequences.shape[1]} tokens: {type(model).__name__} has positions for {longest}"
        )
    if mask is None:
        return
    if mask.shape != sequences.shape:
        raise ValueError(f"attention_mask has shape {[*mask.shape]}, sequences {[*sequences.shape]}")
    if not ((mask == 0) | (mask == 1)).all():
        raise ValueError("attention_mask must hold 1 for a real token and 0 for padding")
    if not mask.any(dim=1).all():
        raise ValueError(f"instance {(~mask.bool().any(dim=1)).nonzero()[0].item()} has no real token")


def _check_targets(sequences: Tensor, mask: Tensor | None) -> None:
    real = torch.ones_like(sequences, dtype=torch.bool) if mask is None else mask.bool()
    alone = ~(real[:, :-1] & real[:, 1:]).any(dim=1)
    if alone.any():
        raise ValueError(f"instance {alone.nonzero()[0].item()} has no next token to predict: the loss needs two real "
                         "tokens in a row")  # fmt: skip


def _check_choice(measures: Sequence[str], activation: str, batch_size: int) -> None:
    if isinstance(measures, str) or not measures or set(measures) - set(MEASURES):
        raise ValueError(f"measures must be some of {MEASURES}, not {measures!r}")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {ACTIVATIONS}, not {activation!r}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")


def profile(
    model: PreTrainedModel,
    sequences: Tensor,
    *,
    attention_mask: Tensor | None = None,
    batch_size: int = 8,
    measures: Sequence[str] = MEASURES,
    activation: str = "abs",
) -> Profile:
    """Measure a checkpoint on token sequences in one streaming pass (section 3 of the paper).

    `sequences` [n, length] are token ids; `attention_mask` [n, length] is 1 for a real token, 0 for padding on either
    side. `measures` are some of "knowledge" (mean coefficients and knowledge entropy), "attention", and "token"
    (next-token entropy and loss). `activation` is "abs" (the magnitude of what enters the down-projection) or "relu"
    (figure 9: ReLU(gate) ⊙ up with negatives set to 0; gated models only). Every quantity, in nats, is averaged over an
    instance's real tokens first, then over instances in float64. Never held: more than one layer's activations, a
    [batch, heads, T, T] matrix of floats, the logits of more than 256 positions. The model is left as found.

    Raises `ValueError` for an unsupported architecture, malformed sequences or mask, unknown measures or activation.
    """
    _check_choice(measures, activation, batch_size)
    memories = find_memories(model)
    _check_input(model, sequences, attention_mask)
    if "token" in measures:
        _check_targets(sequences, attention_mask)
    if activation == "relu" and any(memory.gate is None for memory in memories):
        raise ValueError(f'activation="relu" needs a gated model; the feed-forward networks of {type(model).__name__} '
                         "are plain")  # fmt: skip
    if attention_mask is not None and attention_mask.all():
        attention_mask = None
    means: dict[tuple[str, int], BlockMeans] = {}
    starts = range(0, len(sequences), batch_size)
    with freeze(model):
        project = find_head(model) if "token" in measures else None
        for start in tqdm(starts, desc="profile", unit="batch", leave=False):
            chosen = slice(start, start + batch_size)
            mask = None if attention_mask is None else attention_mask[chosen].long().to(model.device)
            batch = _Batch(sequences[chosen].long().to(model.device), mask)
            watching = _watch(memories, batch, activation) if "knowledge" in measures else nullcontext()
            listening = listen(model, batch.keep_attention) if "attention" in measures else nullcontext()
            with watching, listening:
                hidden = batch.run(model.get_decoder())
            if project is not None:
                entropies, losses = average_tokens(hidden, batch.tokens, mask, project)
                batch.means |= {("token", 0): entropies, ("loss", 0): losses}
            for name, values in batch.means.items():
                means.setdefault(name, BlockMeans(len(sequences))).add(values, start)
        norms = [memory.vectors.norm(dim=1, dtype=_exact(model.dtype)).double().cpu() for memory in memories]
    provenance = {
        **describe_model(model),
        "instances": len(sequences),
        "length": sequences.shape[1],
        "tokens": int(sequences.numel() if attention_mask is None else attention_mask.sum()),
        "measures": list(measures),
        "activation": activation,
        **describe_run(),
    }
    return _collect(means, norms if "knowledge" in measures else None, provenance)


def _collect(means: dict[tuple[str, int], BlockMeans], norms: list[Tensor] | None, provenance: dict) -> Profile:
    """A profile from the block means, refusing what is not finite while the cause is still known."""
    blocks: dict[str, list[Tensor]] = {}
    for name, layer in sorted(means):
        values = means[name, layer].means()
        if not values.isfinite().all():
            raise NotFiniteError(f"{name} of layer {layer}" if name in ("coefficients", "attention") else name)
        blocks.setdefault(name, []).append(values)
    return Profile(
        sizes=next(iter(means.values())).sizes,
        coefficient_blocks=blocks.get("coefficients"),
        vector_norms=norms,
        attention_blocks=torch.stack(blocks["attention"], dim=1) if "attention" in blocks else None,
        token_blocks=blocks["token"][0] if "token" in blocks else None,
        loss_blocks=blocks["loss"][0] if "loss" in blocks else None,
        provenance=provenance,
    )


def describe_model(model: PreTrainedModel) -> dict[str, str]:
    """What a record says of the model: its class, name, dtype and device."""
    device = model.device
    return {
        "architecture": type(model).__name__,
        "name": model.config.name_or_path,
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }
