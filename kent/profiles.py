"""What one pass over a checkpoint measured: coefficients, entropies, loss, their standard errors, and the file."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from kent.blocks import average, jackknife
from kent.entropy import MEASURES, entropy_bound, knowledge_entropy_by_layer, measure_entropy
from kent.records import write_atomically

FORMAT = "kent profile 1"

Blocks = list[Float[Tensor, "block _"]]


@dataclass(frozen=True)
class Profile:
    """What one pass over a checkpoint measured; every quantity as means over blocks of neighbouring instances.

    `sizes` [block] are the instances per block. What was not asked for is None. Entropies and loss are in nats.
    """

    sizes: Int[Tensor, " block"]
    coefficient_blocks: Blocks | None = None
    attention_blocks: Float[Tensor, "block layer"] | None = None
    token_blocks: Float[Tensor, " block"] | None = None
    loss_blocks: Float[Tensor, " block"] | None = None
    provenance: dict = field(default_factory=dict)

    @property
    def coefficients(self) -> list[Float[Tensor, " _"]] | None:
        """Mean coefficients C̄ˡ (section 3.1): per layer a float64 vector [m]."""
        return self.coefficient_blocks and [average(means, self.sizes) for means in self.coefficient_blocks]

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
        """Attention entropy in nats: mean over a row's positions, instances and heads; not summed over layers."""
        return None if self.attention_blocks is None else average(self.attention_blocks, self.sizes)

    @property
    def attention_entropy(self) -> float | None:
        """Attention entropy in nats, summed over layers."""
        return None if self.attention_blocks is None else self.attention_entropy_by_layer.sum().item()

    @property
    def next_token_entropy(self) -> float | None:
        """Entropy in nats of the predicted next-token distribution, mean over positions, then instances."""
        return None if self.token_blocks is None else average(self.token_blocks, self.sizes).item()

    @property
    def loss(self) -> float | None:
        """Next-token cross-entropy in nats, mean over an instance's predicted tokens, then instances."""
        return None if self.loss_blocks is None else average(self.loss_blocks, self.sizes).item()

    def _layers(self, sizes: Int[Tensor, " block"]) -> Float[Tensor, " layer"]:
        return torch.stack([measure_entropy(average(means, sizes)) for means in self.coefficient_blocks])

    @property
    def standard_error(self) -> float | None:
        """Jackknife standard error of the knowledge entropy, in nats; NaN for a single instance."""
        return self.coefficient_blocks and jackknife(lambda sizes: self._layers(sizes).sum(), self.sizes).item()

    @property
    def standard_error_by_layer(self) -> Float[Tensor, " layer"] | None:
        """Jackknife standard error of each layer's knowledge entropy, in nats."""
        return self.coefficient_blocks and jackknife(self._layers, self.sizes)

    def standard_error_of(self, measure: str) -> float:
        """Jackknife standard error, in nats, of "attention", "token" or "loss"."""
        blocks = {"attention": self.attention_blocks, "token": self.token_blocks, "loss": self.loss_blocks}
        if blocks.get(measure) is None:
            raise ValueError(f"{measure!r} was not measured; accepted where measured: {', '.join(blocks)}")
        return jackknife(lambda sizes: average(blocks[measure], sizes).sum(), self.sizes).item()

    def summarize(self) -> dict:
        """All numbers of a whole profile as JSON-able values: totals with standard errors, and layer by layer.

        Raises `ValueError` when one of the three measures was not taken.
        """
        totals = {
            "knowledge_entropy": (self.knowledge_entropy, self.standard_error),
            "attention_entropy": (self.attention_entropy, self.standard_error_of("attention")),
            "next_token_entropy": (self.next_token_entropy, self.standard_error_of("token")),
            "loss": (self.loss, self.standard_error_of("loss")),
        }
        concentration = {name: [measure(each) for each in self.coefficients] for name, measure in MEASURES.items()}
        return {
            **{name: {"value": value, "standard_error": error} for name, (value, error) in totals.items()},
            "entropy_bound": self.entropy_bound,
            "by_layer": {
                "knowledge_entropy": self.knowledge_entropy_by_layer.tolist(),
                "standard_error": self.standard_error_by_layer.tolist(),
                "attention_entropy": self.attention_entropy_by_layer.tolist(),
                **concentration,
            },
        }

    def change_since(self, earlier: "Profile") -> tuple[float, float]:
        """Knowledge entropy of this profile minus that of `earlier`, and its standard error, in nats.

        Both must have measured the same sequences: leaving the same block out of both keeps what they share out of the
        error. Raises `ValueError` when their blocks differ.
        """
        if not torch.equal(self.sizes, earlier.sizes):
            raise ValueError("the two profiles measured different numbers of sequences")
        change = jackknife(lambda sizes: self._layers(sizes).sum() - earlier._layers(sizes).sum(), self.sizes)
        return self.knowledge_entropy - earlier.knowledge_entropy, change.item()

    def save(self, path: str | Path) -> None:
        """Write to a safetensors file, atomically, with the provenance in its header."""
        tensors = {"sizes": self.sizes}
        for layer, means in enumerate(self.coefficient_blocks or ()):
            tensors[f"coefficients.{layer}"] = means
        for name in ("attention", "token", "loss"):
            if (blocks := getattr(self, f"{name}_blocks")) is not None:
                tensors[name] = blocks
        header = {"format": FORMAT, "provenance": json.dumps(self.provenance)}
        with write_atomically(path) as temporary:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, metadata=header)

    @classmethod
    def load(cls, path: str | Path) -> "Profile":
        """Read a profile; `ValueError` when the file is damaged or is something else."""
        try:
            with safe_open(path, "pt") as file:
                header, tensors = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(f"{path} is not a whole safetensors file: {error}") from None
        if header.get("format") != FORMAT:
            raise ValueError(f"{path} holds no profile: its format is {header.get('format')!r}, not {FORMAT!r}")
        layers = sum(name.startswith("coefficients.") for name in tensors)
        return cls(
            sizes=tensors["sizes"],
            coefficient_blocks=[tensors[f"coefficients.{layer}"] for layer in range(layers)] or None,
            attention_blocks=tensors.get("attention"),
            token_blocks=tensors.get("token"),
            loss_blocks=tensors.get("loss"),
            provenance=json.loads(header["provenance"]),
        )
