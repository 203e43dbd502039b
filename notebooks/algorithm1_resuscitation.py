# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Algorithm 1: resuscitation of inactive memory vectors
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# What does resuscitation do to a model, before any learning? Step by step on one layer; then the whole model, measured
# again. As built here, the page takes the **tiny** suite, pretrained on the spot and run on a CPU; nothing at OLMo's scale
# has been run for this book yet.

# %% [markdown]
# ## Claim
#
# Section 4.3 of the paper: in each layer the keys of inactive memory vectors, the half with the smallest coefficients, are scaled up, so that their coefficients reach the layer's mean times $q$ and the vectors take part in
# learning.
#
# *What would contradict it:* chosen neurons of the first layer whose measured mean coefficient is not the layer's mean with
# $q = 1$. What the edit costs (the loss, before any learning) is not in the paper's account.

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
layer = 0

# %% tags=["hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input"]
import pandas as pd
import torch

from kent.change.resuscitation import find_multipliers
from kent.pages import page, seeds
from kent.pages.plots import resuscitation
from kent.pages.summaries import ENTROPIES
from kent.runs import learning_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# For each layer, with its mean coefficients $\bar C$ ([method](../book/method.md)):
#
# $$t = \text{the } p\text{-th percentile of } \bar C, \qquad u_i = \begin{cases} \dfrac{\operatorname{mean}(\bar C)}{\bar C_i} \, q & \bar C_i \le t \\ 1 & \text{otherwise} \end{cases}$$
#
# and row $i$ of the up-projection is multiplied by $u_i$; gate and memory vectors stay (`kent.resuscitate`). In a gated
# model the coefficient is linear in that row, so the first layer's mean coefficients are multiplied by exactly $u$. Later
# layers read what earlier ones changed, so theirs are not. In a plain model (GPT-NeoX, GPT-2) an activation follows the
# row: nothing is exact there.

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
passes = {"steps": steps, "batch_size": batch_size}
plan = learning_plans.show_algorithm(checkpoints, p=p, q=q, **passes, **measured)
page.estimate_cost(plan)

# %%
results = {label: profile for label, [profile] in page.fetch_all(plan).items()}
unchanged = results["unchanged"]
page.stamp([*results.values()])

# %% [markdown]
# ## Step by step
#
# The layer's mean coefficients, the threshold, and who is at most at it:

# %%
coefficients = unchanged.coefficients[layer].float()
threshold = torch.quantile(coefficients, p / 100)
chosen = coefficients <= (threshold if p else -1)  # p = 0 chooses none
print(f"{chosen.sum()} of {len(chosen)} mean coefficients are at most {threshold:.4g}")
print(f"the mean is {coefficients.mean():.4g}")

# %% [markdown]
# Their multipliers with the page's $q$ nearest to 1:

# %%
factor = min(q, key=lambda each: abs(each - 1))
multipliers = torch.where(chosen, coefficients.mean() / coefficients * factor, 1)
up, down = (multipliers > 1).sum(), (multipliers < 1).sum()
print(f"q = {factor:g}: {up} rows scaled up, at most by {multipliers.max():.3g}, and {down} down")

# %% [markdown]
# ## Figure
#
# The same layer of the changed model, measured again on the same text.

# %% mystnb={"figure": {"name": "fig-algorithm", "caption": "Mean coefficients of one layer before and after Algorithm 1, measured: their distribution (left), and where each neuron went (right), as multiples of the layer's mean before; dotted: that mean."}, "image": {"alt": "Left a histogram of a layer's mean coefficients before and after on a logarithmic axis; right a scatter chart of the coefficient after against that before, chosen and other neurons in two colours.", "width": "100%"}} tags=["hide-input"]
after = results[f"q = {factor:g}"].coefficients[layer]
figure = resuscitation.plot_algorithm(coefficients.double(), after, chosen)

# %% [markdown]
# What the edit alone moves and breaks, by $q$:

# %% mystnb={"figure": {"name": "fig-edit", "caption": "Knowledge entropy, contribution entropy, attention entropy and loss of the final model, unchanged and changed by Algorithm 1 with each q, before any learning, with two standard errors. Contribution entropy weighs each coefficient by the length of its memory vector."}, "image": {"alt": "Four charts with a mark for the unchanged model and for each q: knowledge entropy, contribution entropy, attention entropy and loss in nats, with error bars.", "width": "100%"}} tags=["hide-input"]
pairs = {
    label: {row: each.estimate(measure) for row, measure in ENTROPIES.items()}
    for label, each in results.items()
}
figure = resuscitation.plot_edit(pd.DataFrame(pairs))

# %% [markdown]
# And what it breaks of what the model can: K of facts that it has never read and P of six tasks, both about the synthetic world,
# with two standard errors (over paragraphs; over documents).

# %% tags=["hide-input"]
from kent import Knowledge, load, probe, resuscitate
from kent.learning.downstream import evaluate

revision, facts = unchanged.provenance["revision"], Knowledge.synthetic(0, once=20, paraphrase=12)
model, tokenizer = load(revision["repository"], revision["step"], dtype=getattr(torch, dtype))


# %% tags=["hide-input"]
def ask(model) -> dict[str, str]:
    """K and P of a model, with two standard errors."""
    known = probe(model, tokenizer, facts).groupby(["setting", "item"]).per_target_token.mean()
    tasks = 100 * evaluate(model, tokenizer, "world")[["score", "standard_error"]]
    error = (tasks.standard_error**2).sum() ** 0.5 / len(tasks)
    pairs = {"K (nats)": (known.mean(), known.sem()), "P (%)": (tasks.score.mean(), error)}
    return {name: seeds.format_interval(*pair) for name, pair in pairs.items()}


# %% tags=["hide-input"]
able = {"unchanged": ask(model)}
for each in q:
    able[f"q = {each:g}"] = ask(resuscitate(model, unchanged.coefficients, p=p, q=each))
pd.DataFrame(able)

# %% [markdown]
# ## Check
#
# What must hold at any scale: `kent.resuscitate` multiplies by just these numbers; $p = 0$ changes nothing; and in a gated
# model the measured coefficients of the first layer are the old ones times the multipliers, so that with $q = 1$ every
# chosen neuron is at the mean.

# %%
assert torch.equal(find_multipliers([coefficients], p=p, q=factor)[0], multipliers)
assert all((each == 1).all() for each in find_multipliers(unchanged.coefficients, p=0))

# %%
from kent.measure.memory import find_memories

gated = find_memories(model)[0].gate is not None
scaled_by = find_multipliers(unchanged.coefficients[:1], p=p, q=factor)[0].double()
expected = scaled_by * unchanged.coefficients[0]
error = (results[f"q = {factor:g}"].coefficients[0] / expected - 1).abs().max().item()
assert not gated or error < max(1e-4, 4 * torch.finfo(getattr(torch, dtype)).eps), error
print(f"first layer: at most {error:.1e} (relative) from old coefficients times multipliers")

# %% [markdown]
# ## Reading
#
# The change of each quantity by the edit, with two standard errors of the difference. A model that computes worse has less to
# forget and more to learn again: the pages that let these models learn count from the unchanged one.

# %%
changes = {
    label: {row: each.change_since(unchanged, measure) for row, measure in ENTROPIES.items()}
    for label, each in results.items()
    if label != "unchanged"
}
pd.DataFrame(changes).T.map(lambda pair: seeds.format_interval(*pair, "+"))

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/algorithm1_resuscitation.ipynb out.ipynb -f params/olmo-1b.yaml
# papermill notebooks/algorithm1_resuscitation.ipynb out.ipynb -p checkpoints FOLDER -p corpus FILE.txt -p layer 3
# ```
#
# One checkpoint, measured as it is and changed with each q: five passes, and five times the probes and the tasks; the model
# is held twice.
#
# *Deviations from the paper.* `p` is in percent (a fraction in the public code). The text the coefficients are measured on
# is the page's.
