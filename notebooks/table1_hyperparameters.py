# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Tables 1 and 2: acquisition and forgetting in other settings
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Does the pattern depend on how a model is taught? As built here, the page takes the
# **tiny** suite, pretrained on the spot and run on a CPU, and facts of the synthetic world; nothing at OLMo's scale has been
# run for this book yet.

# %% [markdown]
# ## Claim
#
# Table 1 of the paper, for OLMo-1B: with a larger batch, a higher peak rate and three epochs, A falls and F rises from the
# first stage to the last as in the baseline. At the lower peak rate (1e-4) F rises too, but A does not fall: 21.6, 23.0,
# 23.7 and 22.6 %. With the larger batch the last stage collapses (A −92.2 %).
#
# *What would contradict it:* for each setting a change of the other sign, by more than two standard errors.

# %% tags=["parameters"]
checkpoints = "tiny"
steps = []
corpus = "world"
column = "text"
length = 128
limit = 256
dtype = "float32"
batch_size = 8
recipe = {}
knowledge = []
control = []

# %% tags=["hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input"]
from kent.learning.outcomes import estimate
from kent.pages import page, seeds, summaries
from kent.pages.plots import learning
from kent.pages.regressions import tabulate_cells
from kent.paper import TABLES, infer_before
from kent.runs import learning_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The runs are made as those of [Figure 4](fig04_acquisition_and_forgetting.ipynb): a checkpoint continues learning on text that
# holds injected facts, $K$ is the mean log probability of the target of each fact's probes, $P$ the mean score of six tasks,
# and
#
# $$A = \frac{K_{CL} - K_{PT}}{|K_{PT}|}, \qquad F = -\frac{P_{CL} - P_{PT}}{P_{PT}}$$
#
# compare before (PT) and after (CL). The **control** is never injected. Intervals are two bootstrap standard errors.
#
# Each setting changes the baseline by the paper's factor (`kent.runs.learning_plans.vary_recipe`): peak rate × 2.5 and × 0.25, three
# epochs, and a larger batch over the same rows, × 16 or as far as a step for every injection is left (on the tiny suites × 5).

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
passes = {"steps": steps, "batch_size": batch_size}
plan = learning_plans.learn_settings(checkpoints, **passes, **measured, **taught)
page.estimate_cost(plan)

# %%
settings = page.fetch_all(plan)
outcomes = [each for listed in settings.values() for each in listed]
recorded = seeds.recall(plan, checkpoints)
page.stamp(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-hyperparameters", "caption": "Acquisition and forgetting by initial model in the five settings of table 1: measured here with two standard errors (above), and published (below; one value, A = −92.2 % with the larger batch, is written where its line leaves the panel). Dotted: the forgetting of a model that ends where guessing begins."}, "image": {"alt": "Four line charts over the initial model's pretraining step with one line for each of five settings: measured acquisition and forgetting with error bars above, the published ones below.", "width": "100%"}} tags=["hide-input"]
figure = learning.plot_hyperparameters(settings, tabulate_cells())

# %% [markdown]
# The settings as they were run here, and the outcome of each (± two standard errors) above the published tables; K is the
# padded mean, as published.

# %% tags=["hide-input"]
import pandas as pd

made = {name: listed[0].provenance["recipe"] for name, listed in settings.items()}
pd.DataFrame(made).loc[["batch", "steps", "epochs", "learning_rate"]].T

# %% tags=["hide-input"]
rows = ["A (%)", "control: A (%)", "F (%)", "K after, padded mean (nats)", "P after (%)"]
shown = {name: summaries.tabulate_learning(listed).loc[rows] for name, listed in settings.items()}
seeds.Estimates(pd.concat(shown), plan)

# %% tags=["hide-input"]
published = {(name, key): getattr(row, key) for name, row in TABLES.items() for key in "AFKP"}
pd.DataFrame(published).T.map("{:g}".format)

# %% [markdown]
# The published tables agree with each other: what K and P were before learning follows from each of the five settings, and
# these are the ranges that all printed digits leave.

# %% tags=["hide-input"]
before = pd.DataFrame({f"{key} before": infer_before(key) for key in "KP"})
before.map(lambda ends: "{:.4g} to {:.4g}".format(*ends))

# %% [markdown]
# ## Check
#
# What must hold at any scale: log probabilities, scores and evaluations as they must be (`kent.pages.page.check_outcomes`); every setting starts from the same models, so K before learning is the same; and both ends of
# each published range are in order.

# %%
page.check_outcomes(outcomes)
for listed in settings.values():
    for one, other in zip(settings["baseline"], listed, strict=True):
        assert abs(one.performance()[0, 0] - other.performance()[0, 0]) < 1e-6
assert all(low <= high for key in "KP" for low, high in infer_before(key).values())

# %% [markdown]
# ## Reading
#
# The last stage against the first, setting by setting. A run whose loss was no longer finite has no outcome: it is named, and
# its claim has no value.

# %%
keys = {"larger batch": "batch", "higher rate": "high", "lower rate": "low"}
changes, gates = {}, {}
for name, key in (keys | {"three epochs": "epochs"}).items():
    first, last = settings[name][0], settings[name][-1]
    changes[f"table1-{key}-acquisition"] = estimate(last.acquisition() - first.acquisition())
    changes[f"table1-{key}-forgetting"] = estimate(last.forgetting() - first.forgetting())
    gates[f"table1-{key}-forgetting"] = summaries.find_floor([first, last])
page.read(changes, outcomes, recorded, gates)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/table1_hyperparameters.ipynb out.ipynb -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# papermill notebooks/table1_hyperparameters.ipynb out.ipynb -y "checkpoints: [EARLY, LATE]" -p corpus FILE.txt \
#     -y "knowledge: [once60.json, paraphrase70.json]" \
#     -y "recipe: {corpus: FILE.txt, length: 2048, batch: 76, rows: 19, steps: 40, tasks: world}"
# ```
#
# Five settings from four checkpoints: one run of three epochs and four of one for each checkpoint, seven times the cost of
# Figure 4.
#
# For a suite of the Hub the recipe is the paper's (`kent.learning.recipes.Recipe`: 1,600 steps of 128 rows of 1,024 tokens of
# PubMed, six tasks of lm-evaluation-harness): 210 million tokens per checkpoint, each three times as dear as in
# [measuring](speed.ipynb). The page says what it will cost on the device at hand before it starts. An interrupted run goes
# on.
#
# *Deviations from the paper.* On the tiny suites facts, text, tasks and model are small and synthetic (the stamp gives the
# sizes); the peak rate is that of pretraining, as the paper's 4e-4 is OLMo-1B's in its published configuration; and a run reads
# a far larger part of what pretraining read.
# There embeddings decay and the warm-up starts at 0; the authors decay none and start at 10 % of the peak rate.
# Rows come in the same order in every epoch. Published $K$ is the public
# code's padded mean (row "padded mean" of the table), so the figure has only $A$ and $F$. Without files the control is made
# of the world's facts: beside the published ones it is of another style, so give `control` two files of its own.
