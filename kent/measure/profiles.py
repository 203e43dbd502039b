"""What one pass over a checkpoint measured: coefficients, entropies, loss, their errors, the file.

Axes: block (neighbouring instances), layer; a vector "_" has one number per neuron of its layer,
or, where said, per expert.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from kent.measure.blocks import jackknife
from kent.measure.entropy import MEASURES, entropy_bound, measure_entropy
from kent.measure.estimates import SOURCES, Layers, Means, average_layers, estimate_layers, subtract
from kent.measure.packing import pack, unpack
from kent.records import expect_whole, load_tensors, save_tensors
from kent.settings import checked

FORMAT = "kent profile 2"


@dataclass(frozen=True)
class Profile(Means):
    """What one pass over a checkpoint measured, as means over blocks of neighbouring instances.

    `sizes` [block] are the instances per block; `vector_norms` the Euclidean norm of each memory
    vector, per layer [m], None where a model's memory vectors are not the rows of a weight (under
    an adapter). Of a model with experts, `expert_sizes` are each layer's neurons by expert, in the
    order of its coefficients, the shared experts last; `routing_blocks` the mean weights that the
    router gives to those it chooses from, per layer [block, expert]. A layer without experts is one
    expert, whose weight is 1. What was not measured is None. Entropies and loss are in nats.
    """

    @property
    def coefficients(self) -> list[Float[Tensor, " _"]] | None:
        """Mean coefficients C̄ˡ (section 3.1): per layer a float64 vector [m]."""
        return self.coefficient_blocks and average_layers(self.coefficient_blocks, self.sizes)

    @property
    def knowledge_entropy_by_layer(self) -> Layers | None:
        """H(θˡ) in nats."""
        return self._find("knowledge")

    @property
    def knowledge_entropy(self) -> float | None:
        """H(θ) in nats, the sum over layers: see `kent.measure.entropy.knowledge_entropy`."""
        return self._sum("knowledge")

    @property
    def entropy_bound(self) -> float | None:
        """Upper bound Σₗ ln mₗ of the knowledge entropy, in nats."""
        return self.coefficient_blocks and entropy_bound(self.coefficients)

    @property
    def attention_entropy_by_layer(self) -> Layers | None:
        """Attention entropy in nats: mean over a row's positions, instances and heads."""
        return self._find("attention")

    @property
    def attention_entropy(self) -> float | None:
        """Attention entropy in nats, summed over layers: see `kent.measure.attention`."""
        return self._sum("attention")

    @property
    def next_token_entropy(self) -> float | None:
        """Entropy in nats of the predicted next token, mean over positions, then instances.

        Why: figure 3 sets it beside knowledge entropy, as what a model's memory comes to at its
        output. It says how sure a model is, not how right: `loss` does that. Every real token
        counts, also the last one, after which nothing is read.
        """
        return self._sum("token")

    @property
    def loss(self) -> float | None:
        """Next-token cross-entropy in nats, mean over predicted tokens, then instances."""
        return self._sum("loss")

    @property
    def contribution_entropy(self) -> float | None:
        """Entropy in nats of coefficient × norm of its memory vector, summed over layers.

        Not in the paper. Unlike knowledge entropy it cannot be moved by scaling a key up and its
        memory vector down by the same factor. It still does not see that memory vectors may point
        the same way, or cancel.
        """
        return self._sum("contribution")

    @property
    def left_out(self) -> dict[str, str]:
        """The measures that the architecture does not allow, and why; see `kent.profile`."""
        return self.provenance.get("left_out", {})

    @property
    def routing_entropy(self) -> float | None:
        """Entropy in nats of the mean routing weights, summed over layers; None without experts.

        How evenly the router draws on the experts it chooses from, whatever these do with it: 0
        where one gets all, at most the sum of ln(experts). Not in the paper.
        """
        return self._sum("routing")

    @property
    def experts(self) -> list[list[Float[Tensor, " _"]]] | None:
        """Mean coefficients by layer and expert, the shared ones last; None without experts."""
        layers = self.expert_sizes and zip(self.coefficients, self.expert_sizes, strict=True)
        return layers and [[*vector.split(sizes)] for vector, sizes in layers]

    @property
    def expert_shares(self) -> list[Float[Tensor, " _"]] | None:
        """Per layer each expert's share of all mean coefficients; None without experts."""
        layers = self.experts
        totals = layers and [torch.stack([each.sum() for each in layer]) for layer in layers]
        return totals and [each / each.sum() for each in totals]

    @property
    def expert_entropies(self) -> list[Float[Tensor, " _"]] | None:
        """Per layer each expert's knowledge entropy on its own, in nats; None without experts.

        NaN for an expert that nothing was read with. With shares s (`expert_shares`) a layer's
        knowledge entropy is Σₑ sₑ·Hₑ - Σₑ sₑ·ln sₑ.
        """

        def measure(vector: Tensor) -> float:
            return measure_entropy(vector).item() if vector.any() else torch.nan

        layers = self.experts
        return layers and [
            torch.tensor([*map(measure, layer)], dtype=torch.float64, device="cpu")
            for layer in layers
        ]

    def _has(self, measure: str) -> bool:
        return getattr(self, SOURCES[measure]) is not None

    def _find(self, measure: str) -> Layers | None:
        return estimate_layers(self, measure, self.sizes) if self._has(measure) else None

    def _sum(self, measure: str) -> float | None:
        layers = self._find(measure)
        return None if layers is None else layers.sum().item()

    @checked
    def by_layer(self, measure: str = "knowledge") -> tuple[Layers, Layers]:
        """A measure layer by layer, and its jackknife standard errors.

        `measure` is "knowledge", "contribution", "routing", "attention" (nats), "token" or "loss"
        (nats, one value), or a name in `kent.measure.entropy.MEASURES`. Raises `ValueError` for any
        other, and for one that was not measured.
        """
        errors = jackknife(lambda sizes: estimate_layers(self, measure, sizes), self.sizes)
        return estimate_layers(self, measure, self.sizes), errors

    @property
    def standard_error(self) -> float | None:
        """Jackknife standard error of the knowledge entropy, in nats; NaN for a single instance."""
        return self.coefficient_blocks and self.estimate()[1]

    @property
    def standard_error_by_layer(self) -> Layers | None:
        """Jackknife standard error of each layer's knowledge entropy, in nats."""
        return self.coefficient_blocks and self.by_layer()[1]

    @checked
    def estimate(self, measure: str = "knowledge") -> tuple[float, float]:
        """A measure and its jackknife standard error.

        Entropies are summed over layers, all else is their mean. Measures and errors as for
        `by_layer`.
        """
        gather = torch.mean if measure in MEASURES else torch.sum
        error = jackknife(lambda sizes: gather(estimate_layers(self, measure, sizes)), self.sizes)
        return gather(estimate_layers(self, measure, self.sizes)).item(), error.item()

    def summarize(self) -> dict:
        """All numbers that were measured as JSON-able values: totals with errors, and by layer.

        With them what was left out, and why.
        """
        names = {"knowledge_entropy": "knowledge", "attention_entropy": "attention"}
        names |= {"next_token_entropy": "token", "loss": "loss", "routing_entropy": "routing"}
        taken = {name: each for name, each in names.items() if self._has(each)}
        keys = ("value", "standard_error")
        totals = {
            name: dict(zip(keys, self.estimate(measure), strict=True))
            for name, measure in taken.items()
        }
        by_layer = {
            "knowledge_entropy": self.knowledge_entropy_by_layer,
            "standard_error": self.standard_error_by_layer,
            "attention_entropy": self.attention_entropy_by_layer,
            "routing_entropy": self._find("routing"),
            **{name: self._find(name) for name in MEASURES},
        }
        by_layer = {name: each.tolist() for name, each in by_layer.items() if each is not None}
        bound = {} if self.entropy_bound is None else {"entropy_bound": self.entropy_bound}
        return {**totals, **bound, "by_layer": by_layer, "left_out": self.left_out}

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
        changes, spread = subtract(self, earlier, measure)
        count = len(changes)
        if weights is None:
            weights = [1 / count if measure in MEASURES else 1] * count
        if len(weights) != count:
            needed = f"one for each of {count} layers are needed"
            raise ValueError(f"weights are {len(weights)}, {needed}")
        weights = torch.tensor(weights, dtype=torch.float64, device="cpu")
        return (weights @ changes).item(), spread(lambda layers: weights @ layers).item()

    @checked
    def change_by_layer(self, earlier: "Profile") -> tuple[Layers, Layers]:
        """Each layer's knowledge entropy minus that of `earlier`, and its standard error, in nats.

        Errors as for `change_since`.
        """
        changes, spread = subtract(self, earlier, "knowledge")
        return changes, spread(lambda layers: layers)

    @checked
    def save(self, path: str | Path) -> None:
        """Write to a safetensors file, atomically, with the provenance in its header."""
        save_tensors(pack(self), path, format=FORMAT, provenance=self.provenance)

    @classmethod
    @checked
    def load(cls, path: str | Path) -> "Profile":
        """Read what `save` wrote.

        Raises `DamagedError` (a ValueError) for a damaged file, `ValueError` for something else.
        """
        tensors, provenance = load_tensors(path, FORMAT)
        with expect_whole(path):
            return cls(**unpack(tensors), provenance=provenance)
