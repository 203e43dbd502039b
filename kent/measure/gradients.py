"""Whether a memory vector's update follows its coefficient, as appendix A.1 says it should.

Why: it is the paper's reason to expect that knowledge entropy bears on learning. A memory vector's
gradient is its coefficient times the gradient by the layer's output, summed over tokens, so what is
rarely used should hardly be trained. Compared are sizes only, by their ranks: not which way an
update goes, nor whether anything was learned by it. Adam, unlike SGD, divides each gradient by its
own size, which may undo the relation.

Axes: instance (sequences), position (tokens of a sequence), neuron (memory vectors of a layer),
layer; a vector "_" has one number per neuron of its layer.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from torch.optim import SGD, AdamW
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from kent.measure.copies import check_copyable, check_own, copy_model
from kent.measure.decoders import Model, find_device, name_dtypes
from kent.measure.head import find_projection
from kent.measure.measurement import profile
from kent.measure.memory import find_memories
from kent.precision import keep_precision
from kent.records import expect_whole, load_tensors, save_tensors
from kent.settings import Count, Positive, TokenIds, checked

FORMAT = "kent gradients 1"
OPTIMIZERS = {"sgd": SGD, "adamw": partial(AdamW, betas=(0.9, 0.95), weight_decay=0.1)}

Quantity = Literal["gradients", "sgd", "adamw"]
FIELDS = ("coefficients", *get_args(Quantity))
Layers = list[Float[Tensor, " _"]]
Tokens = Int[Tensor, "instance position"]


@dataclass(frozen=True)
class Gradients:
    """Each memory vector's coefficient, and how strongly training moves it.

    Per layer a float64 vector [m]: `coefficients` are mean magnitudes (section 3.1), `gradients`
    the Euclidean norms ‖∂L/∂vᵢ‖ of the gradient of the mean loss (nats), `sgd` and `adamw` the
    Euclidean distances a few optimiser steps moved the vectors.
    """

    coefficients: Layers
    gradients: Layers
    sgd: Layers
    adamw: Layers
    provenance: dict = field(default_factory=dict)

    @checked
    def correlate(
        self, quantity: Quantity
    ) -> tuple[Float[Tensor, " layer"], Float[Tensor, " layer"]]:
        """Rank correlation (Spearman) of the coefficients with a quantity, and its standard error.

        By layer, over its neurons, ties at their average rank; the error is
        sqrt((1 + r²/2)/(m - 3)) (Bonett and Wright 2000), which takes the neurons as independent.
        NaN for a layer whose values are all the same. Raises `ValueError` for a quantity other than
        "gradients", "sgd" and "adamw".
        """
        pairs = list(zip(self.coefficients, getattr(self, quantity), strict=True))
        neurons = torch.tensor([len(values) for values, _ in pairs], device="cpu")
        ranks = [torch.stack([_rank(first), _rank(second)]) for first, second in pairs]
        found = torch.stack([each.corrcoef()[0, 1] for each in ranks])
        return found, ((1 + found.square() / 2) / (neurons - 3)).sqrt()

    def average_correlation(self, quantity: Quantity) -> tuple[float, float]:
        """Mean over layers of `correlate`, and its standard error."""
        found, errors = self.correlate(quantity)
        return found.mean().item(), errors.square().sum().sqrt().item() / len(errors)

    @checked
    def save(self, path: str | Path) -> None:
        """Write to a safetensors file, atomically, with the provenance in its header."""
        tensors = {
            f"{name}.{layer}": each
            for name in FIELDS
            for layer, each in enumerate(getattr(self, name))
        }
        save_tensors(tensors, path, format=FORMAT, provenance=self.provenance)

    @classmethod
    @checked
    def load(cls, path: str | Path) -> "Gradients":
        """Read what `save` wrote; `ValueError` when the file is damaged or is something else."""
        tensors, provenance = load_tensors(path, FORMAT)
        layers = range(sum(name.startswith("coefficients.") for name in tensors))
        with expect_whole(path):
            found = {name: [tensors[f"{name}.{layer}"] for layer in layers] for name in FIELDS}
        return cls(**found, provenance=provenance)


def _rank(values: Float[Tensor, " neuron"]) -> Float[Tensor, " neuron"]:
    """Ranks from 1, equal values at the mean of theirs."""
    _, places, counts = values.unique(return_inverse=True, return_counts=True)
    # `unique` sorts: k equal values take the ranks from last - k + 1 to last, where `last` is how
    # many values there are up to theirs; the mean of these ranks is last - (k - 1)/2.
    return (counts.cumsum(0) - (counts.double() - 1) / 2)[places]


def _measure_loss(model: PreTrainedModel, tokens: Tokens) -> Float[Tensor, ""]:
    """Mean next-token cross-entropy in nats; all tokens but a sequence's first are predicted."""
    tokens = tokens.to(find_device(model))
    logits = model(tokens, use_cache=False, return_dict=True).logits[:, :-1]
    return functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def _measure_norms(vectors: list[Float[Tensor, "_ _"]], what: str, hint: str) -> Layers:
    """Euclidean norm of every row; `ValueError` says `what` of which layer is not finite."""
    norms = [rows.detach().norm(dim=1).cpu().double() for rows in vectors]
    for layer, values in enumerate(norms):
        if not values.isfinite().all():
            raise ValueError(f"{what} of layer {layer} is not finite: {hint}")
    return norms


