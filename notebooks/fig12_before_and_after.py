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
# Where does a model stand before continual learning, and where after? As built here, the page takes the
# **tiny** suite, pretrained on the spot and run on a CPU, and facts of the synthetic world; nothing at OLMo's scale has been
# run for this book yet.

# %% [markdown]
# ## Claim
#
# Figure 12 of the paper, for OLMo-1B: before learning, the later the model the better its K and P; afterwards it is the
# other way round.
#
# *What would contradict it:* a K or P that is lower before, or higher after, for the last stage than for the first, by more than
# two standard errors.

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
from kent.pages import evidence, page, seeds, summaries
from kent.pages.plots import learning
from kent.runs import learning_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The runs are those of [Figure 4](fig04_acquisition_and_forgetting.ipynb), which says how they are made: a checkpoint continues learning on text that
# holds injected facts, $K$ is the mean log probability of the target of each fact's probes, $P$ the
# mean score of six tasks, and
#
# $$A = \frac{K_{CL} - K_{PT}}{|K_{PT}|}, \qquad F = -\frac{P_{CL} - P_{PT}}{P_{PT}}$$
#
# compare before (PT) and after (CL). The **control** is never injected. Intervals are two bootstrap standard errors.

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
passes = {"steps": steps, "batch_size": batch_size}
plan = learning_plans.learn_stages(checkpoints, **passes, **measured, **taught)
page.estimate_cost(plan)

# %%
results = page.fetch_all(plan)
before, outcomes = results["before"], results["learning"]
recorded = seeds.recall(plan, checkpoints)
page.stamp(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-before-after", "caption": "K and P before learning and after it, by initial model, with two standard errors. Grey: the paper's P, dotted before learning (implied by tables 1 and 2), dashed after; dotted black: guessing. Thin: other seeds of pretraining, where recorded."}, "image": {"alt": "Two line charts over the initial model's pretraining step, K in nats and P in per cent, each with a line before and a line after continual learning, with error bars, and the paper's P in grey.", "width": "100%"}} tags=["hide-input"]
figure = learning.plot_before_and_after(outcomes, recorded)

# %% tags=["hide-input"]
seeds.Estimates(summaries.tabulate_learning(outcomes), plan)

# %% [markdown]
# P task by task, beside what guessing scores and what the first checkpoint of all (untrained, in the tiny suites) does:

# %% tags=["hide-input"]
import pandas as pd

from kent import load
from kent.learning.downstream import evaluate, find_chance
from kent.runs import plans

[first] = plans.sweep_stages(checkpoints, **passes, **measured)["first"]
model, tokenizer = load(first.config["name"], first.config["step"])
tasks = [*outcomes[0].answers]
answered = {"guessing": {task: find_chance(task) for task in tasks}}

# %% tags=["hide-input"]
answered["first checkpoint"] = evaluate(model, tokenizer, tasks).score
for step, each in zip(evidence.label_steps(outcomes), outcomes, strict=True):
    for when, place in (("before", 0), ("after", -1)):
        right = {task: scores[place].mean().item() for task, scores in each.answers.items()}
        answered[f"{step:,}, {when}"] = right
scores = 100 * pd.DataFrame(answered)
pd.concat([scores, scores.mean().to_frame("P").T]).map("{:.1f}".format)

# %% [markdown]
# ## Check
#
# What must hold at any scale: log probabilities, scores and evaluations as they must be (`kent.pages.page.check_outcomes`); A and F are what K and P before and after make them.

# %%
page.check_outcomes(outcomes)
for each in (each for each in outcomes if not each.provenance["stopped"]):
    k, p = each.performance()[:, 0], each.downstream()[:, 0]
    assert abs(each.acquisition()[0] - 100 * (k[-1] - k[0]) / -k[0]) < 1e-9
    assert abs(each.forgetting()[0] - 100 * (p[0] - p[-1]) / p[0]) < 1e-9

# %% [markdown]
# ## Reading

# %%
P = [100 * each.downstream() for each in outcomes]
K = [each.performance() for each in outcomes]
ends = {"fig12-before-k": K[-1][0] - K[0][0], "fig12-before": P[-1][0] - P[0][0]}
ends |= {"fig12-after-k": K[-1][-1] - K[0][-1], "fig12-after": P[-1][-1] - P[0][-1]}
gates = {"fig12-after": summaries.find_floor([outcomes[0], outcomes[-1]])}
found = {key: estimate(samples) for key, samples in ends.items()}
page.read(found, outcomes, recorded, gates)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig12_before_and_after.ipynb out.ipynb -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# papermill notebooks/fig12_before_and_after.ipynb out.ipynb -y "checkpoints: [EARLY, LATE]" -p corpus FILE.txt \
#     -y "knowledge: [once60.json, paraphrase70.json]" \
#     -y "recipe: {corpus: FILE.txt, length: 2048, batch: 76, rows: 19, steps: 40, tasks: world}"
# ```
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
# code's padded mean (row "padded mean" of the table), so only $P$ is marked. Without files the control is made of the
# world's facts: beside the published ones it is of another style, so give `control` two files of its own.
