# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Is it the entropy? The method beside its controls
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Resuscitation is meant to raise knowledge entropy; but it also changes what the model computes, and scales some of its
# rows. Which of these helps, if anything does? As built here, the page takes the **tiny** suite, pretrained on the spot and
# run on a CPU, and facts of the synthetic world; nothing at OLMo's scale has been run for this book yet.

# %% [markdown]
# ## Claim
#
# Not in the paper: a causal test of its explanation. If evenness of the coefficients is what helps a model to learn, then
# whatever raises knowledge entropy as much should help as much.
#
# *What would contradict it:* a change that raises knowledge entropy as the paper's method does and does not help; or one that
# leaves it alone and helps as much.

# %% tags=["parameters"]
checkpoints = "tiny"
steps = []
corpus = "world"
column = "text"
length = 128
limit = 256
dtype = "float32"
batch_size = 8
p = 50.0
q = [0.5, 1.0, 2.0, 3.0]
controls = ["random", "rescale"]
controlled = [1.0, 2.0]
cooled = [1.5, 2.0, 3.0]
recipe = {}
knowledge = []
control = []

# %% tags=["hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input"]
from itertools import product

from kent.pages import page, seeds, summaries
from kent.pages.plots import resuscitation
from kent.runs import learning_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The final model is changed in these ways (`kent.change.resuscitation.METHODS`), and each of them continues learning:
#
# - **resuscitate**: Algorithm 1 of the paper ([step by step](algorithm1_resuscitation.ipynb)).
# - **random**: the same multipliers, dealt out within the layer to neurons drawn at random.
# - **rescale**: the same multipliers on the same keys, and the memory vectors divided by them. The model computes exactly
#   what it did, so nothing breaks: every layer's mean coefficients are multiplied by just these numbers, and *contribution
#   entropy* (coefficient × length of its memory vector) does not move. Gated models only.
# - **shrink**: shrink and perturb (Ash & Adams 2020): all weights × 0.4 plus a fresh initialisation × 0.1, a known remedy for
#   networks that have become slow to learn.
# - **temperature**: a softmax temperature in the attention, lowered to 1 over the run ([Figure
#   18](fig18_attention_temperature.ipynb)); what is measured before learning is at the temperature the run starts at, what
#   is measured after at 1.
#
# The runs are made as those of [Figure 4](fig04_acquisition_and_forgetting.ipynb): a model continues learning on text that holds
# injected facts, $K$ is the mean log probability of the target of each fact's probes, $P$ the mean score of six tasks, and
#
# $$A = \frac{K_{CL} - K_{PT}}{|K_{PT}|}, \qquad F = -\frac{P_{CL} - P_{PT}}{P_{PT}}$$
#
# Here $K_{PT}$ and $P_{PT}$ are those of the **unchanged** model for every change, so that what a change itself breaks is no
# room for acquisition: differences of $A$ and $F$ are then differences of what the models can do at the end. The table also
# counts from each model's own start. The **control** holds facts that are never injected. Intervals are two bootstrap
# standard errors, over the same redrawn paragraphs and documents for every model; they leave out what another seed of
# pretraining would change, so pages recorded for other seeds (`results/pages/`) stand beside.

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
changed = {"p": p, "q": q, "controls": controls, "controlled": controlled, "cooled": cooled}
passes = {"steps": steps, "batch_size": batch_size}
plan = learning_plans.compare_methods(checkpoints, **changed, **passes, **measured, **taught)
page.estimate_cost(plan)

