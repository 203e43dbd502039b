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
# *A page of the executable companion to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Waking memory vectors raises knowledge entropy; but it also changes what the model computes, and scales some of its rows.
# Which of these helps, if anything does? As built here, the page takes the **tiny** suite, pretrained on the spot and run
# on a CPU, and facts of the synthetic world; nothing at OLMo's scale has been run for this book yet.

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

if "google.colab" in sys.modules:  # install kent where it is missing, leaving Colab's torch and numpy alone
    # %pip install -q "knowledge-entropy @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input"]
from kent import learning_plans, pages, resuscitation_plots, seeds, summaries
from kent.outcomes import estimate

pages.check_parameters()

# %% [markdown]
# ## Method
#
# The final model is changed in five ways (`kent.resuscitation.METHODS`), and each of them learns on:
#
# - **resuscitate**: Algorithm 1 of the paper ([step by step](algorithm1_resuscitation.ipynb)).
# - **random**: the same multipliers, dealt out to other neurons of the layer at random.
# - **rescale**: the same multipliers on the same keys, and the memory vectors divided by them. The model computes exactly
#   what it did, so nothing breaks; knowledge entropy rises as by the paper's method, and *contribution entropy*
#   (coefficient × length of its memory vector) does not move.
# - **shrink**: shrink and perturb (Ash & Adams 2020): all weights × 0.4 plus a fresh initialisation × 0.1, a known remedy for
#   networks that learn on badly.
# - **temperature**: a softmax temperature in the attention, lowered to 1 over the run ([Figure
#   18](fig18_attention_temperature.ipynb)); what is measured before learning is at the temperature the run starts at, what
#   is measured after at 1.
#
# The runs are made as those of [Figure 4](fig04_acquisition_and_forgetting.ipynb): a model learns on from text that holds
# injected facts, $K$ is the mean log probability of the target of each fact's probes, $P$ the mean score of six tasks, and
#
# $$A = \frac{K_{CL} - K_{PT}}{|K_{PT}|}, \qquad F = -\frac{P_{CL} - P_{PT}}{P_{PT}}$$
#
# Here $K_{PT}$ and $P_{PT}$ are those of the **unchanged** model for every change, so that what a change itself breaks is no
# room for acquisition: differences of $A$ and $F$ are then differences of what the models can at the end. The table also
# counts from each model's own start. The **control** holds facts that are never injected. Intervals are two bootstrap
# standard errors, over the same redrawn paragraphs and documents for every model; they leave out what another seed of
# pretraining would change, so pages recorded for other seeds (`results/pages/`) stand beside.

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
changed = {"p": p, "q": q, "controls": controls, "controlled": controlled, "cooled": cooled}
plan = learning_plans.compare_methods(checkpoints, **changed, steps=steps, batch_size=batch_size, **measured, **taught)
pages.estimate_cost(plan)

# %%
results = pages.fetch_all(plan)
[models] = summaries.group_changes(results).values()
recorded = seeds.recall(plan, checkpoints)
pages.stamp([outcome for _, outcome in models.values()])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-entropy-or-not", "caption": "Change of acquisition A (above) and forgetting F (below) against the change of knowledge entropy, of contribution entropy and of attention entropy before learning, a mark per changed model, all minus the unchanged model, with two standard errors. Small: other seeds of pretraining, where recorded."}, "image": {"alt": "Six scatter charts: the change of acquisition and of forgetting against the change of three entropies, in five colours for the paper's method, random neurons, function-preserving rescale, shrink and perturb, and attention temperature, with error bars.", "width": "100%"}} tags=["hide-input"]
differences = summaries.compare_changes(models)
rows = ["H before (nats)", "contribution entropy before (nats)", "attention entropy before (nats)"]
figure = resuscitation_plots.plot_differences(differences, rows, recorded)

# %% [markdown]
# Every changed model minus the unchanged one (± two standard errors of the difference): what the edit moves and breaks before
# learning, and what learning made of it.

# %% tags=["hide-input"]
import pandas as pd

seeds.Estimates(pd.concat({resuscitation_plots.COMPARED: differences.T}), plan)

