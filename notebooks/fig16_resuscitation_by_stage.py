# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 16: resuscitation by stage of pretraining
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Does resuscitation help late models, and not early ones?
#
# It should, if late models learn worse because they use few of their memory vectors.
#
# By default on the **tiny** suite: small models pretrained for this book, and facts of a synthetic world. Nothing has been
# run at OLMo's scale yet.

# %% [markdown]
# ## Claim
#
# Figure 16 of [Kim et al. (2025)](https://arxiv.org/abs/2410.01380), for OLMo-1B, $p = 50$ and $q = 2$: resuscitation raises A
# of the late stages (554k and 738k) and lowers that of the early ones (118k and 369k).
#
# *What would contradict it:* a lower net A of the resuscitated last stage, a higher one of the resuscitated first stage, or
# a change that is smaller for the last than for the first, beyond the interval.

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
q = [2.0]
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
from kent.pages.axes import name_axis
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
varied = {"steps": steps, "p": p, "q": q}
varied["stages"] = ["118k", "369k", "554k", "738k"]
plan = learning_plans.vary_q(checkpoints, **varied, **measured, **taught)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
stages = summaries.group_changes(results)
pairs = [pair for models in stages.values() for pair in models.values()]
outcomes = [outcome for _, outcome in pairs]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-resuscitation-by-stage", "caption": "Resuscitation of inactive memory vectors, by initial model (pretraining step): acquisition net of the control, acquisition beside the control's (hollow), forgetting (dotted: of a model that ends at guessing), K and P after learning and, hollow, before, and knowledge entropy before learning, each minus the unchanged model's. Bold: means over seeds, with a band for their 95 % interval, and thin each seed, where other seeds are recorded; else this model's value with two standard errors."}, "image": {"alt": "Six line charts over the initial model's pretraining step about a line at zero, the unchanged model: the change of net acquisition, of acquisition beside the control's, of forgetting beside a dotted line where a model ends at guessing, of K and P before and after learning, and of knowledge entropy.", "width": "100%"}} tags=["hide-input", "figure"]
import pandas as pd

find = changes.compare_changes
tables = {step: find(models) for step, models in stages.items()}
table, labels = pd.concat(tables, axis=1), [f"q = {each:g}" for each in q]
differences = {each: table.xs(each, axis=1, level=1) for each in labels}
axis = name_axis(results["unchanged, learning"])
resuscitation.plot_changes(differences, recorded, axis)

# %% [markdown]
# The models as they are. Entropies, loss, K and P before learning say what the edit alone moves and breaks.

# %% tags=["hide-input"]
find = changes.tabulate_changes
tables = {step: find(models) for step, models in stages.items()}
table, labels = pd.concat(tables, axis=1), ["unchanged", *labels]
lines = {each: table.xs(each, axis=1, level=1) for each in labels}
seeds.Estimates(pd.concat(lines), plan, recorded)

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
# With the first of the page's $q$: the last stage, the first, and the one minus the other; the last alone, where there is
# but one.

# %%
A = [changes.acquire(models) for models in stages.values()]
gains = [each[f"q = {q[0]:g}"] - each["unchanged"] for each in A]
moves = {"fig16-late": gains[-1]}
if len(gains) > 1:
    moves |= {"fig16": gains[-1] - gains[0], "fig16-early": gains[0]}
found = {key: estimate(samples) for key, samples in moves.items()}

# %%
first, last = ([*stages.values()][end] for end in (0, -1))
ends = {"fig16-early": [first], "fig16-late": [last]}
ends["fig16"] = [first, last]
missed = {}
for key in found:
    learned = [pair for models in ends[key] for pair in models.values()]
    missed[key] = gates.require_acquisition([each for _, each in learned])
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
# papermill notebooks/fig16_resuscitation_by_stage.ipynb out.ipynb \
#     -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# ```
#
# Four stages, each as it is and resuscitated: eight runs. Other checkpoints, suites of the Hub and deviations from the paper: as on [Figure 5's page](fig05_resuscitation.ipynb).