# %%
results = page.fetch_all(plan)
[models] = summaries.group_changes(results).values()
outcomes = [outcome for _, outcome in models.values()]
recorded = seeds.recall(plan, checkpoints)
page.stamp(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-entropy-or-not", "caption": "Every changed model in a line, minus the unchanged one: what the change does to knowledge, contribution and attention entropy before learning, and what learning then comes to in acquisition A and forgetting F, with two standard errors. Dots: other seeds of pretraining, where recorded. A number at the edge of a panel is a value too far out to be drawn."}, "image": {"alt": "Five panels side by side with a line per changed model, in five colours for the paper's method, random neurons, function-preserving rescale, shrink and perturb, and attention temperature: the change of three entropies, of acquisition and of forgetting, with error bars.", "width": "100%"}} tags=["hide-input"]
differences = summaries.compare_changes(models)
rows = ["H before (nats)", "contribution entropy before (nats)", "attention entropy before (nats)"]
figure = resuscitation.plot_differences(differences, rows, recorded)

# %% [markdown]
# Every changed model minus the unchanged one (± two standard errors of the difference): what the edit moves and breaks before
# learning, and what learning made of it.

# %% tags=["hide-input"]
import pandas as pd

seeds.Estimates(pd.concat({summaries.COMPARED: differences.T}), plan)

# %% [markdown]
# And as they are:

# %% tags=["hide-input"]
seeds.Estimates(pd.concat({"as they are": summaries.tabulate_changes(models).T}), plan)

# %% [markdown]
# ## Check
#
# What must hold at any scale: log probabilities, scores and evaluations as they must be (`kent.pages.page.check_outcomes`, which
# also names runs that were stopped), and knowledge entropies between 0 and the bound; and the rescaled model computes what
# the unchanged one does, with the same contribution entropy.

# %%
page.check_outcomes(outcomes)
for profile, _ in models.values():
    assert 0 <= profile.knowledge_entropy <= profile.entropy_bound + 1e-9

# %%
import torch

profile, outcome = models["unchanged"]
near = max(1e-4, 4 * torch.finfo(getattr(torch, dtype)).eps)
for same, alike in (models[label] for label in models if label.startswith("rescale")):
    assert abs(same.loss / profile.loss - 1) < near
    assert abs(same.contribution_entropy / profile.contribution_entropy - 1) < near
    assert abs(alike.performance()[0, 0] / outcome.performance()[0, 0] - 1) < 10 * near

# %% [markdown]
# ## Reading
#
# Each control beside the paper's method with the same $q$ (shrink and the temperatures: with the last of `controlled`): its
# A minus that of the method, and what that says. There are as many comparisons as rows, so one in twenty may go beyond two
# standard errors by chance.

# %%
beside = {f"{name}, q = {x:g}": f"resuscitate, q = {x:g}" for name in controls for x in controlled}
alone = [label for label in models if label.startswith(("shrink", "temperature"))]
beside |= dict.fromkeys(alone, f"resuscitate, q = {[*q, *controlled][-1]:g}")
summaries.judge_controls(models, beside, recorded)

# %% [markdown]
# How closely the change of A (and of F) over the changed models goes with that of each quantity before learning, with and
# without shrink, which stands far from the others. Changes by one method are no independent points, so the intervals are
# too narrow rather than too wide.

# %%
samples = {"all": differences, "without shrink": differences.drop(columns="shrink")}
before, after, found = [*summaries.ENTROPIES, "K before (nats)"], ["A (%)", "F (%)"], {}
for (name, table), x, y in product(samples.items(), before, after):
    pair = [[value for value, _ in table.loc[row]] for row in (x, y)]
    found[x, y, name] = {
        kind: summaries.describe_correlation(*pair, kind) for kind in summaries.CORRELATIONS
    }
pd.DataFrame(found).T.unstack(1)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/entropy_or_not.ipynb out.ipynb -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# papermill notebooks/entropy_or_not.ipynb out.ipynb -p checkpoints FOLDER -p corpus FILE.txt \
#     -y "knowledge: [once60.json, paraphrase70.json]" \
#     -y "recipe: {corpus: FILE.txt, length: 2048, batch: 76, rows: 19, steps: 40, tasks: world}"
# ```
#
# One checkpoint: thirteen runs, of which eight are those of [Figure 5](fig05_resuscitation.ipynb) and [Figure
# 18](fig18_attention_temperature.ipynb). The suites of plain models leave the rescale out; for a plain checkpoint of your
# own (GPT-NeoX, GPT-2, OPT) add `-y "controls: [random]"`. For a suite of the Hub the recipe is the paper's
# (`kent.learning.recipes.Recipe`). The page says what it will cost on the device at hand before it starts. An interrupted run goes
# on.
#
# *Beyond the paper.* All of it but its own method. On the tiny suites facts, text, tasks and model are small and synthetic
# (the stamp gives the sizes), and a run reads a far larger part of what pretraining read.
# There embeddings decay and the warm-up starts at 0; the authors decay none and start at 10 % of the peak rate.
# The paper does not say whether A
# and F of a changed model count from its own start; here they count from the unchanged model's, and the tables have both
# ways.
