"""Whether the size of a memory vector's update follows its coefficient, as appendix A.1 of the
paper says it should."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from torch.optim import SGD, AdamW
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from kent.measure.copies import check_copyable, check_own, copy_model
from kent.measure.measurement import profile
from kent.measure.memory import Model, find_device, find_memories
from kent.precision import keep_precision
from kent.records import expect_whole, load_tensors, save_tensors
from kent.settings import Count, Positive, TokenIds, checked

FORMAT = "kent gradients 1"
QUANTITIES = ("gradients", "sgd", "adamw")
OPTIMIZERS = {"sgd": SGD, "adamw": partial(AdamW, betas=(0.9, 0.95), weight_decay=0.1)}

Quantity = Literal["gradients", "sgd", "adamw"]
Layers = list[Float[Tensor, " _"]]


@dataclass(frozen=True)
class Gradients:
    """Each memory vector's coefficient, and how strongly training pulls at it: per layer a float64
    vector [m].

    `coefficients` are mean magnitudes (section 3.1), `gradients` the Euclidean norms ‖∂L/∂vᵢ‖ of
    the gradient of the mean loss (nats), `sgd` and `adamw` the Euclidean distances a few optimiser
    steps moved the vectors.
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
        """Spearman's rank correlation over neurons of the coefficients with a quantity, and its
        standard error.

        By layer, ties at their average rank; the error is sqrt((1 + r²/2)/(m - 3)) (Bonett and
        Wright 2000), which takes the neurons as independent. NaN for a layer whose values are all
        the same. Raises `ValueError` for a quantity other than "gradients", "sgd" and "adamw".
        """
        pairs = list(zip(self.coefficients, getattr(self, quantity), strict=True))
        neurons = torch.tensor([len(values) for values, _ in pairs], device="cpu")
        ranked = [_rank(first).corr(_rank(second)) for first, second in pairs]
        found = torch.tensor(ranked, dtype=torch.float64, device="cpu")
        return found, ((1 + found.square() / 2) / (neurons - 3)).sqrt()

    def average_correlation(self, quantity: Quantity) -> tuple[float, float]:
        """Mean over layers of `correlate`, and its standard error."""
        found, errors = self.correlate(quantity)
        return found.mean().item(), errors.square().sum().sqrt().item() / len(errors)

    @checked
    def save(self, path: str | Path) -> None:
        """Write to a safetensors file, atomically, with the provenance in its header."""
        names = ("coefficients", *QUANTITIES)
        tensors = {
            f"{name}.{layer}": each
            for name in names
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
            found = {
                name: [tensors[f"{name}.{layer}"] for layer in layers]
                for name in ("coefficients", *QUANTITIES)
            }
        return cls(**found, provenance=provenance)


def _rank(values: Float[Tensor, " neuron"]) -> pd.Series:
    return pd.Series(values.numpy()).rank()


def _copy(model: PreTrainedModel, trained: bool) -> PreTrainedModel:
    """A copy in evaluation mode (no dropout) without gradients; `trained` says whether its weights
    ask for one."""
    return copy_model(model).eval().requires_grad_(trained)


def _measure_loss(
    model: PreTrainedModel, tokens: Int[Tensor, "instance position"]
) -> Float[Tensor, ""]:
    """Mean next-token cross-entropy in nats; every token but the first of a sequence is
    predicted."""
    tokens = tokens.to(find_device(model))
    logits = model(tokens, use_cache=False, return_dict=True).logits[:, :-1]
    return functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def _measure_norms(vectors: list[Float[Tensor, "_ _"]], what: str, hint: str) -> Layers:
    """Euclidean norm of every row; raises `ValueError` saying `what` of which layer is not
    finite."""
    norms = [rows.detach().norm(dim=1).cpu().double() for rows in vectors]
    for layer, values in enumerate(norms):
        if not values.isfinite().all():
            raise ValueError(f"{what} of layer {layer} is not finite: {hint}")
    return norms


def _pull(
    model: PreTrainedModel, sequences: Int[Tensor, "instance position"], batch_size: int
) -> Layers:
    """Norms ‖∂L/∂vᵢ‖ of the mean loss over all sequences, accumulated batch by batch."""
    student = _copy(model, trained=False)
    memories = find_memories(student)
    for memory in memories:
        memory.values.weight.requires_grad_(True)
    for batch in tqdm(
        sequences.split(min(batch_size, len(sequences))),
        desc="gradients",
        unit="batch",
        leave=False,
    ):
        (_measure_loss(student, batch) * (len(batch) / len(sequences))).backward()
    for memory in memories:  # in the weight's place, where `vectors` reads its rows in any layout
        memory.values.weight.data = memory.values.weight.grad
    return _measure_norms(
        [memory.vectors for memory in memories], "the gradient", "are the weights whole?"
    )


def _batch(sequences: Int[Tensor, "instance position"], size: int, steps: int) -> Iterator[Tensor]:
    """For each step the next sequences, at most all of them, from the first again after the
    last."""
    size = min(size, len(sequences))
    rows = torch.arange(size, device=sequences.device)
    for step in tqdm(range(steps), desc="updates", unit="step", leave=False):
        yield sequences[(step * size + rows) % len(sequences)]


def _move(
    model: PreTrainedModel, batches: Iterable[Tensor], name: str, learning_rate: float | int
) -> Layers:
    """How far each memory vector is moved by one step of the named optimiser on each batch."""
    student = _copy(model, trained=True)
    optimizer = OPTIMIZERS[name](student.parameters(), lr=learning_rate)
    for batch in batches:
        optimizer.zero_grad()
        _measure_loss(student, batch).backward()
        optimizer.step()
    check_own(
        student, [memory.values for memory in find_memories(student)]
    )  # nothing has put the weights back
    pairs = zip(find_memories(student), find_memories(model), strict=True)
    moves = [after.vectors - before.vectors for after, before in pairs]
    return _measure_norms(
        moves, f"the {name} update", f"is a learning rate of {learning_rate:g} too large?"
    )


def _check_model(model: PreTrainedModel) -> None:
    if model.get_output_embeddings() is None:
        raise ValueError(
            f"{type(model).__name__} has no vocabulary projection: load it as a causal language "
            "model"
        )
    if others := {parameter.dtype for parameter in model.parameters()} - {torch.float32}:
        named = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in others))
        raise ValueError(
            f"the model holds {named} weights: updates are measured on float32 weights only"
        )
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
    """Measure coefficients, loss gradients and updates of all memory vectors (appendix A.1: ∂L/∂vᵢ
    = Σ ∂L/∂FFN · cᵢ).

    `sequences` [n, length] are token ids without padding. The gradient is that of the mean loss
    over all of them. The updates are those of SGD without momentum, and of AdamW (betas 0.9 and
    0.95, weight decay 0.1, fresh state): `steps` steps at a constant `learning_rate`, all
    parameters trained, no clipping, no dropout, each step on the next `batch_size` sequences (all,
    where there are fewer), from the first again after the last. A float32 weight does not move by
    less than about 6e-8 of itself. The model is left as found: each measurement takes a copy, one
    at a time.

    Raises `ValueError` for what `kent.profile` refuses, `steps` below 1, a learning rate that is
    not positive and finite, weights other than float32 or kept elsewhere, memory vectors that are
    not the rows of a weight (under an adapter, pruned), sequences of one token, and a gradient or
    update that is not finite.
    """
    find_memories(model)
    _check_model(model)
    measured = profile(model, sequences, batch_size=batch_size, measures=("knowledge",))
    if sequences.shape[1] < 2:
        raise ValueError(
            "sequences of 1 token have no next token to predict: the loss needs at least 2"
        )
    sequences = sequences.clone()  # what inference mode made cannot be trained on
    with torch.enable_grad():
        pulled = _pull(model, sequences, batch_size)
        moved = {
            name: _move(model, _batch(sequences, batch_size, steps), name, learning_rate)
            for name in OPTIMIZERS
        }
    recipe = {"steps": steps, "learning_rate": learning_rate, "batch_size": batch_size}
    return Gradients(
        measured.coefficients, pulled, **moved, provenance=measured.provenance | recipe
    )