# %% [markdown]
# And as they are:

# %% tags=["hide-input"]
seeds.Estimates(pd.concat({"as they are": summaries.tabulate_changes(models).T}), plan)

# %% [markdown]
# ## Check
#
# What must hold at any scale: a log probability is not positive, a score lies between 0 and 1, every model is probed before
# learning and after every injection, none of the runs was stopped; and the rescaled model computes what the unchanged one
# does, with another knowledge entropy and the same contribution entropy.

# %%
for profile, outcome in models.values():
    assert (outcome.knowledge["per_target_token"] <= 0).all() and (outcome.control["per_target_token"] <= 0).all()
    assert ((outcome.downstream() >= 0) & (outcome.downstream() <= 1)).all()
    assert len(outcome.steps) % 10 == 1 and outcome.steps[0] == 0 and outcome.provenance["stopped"] is None
    assert 0 <= profile.knowledge_entropy <= profile.entropy_bound + 1e-9

# %%
profile, outcome = models["unchanged"]
for label in (label for label in models if label.startswith("rescale")):
    same, alike = models[label]
    assert abs(same.loss - profile.loss) < 1e-4 * profile.loss
    assert abs(same.contribution_entropy - profile.contribution_entropy) < 1e-4
    assert abs(alike.performance()[0, 0] - outcome.performance()[0, 0]) < 1e-3

# %% [markdown]
# ## Reading
#
# Each control beside the paper's method with the same $q$ (shrink and the temperatures: with the last of `controlled`): its
# A minus that of the method, and what that says.


# %%
def judge(value: float, error: float) -> str:
    return "too small to tell" if abs(value) <= 2 * error else "beats the method" if value > 0 else "falls behind it"


A = {label: outcome.acquisition(since=models["unchanged"][1]) for label, (_, outcome) in models.items()}
beside = {f"{method}, q = {each:g}": f"resuscitate, q = {each:g}" for method in controls for each in controlled}
beside |= {
    label: f"resuscitate, q = {controlled[-1]:g}" for label in models if label.startswith(("shrink", "temperature"))
}
pairs = {(label, method): estimate(A[label] - A[method]) for label, method in beside.items() if method in A}
judged = {key: (round(value, 2), round(2 * error, 2), judge(value, error)) for key, (value, error) in pairs.items()}
pd.DataFrame.from_dict(judged, orient="index", columns=["A minus A of the method (%)", "± 2 s.e.", "the control"])

# %% [markdown]
# How closely the change of A (and of F) over all changed models goes with that of each quantity before learning. Changes by
# one method are no independent points, so the intervals are too narrow rather than too wide.

# %%
values = differences.map(lambda pair: pair[0])
found = {
    (x, y): f"{r:+.2f} ± {2 * error:.2f}"
    for x in (*summaries.ENTROPIES, "K before (nats)")
    for y in ("A (%)", "F (%)")
    for r, error in [summaries.correlate([*values.loc[x]], [*values.loc[y]])]
}
pd.Series(found, name="Pearson's r, ± 2 errors").unstack()

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/entropy_or_not.ipynb out.ipynb -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# papermill notebooks/entropy_or_not.ipynb out.ipynb -p checkpoints FOLDER -p corpus FILE.txt \
#     -y "knowledge: [once60.json, paraphrase70.json]" \
#     -y "recipe: {corpus: FILE.txt, length: 2048, batch: 76, steps: 40, tasks: world}"
# ```
#
# One checkpoint: thirteen runs, of which eight are those of [Figure 5](fig05_resuscitation.ipynb)
# and [Figure 18](fig18_attention_temperature.ipynb). For a suite of the Hub the recipe is the paper's
# (`kent.learning.Recipe`). The page says what it will cost on the device at hand before it starts. An interrupted run goes
# on.
#
# *Beyond the paper.* All of it but its own method. On the tiny suites facts, text, tasks and model are small and synthetic
# (the stamp gives the sizes), and a run reads a far larger part of what pretraining read. A and F count from the unchanged
# model's start (the table has both ways). No values were read off the published figure: only its directions are compared.
