# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 12: K and P before and after continual learning
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Where does a model stand before continual learning, and where after it?
#
# By default on the **tiny** suite: small models pretrained on the spot, on a CPU, and facts of a synthetic world. None of the
# paper's checkpoints has been run yet.

# %% [markdown]
# ## Claim
#
# Figure 12 of the paper, for OLMo-1B: before learning, later models have the better K and P (P 64.6 against 60.3 %, implied by tables 1 and 2);
# after it the worse (52.0 against 54.0 %).
#
# *What would contradict it:* a K or P that is lower before, or higher after, for the last stage than for the first.

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

from kent import load
from kent.learning.downstream import evaluate, find_chance
from kent.learning.outcomes import estimate
from kent.models.revisions import spell
from kent.pages import gates, page, seeds, summaries
from kent.pages.plots import learning
from kent.runs import learning_plans, plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The runs are those of [Figure 4](fig04_acquisition_and_forgetting.ipynb): a checkpoint continues learning on text that holds new facts. $K$ is
# the mean log probability of the target of each fact's probes, $A$ its rise in % of where it began; the **control** asks about
# facts that are never injected, and $A$ *net* is what the injected facts gain beyond it. $P$ is the mean score of six tasks, $F$
# its fall. Intervals are two standard errors within one model, or those of the mean where other seeds were recorded.

# %% tags=["made"]
text = {"corpus": corpus, "column": column, "length": length}
measured = text | {"limit": limit, "dtype": dtype}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
passes = {"steps": steps, "batch_size": batch_size}

# %% tags=["made"]
settings = measured | taught | passes
plan = learning_plans.learn_stages(checkpoints, **settings)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
outcomes = results["learning"]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-before-after", "caption": "K and P before learning and after it, by initial model. Bold: with recorded seeds their mean and its 95 % interval, each seed thin; else two standard errors. Dotted: K of the control. Grey: the paper's P (before learning implied by tables 1 and 2); black: guessing."}, "image": {"alt": "Two line charts over the initial model's pretraining step, K in nats and P in per cent, each with a line before and a line after continual learning; the control's K dotted, the paper's P in grey, guessing as a black line.", "width": "100%"}} tags=["figure", "hide-input"]
learning.plot_before_and_after(outcomes, recorded)

# %% tags=["hide-input"]
table = summaries.tabulate_learning(outcomes)
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# P task by task, beside guessing and the first checkpoint of all (untrained, in the tiny suites):

# %% tags=["hide-input"]
[first] = plans.sweep_stages(checkpoints, **passes, **measured)["first"]
where = spell(first.config["step"])
model, tokenizer = load(first.config["name"], **where)
tasks = [*outcomes[0].answers]

# %% tags=["hide-input"]
answered = {"guessing": {task: find_chance(task) for task in tasks}}
answered["first checkpoint"] = evaluate(model, tokenizer, tasks).score
names = summaries.name_models(outcomes)
for name, each in zip(names, outcomes, strict=True):
    for when, place in (("before", 0), ("after", -1)):
        scores = {task: found[place] for task, found in each.answers.items()}
        right = {task: found.mean().item() for task, found in scores.items()}
        answered[f"{name}, {when}"] = right
scores = 100 * pd.DataFrame(answered).T
scores.assign(P=scores.mean(axis=1)).map("{:.0f}".format)

# %% [markdown]
# ## Check
#
# What must hold at any scale: log probabilities are not positive, scores lie between 0 and 1, every injection is followed by a
# scoring; and A and F are what K and P before and after make them.

# %%
page.check_outcomes(outcomes)
ran = [each for each in outcomes if not each.provenance["stopped"]]
for each in ran:
    k, p = each.performance()[:, 0], each.downstream()[:, 0]
    A, F = 100 * (k[-1] - k[0]) / -k[0], 100 * (p[0] - p[-1]) / p[0]
    assert abs(each.acquisition()[0] - A) < 1e-9
    assert abs(each.forgetting()[0] - F) < 1e-9

# %% [markdown]
# ## Verdict
#
# The last stage minus the first. P before can only be better where the last stage is above guessing; P after is measurable where
# both ends are, before and after. K is that of the injected facts; how much of its change is style, the control shows.

# %%
P = [100 * each.downstream() for each in outcomes]
K = [each.performance() for each in outcomes]
changes = {}
for when, place in {"before": 0, "after": -1}.items():
    changes[f"fig12-{when}-k"] = K[-1][place] - K[0][place]
    changes[f"fig12-{when}"] = P[-1][place] - P[0][place]
ends = [outcomes[0], outcomes[-1]]
missed = {"fig12-before": gates.find_floor(ends[1:], [0])}
missed["fig12-after"] = gates.find_floor(ends)

# %%
found = {key: estimate(samples) for key, samples in changes.items()}
page.judge(found, outcomes, recorded, missed)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig12_before_and_after.ipynb out.ipynb \
#     -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# ```
#
# [Figure 4](fig04_acquisition_and_forgetting.ipynb) says what a run takes, how to give checkpoints and files of your own, and where this
# differs from the paper.
