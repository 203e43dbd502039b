# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 16: resuscitation by stage of pretraining
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# If late models learn worse because they use few memory vectors, resuscitation should help them and not early ones.
# As built here, the page takes the **tiny** suite, pretrained on the spot and run on a CPU, and facts of the synthetic world;
# nothing at OLMo's scale has been run for this book yet.

# %% [markdown]
# ## Claim
#
# Figure 16 of the paper, for OLMo-1B, $p = 50$ and $q = 2$: resuscitation raises A of the late stages (554k and 738k) and lowers
# that of the early ones (118k and 369k).
#
# *What would contradict it:* a lower A of the resuscitated last stage, a higher A of the resuscitated first stage, or a change that is
# smaller for the last than for the first, by more than two standard errors.

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
q = [2.0]
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
from kent.pages import page, seeds, summaries
from kent.pages.plots import resuscitation
from kent.runs import learning_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# Algorithm 1 ([step by step](algorithm1_resuscitation.ipynb), `kent.resuscitate`): in each layer the memory vectors whose
# mean coefficient $\bar C$ is at most the $p$-th percentile have their keys (rows of the up-projection) multiplied by
# $\operatorname{mean}(\bar C) / \bar C \cdot q$. The coefficients are measured on the page's own text. Each stage is
# changed by its own coefficients.
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
changed = {"p": p, "q": q, "stages": ["118k", "369k", "554k", "738k"]}
passes = {"steps": steps, "batch_size": batch_size}
plan = learning_plans.vary_q(checkpoints, **changed, **passes, **measured, **taught)
page.estimate_cost(plan)

# %%
results = page.fetch_all(plan)
stages = summaries.group_changes(results)
outcomes = [outcome for models in stages.values() for _, outcome in models.values()]
recorded = seeds.recall(plan, checkpoints)
page.stamp(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-resuscitation-by-stage", "caption": "What resuscitation of inactive memory vectors changes, by initial model: acquisition, forgetting, K and P after learning minus those of the unchanged model, with two standard errors of the difference. Hollow: A of the never injected control, K and P before learning. Dots: other seeds of pretraining, where recorded."}, "image": {"alt": "Four line charts over the initial model's pretraining step about a line at zero, the unchanged model: the change of acquisition beside the control, of forgetting, and of K and P before and after learning, with error bars.", "width": "100%"}} tags=["hide-input"]
import pandas as pd

tables = {step: summaries.compare_changes(models) for step, models in stages.items()}
compared, labels = pd.concat(tables, axis=1), [*next(iter(tables.values()))]
differences = {label: compared.xs(label, axis=1, level=1) for label in labels}
figure = resuscitation.plot_changes(differences, recorded, "initial model (pretraining step)")

# %% [markdown]
# Before learning: the entropies, the loss, K and P say what the edit itself moves and breaks. All ± two standard errors.

# %% tags=["hide-input"]
tables = {step: summaries.tabulate_changes(models) for step, models in stages.items()}
found, labels = pd.concat(tables, axis=1), ["unchanged", *labels]
lines = {label: found.xs(label, axis=1, level=1) for label in labels}
seeds.Estimates(pd.concat(lines), plan)

# %% [markdown]
# ## Check
#
# What must hold at any scale: log probabilities, scores and evaluations as they must be (`kent.pages.page.check_outcomes`, which
# also names runs that were stopped), and knowledge entropies between 0 and the bound.

# %%
page.check_outcomes(outcomes)
for profile, _ in (pair for models in stages.values() for pair in models.values()):
    assert 0 <= profile.knowledge_entropy <= profile.entropy_bound + 1e-9

# %% [markdown]
# ## Reading
#
# With the first of the page's $q$: the last stage, the first, and the one minus the other; the last alone, where there is
# but one.

# %%
A = [summaries.acquire(models) for models in stages.values()]
gains = [each[f"q = {q[0]:g}"] - each["unchanged"] for each in A]
changes = {"fig16-late": gains[-1]}
if len(gains) > 1:
    changes |= {"fig16": gains[-1] - gains[0], "fig16-early": gains[0]}
page.read({key: estimate(samples) for key, samples in changes.items()}, outcomes, recorded)

# %% [markdown]
# The differences to the unchanged model, stage by stage, each with the error of a difference:

# %% tags=["hide-input"]
kept = {f"{label}, {summaries.COMPARED}": each for label, each in differences.items()}
seeds.Estimates(pd.concat(kept), plan)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig16_resuscitation_by_stage.ipynb out.ipynb -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# papermill notebooks/fig16_resuscitation_by_stage.ipynb out.ipynb -p checkpoints FOLDER -p corpus FILE.txt \
#     -y "knowledge: [once60.json, paraphrase70.json]" \
#     -y "recipe: {corpus: FILE.txt, length: 2048, batch: 76, rows: 19, steps: 40, tasks: world}"
# ```
#
# Four stages, each as it is and resuscitated: eight runs. For a suite of the Hub the recipe is the paper's
# (`kent.learning.recipes.Recipe`). The page says what it will cost on the device at hand before it starts. An interrupted run goes
# on.
#
# *Deviations from the paper.* On the tiny suites facts, text, tasks and model are small and synthetic (the stamp gives the
# sizes), and a run reads a far larger part of what pretraining read.
# There embeddings decay and the warm-up starts at 0; the authors decay none and start at 10 % of the peak rate.
# The paper does not say whether A and F of a changed
# model count from its own start; here they count from the unchanged model's, and the tables have both ways. No values were
# read off the published figure: only its directions are compared.
