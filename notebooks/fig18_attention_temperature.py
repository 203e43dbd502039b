# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 18: resuscitation beside the attention temperature
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Does evening out attention help a model to learn, as resuscitation of memory vectors is said to?
#
# In the paper attention entropy falls with pretraining too ([Figure 3](fig03_other_entropies.ipynb)). If evenness as such
# helps learning, a higher attention temperature should help as well.
#
# By default on the **tiny** suite: small models pretrained for this book, and facts of a synthetic world. Nothing has been
# run at OLMo's scale yet.

# %% [markdown]
# ## Claim
#
# Figure 18 of [Kim et al. (2025)](https://arxiv.org/abs/2410.01380), for the final OLMo-1B: a softmax temperature of 1.5 to 3 in
# the attention (which the public code lowers to 1 over the run by default) helps less than resuscitation ($p = 50$).
#
# *What would contradict it:* the best temperature reaches a higher net A than the best $q$, beyond the interval.

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
q = [1.0, 2.0, 3.0]
cooled = [1.5, 2.0, 3.0]
constant = [1.5, 0.67]
recipe = {}
knowledge = []
control = []

# %% tags=["hide-input", "made"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input", "made"]
from kent.learning.outcomes import estimate
from kent.pages import changes, gates, page, seeds, summaries
from kent.pages.plots import resuscitation
from kent.runs import learning_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# At temperature $T$ the attention's logits are divided by $T$ before the softmax (`kent.change.temperature.set_temperature`; the
# model is not forked). *Cooled*: $T$ is lowered linearly to 1 over the run (`kent.change.temperature.Cooling`). *Constant*:
# it stays; below 1 attention is sharper, which is the control.
#
# What is measured *before* learning (entropies, loss, K, P) is at the temperature the run starts at; what is measured
# *after* is at 1 for cooled runs, at their own temperature for constant ones.
#
# Algorithm 1 ([step by step](algorithm1_resuscitation.ipynb), `kent.resuscitate`) multiplies, in each layer, the keys (rows of
# the up-projection) of those memory vectors whose mean coefficient $\bar C$ is at most the $p$-th percentile by
# $\operatorname{mean}(\bar C) / \bar C \cdot q$. The coefficients are measured on the page's own text.
#
# Models learn and are scored as on [Figure 5's page](fig05_resuscitation.ipynb), on text that holds injected facts: $A$ is the
# rise of $K$, the log probability of these facts, $F$ the fall of $P$, the score of six tasks, both in % of the
# **unchanged** model's start. **Net A** is $A$ minus that of the **control**, facts that are never injected. Intervals are
# two bootstrap standard errors within one model; where other seeds of pretraining are recorded, numbers are means over
# seeds with the 95 % interval between them.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
varied = {"steps": steps, "p": p, "q": q}
varied |= {"cooled": cooled, "constant": constant}
settings = varied | measured | taught
plan = learning_plans.vary_temperature(checkpoints, **settings)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
[models] = summaries.group_changes(results).values()
outcomes = [outcome for _, outcome in models.values()]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-attention-temperature", "caption": "A temperature T in the attention of the final model (cooled to 1 over the run, or constant) beside resuscitation of its inactive memory vectors by q: acquisition net of the control, acquisition beside the control's (hollow), forgetting (dotted: of a model that ends at guessing), K and P after learning and, hollow, before, and knowledge entropy before learning, each minus the unchanged model's. Bold: means over seeds with their 95 % interval and, small, each seed, where other seeds are recorded; else this model's value with two standard errors."}, "image": {"alt": "Six charts with a mark for each attention temperature and each q about a line at zero, the unchanged model: the change of net acquisition, of acquisition beside the control's, of forgetting beside a dotted line where a model ends at guessing, of K and P before and after learning, and of knowledge entropy, with error bars.", "width": "100%"}} tags=["hide-input", "figure"]
differences = changes.compare_changes(models)
resuscitation.plot_changes({"final model": differences}, recorded)

# %% [markdown]
# The models as they are; what is measured before learning is at the temperature the run starts at.

# %% tags=["hide-input"]
import pandas as pd

table = pd.concat({"final model": changes.tabulate_changes(models)})
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# ## Check
#
# Log probabilities, scores and evaluations are as they must be (`kent.pages.page.check_outcomes`, which names runs that were
# stopped), and knowledge entropies lie between 0 and their bound.

# %%
page.check_outcomes(outcomes)
for profile, _ in models.values():
    assert 0 <= profile.knowledge_entropy <= profile.entropy_bound + 1e-9

# %% [markdown]
# ## Verdict
#
# The best of each kind is the one of the highest net A, among the temperatures above 1; it is picked anew in every bootstrap
# sample, so that the interval has the picking in it. The best of four temperatures is flattered by chance a little more
# than the best of three $q$.

# %%
import numpy as np

A = changes.acquire(models)
tried = {"q": [A[f"q = {x:g}"] for x in q]}
tried["T"] = [A[f"T = {x:g}, cooled"] for x in cooled]
tried["T"] += [A[f"T = {x:g}"] for x in constant if x > 1]
best = {kind: np.max(each, axis=0) for kind, each in tried.items() if each}
found = {"fig18": estimate(best["q"] - best["T"])} if len(best) == 2 else {}
missed = {"fig18": gates.require_acquisition(outcomes)}
page.judge(found, outcomes, recorded, missed)

# %% [markdown]
# Every difference to the unchanged model:

# %% tags=["hide-input"]
table = pd.concat({f"final model, {changes.COMPARED}": differences})
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig18_attention_temperature.ipynb out.ipynb \
#     -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# ```
#
# One checkpoint: nine runs, of which the resuscitated ones are Figure 5's. Other checkpoints, suites of the Hub and deviations from the paper: as on [Figure 5's page](fig05_resuscitation.ipynb), and
# in addition: the public code cools by default, and counts a step before it is learned, so that its first step is learned a
# little below $T$, ours at $T$. Constant temperatures are a variant, the one below 1 a control.
