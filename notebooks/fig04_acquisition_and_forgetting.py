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
# Does a model that was pretrained for longer learn new facts less well, and forget more of what it could do?
#
# By default on the **tiny** suite: small models pretrained on the spot, on a CPU, and facts of a synthetic world. None of the
# paper's checkpoints has been run yet.

# %% [markdown]
# ## Claim
#
# Figure 4 and tables 1 and 2 of the paper, for OLMo-1B that continues learning from four stages of its pretraining: the later the stage,
# the less new knowledge it acquires (A falls from 25.2 to 18.8 %) and the more it forgets (F rises from 10.5 to 19.5 %), so that a
# model from the middle ends best.
#
# *What would contradict it:* an A, net of what facts gain that were never injected, that is higher, or an F that is lower, for
# the last stage than for the first.

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
import numpy as np
from IPython.display import Markdown

from kent.learning.outcomes import estimate
from kent.pages import curves, gates, page, seeds, summaries
from kent.pages.plots import learning
from kent.runs import learning_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# A checkpoint continues learning, with the Trainer of Hugging Face, on text that holds injected facts (`kent.learn`). $K$ is the
# mean log probability of the target of each fact's probes, $P$ the mean score of six tasks, both before (PT) and after (CL):
#
# $$A = \frac{K_{CL} - K_{PT}}{|K_{PT}|}, \qquad F = -\frac{P_{CL} - P_{PT}}{P_{PT}}$$
#
# (`Outcome.acquisition`, `Outcome.forgetting`). The paper has no control. Here the **control** holds facts of the same kind that
# are never injected: what it gains is style. $A$ *net* is A of the injected facts minus A of the control, and is what claims of
# acquisition are judged by.
#
# F has a bound: no model falls below guessing. A model that ends there has $F = 1 -$ guessing / P before, whatever it learned. The
# crosses are that curve, which has no free parameter.
#
# Intervals are two standard errors within one model (bootstrap over paragraphs for $K$, over tasks and their documents for $P$; all
# runs on the same draws). Other seeds of pretraining differ by more: where they were recorded, intervals are those of their
# mean, and without them there is no verdict.

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
before, outcomes = results["before"], results["learning"]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-acquisition", "caption": "Acquisition, forgetting, and what K and P come to, by initial model. Bold: A net of the control; with recorded seeds their mean and its 95 % interval, each seed thin; else two standard errors. Grey: the paper's baseline (tables 1 and 2; its A has no control). Crosses: F of a model that ends where guessing begins."}, "image": {"alt": "Four line charts over the initial model's pretraining step: acquisition net of the control, with that of the injected facts and of the control beside it; forgetting beside the curve of a fall to guessing; K after learning of injected facts and control; P after learning beside guessing; the paper's values as a grey dashed line.", "width": "100%"}} tags=["figure", "hide-input"]
learning.plot_learning(outcomes, recorded)

# %% tags=["hide-input"]
table = summaries.tabulate_learning(outcomes, before)
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# ## Check
#
# What must hold at any scale: log probabilities are not positive, scores lie between 0 and 1, every injection is followed by a
# scoring (and runs that were stopped are named).

# %%
page.check_outcomes(outcomes)

# %% [markdown]
# ## Verdict
#
# The last stage against the first; and, with more than two, the best of those between against the better of the two ends. Less
# acquired needs something acquired, more forgotten needs skills above guessing at both ends.

# %%
A = [gates.acquire_net(each) for each in outcomes]
F = [each.forgetting() for each in outcomes]
changes = {"fig04-acquisition": A[-1] - A[0], "fig04-forgetting": F[-1] - F[0]}
if len(outcomes) > 2:
    K = [each.performance()[-1] for each in outcomes]
    P = [100 * each.downstream()[-1] for each in outcomes]
    for key, after in {"fig04-middle-k": K, "fig04-middle-p": P}.items():
        best = np.max(after[1:-1], axis=0)
        changes[key] = best - np.maximum(after[0], after[-1])

# %%
ends = [outcomes[0], outcomes[-1]]
missed = {"fig04-acquisition": gates.require_acquisition(ends)}
missed["fig04-forgetting"] = gates.find_floor(ends)
missed["fig04-middle-p"] = gates.find_floor(outcomes)
found = {key: estimate(samples) for key, samples in changes.items()}
page.judge(found, outcomes, recorded, missed)

# %% tags=["hide-input"]
stuck = ", ".join(summaries.list_guessing(outcomes))
said = f"from {stuck}" if stuck else "none"
Markdown(f"Models that end no better than guessing, within two errors: {said}.")

# %% [markdown]
# How K gets to its end ([learning curves](learning_curves.ipynb)):

# %% tags=["hide-input"]
followed = curves.tabulate_curves(outcomes)
Markdown(curves.describe_dip(followed, recorded))

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig04_acquisition_and_forgetting.ipynb out.ipynb \
#     -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# ```
#
# Folders and files of your own, on this and all pages that learn:
#
# ```bash
# papermill notebooks/fig04_acquisition_and_forgetting.ipynb out.ipynb \
#     -y "checkpoints: [EARLY, LATE]" -p corpus FILE.txt \
#     -y "knowledge: [once60.json, paraphrase70.json]" \
#     -y "recipe: {corpus: FILE.txt, length: 2048, batch: 76, rows: 19, steps: 40, tasks: world}"
# ```
#
# For a suite of the Hub the recipe is the paper's (`kent.learning.recipes.Recipe`): 1,600 steps of 128 rows of 1,024 tokens of
# PubMed, 210 million tokens per checkpoint, each at three times the cost of [measuring](speed.ipynb) one, and six tasks of
# lm-evaluation-harness. The page announces its cost before it starts; an interrupted run goes on where it was.
#
# *Deviations from the paper.* On the tiny suites model, facts, text and tasks are small and synthetic, and a run reads a far larger
# part of what pretraining read. The peak rate is that of pretraining, as the paper's 4e-4 is OLMo-1B's in its published
# configuration. Embeddings decay and the warm-up starts at 0; the authors decay none and start at 10 % of the peak rate. Rows
# come in the same order in every epoch. Published $K$ is the public code's padded mean (a row of the table), so no published $K$ is
# drawn. Without files of its own the control is made of the world's facts: beside the published facts it is of another style, so
# give `control` two files.
