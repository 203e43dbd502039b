"""Suites: frozen descriptions of a model's checkpoints and of the texts they are measured on (pure
data)."""

from dataclasses import dataclass, field

WORLDS = ("world", "world-near", "world-far")
STREAMED = ("dolma", "c4", "pubmed")


@dataclass(frozen=True)
class Suite:
    """One model over its pretraining.

    `repository` is a Hub repository whose branches are the checkpoints, or None for a suite
    pretrained on the spot. `steps` are the checkpoints a page measures, `corpora` the texts, the
    one like its pretraining text first; `other_architecture` is the suite of another architecture
    beside it (figure 6); `parameters` the size of the model, for the estimate of a run's cost;
    `gated` whether its feed-forward layers are. `learning` is what continual learning has other
    than the paper's own setting (the defaults of `kent.runs.definitions.plan_learning`). `seeds`
    are the suites that differ from this one by the seed of pretraining alone.
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


# The paper's setting at a small model's size: the peak rate of pretraining, which 4e-4 is in
# OLMo-1B's published configuration, and the less familiar corpus. A run reads 7 % of what
# pretraining did; in the paper less than 0.01 %.
TINY_LEARNING = {
    **{
        "corpus": "world-far",
        "length": 128,
        "batch": 16,
        "steps": 50,
        "learning_rate": 3e-3,
        "tasks": "world",
    },
    **{"once": 20, "paraphrase": 12},
    **{
        "warmup_from": 0.0,
        "decay_embeddings": True,
    },  # as the Trainer does by itself, and as its own pretraining did
}
TINY = {"repository": None, "corpora": WORLDS, "learning": TINY_LEARNING}
TINY_SEEDS = ("tiny-1", "tiny-2", "tiny-3")
TINY_STEPS = (0, 1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 640, 768)

SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            "tiny",
            steps=TINY_STEPS,
            other_architecture="tiny-neox",
            parameters=786_432,
            seeds=TINY_SEEDS,
            **TINY,
        ),
        Suite(
            "tiny-neox",
            steps=TINY_STEPS,
            other_architecture="tiny",
            parameters=644_160,
            gated=False,
            **TINY,
        ),
        *(
            Suite(
                name, steps=TINY_STEPS, other_architecture="tiny-neox", parameters=786_432, **TINY
            )
            for name in TINY_SEEDS
        ),
        Suite(
            name="pythia",
            repository="EleutherAI/pythia-1b",
            steps=(
                0,
                1,
                4,
                16,
                64,
                256,
                512,
                1000,
                4000,
                16000,
                32000,
                64000,
                96000,
                128000,
                143000,
            ),
            corpora=STREAMED,
            other_architecture="olmo-1b",
            parameters=1_012_000_000,
            gated=False,
        ),
        Suite(
            name="olmo-1b",
            repository="allenai/OLMo-1B-hf",
            steps=(1000, 117850, 330000, 369000, 554000, 738020),
            corpora=STREAMED,
            other_architecture="pythia",
            parameters=1_177_000_000,
        ),
    )
}
