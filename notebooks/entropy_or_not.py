# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Resuscitation beside its controls
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# If knowledge entropy is raised without changing what a model computes, or by other means, does the model learn more?
#
# Resuscitation is meant to raise knowledge entropy, but it also changes what the model computes, and scales some of its rows.
# Controls tell these apart.
#
# By default on the **tiny** suite: small models pretrained for this book, and facts of a synthetic world. Nothing has been
# run at OLMo's scale yet.

# %% [markdown]
# ## Claim
#
# Not in [Kim et al. (2025)](https://arxiv.org/abs/2410.01380): a causal test of its explanation. If evenness of the coefficients
# is what helps a model to learn, then whatever raises knowledge entropy as much should help as much.
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
controls = ["random", "rescale", "shrink"]
controlled = [1.0, 2.0]
cooled = [1.5, 2.0, 3.0]
recipe = {}
knowledge = []
control = []

# %% tags=["hide-input", "made"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input", "made"]
from itertools import product

from kent.pages import changes, correlations, page, seeds, summaries
from kent.pages.changes import COMPARED
from kent.pages.plots import resuscitation
from kent.pages.summaries import ENTROPY, NET
from kent.paper import is_effect
from kent.runs import learning_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The final model is changed in each of these ways (`kent.change.resuscitation.METHODS`), and then continues learning:
#
# - **resuscitate**: Algorithm 1 of the paper ([step by step](algorithm1_resuscitation.ipynb)).
# - **random**: the same multipliers, permuted within the layer, so on neurons drawn at random.
# - **rescale**: the same multipliers on the same keys, and the memory vectors divided by them. The model computes what it
#   did: every layer's mean coefficients are multiplied by just these numbers, and *contribution entropy* (coefficient ×
#   length of its memory vector) does not move. Gated models only.
# - **shrink**: shrink and perturb ([Ash & Adams 2020](https://arxiv.org/abs/1910.08475)): all weights × 0.4 plus a fresh
#   initialisation × 0.1, a known remedy for networks that have become slow to learn.
# - **temperature**: a softmax temperature in the attention, lowered to 1 over the run ([Figure
#   18](fig18_attention_temperature.ipynb)); what is measured before learning is at the temperature the run starts at, what
#   is measured after at 1.
#
# Models learn and are scored as on [Figure 5's page](fig05_resuscitation.ipynb), on text that holds injected facts: $A$ is the
# rise of $K$, the log probability of these facts, $F$ the fall of $P$, the score of six tasks, both in % of the
# **unchanged** model's start. **Net A** is $A$ minus that of the **control**, facts that are never injected. Intervals are
# two bootstrap standard errors within one model; where other seeds of pretraining are recorded, numbers are means over
# seeds with the 95 % interval between them.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
varied = {"steps": steps, "p": p, "q": q, "cooled": cooled}
varied |= {"controls": controls, "controlled": controlled}
settings = varied | measured | taught
plan = learning_plans.compare_methods(checkpoints, **settings)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
[models] = summaries.group_changes(results).values()
outcomes = [outcome for _, outcome in models.values()]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-entropy-or-not", "caption": "Every changed model in a line, minus the unchanged one: knowledge and contribution entropy before learning, and what learning then comes to in acquisition net of the control, acquisition (hollow: of the control) and forgetting (dotted: of a model that ends at guessing). Bold: means over seeds with their 95 % interval and, small, each seed, where other seeds are recorded; else this model's value with two standard errors. A number at the edge of a panel is a value too far out to be drawn."}, "image": {"alt": "Five panels side by side with a line per changed model, in five colours for the paper's method, random neurons, function-preserving rescale, shrink and perturb, and attention temperature: the change of two entropies, of net acquisition, of acquisition beside the control's and of forgetting, with error bars.", "width": "100%"}} tags=["hide-input", "figure"]
differences = changes.compare_changes(models)
entropies = [ENTROPY, "contribution entropy before (nats)"]
resuscitation.plot_differences(differences, entropies, recorded)

# %% [markdown]
# Every changed model minus the unchanged one: what the edit moves and breaks before learning, and what learning made of it.

# %% tags=["hide-input"]
import pandas as pd

kept = pd.concat({COMPARED: differences.T})
seeds.Estimates(kept, plan, recorded)

# %% [markdown]
# And as they are:

# %% tags=["hide-input"]
table = pd.concat({"as they are": changes.tabulate_changes(models).T})
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# ## Check
#
# Log probabilities, scores and evaluations are as they must be (`kent.pages.page.check_outcomes`, which names runs that were
# stopped), and knowledge entropies lie between 0 and their bound; and the rescaled model computes what
# the unchanged one does, with the same contribution entropy.

