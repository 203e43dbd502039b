# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 11: facts injected once and paraphrased ones
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Ten injections of a fact, each a paraphrase, or a single one: what stays?
#
# By default on the **tiny** suite: small models pretrained on the spot, on a CPU, and facts of a synthetic world. None of the
# paper's checkpoints has been run yet.

# %% [markdown]
# ## Claim
#
# Figure 11 of the paper, for OLMo-1B: paraphrased facts are acquired far better than facts injected once, whose A is negative at the
# final stage (read off the figure).
#
# *What would contradict it:* facts injected once that gain more, net of the control, than paraphrased ones.

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
from kent.learning.outcomes import estimate
from kent.pages import gates, page, seeds, summaries
from kent.pages.plots import learning
from kent.runs import learning_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The runs are those of [Figure 4](fig04_acquisition_and_forgetting.ipynb): a checkpoint continues learning on text that holds new facts. $K$ is
# the mean log probability of the target of each fact's probes, $A$ its rise in % of where it began; the **control** asks about
# facts that are never injected, and $A$ *net* is what the injected facts gain beyond it. $P$ is the mean score of six tasks, $F$
# its fall. Intervals are two standard errors within one model, or those of the mean where other seeds were recorded.
#
# Each setting has a control of its own: facts that would have been injected once, and facts that would have been paraphrased.

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
outcomes = results["learning"]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-once", "caption": "Acquisition (left) and K after learning (right) of facts injected once and of paraphrased facts. Bold: net of the control; with recorded seeds their mean and its 95 % interval, each seed thin; else two standard errors. Thin: A of the injected facts (dashed) and of their control (dotted, on the right its K)."}, "image": {"alt": "Two line charts over the initial model's pretraining step: on the left acquisition net of the control in points, on the right K after learning in nats, each with a line for paraphrased facts and one for facts injected once, and thin lines for the control.", "width": "100%"}} tags=["figure", "hide-input"]
learning.plot_settings(outcomes, recorded)

# %% tags=["hide-input"]
table = summaries.tabulate_kinds(outcomes)
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# ## Check
#
# What must hold at any scale: log probabilities are not positive, scores lie between 0 and 1, every injection is followed by a
# scoring; and K of all facts is the mean of both settings, weighted by their paragraphs.

# %%
page.check_outcomes(outcomes)
ran = [each for each in outcomes if not each.provenance["stopped"]]
for each in ran:
    kinds = ("once", "paraphrase")
    sizes = [each.average_paragraphs(kind).shape[1] for kind in kinds]
    parts = [each.performance(kind)[:, 0] for kind in kinds]
    weighted = [K * size for K, size in zip(parts, sizes, strict=True)]
    mean = sum(weighted) / sum(sizes)
    assert abs(mean - each.performance()[:, 0]).max() < 1e-9

# %% [markdown]
# ## Verdict
#
# At the final stage. That less is learnt needs paraphrased facts that are. Facts injected once count as acquired where they gain more
# than facts that were never injected.

# %%
last = outcomes[-1]
paraphrased = gates.acquire_net(last, "paraphrase")
once = gates.acquire_net(last, "once")
found = {"fig11": estimate(paraphrased - once), "fig11-once": estimate(once)}
missed = {"fig11": gates.require_acquisition([last], "paraphrase")}
page.judge(found, outcomes, recorded, missed)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig11_once_and_paraphrased.ipynb out.ipynb \
#     -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# ```
#
# [Figure 4](fig04_acquisition_and_forgetting.ipynb) says what a run takes, how to give checkpoints and files of your own, and where this
# differs from the paper.
