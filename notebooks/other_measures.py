# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Other measures of concentration
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Knowledge entropy is one way to say how evenly memory vectors are used. Other measures of the same coefficients weigh few
# large or many small ones differently, and one also counts how long the memory vectors are. As built here, the page measures the **tiny** suite, pretrained on the spot and run on a CPU; nothing at OLMo's
# scale has been run for this book yet.

# %% [markdown]
# ## Claim
#
# Not in the paper. If its story is about concentration as such, measures of concentration should agree on the direction.
#
# *What would contradict it:* measures that move in opposite directions from 16 % of the run to its end, by more than two
# standard errors each.

# %% tags=["parameters"]
checkpoints = "tiny"
steps = []
corpus = "world"
column = "text"
length = 128
limit = 256
dtype = "float32"
batch_size = 8

# %% tags=["hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input"]
from kent.measure.entropy import MEASURES
from kent.pages import evidence, page
from kent.pages.plots import measuring
from kent.runs import plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# From the mean coefficients of [Figure 2](fig02_knowledge_entropy.ipynb), with $p_i = \bar C_i / \sum_j \bar C_j$: the
# effective number $\exp H$, the participation ratio $1 / \sum p_i^2$, the Gini coefficient, the shares of the largest 1 and
# 10 %, the dormant fraction (coefficients of at most 0.025 times the mean), and *contribution entropy*, the entropy of
# $\bar C_i \lVert v_i \rVert$. The last one differs in kind: scale a key up and its memory vector down by the same factor,
# and the network computes the same, yet knowledge entropy moves and contribution entropy does not. Baseline: the last
# checkpoint on shuffled tokens.

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
plan = plans.sweep_with_baseline(checkpoints, steps=steps, batch_size=batch_size, **measured)
page.estimate_cost(plan)

# %%
results = page.fetch_all(plan)
profiles, (shuffled,) = results["in order"], results["shuffled"]
page.stamp(profiles)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-other-measures", "caption": "Eight measures of concentration over pretraining, with two standard errors; diamonds: the last checkpoint on shuffled tokens. The first panel is {numref}`fig-knowledge-entropy`. The paper publishes none of the others."}, "image": {"alt": "Eight small line charts over the pretraining step on a logarithmic axis, with error bars: knowledge entropy, contribution entropy, effective number, participation ratio, Gini coefficient, share of the top 1 and 10 per cent, and dormant fraction.", "width": "100%"}} tags=["hide-input"]
figure = measuring.plot_other_measures(profiles, shuffled)

# %% [markdown]
# ## A rescaling that changes nothing but the number
#
# Every key of the last checkpoint is scaled so that all mean coefficients of a layer are alike, and its memory vector is
# scaled back (`kent.change.rescaling.rescale`). Knowledge entropy jumps to its bound; the function, and with it the loss, stays.

# %%
import pandas as pd

import kent
from kent.change.rescaling import rescale
from kent.measure.memory import find_memories

last = profiles[-1].provenance["revision"]
model, tokenizer = kent.load(last["repository"], last["step"])
tokens = kent.sequences(corpus, tokenizer, length=length, limit=limit, column=column)

# %%
models, coefficients = {"before": model}, profiles[-1].coefficients
if find_memories(model)[0].gate is not None:  # in a plain model no such rescaling exists
    factors = [layer.mean() / layer.clamp(min=1e-4 * layer.mean()) for layer in coefficients]
    models["after"] = rescale(model, factors)

# %%
asked = {"batch_size": batch_size, "measures": ("knowledge", "token")}
rescaled = {name: kent.profile(each, tokens, **asked) for name, each in models.items()}

# %%
columns = {"knowledge": "knowledge entropy", "contribution": "contribution entropy", "loss": "loss"}
rows = {name: [profile.estimate(key)[0] for key in columns] for name, profile in rescaled.items()}
pd.DataFrame.from_dict(rows, orient="index", columns=columns.values()).round(6)

# %% [markdown]
# ## Check
#
# What must hold at any scale: each measure keeps its bounds, and the rescaled model computes the same.

# %%
for profile in profiles:
    assert 0 <= profile.contribution_entropy <= profile.entropy_bound + 1e-9
    assert 0 <= profile.estimate("dormant fraction")[0] <= 1
before, *changed = rescaled.values()
for after in changed:
    assert abs(after.loss - before.loss) < 1e-4 * before.loss
    assert abs(after.contribution_entropy - before.contribution_entropy) < 1e-4
    assert after.knowledge_entropy > after.entropy_bound - 0.01

# %% [markdown]
# ## Reading
#
# The change of every measure from 16 % of the run to its end, and what it means for concentration.

# %%
rows = {}
for measure in ("knowledge", "contribution", *MEASURES):
    change, error = evidence.measure_change(profiles, measure)
    rows[measure] = (change, 2 * error, evidence.name_direction(measure, change, error))
columns = ["change", "± 2 s.e.", "coefficients grew"]
pd.DataFrame.from_dict(rows, orient="index", columns=columns).round(5)

# %% [markdown]
# The rescaling is the reason for caution: two networks that compute the same can have any knowledge entropy, so a change of
# it is evidence about use of the memory only as far as training does not move weight between keys and memory vectors.

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/other_measures.ipynb out.ipynb -f params/olmo-1b.yaml
# papermill notebooks/other_measures.ipynb out.ipynb -p checkpoints FOLDER -p corpus FILE.txt
# ```
#
# The passes of [Figure 2](fig02_knowledge_entropy.ipynb), shared through the cache, and two more of the last checkpoint for
# the rescaling. [What a pass takes](speed.ipynb) on a large GPU is estimated; on this device, the page says it before it
# starts.
#
# *Beyond the paper.* All of it.
