"""Suites: frozen descriptions of a model's checkpoints and of the text they are measured on (pure data)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Suite:
    """One model over its pretraining.

    `repository` is a Hub repository whose branches are the checkpoints, or None for a suite pretrained on the spot.
    `steps` are the checkpoints a page measures; `corpus`, `length` (tokens) and `limit` (sequences) what it measures
    them on; `parameters` the size of the model, for the estimate of a run's cost.
    """

    name: str
    repository: str | None
    steps: tuple[int, ...]
    corpus: str
    length: int
    limit: int
    parameters: int


SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            name="tiny",
            repository=None,
            steps=(0, 1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 640, 768),
            corpus="world",
            length=128,
            limit=256,
            parameters=786_432,
        ),
        Suite(
            name="pythia",
            repository="EleutherAI/pythia-1b",
            steps=(0, 1, 4, 16, 64, 256, 512, 1000, 4000, 16000, 32000, 64000, 96000, 128000, 143000),
            corpus="dolma",
            length=2048,
            limit=2048,
            parameters=1_012_000_000,
        ),
        Suite(
            name="olmo-1b",
            repository="allenai/OLMo-1B-hf",
            steps=(1000, 117850, 330000, 369000, 554000, 738020),
            corpus="dolma",
            length=2048,
            limit=2048,
            parameters=1_177_000_000,
        ),
    )
}
