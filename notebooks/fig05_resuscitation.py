# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 5: resuscitation of inactive memory vectors of the final model
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# The inactive half of the final model's memory vectors is resuscitated before it continues learning. Does it
# then learn more, and forget less? As built here, the page takes the **tiny** suite, pretrained on the spot and run on a
# CPU, and facts of the synthetic world; nothing at OLMo's scale has been run for this book yet.

# %% [markdown]
# ## Claim
#
# Figure 5 of the paper, for the final OLMo-1B and $p = 50$: with $q$ of 1, 2 and 3 it acquires more and forgets less than the
# unchanged model; with $q = 0.5$, where the chosen vectors stay below the mean of their layer, it does worse.
#
# *What would contradict it:* with $q = 2$ a lower A or a higher F, with $q = 0.5$ a higher A than the unchanged model's, by
# more than two standard errors.

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
recipe = {}
knowledge = []
control = []

# %% tags=["hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input"]
from kent.pages import page, seeds, summaries
from kent.pages.plots import resuscitation
from kent.runs import learning_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# Algorithm 1 ([step by step](algorithm1_resuscitation.ipynb), `kent.resuscitate`): in each layer the memory vectors whose
# mean coefficient $\bar C$ is at most the $p$-th percentile have their keys (rows of the up-projection) multiplied by
# $\operatorname{mean}(\bar C) / \bar C \cdot q$. The coefficients are measured on the page's own text.
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
passes = {"steps": steps, "batch_size": batch_size}
plan = learning_plans.vary_q(checkpoints, p=p, q=q, **passes, **measured, **taught)
page.estimate_cost(plan)

# %%
results = page.fetch_all(plan)
[models] = summaries.group_changes(results).values()
outcomes = [outcome for _, outcome in models.values()]
recorded = seeds.recall(plan, checkpoints)
page.stamp(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-resuscitation", "caption": "What resuscitation of inactive memory vectors changes in the final model, by amplification q: acquisition, forgetting, K and P after learning minus those of the unchanged model, with two standard errors of the difference. Hollow: A of the never injected control, K and P before learning. Dots: other seeds of pretraining, where recorded."}, "image": {"alt": "Four charts with a mark for each q about a line at zero, the unchanged model: the change of acquisition beside the control, of forgetting, and of K and P before and after learning, with error bars.", "width": "100%"}} tags=["hide-input"]
differences = summaries.compare_changes(models)
figure = resuscitation.plot_changes({"final model": differences}, recorded)

# %% [markdown]
# Before learning: the entropies, the loss, K and P say what the edit itself moves and breaks. All ± two standard errors.

# %% tags=["hide-input"]
import pandas as pd

seeds.Estimates(pd.concat({"final model": summaries.tabulate_changes(models)}), plan)

# %% [markdown]
# ## Check
#
# What must hold at any scale: log probabilities, scores and evaluations as they must be (`kent.pages.page.check_outcomes`, which
# also names runs that were stopped), and knowledge entropies between 0 and the bound.

# %%
page.check_outcomes(outcomes)
for profile, _ in models.values():
    assert 0 <= profile.knowledge_entropy <= profile.entropy_bound + 1e-9

# %% [markdown]
# ## Reading

# %% tags=["nbval-check-output"]
cells = {"fig05": ("A (%)", "q = 2"), "fig05-forgetting": ("F (%)", "q = 2")}
cells |= {"fig05-one": ("A (%)", "q = 1"), "fig05-half": ("A (%)", "q = 0.5")}
found = {key: differences.loc[cell] for key, cell in cells.items() if cell[1] in differences}
page.read(found, outcomes, recorded, {"fig05-forgetting": summaries.find_floor(outcomes)})

# %% [markdown]
# The differences to the unchanged model, each with the error of a difference. A gain that the never injected control shares
# (`control: A (%)`) is no gain of knowledge:

# %% tags=["hide-input"]
seeds.Estimates(pd.concat({f"final model, {summaries.COMPARED}": differences}), plan)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig05_resuscitation.ipynb out.ipynb -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# papermill notebooks/fig05_resuscitation.ipynb out.ipynb -p checkpoints FOLDER -p corpus FILE.txt \
#     -y "knowledge: [once60.json, paraphrase70.json]" \
#     -y "recipe: {corpus: FILE.txt, length: 2048, batch: 76, rows: 19, steps: 40, tasks: world}"
# ```
#
# One checkpoint, as it is and with each q: five runs. For a suite of the Hub the recipe is the paper's
# (`kent.learning.recipes.Recipe`). The page says what it will cost on the device at hand before it starts. An interrupted run goes
# on.
#
# *Deviations from the paper.* On the tiny suites facts, text, tasks and model are small and synthetic (the stamp gives the
# sizes), and a run reads a far larger part of what pretraining read.
# There embeddings decay and the warm-up starts at 0; the authors decay none and start at 10 % of the peak rate.
# In a plain model (GPT-NeoX) an activation follows the
# keys, so that the coefficients do not follow them in proportion. The paper does not say whether A and F of a changed model
# count from its own start; here they count from the unchanged model's, and the tables have both ways. No values were read
# off the published figure: only its directions are compared.
