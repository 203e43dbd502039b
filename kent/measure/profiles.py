"""What one pass over a checkpoint measured: coefficients, entropies, loss, their standard errors,
and the file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kent.measure.blocks import average, jackknife
from kent.measure.entropy import MEASURES, entropy_bound, knowledge_entropy_by_layer, measure_layers
from kent.records import expect_whole, load_tensors, save_tensors
from kent.settings import checked

FORMAT = "kent profile 2"
COEFFICIENT_MEASURES = ("knowledge", "contribution")

Blocks = list[Float[Tensor, "block _"]]


@dataclass(frozen=True)
class Profile:
    """What one pass over a checkpoint measured; every quantity as means over blocks of neighbouring
    instances.

    `sizes` [block] are the instances per block; `vector_norms` the Euclidean norm of each memory
    vector, per layer [m], None where a model's memory vectors are not the rows of a weight (under
    an adapter). What was not asked for is None. Entropies and loss are in nats.
    """

    sizes: Int[Tensor, " block"]
    coefficient_blocks: Blocks | None = None
    vector_norms: list[Float[Tensor, " _"]] | None = None
    attention_blocks: Float[Tensor, "block layer"] | None = None
    token_blocks: Float[Tensor, " block"] | None = None
    loss_blocks: Float[Tensor, " block"] | None = None
    provenance: dict = field(default_factory=dict)

    @property
    def coefficients(self) -> list[Float[Tensor, " _"]] | None:
        """Mean coefficients C̄ˡ (section 3.1): per layer a float64 vector [m]."""
        return self.coefficient_blocks and [
            average(means, self.sizes) for means in self.coefficient_blocks
        ]

    @property
    def knowledge_entropy_by_layer(self) -> Float[Tensor, " layer"] | None:
        """H(θˡ) in nats."""
        return self.coefficient_blocks and knowledge_entropy_by_layer(self.coefficients)

    @property
    def knowledge_entropy(self) -> float | None:
        """H(θ) in nats: the sum over layers."""
        return self.coefficient_blocks and self.knowledge_entropy_by_layer.sum().item()

    @property
    def entropy_bound(self) -> float | None:
        """Upper bound Σₗ ln mₗ of the knowledge entropy, in nats."""
        return self.coefficient_blocks and entropy_bound(self.coefficients)

    @property
    def attention_entropy_by_layer(self) -> Float[Tensor, " layer"] | None:
        """Attention entropy in nats: mean over a row's positions, instances and heads; not summed
        over layers."""
        return None if self.attention_blocks is None else average(self.attention_blocks, self.sizes)

    @property
    def attention_entropy(self) -> float | None:
        """Attention entropy in nats, summed over layers."""
        return (
            None if self.attention_blocks is None else self.attention_entropy_by_layer.sum().item()
        )

    @property
    def next_token_entropy(self) -> float | None:
        """Entropy in nats of the predicted next-token distribution, mean over positions, then
        instances."""
        return None if self.token_blocks is None else average(self.token_blocks, self.sizes).item()

    @property
    def loss(self) -> float | None:
        """Next-token cross-entropy in nats, mean over an instance's predicted tokens, then
        instances."""
        return None if self.loss_blocks is None else average(self.loss_blocks, self.sizes).item()

    @property
    def contribution_entropy(self) -> float | None:
        """Entropy in nats of coefficient × norm of its memory vector, summed over layers (not in
        the paper).

        Unlike knowledge entropy it cannot be moved by scaling a key up and its memory vector down
        by the same factor.
        """
        return self.vector_norms and self._estimate("contribution", self.sizes).sum().item()

    def _estimate(self, measure: str, sizes: Int[Tensor, " block"]) -> Float[Tensor, " layer"]:
        """A measure layer by layer (one value where it has no layers), with blocks of these
        sizes."""
        blocks = {
            "attention": self.attention_blocks,
            "token": self.token_blocks,
            "loss": self.loss_blocks,
        }
        if measure in blocks and blocks[measure] is not None:
            return average(blocks[measure], sizes).reshape(-1)
        needed = self.vector_norms if measure == "contribution" else self.coefficient_blocks
        if measure in (*COEFFICIENT_MEASURES, *MEASURES) and needed is not None:
            coefficients = [average(means, sizes) for means in self.coefficient_blocks]
            if measure in MEASURES:
                return measure_layers(coefficients, MEASURES[measure])
            if measure == "contribution":
                coefficients = [
                    layer * norms
                    for layer, norms in zip(coefficients, self.vector_norms, strict=True)
                ]
            return knowledge_entropy_by_layer(coefficients)
        accepted = ", ".join([*COEFFICIENT_MEASURES, *blocks, *MEASURES])
        raise ValueError(f"{measure!r} was not measured; accepted where measured: {accepted}")

    @checked
    def by_layer(
        self, measure: str = "knowledge"
    ) -> tuple[Float[Tensor, " layer"], Float[Tensor, " layer"]]:
        """A measure layer by layer, and its jackknife standard errors.

        `measure` is "knowledge", "contribution", "attention" (nats), "token" or "loss" (nats, one
        value), or a name in `kent.measure.entropy.MEASURES`. Raises `ValueError` for any other, and
        for one that was not measured.
        """
        return self._estimate(measure, self.sizes), jackknife(
            lambda sizes: self._estimate(measure, sizes), self.sizes
        )

    @property
    def standard_error(self) -> float | None:
        """Jackknife standard error of the knowledge entropy, in nats; NaN for a single instance."""
        return self.coefficient_blocks and self.estimate()[1]

    @property
    def standard_error_by_layer(self) -> Float[Tensor, " layer"] | None:
        """Jackknife standard error of each layer's knowledge entropy, in nats."""
        return self.coefficient_blocks and self.by_layer()[1]

    @checked
    def estimate(self, measure: str = "knowledge") -> tuple[float, float]:
        """A measure and its jackknife standard error: entropies are summed over layers, all else is
        their mean.

        Measures and errors as for `by_layer`.
        """
        gather = torch.mean if measure in MEASURES else torch.sum
        error = jackknife(lambda sizes: gather(self._estimate(measure, sizes)), self.sizes)
        return gather(self._estimate(measure, self.sizes)).item(), error.item()

    def summarize(self) -> dict:
        """All numbers of a whole profile as JSON-able values: totals with standard errors, and
        layer by layer.

        Raises `ValueError` when one of the three measures was not taken.
        """
        named = {
            "knowledge_entropy": "knowledge",
            "attention_entropy": "attention",
            "next_token_entropy": "token",
            "loss": "loss",
        }
        totals = {name: self.estimate(measure) for name, measure in named.items()}
        concentration = {
            name: [measure(each) for each in self.coefficients]
            for name, measure in MEASURES.items()
        }
        return {
            **{
                name: {"value": value, "standard_error": error}
                for name, (value, error) in totals.items()
            },
            "entropy_bound": self.entropy_bound,
            "by_layer": {
                "knowledge_entropy": self.knowledge_entropy_by_layer.tolist(),
                "standard_error": self.standard_error_by_layer.tolist(),
                "attention_entropy": self.attention_entropy_by_layer.tolist(),
                **concentration,
            },
        }

    @checked
    def change_since(
        self,
        earlier: "Profile",
        measure: str = "knowledge",
        *,
        weights: Sequence[float] | None = None,
    ) -> tuple[float, float]:
        """This profile's measure minus that of `earlier`, and the standard error of the difference.

        Measures as for `estimate`; `weights` [layer] make another sum over the layers' differences.
        Both must have measured the same sequences: leaving the same block out of both keeps what
        they share out of the error. Raises `ValueError` when they measured others, or models of
        another size, or coefficients of another kind.
        """
        changes, spread = self._subtract(earlier, measure)
        if weights is None:
            weights = [1 / len(changes) if measure in MEASURES else 1] * len(changes)
        if len(weights) != len(changes):
            raise ValueError(
                f"weights are {len(weights)}, one for each of {len(changes)} layers are needed"
            )
        weights = torch.tensor(weights, dtype=torch.float64, device="cpu")
        return (weights @ changes).item(), spread(lambda layers: weights @ layers).item()

    @checked
    def change_by_layer(
        self, earlier: "Profile"
    ) -> tuple[Float[Tensor, " layer"], Float[Tensor, " layer"]]:
        """Knowledge entropy of each layer minus that of `earlier`, and its standard error, in
        nats."""
        changes, spread = self._subtract(earlier, "knowledge")
        return changes, spread(lambda layers: layers)

    def _subtract(
        self, earlier: "Profile", measure: str
    ) -> tuple[Float[Tensor, " layer"], Callable]:
        """The layers' differences, and a function that gives the standard error of what it is told
        to make of them."""
        self._check_comparable(earlier, measure)

        def subtract(sizes: Tensor) -> Tensor:
            return self._estimate(measure, sizes) - earlier._estimate(measure, sizes)

        return subtract(self.sizes), lambda gather: jackknife(
            lambda sizes: gather(subtract(sizes)), self.sizes
        )

    def _check_comparable(self, earlier: "Profile", measure: str) -> None:
        """Raise `ValueError` for what differs; the text is compared where both profiles say what it
        was."""
        if not torch.equal(self.sizes, earlier.sizes):
            raise ValueError("the two profiles measured different numbers of sequences")
        alike = {
            "length": "sequences of another length",
            "tokens": "other masks",
            "text": "other tokens",
        }
        if measure in (*COEFFICIENT_MEASURES, *MEASURES):
            alike["activation"] = "another activation"
        for key, other in alike.items():
            first, second = (each.provenance.get(key) for each in (earlier, self))
            if None not in (first, second) and first != second:
                raise ValueError(f"the two profiles measured {other}: {key} {first} and {second}")
        first, second = (each._shape(measure) for each in (earlier, self))
        if first != second:
            raise ValueError(
                f"the two profiles measured models of another size: layers of {first} and {second} "
                "values"
            )

    def _shape(self, measure: str) -> list[int]:
        """How many values each layer has; of what is one value a layer, just that."""
        if measure in (*COEFFICIENT_MEASURES, *MEASURES) and self.coefficient_blocks is not None:
            return [means.shape[1] for means in self.coefficient_blocks]
        return [1] * len(self._estimate(measure, self.sizes))

    @checked
    def save(self, path: str | Path) -> None:
        """Write to a safetensors file, atomically, with the provenance in its header."""
        tensors = {"sizes": self.sizes}
        for name, layers in (
            ("coefficients", self.coefficient_blocks),
            ("norms", self.vector_norms),
        ):
            tensors |= {f"{name}.{layer}": values for layer, values in enumerate(layers or ())}
        for name in ("attention", "token", "loss"):
            if (blocks := getattr(self, f"{name}_blocks")) is not None:
                tensors[name] = blocks
        save_tensors(tensors, path, format=FORMAT, provenance=self.provenance)

    @classmethod
    @checked
    def load(cls, path: str | Path) -> "Profile":
        """Read a profile; `DamagedError` (a ValueError) for a damaged file, `ValueError` for
        something else."""
        tensors, provenance = load_tensors(path, FORMAT)
        counts = [
            sum(name.startswith(kind) for name in tensors) for kind in ("coefficients.", "norms.")
        ]
        layers = range(max(counts))
        with expect_whole(path):
            return cls(
                sizes=tensors["sizes"],
                coefficient_blocks=[tensors[f"coefficients.{layer}"] for layer in layers] or None,
                vector_norms=[tensors[f"norms.{layer}"] for layer in layers] if counts[1] else None,
                attention_blocks=tensors.get("attention"),
                token_blocks=tensors.get("token"),
                loss_blocks=tensors.get("loss"),
                provenance=provenance,
            )
