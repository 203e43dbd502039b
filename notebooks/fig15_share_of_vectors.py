# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 15: resuscitation by the share of memory vectors
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# How many of a layer's memory vectors should be resuscitated?
#
# By default on the **tiny** suite: small models pretrained for this book, and facts of a synthetic world. Nothing has been
# run at OLMo's scale yet.

# %% [markdown]
# ## Claim
#
# Figure 15 of [Kim et al. (2025)](https://arxiv.org/abs/2410.01380), for the final OLMo-1B and $q = 1$: the larger $p$, the more
# new knowledge is acquired, until about 90 %.
#
# *What would contradict it:* a lower net A with $p = 75$ than with $p = 25$, beyond the interval.

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
# Algorithm 1 ([step by step](algorithm1_resuscitation.ipynb), `kent.resuscitate`) multiplies, in each layer, the keys (rows of
# the up-projection) of those memory vectors whose mean coefficient $\bar C$ is at most the $p$-th percentile by
# $\operatorname{mean}(\bar C) / \bar C \cdot q$. The coefficients are measured on the page's own text. With
# $q = 1$ the chosen ones of the first layer reach just their layer's mean; later layers read what the first ones changed.
# Coefficients are skewed: with a large $p$ some of the chosen lie above $q$ times the mean and are scaled *down*.
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
measured |= {"steps": steps, "p": p, "q": q}
plan = learning_plans.vary_p(checkpoints, **measured, **taught)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
[models] = summaries.group_changes(results).values()
outcomes = [outcome for _, outcome in models.values()]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-share-of-vectors", "caption": "Resuscitation of the p per cent least active memory vectors of each layer of the final model: acquisition net of the control, acquisition beside the control's (hollow), forgetting (dotted: of a model that ends at guessing), K and P after learning and, hollow, before, and knowledge entropy before learning, each minus the unchanged model's. Bold: means over seeds with their 95 % interval and, small, each seed, where other seeds are recorded; else this model's value with two standard errors."}, "image": {"alt": "Six charts with a mark for each p about a line at zero, the unchanged model: the change of net acquisition, of acquisition beside the control's, of forgetting beside a dotted line where a model ends at guessing, of K and P before and after learning, and of knowledge entropy, with error bars.", "width": "100%"}} tags=["hide-input", "figure"]
differences = changes.compare_changes(models)
resuscitation.plot_changes({"final model": differences}, recorded)

# %% [markdown]
# The models as they are. Entropies, loss, K and P before learning say what the edit alone moves and breaks.

# %% tags=["hide-input"]
import pandas as pd

table = pd.concat({"final model": changes.tabulate_changes(models)})
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# How many of the chosen memory vectors lay above $q$ times their layer's mean, and were scaled down:

# %% tags=["hide-input"]
from kent.change.resuscitation import find_multipliers

coefficients, scaled = models["unchanged"][0].coefficients, {}
for each in p:
    factors = find_multipliers(coefficients, p=each, q=q)
    scaled[f"p = {each:g}"] = [(x < 1).sum().item() for x in factors]
pd.DataFrame(scaled).rename_axis("layer")

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

# %%
A = changes.acquire(models)
pairs = {"fig15": ("p = 75", "p = 25")}
pairs["fig15-ninety"] = ("p = 90", "p = 50")
pairs = {key: pair for key, pair in pairs.items() if {*pair} <= A.keys()}
found, missed = {}, {}
for key, (one, other) in pairs.items():
    found[key] = estimate(A[one] - A[other])
    compared = [models[label][1] for label in (one, other)]
    missed[key] = gates.require_acquisition(compared)
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
# papermill notebooks/fig15_share_of_vectors.ipynb out.ipynb \
#     -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# ```
#
# One checkpoint, as it is and with each p: five runs. Other checkpoints, suites of the Hub and deviations from the paper: as on [Figure 5's page](fig05_resuscitation.ipynb).
