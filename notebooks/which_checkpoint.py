# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which checkpoint to start from
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Which number of a model, known before it learns, predicts how much it will learn and forget?
#
# Nothing is trained or measured here: what the book's other pages recorded is read again, over all suites and seeds.

# %% [markdown]
# ## Claim
#
# Not in the paper, which leaves open which checkpoint is best ([Kim et al., 2025](https://arxiv.org/abs/2410.01380)) and shows that
# knowledge entropy goes with acquisition and forgetting over the stages of one pretraining.
#
# *What would contradict it:* knowledge entropy orders the models of a suite no better than other numbers, or than the step alone; or it
# orders stages, and not models that were changed on purpose.

# %% tags=["made", "hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["made", "hide-input"]
from itertools import product

import pandas as pd
from IPython.display import Markdown

from kent.pages import predictors, seeds
from kent.pages.plots.predictors import plot_scores

# %% [markdown]
# ## Method
#
# Three groups of models that learned the same rows with the same facts: the *stages* of a pretraining, its last checkpoint in all the ways in
# which the book *changes* it (Algorithm 1, its controls, temperatures), and the *endings* of one pretraining, where recorded. What is to
# be predicted is net A (of the control), F and the rise of the loss on held-out text, each from the fresh start of the paper.
#
# Each predictor is judged on suites that it was not fitted to: in every suite (a seed of the tiny models, the suite small, SmolLM2-135M) its
# rank correlation with the target, times the sign that it has in the mean of the *other* suites. 1 is the right order, 0 none, below 0 the
# reverse. Means over suites with the interval of Student's $t$. A group of one suite only has no score.

# %%
models = predictors.collect_models()
models.groupby(["group", "suite"]).count().T

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-predictors", "caption": "How well a number known before learning orders the models of a suite by what they learn and forget: the rank correlation, with the sign taken from the other suites, mean and 95 % interval over suites; small marks are single suites. Blue: the interval lies above 0."}, "image": {"alt": "Panels by group of models and target, each with a line per predictor: its mean rank correlation with an interval, and a small mark per suite.", "width": "100%"}} tags=["figure", "hide-input"]
asked = product(predictors.SOURCES, predictors.TARGETS)
scores = {each: predictors.score_predictors(models, *each) for each in asked}
pooled = {each: predictors.pool_scores(table) for each, table in scores.items()}
plot_scores({each: scores[each] for each in pooled if pooled[each]})

# %% tags=["hide-input"]
found = {
    ", ".join(each): {name: seeds.format_interval(*pair) for name, pair in mean.items()}
    for each, mean in pooled.items()
    if mean
}
pd.DataFrame(found).fillna("–")

# %% [markdown]
# ## Check
#
# A score is a rank correlation, and a predictor that grows with every stage orders stages exactly as the step does: over one pretraining the two
# cannot be told apart.

# %%
for table in scores.values():
    assert ((table.abs() <= 1 + 1e-9) | table.isna()).all(axis=None)
stages = models.loc[predictors.STAGES].dropna(subset=[predictors.RATE])
step, rate = (stages[each].groupby("suite").rank() for each in (predictors.STEP, predictors.RATE))
assert (step + rate).groupby("suite").nunique().eq(1).all()

# %% [markdown]
# ## Verdict

# %% tags=["answer", "hide-input"]
lines = [
    f"- {group}, {predictors.shorten(target)}: {predictors.describe_best(mean)}"
    for (group, target), mean in pooled.items()
    if mean
]
Markdown("Above 0 on suites not fitted to, best first:\n\n" + "\n".join(lines))

# %% [markdown]
# Over *stages* nearly every number goes one way, so all of them score alike, the step among them. With as many predictors as are tried
# here, one in twenty may lie beyond its interval by chance. Norms of weights are not among them: no page records them by stage.
#
# ## Full run
#
# ```bash
# papermill notebooks/which_checkpoint.ipynb out.ipynb
# ```
#
# It takes seconds. What it reads is made by `make record SUITE=NAME` for another suite or seed.
#
# *Beyond the paper.* All of this page.
