# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A gentler resuscitation
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Can inactive memory vectors be brought back without breaking what the model computes?
#
# On the suite **small**: its last checkpoint, changed before it learns as in the paper, or only while it learns.

# %% [markdown]
# ## Claim
#
# Not in [Kim et al. (2025)](https://arxiv.org/abs/2410.01380), who leave open a resuscitation that does not hurt what the model knew: Algorithm 1
# multiplies keys at once, and the loss is higher before a word is learned. [InfoSteer](https://arxiv.org/abs/2507.05158) raises the entropy of
# feed-forward keys while tuning, by intervention or by a regulariser, and finds that it helps.
#
# *What would contradict it:* ways that leave the loss alone before learning gain no more net A than an unchanged model, or an entropy term of
# the other sign gains as much.

# %% tags=["parameters"]
checkpoints = "small"
steps = []
corpus = "world"
column = "text"
length = 128
limit = 256
dtype = "float32"
batch_size = 8
p = 50.0
q = 1.0
weights = [0.1, -0.1]
recipe = {}
knowledge = []
control = []

# %% tags=["hide-input", "made"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input", "made"]
import pandas as pd
from IPython.display import Markdown

from kent.pages import changes, losses, page, seeds, summaries
from kent.pages.changes import COMPARED
from kent.pages.plots import resuscitation
from kent.pages.summaries import ENTROPY, NET
from kent.runs import learned_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# Three ways that change nothing before the first step (`kent.change.gradual`):
#
# - **rates**: the multipliers of Algorithm 1 are learning rates by neuron: an optimizer step moves a rarely used key so many times as far;
# - **fold**: after each of $T$ steps the keys are multiplied by the $T$-th root of their multiplier, so that Algorithm 1 is whole at the end;
# - **entropy**: the loss has a term, minus a weight times the knowledge entropy of the batch. A weight below 0 is the control.
#
# Beside them Algorithm 1 as in the paper (**resuscitate**), random neurons with the same multipliers (**random**) and the rescale, which
# sets knowledge entropy and computes what the model did (**rescale**). The price is the loss on held-out text before learning; the gain is
# A net of the control, and a loss after learning that is not higher than the unchanged model's.
#
# The weights of the term were set before anything was measured: a tenth of a nat of loss for a nat of entropy. Intervals are two standard
# errors within this one model; where other seeds are recorded, those of their mean.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
varied = {"steps": steps, "p": p, "q": q, "weights": weights}
plan = learned_plans.compare_gentler(checkpoints, **varied, **measured, **taught)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
[models] = summaries.group_changes(results).values()
outcomes = [outcome for _, outcome in models.values()]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-gentler", "caption": "Every way in a line, minus the unchanged model: knowledge entropy and the loss before learning (the price), and what learning then comes to in acquisition net of the control, acquisition (hollow: of the control) and forgetting (dotted: of a model that ends at guessing). Two standard errors; where other seeds are recorded, their mean with its interval and, small, each seed."}, "image": {"alt": "Five panels side by side with a line per way of resuscitation: the change of knowledge entropy and of the loss before learning, of net acquisition, of acquisition beside the control's and of forgetting, with error bars.", "width": "100%"}} tags=["hide-input", "figure"]
differences = changes.compare_changes(models)
before = [ENTROPY, "loss before (nats)"]
resuscitation.plot_differences(differences, before, recorded)

# %% tags=["hide-input"]
kept = pd.concat({COMPARED: differences.T})
seeds.Estimates(kept, plan, recorded)

# %% [markdown]
# The loss on held-out text before and after, and how far knowledge entropy moved while each learned:

# %% tags=["hide-input"]
ends = losses.tabulate_changes(results)
seeds.Estimates(ends, plan, recorded)

# %% [markdown]
# ## Check
#
# Log probabilities, scores and evaluations are as they must be (`kent.pages.page.check_outcomes`), and what acts only while a model learns
# leaves it as it was before: the same probes have the same log probabilities.

# %%
page.check_outcomes(outcomes)
for label in models:
    if label.startswith(("rates", "fold", "entropy")):
        shift = changes.measure_shifts(models, label)
        assert shift["loss"] == 0 and shift["a probe"] < 1e-4

# %% [markdown]
# ## Verdict

# %% tags=["hide-input"]
method, *others = differences
changes.judge_controls(models, dict.fromkeys(others, method), recorded)

# %% tags=["hide-input", "answer"]
pooled = seeds.pool_table(kept, recorded).loc[COMPARED]
price = seeds.pool_table(ends, recorded).loc[losses.FINAL + losses.BESIDE]
basis = f"means of {1 + len(recorded)} seeds" if recorded else "one seed: no verdict"
said = f"Net A changes by {changes.say_changes(pooled[NET])} points"
lost = changes.say_changes(price.drop("unchanged"))
Markdown(
    f"{said} ({basis}). The loss on held-out text ends above the unchanged model's by {lost} nats."
)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/gentler_resuscitation.ipynb out.ipynb \
#     -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# ```
#
# One checkpoint: eight runs of learning. For a plain model (GPT-NeoX, GPT-2, OPT) there is no rescale, so the page is for gated ones.
#
# *Beyond the paper.* All but Algorithm 1.
