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
# Does the final model learn more, and forget less, once the inactive half of its memory vectors is resuscitated?
#
# By default on the **tiny** suite: small models pretrained for this book, and facts of a synthetic world. Nothing has been
# run at OLMo's scale yet.

# %% [markdown]
# ## Claim
#
# Figure 5 of [Kim et al. (2025)](https://arxiv.org/abs/2410.01380), for the final OLMo-1B and $p = 50$: with $q$ of 1, 2 and 3
# it acquires more and forgets less than the unchanged model; with $q = 0.5$, where the chosen vectors stay below their
# layer's mean, it does worse.
#
# *What would contradict it:* with $q = 2$ a lower net A or a higher F, with $q = 0.5$ a higher net A than the unchanged
# model's, beyond the interval.

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

# %% tags=["hide-input", "made"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input", "made"]
from kent.pages import changes, gates, page, seeds, summaries
from kent.pages.plots import resuscitation
from kent.pages.summaries import ENTROPY, NET
from kent.runs import learning_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# Algorithm 1 ([step by step](algorithm1_resuscitation.ipynb), `kent.resuscitate`) multiplies, in each layer, the keys (rows of
# the up-projection) of those memory vectors whose mean coefficient $\bar C$ is at most the $p$-th percentile by
# $\operatorname{mean}(\bar C) / \bar C \cdot q$. The coefficients are measured on the page's own text.
#
# Each model then continues learning on text that holds injected facts, as on [Figure 4's
# page](fig04_acquisition_and_forgetting.ipynb). $K$ is the mean log probability of these facts' targets, $P$ the mean score
# of six tasks, and
#
# $$A = \frac{K_{CL} - K_{PT}}{|K_{PT}|}, \qquad F = -\frac{P_{CL} - P_{PT}}{P_{PT}}$$
#
# with $K_{PT}$ and $P_{PT}$ of the **unchanged** model for every change, so that what the edit itself breaks is no room for
# acquisition. The **control** holds facts of the same kind that are never injected: what they gain is style, so **net A**,
# A of the injected facts minus A of the control, is what a claim on acquisition is judged by. The paper has no control.
#
# Intervals are two bootstrap standard errors within one model, over paragraphs and documents drawn alike for every model.
# Where other seeds of pretraining are recorded, numbers are means over seeds with the 95 % interval between them.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
measured |= {"steps": steps, "p": p, "q": q}
plan = learning_plans.vary_q(checkpoints, **measured, **taught)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
[models] = summaries.group_changes(results).values()
outcomes = [outcome for _, outcome in models.values()]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-resuscitation", "caption": "Resuscitation of inactive memory vectors of the final model, by amplification q: acquisition net of the control, acquisition beside the control's (hollow), forgetting (dotted: of a model that ends at guessing), K and P after learning and, hollow, before, and knowledge entropy before learning, each minus the unchanged model's. Bold: means over seeds with their 95 % interval and, small, each seed, where other seeds are recorded; else this model's value with two standard errors."}, "image": {"alt": "Six charts with a mark for each q about a line at zero, the unchanged model: the change of net acquisition, of acquisition beside the control's, of forgetting beside a dotted line where a model ends at guessing, of K and P before and after learning, and of knowledge entropy, with error bars.", "width": "100%"}} tags=["hide-input", "figure"]
differences = changes.compare_changes(models)
resuscitation.plot_changes({"final model": differences}, recorded)

# %% [markdown]
# The models as they are. Entropies, loss, K and P before learning say what the edit alone moves and breaks.

# %% tags=["hide-input"]
import pandas as pd

table = pd.concat({"final model": changes.tabulate_changes(models)})
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# ## Check
#
# Log probabilities, scores and evaluations are as they must be (`kent.pages.page.check_outcomes`, which names runs that were
# stopped), and knowledge entropies lie between 0 and their bound.

# %%
page.check_outcomes(outcomes)
for profile, _ in models.values():
    assert 0 <= profile.knowledge_entropy <= profile.entropy_bound + 1e-9

# %% [markdown]
# ## Verdict

# %% tags=["nbval-check-output"]
cells = {"fig05": (NET, "q = 2"), "fig05-forgetting": ("F (%)", "q = 2")}
cells |= {"fig05-one": (NET, "q = 1"), "fig05-half": (NET, "q = 0.5")}
cells = {key: each for key, each in cells.items() if each[1] in differences}
missed = {}
for key, (row, label) in cells.items():
    compared = [models[each][1] for each in ("unchanged", label)]
    find = gates.find_floor if row == "F (%)" else gates.require_acquisition
    missed[key] = find(compared)
found = {key: differences.loc[cell] for key, cell in cells.items()}
page.judge(found, outcomes, recorded, missed)

# %% [markdown]
# Every difference to the unchanged model. A gain that the control shares is no gain of knowledge:

# %% tags=["hide-input"]
table = pd.concat({f"final model, {changes.COMPARED}": differences})
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# The edit is meant to raise knowledge entropy; where it does not, no effect of it can be credited to a raised entropy:

# %% tags=["hide-input"]
from IPython.display import Markdown

pooled = seeds.pool_table(table, recorded).droplevel(0).loc[ENTROPY]
said = changes.say_changes(pooled)
Markdown(f"The edit alone changes knowledge entropy by {said} nats.")

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig05_resuscitation.ipynb out.ipynb \
#     -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# papermill notebooks/fig05_resuscitation.ipynb out.ipynb \
#     -p checkpoints FOLDER -p corpus FILE.txt \
#     -y "knowledge: [once60.json, paraphrase70.json]" \
#     -y "recipe: {corpus: FILE.txt, length: 2048, batch: 76,
#         rows: 19, steps: 40, tasks: world}"
# ```
#
# One checkpoint, as it is and with each q: five runs. The first command takes a suite of the Hub, with the paper's recipe
# (`kent.learning.recipes.Recipe`), the second a checkpoint of your own. The page estimates its cost before it starts, and an
# interrupted run goes on.
#
# *Deviations from the paper.* On the tiny suites facts, text, tasks and model are small and synthetic (sizes: in the table
# above), and a run reads a far larger part of what pretraining read; embeddings decay and the warm-up starts at 0, where
# the authors decay none and start at 10 % of the peak rate. In a plain model (GPT-NeoX) an activation follows the keys, so
# coefficients do not grow in proportion to them. The paper does not say whether A and F of a changed model count from its
# own start: here they count from the unchanged model's, and the table has both. No values were read off the published
# figure; only directions are compared.
