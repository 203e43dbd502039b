# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 14: knowledge entropy and acquisition in two architectures
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Does a model of another architecture also acquire less as its knowledge entropy falls?
#
# By default on the **tiny** suite: small models pretrained on the spot, on a CPU, and facts of a synthetic world. None of the
# paper's checkpoints has been run yet.

# %% [markdown]
# ## Claim
#
# Figure 14 of the paper sets Pythia beside OLMo: knowledge entropy and A over pretraining. It gives no number. Pythia's pretraining
# ends before the point where OLMo's curves become stable, and its A is said to follow its knowledge entropy.
#
# *What would contradict it:* a net A that rises as knowledge entropy falls, over the plain model's checkpoints, beyond what both do with the
# step.

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
other_architecture = ""

# %% tags=["made", "hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["made", "hide-input"]
from IPython.display import Markdown

from kent.learning.outcomes import estimate
from kent.pages import correlations, gates, page, seeds, summaries
from kent.pages.plots.correlations import plot_architectures
from kent.runs import learning_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The runs are made as those of [Figure 4](fig04_acquisition_and_forgetting.ipynb): a checkpoint continues learning on text that holds new facts. $K$ is
# the mean log probability of the target of each fact's probes, $A$ its rise in % of where it began; the **control** asks about
# facts that are never injected, and $A$ *net* is what the injected facts gain beyond it. $P$ is the mean score of six tasks, $F$
# its fall. Intervals are two standard errors within one model, or those of the mean where other seeds were recorded.
#
# Over the checkpoints of one run everything drifts with training, and two quantities that drift correlate whatever joins them. So what
# is judged is Pearson's correlation of knowledge entropy with A *net*, over the checkpoints of the plain (GPT-NeoX) model, **partial to ln of the pretraining step**: both are
# freed of their straight line in ln step first (`kent.pages.correlations`). Its interval is two standard errors of the Fisher
# transform. Beside it stands the range of the same correlation without one checkpoint each: where that range holds both signs, one
# checkpoint decides, and there is no verdict.

# %% tags=["made"]
text = {"corpus": corpus, "column": column, "length": length}
measured = text | {"limit": limit, "dtype": dtype}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
passes = {"steps": steps, "batch_size": batch_size}
suites = {"other_architecture": other_architecture}

# %% tags=["made"]
settings = measured | taught | passes | suites
plan = learning_plans.learn_architectures(checkpoints, **settings)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
models = summaries.group_architectures(results)
outcomes = [each for _, listed in models.values() for each in listed]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-two-architectures", "caption": "Distance of knowledge entropy to its bound per layer (above; it grows as entropy falls), and acquisition (below), over pretraining, for a gated (Olmo) and a plain (GPT-NeoX) model. Bold: A net of the control; with recorded seeds their mean and its 95 % interval, each seed thin; else two standard errors. Thin: A of the injected facts (dashed) and of the control (dotted)."}, "image": {"alt": "Two line charts over the pretraining step: above the distance of knowledge entropy to its bound in nats, below acquisition net of the control in points with thin lines for injected facts and control, one colour for a gated and one for a plain model.", "width": "100%"}} tags=["figure", "hide-input"]
plot_architectures(models, recorded)

# %% tags=["hide-input"]
tables = {
    name: summaries.tabulate_learning(listed, profiles)
    for name, (profiles, listed) in models.items()
}
rows = [summaries.NET, "A (%)", "control: A (%)", "F (%)", summaries.FALL]
rows += [summaries.ENTROPY]
shown = {name: table.loc[rows] for name, table in tables.items()}
seeds.Estimates(summaries.join_tables(shown), plan, recorded)

# %% [markdown]
# ## Check
#
# What must hold at any scale: log probabilities are not positive, scores lie between 0 and 1, every injection is followed by a
# scoring; entropies lie between 0 and the bound, and each outcome has the profile of its initial model.

# %%
page.check_outcomes(outcomes)
for profiles, listed in models.values():
    assert len(profiles) == len(listed)
    for each in profiles:
        assert 0 <= each.knowledge_entropy <= each.entropy_bound + 1e-9

# %% [markdown]
# ## Verdict
#
# Over the checkpoints of the plain model. In the paper both fall. Two that rise correlate as well and say nothing of it: where
# one does not fall, from first to last and beyond two errors, there is no verdict.

# %%
plain = next((name for name in models if "GPTNeoX" in name), [*models][-1])
profiles, listed = models[plain]
rows = (summaries.ENTROPY, summaries.NET)
r, ends = correlations.relate(tables[plain], *rows)
A = [gates.acquire_net(each) for each in listed]
fall = profiles[-1].change_since(profiles[0]), estimate(A[-1] - A[0])

# %%
missed = gates.require_fall(*fall) or gates.require_all_points(*ends)
page.judge({"fig14": r}, listed, recorded, {"fig14": missed})

# %% tags=["hide-input"]
Markdown(correlations.describe_relation(tables[plain], *rows))

# %% [markdown]
# The same for what injected facts and control gain each, and with ranks (Spearman). Where entropy rises or falls at every checkpoint,
# its ranks are those of the step, and nothing is left beyond it.

# %% tags=["hide-input"]
rows = [summaries.NET, "A (%)", "control: A (%)"]
table = tables[plain]
correlations.tabulate_correlations(table, summaries.ENTROPY, rows)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig14_two_architectures.ipynb out.ipynb \
#     -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# ```
#
# `other_architecture` is another suite, Hub repository or folder; empty, it is the suite's own. Of both models every checkpoint from
# 16 % of the run on continues learning.
#
# [Figure 4](fig04_acquisition_and_forgetting.ipynb) says what a run takes, how to give checkpoints and files of your own, and where this
# differs from the paper.
