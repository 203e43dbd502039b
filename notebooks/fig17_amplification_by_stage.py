# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 17: a larger amplification hurts a middle stage and helps a later one
#
# *A page of the executable companion to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Between the stages that waking hurts and those that it helps, where does it turn? As built here, the page takes the
# **tiny** suite, pretrained on the spot and run on a CPU, and facts of the synthetic world; nothing at OLMo's scale has
# been run for this book yet.

# %% [markdown]
# ## Claim
#
# Figure 17 of the paper, for OLMo-1B and $p = 50$: at 369k steps (50 % of the run) a larger $q$ lowers A; at 554k (75 %) it
# raises it.
#
# *What would contradict it:* with $q = 2$ a higher A than the unchanged model's at 50 %, a lower one at 75 %; or a slope of
# A in $q$ that is smaller at 75 % than at 50 %; each by more than two standard errors.

# %% tags=["parameters"]
checkpoints = "tiny"
steps = []
corpus = "world"
column = "text"
length = 128
limit = 256
dtype = "float32"
batch_size = 8
p = 50.0
q = [0.5, 1.0, 2.0, 3.0]
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
# $\operatorname{mean}(\bar C) / \bar C \cdot q$. The coefficients are measured on the page's own text. Each stage is
# changed by its own coefficients.
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
plan = learning_plans.vary_q_midway(checkpoints, p=p, q=q, steps=steps, batch_size=batch_size, **measured, **taught)
pages.estimate_cost(plan)

# %%
results = pages.fetch_all(plan)
stages = summaries.group_changes(results)
outcomes = [outcome for models in stages.values() for _, outcome in models.values()]
recorded = seeds.recall(plan, checkpoints)
pages.stamp(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-amplification-by-stage", "caption": "Acquisition, forgetting, K and P of two middle stages as they are and with half of their memory vectors woken, by amplification q, with two standard errors. Dotted: A of the never injected control, K and P before learning. Thin: other seeds of pretraining, where recorded."}, "image": {"alt": "Four line charts with a place for the unchanged model and for each q and a line for each of two stages: acquisition beside the control, forgetting, and K and P before and after learning, with error bars.", "width": "100%"}} tags=["hide-input"]
import pandas as pd

tables = {f"step {step}": summaries.tabulate_changes(models) for step, models in stages.items()}
figure = resuscitation_plots.plot_changes(tables, recorded)

# %% [markdown]
# Before learning: the entropies, the loss, K and P say what the edit itself moves and breaks. All ± two standard errors.

# %% tags=["hide-input"]
seeds.Estimates(pd.concat(tables), plan)

# %% [markdown]
# ## Check
#
# What must hold at any scale: a log probability is not positive, a score lies between 0 and 1, every model is probed before
# learning and after every injection, and none of the runs was stopped.

# %%
for profile, outcome in (pair for models in stages.values() for pair in models.values()):
    assert (outcome.knowledge["per_target_token"] <= 0).all() and (outcome.control["per_target_token"] <= 0).all()
    assert ((outcome.downstream() >= 0) & (outcome.downstream() <= 1)).all()
    assert len(outcome.steps) % 10 == 1 and outcome.steps[0] == 0 and outcome.provenance["stopped"] is None
    assert 0 <= profile.knowledge_entropy <= profile.entropy_bound + 1e-9

# %% [markdown]
# ## Reading
#
# The slope is that of the least-squares line through A of all $q$ (the unchanged model is not among them), in % per unit of
# $q$.

# %%
import numpy as np

A = [
    {label: each.acquisition(since=models["unchanged"][1]) for label, (_, each) in models.items()}
    for models in stages.values()
]
middle, late = A[0], A[-1]
slopes = [np.polyfit(q, np.stack([each[f"q = {value:g}"] for value in q]), 1)[0] for each in (middle, late)]
changes = {"fig17": slopes[1] - slopes[0]}
if 2 in q:
    changes |= {"fig17-middle": middle["q = 2"] - middle["unchanged"], "fig17-late": late["q = 2"] - late["unchanged"]}
pages.read({key: estimate(samples) for key, samples in changes.items()}, outcomes, recorded)

# %% [markdown]
# The differences to the unchanged model, stage by stage, each with the error of a difference:

# %% tags=["hide-input"]
differences = {
    f"from step {step}, minus unchanged": summaries.compare_changes(models) for step, models in stages.items()
}
seeds.Estimates(pd.concat(differences), plan)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig17_amplification_by_stage.ipynb out.ipynb -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# papermill notebooks/fig17_amplification_by_stage.ipynb out.ipynb -p checkpoints FOLDER -p corpus FILE.txt \
#     -y "knowledge: [once60.json, paraphrase70.json]" \
#     -y "recipe: {corpus: FILE.txt, length: 2048, batch: 76, steps: 40, tasks: world}"
# ```
#
# Two stages, each as it is and with each q: ten runs. For a suite of the Hub the recipe is the paper's
# (`kent.learning.Recipe`). The page says what it will cost on the device at hand before it starts. An interrupted run goes
# on.
#
# *Deviations from the paper.* On the tiny suites facts, text, tasks and model are small and synthetic (the stamp gives the
# sizes), and a run reads a far larger part of what pretraining read. A and F count from the
# unchanged model's start (the table has both ways). No values were read off the published figure: only its directions are
# compared.
