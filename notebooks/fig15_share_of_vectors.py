# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 15: the more memory vectors are woken the better, until about 90 %
#
# *A page of the executable companion to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# How many of the least used memory vectors should be woken? As built here, the page takes the **tiny** suite, pretrained on
# the spot and run on a CPU, and facts of the synthetic world; nothing at OLMo's scale has been run for this book yet.

# %% [markdown]
# ## Claim
#
# Figure 15 of the paper, for the final OLMo-1B and $q = 1$: the larger $p$, the more new knowledge is acquired, until about
# 90 %.
#
# *What would contradict it:* a lower A with $p = 75$ than with $p = 25$, by more than two standard errors.

# %% tags=["parameters"]
checkpoints = "tiny"
steps = []
corpus = "world"
column = "text"
length = 128
limit = 256
dtype = "float32"
batch_size = 8
p = [25.0, 50.0, 75.0, 90.0]
q = 1.0
recipe = {}
knowledge = []
control = []

# %% tags=["hide-input"]
import sys

if "google.colab" in sys.modules:  # install kent where it is missing, leaving Colab's torch and numpy alone
    # %pip install -q "knowledge-entropy @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input"]
from kent import learning_plans, pages, resuscitation_plots, seeds, summaries
from kent.outcomes import estimate

pages.check_parameters()

# %% [markdown]
# ## Method
#
# Algorithm 1 ([step by step](algorithm1_resuscitation.ipynb), `kent.resuscitate`): in each layer the memory vectors whose
# mean coefficient $\bar C$ is at most the $p$-th percentile have their keys (rows of the up-projection) multiplied by
# $\operatorname{mean}(\bar C) / \bar C \cdot q$. The coefficients are measured on the page's own text. With $q = 1$ every
# chosen one is taken to the mean of its layer. Mean coefficients are skewed, so at $p = 90$ some of the chosen ones lie
# above the mean, and are scaled *down* to it.
#
# The runs are made as those of [Figure 4](fig04_acquisition_and_forgetting.ipynb): a model learns on from text that holds
# injected facts, $K$ is the mean log probability of the target of each fact's probes, $P$ the mean score of six tasks, and
#
# $$A = \frac{K_{CL} - K_{PT}}{|K_{PT}|}, \qquad F = -\frac{P_{CL} - P_{PT}}{P_{PT}}$$
#
# Here $K_{PT}$ and $P_{PT}$ are those of the **unchanged** model for every change, so that what a change itself breaks is no
# room for acquisition: differences of $A$ and $F$ are then differences of what the models can at the end. The table also
# counts from each model's own start. The **control** holds facts that are never injected. Intervals are two bootstrap
# standard errors, over the same redrawn paragraphs and documents for every model; they leave out what another seed of
# pretraining would change, so pages recorded for other seeds (`results/pages/`) stand beside.

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
plan = learning_plans.vary_p(checkpoints, p=p, q=q, steps=steps, batch_size=batch_size, **measured, **taught)
pages.estimate_cost(plan)

# %%
results = pages.fetch_all(plan)
[models] = summaries.group_changes(results).values()
recorded = seeds.recall(plan, checkpoints)
pages.stamp([outcome for _, outcome in models.values()])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-share-of-vectors", "caption": "Acquisition, forgetting, K and P of the final model as it is and with the p per cent least used memory vectors of each layer woken (q = 1), with two standard errors. Dotted: A of the never injected control, K and P before learning. Thin: other seeds of pretraining, where recorded."}, "image": {"alt": "Four charts with a mark for the unchanged model and for each p: acquisition beside the control, forgetting, and K and P before and after learning, with error bars.", "width": "100%"}} tags=["hide-input"]
table = summaries.tabulate_changes(models)
figure = resuscitation_plots.plot_changes({"final model": table}, recorded)

# %% [markdown]
# Before learning: the entropies, the loss, K and P say what the edit itself moves and breaks. All ± two standard errors.

# %% tags=["hide-input"]
import pandas as pd

seeds.Estimates(pd.concat({"final model": table}), plan)

# %% [markdown]
# How many of the chosen memory vectors were above the mean of their layer, and scaled down:

# %% tags=["hide-input"]
from kent.resuscitation import find_multipliers

coefficients = models["unchanged"][0].coefficients
multipliers = {f"p = {each:g}": find_multipliers(coefficients, p=each, q=q) for each in p}
scaled = {label: [int((layer < 1).sum()) for layer in layers] for label, layers in multipliers.items()}
pd.DataFrame(scaled).rename_axis("layer")

# %% [markdown]
# ## Check
#
# What must hold at any scale: a log probability is not positive, a score lies between 0 and 1, every model is probed before
# learning and after every injection, and none of the runs was stopped.

# %%
for profile, outcome in models.values():
    assert (outcome.knowledge["per_target_token"] <= 0).all() and (outcome.control["per_target_token"] <= 0).all()
    assert ((outcome.downstream() >= 0) & (outcome.downstream() <= 1)).all()
    assert len(outcome.steps) % 10 == 1 and outcome.steps[0] == 0 and outcome.provenance["stopped"] is None
    assert 0 <= profile.knowledge_entropy <= profile.entropy_bound + 1e-9

# %% [markdown]
# ## Reading

# %%
A = {label: outcome.acquisition(since=models["unchanged"][1]) for label, (_, outcome) in models.items()}
found = {"fig15": estimate(A["p = 75"] - A["p = 25"])} if {"p = 75", "p = 25"} <= A.keys() else {}
pages.read(found, [outcome for _, outcome in models.values()], recorded)

# %% [markdown]
# The differences to the unchanged model, each with the error of a difference:

# %% tags=["hide-input"]
seeds.Estimates(pd.concat({"minus unchanged": summaries.compare_changes(models)}), plan)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig15_share_of_vectors.ipynb out.ipynb -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# papermill notebooks/fig15_share_of_vectors.ipynb out.ipynb -p checkpoints FOLDER -p corpus FILE.txt \
#     -y "knowledge: [once60.json, paraphrase70.json]" \
#     -y "recipe: {corpus: FILE.txt, length: 2048, batch: 76, steps: 40, tasks: world}"
# ```
#
# One checkpoint, as it is and with each p: five runs. For a suite of the Hub the recipe is the paper's
# (`kent.learning.Recipe`). The page says what it will cost on the device at hand before it starts. An interrupted run goes
# on.
#
# *Deviations from the paper.* On the tiny suites facts, text, tasks and model are small and synthetic (the stamp gives the
# sizes), and a run reads a far larger part of what pretraining read. A and F count from the
# unchanged model's start (the table has both ways). No values were read off the published figure: only its directions are
# compared.
