# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 11: facts injected once and paraphrased ones
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Ten injections of a fact, each a paraphrase, or a single one: what stays? As built here, the page takes the
# **tiny** suite, pretrained on the spot and run on a CPU, and facts of the synthetic world; nothing at OLMo's scale has been
# run for this book yet.

# %% [markdown]
# ## Claim
#
# Figure 11 of the paper, for OLMo-1B: paraphrased facts are acquired far better than facts injected once, whose A is negative
# at the final stage.
#
# *What would contradict it:* an A of facts injected once that is higher, by more than two standard errors.

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
from kent.pages import page, seeds
from kent.pages.evidence import label_steps
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

# %% mystnb={"figure": {"name": "fig-once", "caption": "Acquisition and final K of facts injected once, of paraphrased facts and of the control, with two standard errors. Thin: other seeds of pretraining, where recorded."}, "image": {"alt": "Two line charts over the initial model's pretraining step: acquisition in per cent, and K after learning in nats, each with a line for paraphrased facts, facts injected once and the never injected control, with error bars.", "width": "100%"}} tags=["hide-input"]
figure = learning.plot_settings(outcomes, recorded)

# %% tags=["hide-input"]
import pandas as pd

rows = {}
for name, (what, of) in learning.KINDS.items():
    last = [each.performance(what, of=of)[-1] for each in outcomes]
    rows[name, "A (%)"] = [estimate(each.acquisition(what, of=of)) for each in outcomes]
    rows[name, "K after (nats)"] = [estimate(samples) for samples in last]
table = pd.DataFrame([*rows.values()], pd.MultiIndex.from_tuples(rows), label_steps(outcomes))
seeds.Estimates(table, plan)

# %% [markdown]
# ## Check
#
# What must hold at any scale: log probabilities, scores and evaluations as they must be (`kent.pages.page.check_outcomes`); K of all facts is the mean of both settings, weighted by their paragraphs.

# %%
page.check_outcomes(outcomes)
for each in (each for each in outcomes if not each.provenance["stopped"]):
    sizes = {name: each.average_paragraphs(name).shape[1] for name in ("once", "paraphrase")}
    parts = [each.performance(name)[:, 0] * size for name, size in sizes.items()]
    assert abs(sum(parts) / sum(sizes.values()) - each.performance()[:, 0]).max() < 1e-9

# %% [markdown]
# ## Reading
#
# At the final stage. Whether facts injected once are learnt at all is also judged against the control, which gains style only.

# %%
last = outcomes[-1]
difference = last.acquisition("paraphrase") - last.acquisition("once")
found = {"fig11": estimate(difference), "fig11-once": estimate(last.acquisition("once"))}
page.read(found, outcomes, recorded)

# %%
beyond = estimate(last.acquisition("once") - last.acquisition(of="control"))
shown = seeds.format_interval(*beyond, "+")
print(f"A of facts injected once minus A of the control, final stage: {shown} points")

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig11_once_and_paraphrased.ipynb out.ipynb -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# papermill notebooks/fig11_once_and_paraphrased.ipynb out.ipynb -y "checkpoints: [EARLY, LATE]" -p corpus FILE.txt \
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