def _accumulate(model: PreTrainedModel, sequences: Tokens, batch_size: int) -> Layers:
    """Norms ‖∂L/∂vᵢ‖ of the mean loss over all sequences, accumulated batch by batch."""
    trained = copy_model(model).eval().requires_grad_(False)
    memories = find_memories(trained)
    for memory in memories:
        memory.values.weight.requires_grad_(True)
    batches = sequences.split(min(batch_size, len(sequences)))
    for batch in tqdm(batches, desc="gradients", unit="batch", leave=False):
        # Weighed by its sequences, as the last batch may be smaller: the sum is the mean over all.
        (_measure_loss(trained, batch) * (len(batch) / len(sequences))).backward()
    for memory in memories:  # in the weight's place, where `vectors` reads its rows in any layout
        memory.values.weight.data = memory.values.weight.grad
    rows = [memory.vectors for memory in memories]
    return _measure_norms(rows, "the gradient", "are the weights whole?")


def _batch(sequences: Tokens, size: int, steps: int) -> Iterator[Tensor]:
    """For each step the next sequences, at most all, from the first again after the last."""
    size = min(size, len(sequences))
    rows = torch.arange(size, device=sequences.device)
    for step in tqdm(range(steps), desc="updates", unit="step", leave=False):
        yield sequences[(step * size + rows) % len(sequences)]


def _move(
    model: PreTrainedModel, batches: Iterable[Tensor], name: str, learning_rate: float | int
) -> Layers:
    """How far each memory vector is moved by one step of the named optimiser on each batch."""
    trained = copy_model(model).eval().requires_grad_(True)
    optimizer = OPTIMIZERS[name](trained.parameters(), lr=learning_rate)
    for batch in batches:
        optimizer.zero_grad()
        _measure_loss(trained, batch).backward()
        optimizer.step()
    memories = find_memories(trained)
    check_own(trained, [memory.values for memory in memories])  # nothing has put the weights back
    pairs = zip(memories, find_memories(model), strict=True)
    moves = [after.vectors - before.vectors for after, before in pairs]
    hint = f"is a learning rate of {learning_rate:g} too large?"
    return _measure_norms(moves, f"the {name} update", hint)


def _check_model(model: PreTrainedModel) -> None:
    find_projection(model)
    # A bfloat16 weight moves by half a per cent of itself or not at all: small updates are lost.
    if others := {parameter.dtype for parameter in model.parameters()} - {torch.float32}:
        only = "updates are measured on float32 weights only"
        raise ValueError(f"the model holds {name_dtypes(others)} weights: {only}")
    check_copyable(model)
    check_own(model, [memory.values for memory in find_memories(model)])


@checked
@keep_precision()
def measure_gradients(
    model: Model,
    sequences: TokenIds,
    *,
    batch_size: Count = 8,
    steps: Count = 8,
    learning_rate: Positive = 4e-4,
) -> Gradients:
    """Measure coefficients, loss gradients and updates of all memory vectors (appendix A.1).

    There ∂L/∂vᵢ = Σ ∂L/∂FFN · cᵢ, summed over tokens. `sequences` [n, length] are token ids without
    padding. The gradient is that of the mean loss over all of them. The updates are those of SGD
    without momentum, and of AdamW (betas 0.9 and 0.95, weight decay 0.1, fresh state): `steps`
    steps at a constant `learning_rate`, all parameters trained, no clipping, no dropout, each step
    on the next `batch_size` sequences (all, where there are fewer), from the first again after the
    last. A float32 weight does not move by less than about 6e-8 of itself. The model is left as
    found: each measurement takes a copy, one at a time.

    Mean coefficients leave out the token that the checkpoint's tokenizer puts in front, as by
    default in `kent.profile`; gradients and updates do not, for training reads it like any other.

    Raises `ValueError` for what `kent.profile` refuses, `steps` below 1, a learning rate that is
    not positive and finite, weights other than float32 or kept elsewhere, memory vectors that are
    not the rows of a weight (under an adapter, pruned), sequences of one token, and a gradient or
    update that is not finite.
    """
    find_memories(model)
    _check_model(model)
    measured = profile(model, sequences, batch_size=batch_size, measures=("knowledge",))
    if sequences.shape[1] < 2:
        none = "sequences of 1 token have no next token to predict"
        raise ValueError(f"{none}: the loss needs at least 2")
    sequences = sequences.clone()  # what inference mode made cannot be trained on
    with torch.enable_grad():
        gradients = _accumulate(model, sequences, batch_size)
        moved = {
            name: _move(model, _batch(sequences, batch_size, steps), name, learning_rate)
            for name in OPTIMIZERS
        }
    recipe = {"steps": steps, "learning_rate": learning_rate, "batch_size": batch_size}
    provenance = measured.provenance | recipe
    return Gradients(measured.coefficients, gradients, **moved, provenance=provenance)
