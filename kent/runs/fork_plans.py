"""Which runs a page needs on branches of one pretraining: measured, under noise, learning on."""

from collections.abc import Mapping, Sequence

from kent.models.suites import FORK, FORKS, OWN
from kent.runs.definitions import plan_learning, plan_profile
from kent.runs.learned_plans import FRESH, LEARNED, OWN_RATE, hold_rate, profile_learned
from kent.runs.learning_plans import LEARNING, choose_recipe
from kent.runs.plans import Checkpoint, Checkpoints, Plan, Steps
from kent.settings import Count, Positive, checked

Settings = Mapping[str, object]
START, COSINE, NOISE = "at the fork", "cosine", "noise"
"""The checkpoint from which branches go on, the branch that is the suite itself, and what the label
of profiles under noise ends with."""


def list_branches(checkpoints: Checkpoints) -> dict[str, Checkpoint]:
    """By branch the checkpoint at its end, that at the fork and the suite's own first.

    Raises `ValueError` for checkpoints that have no branches.
    """
    if not isinstance(checkpoints, str) or checkpoints not in FORKS:
        fault = f"{checkpoints!r} has no branches"
        raise ValueError(f"{fault}; these suites have: {', '.join(FORKS)}")
    last = {branch: (name, OWN[name].steps[-1]) for branch, name in FORKS[checkpoints].items()}
    own = {START: (checkpoints, FORK), COSINE: (checkpoints, OWN[checkpoints].steps[-1])}
    return own | last


@checked
def compare_forks(
    checkpoints: Checkpoints,
    *,
    steps: Steps = (),
    noise: Positive = 0.5,
    draws: Count = 3,
    recipe: Settings | None = None,
    knowledge: Sequence[str] = (),
    control: Sequence[str] = (),
    **measured,
) -> Plan:
    """The end of each branch of a suite, profiled, and learning on at one rate and at its own.

    Under "BRANCH", under "BRANCH, noise" with Gaussian noise on all weights (so many `draws`, of
    `noise` times the standard deviation of an initialisation), and under "BRANCH, START, learning"
    and "BRANCH, START, learned" for each start: the paper's at one rate, and the branch's own rate,
    which a branch that decayed to 0 has not.

    Raises `ValueError` for checkpoints that have no branches, and for `steps`: a branch is measured
    where it ends.
    """
    if steps:
        raise ValueError(f"branches are measured where they end: without steps {[*steps]}")
    taught, facts = choose_recipe(checkpoints, recipe), {"knowledge": knowledge, "control": control}
    plan, shaken = {}, {"method": "shrink", "shrink": 1.0, "perturb": noise, "measured": measured}
    for branch, (name, step) in list_branches(checkpoints).items():
        plan[branch] = [plan_profile(name, step, **measured)]
        plan[f"{branch}, {NOISE}"] = [
            plan_profile(name, step, **measured, change=shaken | {"seed": seed})
            for seed in range(draws)
        ]
        rate = OWN[name].follow_rate(step)
        for start, settings in {FRESH: {}, OWN_RATE: hold_rate(rate)}.items():
            if start == FRESH or rate:
                run = plan_learning(name, step, **taught | settings, **facts)
                plan[f"{branch}, {start}, {LEARNING}"] = [run]
                plan[f"{branch}, {start}, {LEARNED}"] = [profile_learned(run, measured)]
    return plan
