# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 17: amplification at the middle stages
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Does a larger amplification hurt a model from the middle of pretraining and help one from three quarters of it?
#
# By default on the **tiny** suite: small models pretrained for this book, and facts of a synthetic world. Nothing has been
# run at OLMo's scale yet.

# %% [markdown]
# ## Claim
#
# Figure 17 of [Kim et al. (2025)](https://arxiv.org/abs/2410.01380), for OLMo-1B and $p = 50$: at 369k steps (50 % of the run) a
# larger $q$ lowers A; at 554k (75 %) it raises it.
#
# *What would contradict it:* with $q = 2$ a higher net A than the unchanged model's at 50 %, a lower one at 75 %; or a slope
# of net A in $q$ that is smaller at 75 % than at 50 %; each beyond the interval.

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

# %% tags=["hide-input", "made"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input", "made"]
from kent.learning.outcomes import estimate
from kent.pages import changes, gates, page, seeds, summaries
from kent.pages.changes import COMPARED
from kent.pages.plots import resuscitation
from kent.runs import learning_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# Algorithm 1 ([step by step](algorithm1_resuscitation.ipynb), `kent.resuscitate`) multiplies, in each layer, the keys (rows of
# the up-projection) of those memory vectors whose mean coefficient $\bar C$ is at most the $p$-th percentile by
# $\operatorname{mean}(\bar C) / \bar C \cdot q$. The coefficients are measured on the page's own text. Each stage is
# changed by its own.
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
varied = {"steps": steps, "p": p, "q": q, "stages": ["369k", "554k"]}
plan = learning_plans.vary_q(checkpoints, **varied, **measured, **taught)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
names = summaries.name_models(results["unchanged, learning"])
stages = summaries.group_changes(results).values()
stages = dict(zip(names, stages, strict=True))
pairs = [pair for models in stages.values() for pair in models.values()]
outcomes = [outcome for _, outcome in pairs]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-amplification-by-stage", "caption": "Resuscitation of inactive memory vectors at two middle stages, by amplification q: acquisition net of the control, acquisition beside the control's (hollow), forgetting (dotted: of a model that ends at guessing), K and P after learning and, hollow, before, and knowledge entropy before learning, each minus the unchanged model's. Bold: means over seeds with their 95 % interval and, small, each seed, where other seeds are recorded; else this model's value with two standard errors."}, "image": {"alt": "Six charts with a place for each q and a colour for each of two stages about a line at zero, the unchanged models: the change of net acquisition, of acquisition beside the control's, of forgetting beside a dotted line where a model ends at guessing, of K and P before and after learning, and of knowledge entropy.", "width": "100%"}} tags=["hide-input", "figure"]
find = changes.compare_changes
differences = {label: find(models) for label, models in stages.items()}
resuscitation.plot_changes(differences, recorded)

# %% [markdown]
# The models as they are. Entropies, loss, K and P before learning say what the edit alone moves and breaks.

# %% tags=["hide-input"]
import pandas as pd

find = changes.tabulate_changes
tables = {label: find(models) for label, models in stages.items()}
seeds.Estimates(pd.concat(tables), plan, recorded)

# %% [markdown]
# ## Check
#
# Log probabilities, scores and evaluations are as they must be (`kent.pages.page.check_outcomes`, which names runs that were
# stopped), and knowledge entropies lie between 0 and their bound.

# %%
page.check_outcomes(outcomes)
for profile, _ in pairs:
    assert 0 <= profile.knowledge_entropy <= profile.entropy_bound + 1e-9

# %% [markdown]
# ## Verdict
#
# The slope is that of the least-squares line through net A of all $q$ (the unchanged model is not among them), in points per
# unit of $q$. There is none without two stages and two $q$.

# %%
import numpy as np


def find_slope(A):
    """Slope of A in q, of every bootstrap sample."""
    return np.polyfit(q, np.stack([A[f"q = {each:g}"] for each in q]), 1)[0]


# %%
moves, A = {}, [changes.acquire(models) for models in stages.values()]
if len(A) == 2 and len(set(q)) > 1:
    moves["fig17"] = find_slope(A[1]) - find_slope(A[0])
    if 2 in q:
        gains = [each["q = 2"] - each["unchanged"] for each in A]
        moves |= {"fig17-middle": gains[0], "fig17-late": gains[1]}
found = {key: estimate(samples) for key, samples in moves.items()}
missed = dict.fromkeys(found, gates.require_acquisition(outcomes))
page.judge(found, outcomes, recorded, missed)

# %% [markdown]
# Every difference to the unchanged model, stage by stage:

# %% tags=["hide-input"]
table = pd.concat(differences).rename(lambda x: f"{x}, {COMPARED}", level=0)
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig17_amplification_by_stage.ipynb out.ipynb \
#     -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# ```
#
# Two stages, each as it is and with each q: ten runs. Other checkpoints, suites of the Hub and deviations from the paper: as on [Figure 5's page](fig05_resuscitation.ipynb).
