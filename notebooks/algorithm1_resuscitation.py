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
# What does resuscitation do to a model before it learns anything?
#
# Step by step on one layer; then the whole model, measured again. By default on the **tiny** suite: small models pretrained
# for this book. Nothing has been run at OLMo's scale yet.

# %% [markdown]
# ## Claim
#
# Section 4.3 of [Kim et al. (2025)](https://arxiv.org/abs/2410.01380): in each layer the keys of inactive memory vectors, the half
# with the smallest coefficients, are scaled up, so that their coefficients reach the layer's mean times $q$ and the vectors
# take part in learning.
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

# %% tags=["hide-input", "made"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input", "made"]
import pandas as pd
import torch
from IPython.display import Markdown

from kent.change.resuscitation import find_multipliers
from kent.pages import page, seeds
from kent.pages.changes import COMPARED
from kent.pages.plots import resuscitation
from kent.pages.summaries import ENTROPIES, ENTROPY
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
# row: nothing is exact there. Intervals are two standard errors within one model; where other seeds of pretraining are
# recorded, numbers are means over seeds with the 95 % interval between them.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
changed = {"steps": steps, "p": p, "q": q}
plan = learning_plans.show_algorithm(checkpoints, **changed, **measured)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
fetched = page.fetch_all(plan)
results = {label: profile for label, [profile] in fetched.items()}
unchanged = results["unchanged"]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs([*results.values()])

# %% [markdown]
# ## Step by step
#
# One layer's mean coefficients, the threshold, and who is at most at it; then their multipliers with the page's $q$ nearest
# to 1:

# %%
coefficients = unchanged.coefficients[layer].float()
threshold = torch.quantile(coefficients, p / 100)
chosen = coefficients <= (threshold if p else -1)  # p = 0 chooses none
factor = min(q, key=lambda each: abs(each - 1))
mean = coefficients.mean()
multipliers = torch.where(chosen, mean / coefficients * factor, 1)

# %% tags=["hide-input"]
up, down = (multipliers > 1).sum(), (multipliers < 1).sum()
Markdown(f"""In layer {layer}, {chosen.sum()} of {len(chosen)} mean
coefficients are at most {threshold:.4g}; the layer's mean is {mean:.4g}.
With q = {factor:g}, {up} rows are scaled up, by at most
{multipliers.max():.3g}, and {down} down.""")

# %% [markdown]
# ## Figure
#
# The same layer of the changed model, measured again on the same text:

# %% mystnb={"figure": {"name": "fig-algorithm", "caption": "Mean coefficients of one layer before and after Algorithm 1, measured: their distribution (left), and where each neuron went (right), as multiples of the layer's mean before; dotted: that mean."}, "image": {"alt": "Left a histogram of a layer's mean coefficients before and after on a logarithmic axis; right a scatter chart of the coefficient after against that before, chosen and other neurons in two colours.", "width": "100%"}} tags=["hide-input"]
after = results[f"q = {factor:g}"].coefficients[layer]
resuscitation.plot_algorithm(coefficients.double(), after, chosen)

# %% [markdown]
# The edit is meant to spread coefficients over more memory vectors; it may also break what the model can. So beside entropies and
# the loss the changed models are asked facts of the synthetic world that they have never read (K), and its six tasks (P):

# %% tags=["hide-input"]
from kent import Knowledge, load, probe, resuscitate
from kent.learning.downstream import evaluate

revision = unchanged.provenance["revision"]
facts = Knowledge.synthetic(0, once=20, paraphrase=12)
precision, source = getattr(torch, dtype), revision["repository"]
chosen = {"branch": revision["branch"], "dtype": precision}
model, tokenizer = load(source, **chosen)


# %% tags=["hide-input"]
def ask(model):
    """K and P, with standard errors over paragraphs and documents."""
    probes = probe(model, tokenizer, facts).groupby(["setting", "item"])
    known = probes.per_target_token.mean()
    tasks = evaluate(model, tokenizer, "world")
    error = (tasks.standard_error**2).sum() ** 0.5 / len(tasks)
    found = {"K before (nats)": (known.mean(), known.sem())}
    return found | {"P before (%)": (100 * tasks.score.mean(), 100 * error)}


# %% tags=["hide-input"]
able = {"unchanged": ask(model)}
for each in q:
    changed = resuscitate(model, unchanged.coefficients, p=p, q=each)
    able[f"q = {each:g}"] = ask(changed)
pairs = {}
for label, each in results.items():
    moved = {row: each.estimate(name) for row, name in ENTROPIES.items()}
    pairs[label] = moved | able[label]
able = pd.DataFrame(pairs)

