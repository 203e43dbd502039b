# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 13: learning from other corpora
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Does it matter how far the new text is from what was read in pretraining?
#
# By default on the **tiny** suite: small models pretrained on the spot, on a CPU, and facts of a synthetic world. None of the
# paper's checkpoints has been run yet.

# %% [markdown]
# ## Claim
#
# Figure 13 of the paper, for OLMo-1B: from the first stage to the last A falls by 6.4 points on PubMed, and by 3.4 on C4, which is nearer to the
# text of pretraining ([familiarity](fig10_familiarity.ipynb)).
#
# *What would contradict it:* a fall of net A that is larger on the near corpus.

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
others = []

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
# The runs are made as those of [Figure 4](fig04_acquisition_and_forgetting.ipynb): a checkpoint continues learning on text that holds new facts. $K$ is
# the mean log probability of the target of each fact's probes, $A$ its rise in % of where it began; the **control** asks about
# facts that are never injected, and $A$ *net* is what the injected facts gain beyond it. $P$ is the mean score of six tasks, $F$
# its fall. Intervals are two standard errors within one model, or those of the mean where other seeds were recorded.

# %% tags=["made"]
text = {"corpus": corpus, "column": column, "length": length}
measured = text | {"limit": limit, "dtype": dtype}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
passes = {"steps": steps, "batch_size": batch_size}

# %% tags=["made"]
settings = measured | taught | passes | {"others": others}
plan = learning_plans.learn_corpora(checkpoints, **settings)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
outcomes = results["learning"]
far = outcomes[0].provenance["corpus"].get("corpus", "first corpus")
names = [name for name in results if name not in ("before", "learning")]
corpora = {far: outcomes} | {name: results[name] for name in names}
recorded = seeds.recall(plan, checkpoints)
page.describe_runs([each for listed in corpora.values() for each in listed])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-learning-corpora", "caption": "Acquisition and forgetting by initial model, for two texts learnt on. Bold: A net of the control, and F; with recorded seeds their mean and its 95 % interval, each seed thin; else two standard errors. Thin: A of the injected facts (dashed) and of the control (dotted). Crosses: F of a model that ends where guessing begins."}, "image": {"alt": "Two line charts over the initial model's pretraining step, acquisition net of the control and forgetting in per cent, each with a line per corpus learnt on; beside acquisition thin lines for the injected facts and the control, beside forgetting the curve of a fall to guessing.", "width": "100%"}} tags=["figure", "hide-input"]
learning.plot_learning_corpora(corpora, recorded)

# %% tags=["hide-input"]
rows = [summaries.NET, "A (%)", "control: A (%)", "F (%)", summaries.FALL]
tables = {name: summaries.tabulate_learning(each).loc[rows] for name, each in corpora.items()}
seeds.Estimates(summaries.join_tables(tables), plan, recorded)

# %% [markdown]
# ## Check
#
# What must hold at any scale: log probabilities are not positive, scores lie between 0 and 1, every injection is followed by a
# scoring; all runs start from the same checkpoints and ask the same probes, so K before learning is the same on each corpus.

# %%
page.check_outcomes([each for listed in corpora.values() for each in listed])
for name in corpora:
    for one, other in zip(outcomes, corpora[name], strict=True):
        assert one.provenance["probes"] == other.provenance["probes"]
        assert abs(one.performance()[0, 0] - other.performance()[0, 0]) < 1e-6

# %% [markdown]
# ## Verdict
#
# The change of net A on the first corpus (PubMed, here the far domain) minus that on the last (C4, here the near one). A larger fall
# needs a fall: of net A on the first corpus, beyond two errors.

# %%
*_, near = corpora.values()
ends = [[gates.acquire_net(runs[place]) for place in (0, -1)] for runs in (outcomes, near)]
on_far, on_near = (last - first for first, last in ends)
missed = gates.require_acquisition(outcomes)
missed = missed or gates.require_fall(estimate(on_far))
found, ran = {"fig13": estimate(on_far - on_near)}, [*outcomes, *near]
page.judge(found, ran, recorded, {"fig13": missed})

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig13_learning_corpora.ipynb out.ipynb \
#     -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# ```
#
# `others` names the further corpora, `-y "others: [OTHER.txt]"` for files of your own.
# [Figure 4](fig04_acquisition_and_forgetting.ipynb) says what a run takes, how to give checkpoints and files of your own, and where this
# differs from the paper.
