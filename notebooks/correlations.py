# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Footnote 11: knowledge entropy, acquisition and forgetting
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Do acquisition and forgetting follow knowledge entropy, beyond what the pretraining step alone says?
#
# By default on the **tiny** suite: small models pretrained on the spot, on a CPU, and facts of a synthetic world. None of the
# paper's checkpoints has been run yet.

# %% [markdown]
# ## Claim
#
# Footnote 11 of the paper: over its initial models, Pearson's r of knowledge entropy with A is 0.94 (p = 6e-5) and with F
# −0.96 (p = 1e-5). These p-values fit ten points, which are not published, so r cannot be computed again.
#
# *What would contradict it:* a correlation of the other sign, beyond what both quantities do with the step.

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
from kent.pages.plots.correlations import plot_correlations
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
# is judged is Pearson's correlation of knowledge entropy with A *net*, and with F, **partial to ln of the pretraining step**: both are
# freed of their straight line in ln step first (`kent.pages.correlations`; where steps do not compare, in ln of the tokens read). Its interval is two standard errors of the Fisher
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

# %% mystnb={"figure": {"name": "fig-correlations", "caption": "A net of the control (left) and F (right) against the knowledge entropy of the initial model, joined in the order of training. Bold: with recorded seeds their mean with its 95 % interval, each seed thin; else two standard errors. Over each panel r partial to ln step, with its interval. Crosses: F of a model that ends where guessing begins."}, "image": {"alt": "Scatter charts of net acquisition in points and of forgetting in per cent against the initial model's knowledge entropy in nats, a row for each architecture, points joined in the order of training, the first and the last labelled with their step; crosses in the panels of forgetting show a fall to guessing.", "width": "100%"}} tags=["figure", "hide-input"]
plot_correlations(models, recorded)

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
# Each correlation within this seed: with H, with ln step alone, with H beyond ln step, and the range of the last without one
# checkpoint each. Where entropy rises or falls at every checkpoint, its ranks (Spearman) are those of the step, and nothing
# is left beyond it.

# %% tags=["hide-input"]
from IPython.display import display

rows = [summaries.NET, "A (%)", "control: A (%)", "F (%)"]
for name, table in tables.items():
    found = correlations.tabulate_correlations(table, summaries.ENTROPY, rows)
    display(Markdown(f"{name}:"), found)

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
# Over the checkpoints of the first model. In the paper entropy and A fall while F rises; where they do not, from first to last and
# beyond two errors, a correlation says nothing of it and there is no verdict. Nor where F is only a fall to guessing, or
# one checkpoint decides.

# %%
name, *_ = models
table, (profiles, listed) = tables[name], models[name]
rows = {"acquisition": summaries.NET, "forgetting": "F (%)"}

# %%
related = {
    f"correlation-{key}": correlations.relate(table, summaries.ENTROPY, row)
    for key, row in rows.items()
}
A = [gates.acquire_net(each) for each in listed]
F = [each.forgetting() for each in listed]
entropy = profiles[-1].change_since(profiles[0])
moved = {"correlation-acquisition": estimate(A[-1] - A[0])}
moved["correlation-forgetting"] = estimate(F[0] - F[-1])  # a rise of F

# %%
missed = {"correlation-forgetting": gates.find_floor(listed)}
for key, (_, ends) in related.items():
    fall = gates.require_fall(entropy, moved[key])
    missed[key] = missed.get(key) or fall or gates.require_all_points(*ends)
found = {key: r for key, (r, _) in related.items()}
page.judge(found, listed, recorded, missed)

# %% tags=["hide-input"]
pairs = [(summaries.ENTROPY, row) for row in rows.values()]
lines = [correlations.describe_relation(table, *pair) for pair in pairs]
Markdown("\n".join(f"- {line}" for line in lines))

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/correlations.ipynb out.ipynb \
#     -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# ```
#
# `other_architecture` is another suite, Hub repository or folder; empty, it is the suite's own. Of both models every checkpoint from
# 16 % of the run on continues learning.
#
# [Figure 4](fig04_acquisition_and_forgetting.ipynb) says what a run takes, how to give checkpoints and files of your own, and where this
# differs from the paper.
