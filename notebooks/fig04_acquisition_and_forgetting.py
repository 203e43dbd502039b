# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 4: acquisition and forgetting by stage of pretraining
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Does it matter how long a model was pretrained, when it is to learn something new? As built here, the page takes the
# **tiny** suite, pretrained on the spot and run on a CPU, and facts of the synthetic world; nothing at OLMo's scale has been
# run for this book yet.

# %% [markdown]
# ## Claim
#
# Figure 4 of the paper, for OLMo-1B and 7B that continue learning from four stages of pretraining: the later the initial model, the
# less new knowledge it acquires (A) and the more it forgets (F), so that a model from the middle ends best.
#
# *What would contradict it:* an A that is higher, or an F that is lower, for the last stage than for the first, by more than
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
import numpy as np

from kent.learning.outcomes import estimate
from kent.pages import page, seeds, summaries
from kent.pages.plots import learning
from kent.runs import learning_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# A checkpoint continues learning, with the Trainer of Hugging Face, on text that holds injected facts (`kent.learn`,
# [learning curves](learning_curves.ipynb)). $K$ is the mean log probability of the target of each fact's probes, $P$ the
# mean score of six tasks, both before and after:
#
# $$A = \frac{K_{CL} - K_{PT}}{|K_{PT}|}, \qquad F = -\frac{P_{CL} - P_{PT}}{P_{PT}}$$
#
# (`Outcome.acquisition`, `Outcome.forgetting`). The **control** holds facts of the same kind that are never injected: what
# it gains is style, not knowledge. Intervals are two bootstrap standard errors, over paragraphs for $K$, over tasks and
# their documents for $P$; runs are compared on the same redrawn paragraphs. They leave out what another seed of pretraining
# would change: where the page was recorded for other seeds (`results/pages/`), their values and the spread over seeds stand
# beside.

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

# %% mystnb={"figure": {"name": "fig-acquisition", "caption": "Acquisition, forgetting, and what K and P come to, by initial model, with two standard errors. Thin: other seeds of pretraining, where recorded. Grey: the paper's baseline (tables 1 and 2); dotted: what guessing scores, and the forgetting of a model that ends there."}, "image": {"alt": "Four line charts over the initial model's pretraining step: acquisition and final K of the injected facts beside the never injected control, forgetting and final P of the six tasks, with error bars, and the paper's values as a grey dashed line.", "width": "100%"}} tags=["hide-input"]
figure = learning.plot_learning(outcomes, recorded)

# %% tags=["hide-input"]
seeds.Estimates(summaries.tabulate_learning(outcomes, before), plan)

# %% [markdown]
# ## Check
#
# What must hold at any scale: log probabilities, scores and evaluations as they must be (`kent.pages.page.check_outcomes`, which
# also names runs that were stopped).

# %%
page.check_outcomes(outcomes)

# %% [markdown]
# ## Reading
#
# The first stage against the last; and, where there are more than two, the best of those between against the better of
# the two ends.

# %%
A, F = [each.acquisition() for each in outcomes], [each.forgetting() for each in outcomes]
K = [each.performance()[-1] for each in outcomes]
P = [100 * each.downstream()[-1] for each in outcomes]
changes = {"fig04-acquisition": A[-1] - A[0], "fig04-forgetting": F[-1] - F[0]}
if len(outcomes) > 2:
    for key, after in {"fig04-middle-k": K, "fig04-middle-p": P}.items():
        changes[key] = np.max(after[1:-1], axis=0) - np.maximum(after[0], after[-1])

# %%
gates = {"fig04-forgetting": summaries.find_floor([outcomes[0], outcomes[-1]])}
gates["fig04-middle-p"] = summaries.find_floor(outcomes)
found = {key: estimate(samples) for key, samples in changes.items()}
page.read(found, outcomes, recorded, gates)

# %% [markdown]
# F ends where guessing begins: a model that could more before has more to lose, and no model can fall further. Which
# initial models have reached it:

# %%
guessing = ", ".join(f"{step:,}" for step in summaries.list_guessing(outcomes)) or "none"
print(f"initial models that end no better than guessing, within two standard errors: {guessing}")

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig04_acquisition_and_forgetting.ipynb out.ipynb -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# papermill notebooks/fig04_acquisition_and_forgetting.ipynb out.ipynb -y "checkpoints: [EARLY, LATE]" -p corpus FILE.txt \
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
# code's padded mean (row "padded mean" of the table), so only $A$, $F$ and $P$ are marked. Without files the control
# is made of the world's facts: beside the published ones it is of another style, so give `control` two files of its own.