# %% mystnb={"figure": {"name": "fig-edit", "caption": "Knowledge entropy, contribution entropy, attention entropy and loss, K and P of the final model, unchanged and changed by Algorithm 1 with each q, before any learning. Contribution entropy weighs each coefficient by the length of its memory vector. Bold: means over seeds with their 95 % interval and, small, each seed, where other seeds are recorded; else this model's value with two standard errors."}, "image": {"alt": "Six charts with a mark for the unchanged model and for each q: knowledge entropy, contribution entropy, attention entropy and loss in nats, K of unread facts and the score of six tasks, with error bars.", "width": "100%"}} tags=["hide-input", "figure"]
resuscitation.plot_edit(able, recorded, "final model")

# %% tags=["hide-input"]
table = pd.concat({"final model": able})
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# ## Check
#
# What must hold at any scale: `kent.resuscitate` multiplies by just these numbers; $p = 0$ changes nothing; and in a gated
# model the measured coefficients of the first layer are the old ones times the multipliers, so that with $q = 1$ every
# chosen neuron is at the mean.

# %%
[found] = find_multipliers([coefficients], p=p, q=factor)
assert torch.equal(found, multipliers)
nothing = find_multipliers(unchanged.coefficients, p=0)
assert all((each == 1).all() for each in nothing)

# %%
from kent.measure.memory import find_memories

gated = find_memories(model)[0].gate is not None
both = unchanged, results[f"q = {factor:g}"]
old, new = (each.coefficients[0] for each in both)
[scaled_by] = find_multipliers([old], p=p, q=factor)
error = (new / (scaled_by.double() * old) - 1).abs().max().item()
assert not gated or error < max(1e-4, 4 * torch.finfo(precision).eps)
Markdown(f"""In the first layer each coefficient is the old one times its
multiplier, to {error:.1e} of it.""")

# %% [markdown]
# ## Verdict
#
# What the edit changes, over all layers and layer by layer:

# %% tags=["hide-input"]
layers = range(len(unchanged.coefficients))
changes = {}
for label in [*results][1:]:
    find, found = results[label].change_since, {}
    for row, name in ENTROPIES.items():
        found[row] = find(unchanged, name)
    for x in layers:
        alone = [float(x == y) for y in layers]
        found[f"H of layer {x} (nats)"] = find(unchanged, weights=alone)
    changes[label] = found

# %% tags=["hide-input"]
kept = pd.concat({f"final model, {COMPARED}": pd.DataFrame(changes)})
seeds.Estimates(kept, plan, recorded)

# %% tags=["hide-input"]
moved = seeds.pool_table(kept, recorded).droplevel(0)
whole = seeds.pool_table(table, recorded).droplevel(0)
H = whole.loc[ENTROPY].str[0]
losses = whole.loc["loss before (nats)"].str[0]


# %% tags=["hide-input"]
def say(label, sign):
    """Knowledge entropy with one q; the layers that move by this sign."""
    pairs = [moved.loc[f"H of layer {x} (nats)", label] for x in layers]
    count = sum(sign * value > 2 * error for value, error in pairs)
    return f"{H[label]:.3f} with {label} (in {count} of {len(layers)} layers)"


# %% tags=["hide-input"]
said = []
for word, sign in {"raises": 1, "lowers": -1}.items():
    pairs = moved.loc[ENTROPY].items()
    found = [label for label, (x, error) in pairs if sign * x > 2 * error]
    each = ", ".join(say(label, sign) for label in found)
    said += [f"{word} it to {each}"] if found else []
said = " and ".join(said) or "moves it by too little to tell"

# %% tags=["hide-input", "answer"]
others = ", ".join(f"{losses[label]:.3f} with {label}" for label in changes)
number = f"mean of {1 + len(recorded)} seeds" if recorded else "one seed"
Markdown(f"""Knowledge entropy is {H["unchanged"]:.3f} nats in the unchanged
model. Algorithm 1 {said}. The loss, {losses["unchanged"]:.3f} nats
unchanged, becomes {others} ({number}).""")

# %% [markdown]
# A model that computes worse has less to forget and more to learn again: the pages that let these models learn count from the
# unchanged one. [For which p and q entropy rises](algorithm1_entropy.ipynb) has a page of its own, with sliders.

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/algorithm1_resuscitation.ipynb out.ipynb \\
#     -f params/olmo-1b.yaml
# papermill notebooks/algorithm1_resuscitation.ipynb out.ipynb \\
#     -p checkpoints FOLDER -p corpus FILE.txt -p layer 3
# ```
#
# One checkpoint, measured as it is and changed with each q: five passes, and five times the probes and the tasks; the model
# is held twice.
#
# *Deviations from the paper.* `p` is in percent (a fraction in the public code). The text the coefficients are measured on
# is the page's.
