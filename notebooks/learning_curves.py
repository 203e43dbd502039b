# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Learning curves: what an injection adds, and what is left of it
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# The paper reports the end of continual learning. What happens on the way there? As built here, the page takes the
# **tiny** suite, pretrained on the spot and run on a CPU, and facts of the synthetic world; nothing at OLMo's scale has been
# run for this book yet.

# %% [markdown]
# ## Claim
#
# A page beyond the paper, which scores the probes after every injection and reports the last score. Chang et al. (2024),
# whose Fictional Knowledge it uses, found that a fact jumps when it is injected and fades afterwards.
#
# *What would contradict it:* facts injected once that gain no more over their injection than over the others.

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
from kent.learning.injection import list_injections
from kent.learning.outcomes import summarize_paragraphs
from kent.pages import page, seeds
from kent.pages.evidence import label_steps
from kent.pages.plots import learning
from kent.paper import is_effect
from kent.runs import learning_plans
from kent.runs.configurations import read_knowledge

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
#
# Ten injections in a run; text $i$ stands in front of row $i$ of its batch (`kent.learning.injection`). This is the schedule of the
# first two.

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
passes = {"steps": steps, "batch_size": batch_size}
plan = learning_plans.learn_stages(checkpoints, **passes, **measured, **taught)
page.estimate_cost(plan)

# %%
results = page.fetch_all(plan)
before, outcomes = results["before"], results["learning"]
page.stamp(outcomes)

# %% [markdown]
# ## Figure

# %% tags=["hide-input"]
setting = plan["learning"][0].config
facts, _ = read_knowledge(setting)
schedule = list_injections(facts, batch=setting["batch"], steps=setting["steps"])
first = schedule[schedule.injection <= 2].groupby("injection").head(5)
first.assign(text=first.text.str.slice(0, 60) + " …").set_index(["step", "row"])

# %% mystnb={"figure": {"name": "fig-learning-curves", "caption": "K before learning and after every injection, from four stages of pretraining, with two standard errors."}, "image": {"alt": "Three line charts over the step of continual learning: K of paraphrased facts, of facts injected once and of the never injected control, one line with error bars per initial model.", "width": "100%"}} tags=["hide-input"]
figure = learning.plot_learning_curves(outcomes)

# %% [markdown]
# The jump and the decay after it: K of a fact injected once, from before its injection to so many injections
# after it, over what K of the control does meanwhile. The first injection, which changes the style of everything, is left
# out here and below.

# %% mystnb={"figure": {"name": "fig-injections", "caption": "What is left of a single injection, by the number of injections since: the gain of K over the never injected control, from four stages of pretraining, with two standard errors over paragraphs."}, "image": {"alt": "A line chart over the injections since a fact was injected once: the gain of K over the control in nats, one line with error bars per initial model.", "width": "100%"}} tags=["hide-input"]
labels = [f"from step {step:,}" for step in label_steps(outcomes)]
followed = [each.follow_injections() for each in outcomes]
figure = learning.plot_injections(dict(zip(labels, followed, strict=True)))

# %% [markdown]
# What one injection does to a fact injected once, within its own curve: the gain of its K over its injection, minus
# its mean gain over each of the other injections. The error is over paragraphs.

# %% tags=["hide-input"]
import pandas as pd

injections = [each.compare_injections() for each in outcomes]
rows = [(*summarize_paragraphs(each), len(each)) for each in injections]
columns = ["difference (nats)", "s.e.", "paragraphs"]
table = pd.DataFrame(rows, index=pd.Index(label_steps(outcomes), name="from step"), columns=columns)
table.round(3)

# %% [markdown]
# ## Check
#
# What must hold at any scale: log probabilities, scores and evaluations as they must be (`kent.pages.page.check_outcomes`); a row of losses for every step, at rates that warm up to the peak and never exceed it.

# %%
page.check_outcomes(outcomes)
for each in outcomes:
    peak = each.provenance["recipe"]["learning_rate"]
    assert len(each.curve) == each.steps[-1]
    assert each.provenance["stopped"] or each.curve.isfinite().all()
    assert abs(each.curve[:, 1].max() - peak) < 0.2 * peak

# %% [markdown]
# ## Reading
#
# The difference in the table is the trace of a single injection; where it is within two standard errors of nothing, this
# model at this size did not keep a fact from one injection long enough for the next scoring to see it.

# %%
for step, difference, error, _ in table.itertuples():
    way = "a jump" if difference > 0 else "a fall"
    said = way if is_effect(difference, error) else "too small to tell"
    print(f"from step {step}: {seeds.format_interval(difference, error, '+')} nats, {said}")

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/learning_curves.ipynb out.ipynb -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# papermill notebooks/learning_curves.ipynb out.ipynb -y "checkpoints: [EARLY, LATE]" -p corpus FILE.txt \
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
# Rows come in the same order in every epoch. Without files the control
# is made of the world's facts: beside the published ones it is of another style, so give `control` two files of its own.
