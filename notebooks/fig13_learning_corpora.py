# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 13: learning from other corpora
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Does it matter how far the text learnt on is from what was read in pretraining? As built here, the page takes the
# **tiny** suite, pretrained on the spot and run on a CPU, and facts of the synthetic world; nothing at OLMo's scale has been
# run for this book yet.

# %% [markdown]
# ## Claim
#
# Figure 13 of the paper, for OLMo-1B: from the first stage to the last A falls by 6.4 points on PubMed and by 3.4 on C4,
# which is nearer to the pretraining text ([familiarity](fig10_familiarity.ipynb)).
#
# *What would contradict it:* a fall on the near corpus that is the larger one, by more than two standard errors.

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
others = []

# %% tags=["hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input"]
from kent.learning.outcomes import estimate
from kent.pages import page, seeds, summaries
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
taught = {"recipe": recipe, "knowledge": knowledge, "control": control, "others": others}
passes = {"steps": steps, "batch_size": batch_size}
plan = learning_plans.learn_corpora(checkpoints, **passes, **measured, **taught)
page.estimate_cost(plan)

# %%
results = page.fetch_all(plan)
before, outcomes = results["before"], results["learning"]
recorded = seeds.recall(plan, checkpoints)
page.stamp([each for name, listed in results.items() if name != "before" for each in listed])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-learning-corpora", "caption": "Acquisition and forgetting by initial model, for two texts learnt on, with two standard errors. Dotted: the forgetting of a model that ends where guessing begins."}, "image": {"alt": "Two line charts over the initial model's pretraining step, acquisition and forgetting in per cent, each with a line per corpus learnt on and error bars.", "width": "100%"}} tags=["hide-input"]
far = outcomes[0].provenance["corpus"].get("corpus", "first corpus")
rest = {name: each for name, each in results.items() if name not in ("before", "learning")}
corpora = {far: outcomes} | rest
figure = learning.plot_learning_corpora(corpora)

# %% tags=["hide-input"]
import pandas as pd

rows = ["A (%)", "control: A (%)", "F (%)"]
shown = {name: summaries.tabulate_learning(each).loc[rows] for name, each in corpora.items()}
seeds.Estimates(pd.concat(shown), plan)

# %% [markdown]
# ## Check
#
# What must hold at any scale: log probabilities, scores and evaluations as they must be (`kent.pages.page.check_outcomes`); all runs on a corpus start from the same checkpoints and ask the same probes, so K before
# learning is the same on each.

# %%
page.check_outcomes([each for listed in corpora.values() for each in listed])
for name in corpora:
    for one, other in zip(outcomes, corpora[name], strict=True):
        assert one.provenance["probes"] == other.provenance["probes"]
        assert abs(one.performance()[0, 0] - other.performance()[0, 0]) < 1e-6

# %% [markdown]
# ## Reading
#
# The last corpus (C4, here the near domain) against the first (PubMed, here the far domain).

# %%
*_, near = corpora.values()
falls = [runs[-1].acquisition() - runs[0].acquisition() for runs in (outcomes, near)]
page.read({"fig13": estimate(falls[0] - falls[1])}, [*outcomes, *near], recorded)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig13_learning_corpora.ipynb out.ipynb -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# papermill notebooks/fig13_learning_corpora.ipynb out.ipynb -y "checkpoints: [EARLY, LATE]" -p corpus FILE.txt \
#     -y "others: [OTHER.txt]" -y "knowledge: [once60.json, paraphrase70.json]" \
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
