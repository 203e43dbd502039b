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
# Does the pattern depend on how a model is taught?
#
# By default on the **tiny** suite: small models pretrained on the spot, on a CPU, and facts of a synthetic world. None of the
# paper's checkpoints has been run yet.

# %% [markdown]
# ## Claim
#
# Table 1 of the paper, for OLMo-1B: with a larger batch, a higher peak rate and three epochs, A falls and F rises from the
# first stage to the last, as in the baseline. At the lower peak rate (1e-4) F rises too, but A does not fall: 21.6, 23.0,
# 23.7 and 22.6 %. With the larger batch the last stage collapses (A −92.2 %).
#
# *What would contradict it:* for each setting a change of the other sign, of net A or of F.

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

# %% tags=["made", "hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["made", "hide-input"]
import pandas as pd

from kent.learning.outcomes import estimate
from kent.pages import gates, page, seeds, summaries
from kent.pages.plots.tables import plot_hyperparameters
from kent.pages.regressions import tabulate_cells
from kent.paper import TABLES, infer_before
from kent.runs import learning_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The runs are made as those of [Figure 4](fig04_acquisition_and_forgetting.ipynb): a checkpoint continues learning on text that holds new facts. $K$ is
# the mean log probability of the target of each fact's probes, $A$ its rise in % of where it began; the **control** asks about
# facts that are never injected, and $A$ *net* is what the injected facts gain beyond it. $P$ is the mean score of six tasks, $F$
# its fall. Intervals are two standard errors within one model, or those of the mean where other seeds were recorded.
#
# Each setting changes the baseline by the paper's factor (`kent.runs.learning_plans.vary_recipe`): peak rate × 2.5 and × 0.25, three
# epochs, and a larger batch over the same rows, × 16 or as far as a step is left for every injection (on the tiny suites × 5).

# %% tags=["made"]
text = {"corpus": corpus, "column": column, "length": length}
measured = text | {"limit": limit, "dtype": dtype}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
passes = {"steps": steps, "batch_size": batch_size}

# %% tags=["made"]
given = measured | taught | passes
plan = learning_plans.learn_settings(checkpoints, **given)
page.estimate_cost(plan)

# %% tags=["made"]
settings = page.fetch_all(plan)
outcomes = [each for listed in settings.values() for each in listed]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-hyperparameters", "caption": "Acquisition and forgetting by initial model in the five settings of table 1. Top: A net of the control, and F; with recorded seeds their mean and its 95 % interval, each seed thin; else two standard errors; crosses: F of a model that ends where guessing begins. Middle: A of the injected facts and of the control. Bottom: published (no control; crosses by the P before that the tables imply; one value, A = −92.2 % with the larger batch, is written where its line leaves the panel)."}, "image": {"alt": "Six line charts over the initial model's pretraining step with one line for each of five settings: net acquisition and forgetting measured here; acquisition of the injected facts and of the control; the published acquisition and forgetting.", "width": "100%"}} tags=["figure", "hide-input"]
plot_hyperparameters(settings, tabulate_cells(), recorded)

# %% [markdown]
# The settings as they were run here, and what each came to; K is the padded mean, as published.

# %% tags=["hide-input"]
made = {name: runs[0].provenance["recipe"] for name, runs in settings.items()}
pd.DataFrame(made).loc[["batch", "steps", "epochs", "learning_rate"]].T

# %% tags=["hide-input"]
rows = [summaries.NET, "A (%)", "control: A (%)", "F (%)", summaries.FALL]
rows += ["K after, padded mean (nats)", "P after (%)"]
tables = {name: summaries.tabulate_learning(listed).loc[rows] for name, listed in settings.items()}
seeds.Estimates(summaries.join_tables(tables), plan, recorded)

# %% [markdown]
# The published tables:

# %% tags=["hide-input"]
published = {(name, key): getattr(row, key) for name, row in TABLES.items() for key in "AFKP"}
pd.DataFrame(published).T.map("{:g}".format)

# %% [markdown]
# They agree with each other: what K and P were before learning follows from each of the five settings, and these are the ranges that
# all printed digits leave.

# %% tags=["hide-input"]
before = pd.DataFrame({f"{key} before": infer_before(key) for key in "KP"})
before.map(lambda ends: "{:.4g} to {:.4g}".format(*ends))

# %% [markdown]
# ## Check
#
# What must hold at any scale: log probabilities are not positive, scores lie between 0 and 1, every injection is followed by a
# scoring; every setting starts from the same models, so K before learning is the same; and both ends of each published range are in order.

# %%
page.check_outcomes(outcomes)
for listed in settings.values():
    for one, other in zip(settings["baseline"], listed, strict=True):
        assert abs(one.performance()[0, 0] - other.performance()[0, 0]) < 1e-6
assert all(low <= high for key in "KP" for low, high in infer_before(key).values())

# %% [markdown]
# ## Verdict
#
# The last stage against the first, setting by setting. A claim of acquisition needs something acquired, net of the control; one of
# forgetting needs skills above guessing at both ends. A run whose loss was no longer finite has no outcome, and its claim no
# value.

# %%
keys = {"larger batch": "batch", "higher rate": "high", "lower rate": "low"}
found, missed = {}, {}
for name, key in (keys | {"three epochs": "epochs"}).items():
    first, last = ends = settings[name][0], settings[name][-1]
    acquired, forgotten = (f"table1-{key}-{what}" for what in ("acquisition", "forgetting"))
    found[acquired] = estimate(gates.acquire_net(last) - gates.acquire_net(first))
    found[forgotten] = estimate(last.forgetting() - first.forgetting())
    missed[acquired] = gates.require_acquisition(ends)
    missed[forgotten] = gates.find_floor(ends)

# %%
page.judge(found, outcomes, recorded, missed)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/table1_hyperparameters.ipynb out.ipynb \
#     -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# ```
#
# Five settings from four checkpoints, one of them of three epochs: seven times the cost of Figure 4.
#
# [Figure 4](fig04_acquisition_and_forgetting.ipynb) says what a run takes, how to give checkpoints and files of your own, and where this
# differs from the paper.