# %%
page.check_outcomes(outcomes)
for profile, _ in models.values():
    assert 0 <= profile.knowledge_entropy <= profile.entropy_bound + 1e-9

# %%
import torch

rescaled = [label for label in models if label.startswith("rescale")]
shifts = {each: changes.measure_shifts(models, each) for each in rescaled}

# %%
profile, _ = models["unchanged"]
near = max(1e-4, 4 * torch.finfo(getattr(torch, dtype)).eps)
for label, shift in shifts.items():
    evenness = models[label][0].contribution_entropy
    assert abs(evenness / profile.contribution_entropy - 1) < near
    assert shift["loss"] < near * profile.loss
    assert shift["a probe"] < 100 * near

# %% [markdown]
# How far the rescale moves what the model says, in millionths of a nat: the loss, and the log probability of the probe that
# moves most. Both are rounding.

# %% tags=["hide-input"]
names = {label: f"rescaled, {label}" for label in rescaled}
exact = (1e6 * pd.DataFrame(shifts)).rename(columns=names).T
exact = exact.map(lambda value: (value, 0.0))
seeds.Estimates(exact, plan, recorded) if rescaled else None

# %% [markdown]
# ## Verdict

# %% tags=["hide-input"]
beside = {}
for name, x in product(controls, controlled):
    beside[f"{name}, q = {x:g}"] = f"resuscitate, q = {x:g}"
alone = [x for x in models if x.startswith(("shrink", "temperature"))]
last = f"resuscitate, q = {[*q, *controlled][-1]:g}"
beside |= dict.fromkeys(alone, last)
judged = changes.judge_controls(models, beside, recorded)

# %% tags=["hide-input"]
pooled = seeds.pool_table(kept, recorded).loc[COMPARED]
largest = changes.find_largest(exact, recorded)
moved, said = pooled.loc[rescaled, ENTROPY], ""
if rescaled:
    said = f"""The rescale moves knowledge entropy by
{changes.say_changes(moved)} nats, but the loss by at most
{largest["loss"]:.2g} millionths of a nat and the log probability of no
probe by more than {largest["a probe"]:.2g} millionths."""

# %% tags=["hide-input"]
if rescaled and all(is_effect(*pair) for pair in moved):
    said += " Entropy can be set without changing what a model computes."
of, listed = seeds.name_seeds(recorded), []
count = judged[of].min()
for x in controlled:
    alike = [f"{each}, q = {x:g}" for each in ["resuscitate", *controls]]
    listed += [changes.say_changes(pooled[NET].reindex(alike))]
gain = [label for label, (x, error) in pooled[NET].items() if x > 2 * error]
gain = ", ".join(gain) or "none of the changes"

# %% tags=["hide-input", "answer"]
from IPython.display import Markdown

rises = f"means of {count} {of}; beyond its interval it rises with {gain}"
known = rises if count > 1 else "one seed: no verdict"
Markdown(f"{said}\n\nNet A changes by {'; by '.join(listed)} points ({known}).")

# %% [markdown]
# Each control beside the paper's method with the same $q$ (shrink and the temperatures: with the last of `controlled`). There
# are as many comparisons as rows, so one in twenty may go beyond its interval by chance.

# %% tags=["hide-input"]
judged

# %% [markdown]
# Correlations over the changed models: of the change of net A (and of F) with the change of each quantity before learning,
# with and without shrink, which stands far from the others. Changes by one method are no independent points, so the
# intervals are too narrow rather than too wide.

# %% tags=["hide-input"]
without = pooled.drop(index="shrink", errors="ignore")
tables = {"all": pooled, "without shrink": without}
rows, found = [*entropies, "loss before (nats)"], {}
for (name, table), x, y in product(tables.items(), rows, [NET, "F (%)"]):
    both = [[value for value, _ in table[row]] for row in (x, y)]
    for kind in correlations.VARIANCES:
        pair = correlations.correlate(*both, kind)
        found[x, y, name, kind] = correlations.format_correlation(*pair)
pd.Series(found).unstack([1, 3])

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/entropy_or_not.ipynb out.ipynb \
#     -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# ```
#
# One checkpoint: thirteen runs, of which eight are those of [Figure 5](fig05_resuscitation.ipynb) and [Figure
# 18](fig18_attention_temperature.ipynb). For a plain checkpoint of your own (GPT-NeoX, GPT-2, OPT), which has no rescale, add
# `-y "controls: [random]"`; the suites of plain models leave it out. Other checkpoints, suites of the Hub and deviations from the paper: as on [Figure 5's page](fig05_resuscitation.ipynb).
