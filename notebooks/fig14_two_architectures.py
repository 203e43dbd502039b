# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 14: knowledge entropy and acquisition in two architectures
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Is it the same for a model of another architecture? As built here, the page takes the
# **tiny** suite, pretrained on the spot and run on a CPU, and facts of the synthetic world; nothing at OLMo's scale has been
# run for this book yet.

# %% [markdown]
# ## Claim
#
# Figure 14 of the paper sets Pythia beside OLMo: both knowledge entropy and A over pretraining. Pythia's pretraining ends
# before the point where OLMo's curves become stable, and its A is read along its knowledge entropy.
#
# *What would contradict it:* a correlation of A with knowledge entropy over the plain model's checkpoints that is negative beyond its interval.

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
other_architecture = ""

# %% tags=["hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input"]
from kent.learning.outcomes import estimate
from kent.pages import evidence, page, seeds, summaries
from kent.pages.plots import correlations
from kent.runs import learning_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The runs are made as those of [Figure 4](fig04_acquisition_and_forgetting.ipynb): a checkpoint continues learning on text that
# holds injected facts, $K$ is the mean log probability of the target of each fact's probes, $P$ the mean score of six tasks,
# and
#
# $$A = \frac{K_{CL} - K_{PT}}{|K_{PT}|}, \qquad F = -\frac{P_{CL} - P_{PT}}{P_{PT}}$$
#
# compare before (PT) and after (CL). The **control** is never injected. Intervals are two bootstrap standard errors.
#
# The correlation (`kent.pages.summaries.correlate`) is Pearson's over the checkpoints of the plain (GPT-NeoX) model, with its interval
# (two standard errors of the Fisher transform). The checkpoints of one run are not independent, so the
# interval is too narrow rather than too wide.

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
passes = {"steps": steps, "batch_size": batch_size, "other_architecture": other_architecture}
plan = learning_plans.learn_architectures(checkpoints, **passes, **measured, **taught)
page.estimate_cost(plan)

# %%
results = page.fetch_all(plan)
names = [name for name in plan if f"{name}, learning" in plan]
models = {name: (results[name], results[f"{name}, learning"]) for name in names}
outcomes = [each for _, listed in models.values() for each in listed]
page.stamp(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-two-architectures", "caption": "Distance of knowledge entropy to its bound per layer, and acquisition with the never injected control (dotted), over pretraining, for a gated and a plain architecture, with two standard errors."}, "image": {"alt": "Two line charts over the pretraining step: above the distance of knowledge entropy to its bound in nats, below acquisition in per cent with its control, one line with error bars for a gated and one for a plain model.", "width": "100%"}} tags=["hide-input"]
figure = correlations.plot_architectures(models)

# %% tags=["hide-input"]
import pandas as pd
from IPython.display import display

tables = {
    name: summaries.tabulate_learning(listed, profiles)
    for name, (profiles, listed) in models.items()
}
for name, table in tables.items():
    display(seeds.Estimates(pd.concat({name: table}), plan))

# %% [markdown]
# ## Check
#
# What must hold at any scale: log probabilities, scores and evaluations as they must be (`kent.pages.page.check_outcomes`); entropies between 0 and the bound, and a checkpoint of a model for every outcome.

# %%
page.check_outcomes(outcomes)
for profiles, listed in models.values():
    assert len(profiles) == len(listed)
    assert all(0 <= each.knowledge_entropy <= each.entropy_bound + 1e-9 for each in profiles)

# %% [markdown]
# ## Reading
#
# A against knowledge entropy, over the checkpoints of the plain model. In the paper both fall. Two
# quantities that both rise correlate as well, and say nothing of it: then there is no verdict. And where the never injected
# control goes the same way, it is not knowledge that follows.

# %%
kinds = {name: profiles[0].provenance["architecture"] for name, (profiles, _) in models.items()}
plain = next((name for name in kinds if "GPTNeoX" in kinds[name]), [*kinds][-1])
H, A = ([value for value, _ in tables[plain].loc[row]] for row in (summaries.ENTROPY, "A (%)"))
profiles, listed = models[plain]
acquired = estimate(listed[-1].acquisition() - listed[0].acquisition())
gates = {"fig14": evidence.require_fall(profiles[-1].change_since(profiles[0]), acquired)}
page.read({"fig14": summaries.correlate(H, A)}, listed, gates=gates)

# %%
print(f"first to last: H {H[0]:.3f} to {H[-1]:.3f} nats, A {A[0]:.1f} to {A[-1]:.1f} %")
summaries.tabulate_correlations(tables[plain])

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig14_two_architectures.ipynb out.ipynb -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# papermill notebooks/fig14_two_architectures.ipynb out.ipynb -y "checkpoints: [EARLY, LATE]" -p corpus FILE.txt \
#     -y "knowledge: [once60.json, paraphrase70.json]" \
#     -y "recipe: {corpus: FILE.txt, length: 2048, batch: 76, rows: 19, steps: 40, tasks: world}"
# ```
#
# `other_architecture` is another suite, Hub repository or folder; empty, it is the suite's own. Every checkpoint from 16 % of the run on, of both models, continues
# learning.
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
