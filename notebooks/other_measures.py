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
# Do other measures of how evenly memory vectors are used say what knowledge entropy says?
#
# They take the same coefficients and weigh few large or many small ones differently; one also counts how long the memory
# vectors are. Built here: the **tiny** suite, 0.8 million parameters on a synthetic world. Nothing at OLMo's scale has been run.

# %% [markdown]
# ## Claim
#
# Not in the paper. If its story is about concentration as such, measures of concentration should agree on the direction.
#
# *What would contradict it:* measures that move in opposite directions from 16 % of the run to its end, each beyond its
# interval over seeds.

# %% tags=["parameters"]
checkpoints = "tiny"
steps = []
corpus = "world"
column = "text"
length = 128
limit = 256
dtype = "float32"
batch_size = 8

# %% tags=["made", "hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["made", "hide-input"]
from IPython.display import Markdown

from kent.measure.entropy import MEASURES
from kent.pages import comparisons, measures, page, seeds
from kent.pages.plots import entropies
from kent.runs import plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# From the mean coefficients of [Figure 2](fig02_knowledge_entropy.ipynb), with $p_i = \bar C_i / \sum_j \bar C_j$: the
# effective number $\exp H$ and the participation ratio $1 / \sum p_i^2$ ([Hill 1973](https://doi.org/10.2307/1934352)), the Gini
# coefficient, the shares of the largest 1 and 10 %, the dormant fraction (coefficients of at most 0.025 times the mean;
# [Sokar et al. 2023](https://arxiv.org/abs/2302.12902)), and *contribution entropy*, the entropy of $\bar C_i \lVert v_i \rVert$.
#
# The last differs in kind. Scale a key up and its memory vector down by the same factor: the network computes the same,
# knowledge entropy moves, contribution entropy does not. Baseline: the last checkpoint on shuffled tokens.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
plan = plans.sweep_with_baseline(checkpoints, steps=steps, **measured)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
profiles, (shuffled,) = results["in order"], results["shuffled"]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(profiles)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-other-measures", "caption": "Eight measures of concentration over pretraining: bold the mean of seeds with the band of its interval, or one model with two standard errors; diamonds: the last checkpoint on shuffled tokens. The first panel is {numref}`fig-knowledge-entropy`. The paper publishes none of the others."}, "image": {"alt": "Eight small line charts over the pretraining step on a logarithmic axis: knowledge entropy, contribution entropy, effective number, participation ratio, Gini coefficient, share of the top 1 and 10 per cent, and dormant fraction.", "width": "100%"}} tags=["figure", "hide-input"]
names = ["knowledge", "contribution", *MEASURES]
table = measures.tabulate(profiles, names, shuffled)
entropies.plot_other_measures(table, recorded)

# %% tags=["hide-input"]
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# ## A rescaling that moves the number and nothing else
#
# Every key of the last checkpoint is scaled so that all mean coefficients of a layer are alike, and its memory vector is
# scaled back (`kent.change.rescaling.rescale`). What each measure moves by, where the network is gated (in a plain one no such
# rescaling exists):

# %%
import kent
from kent.change.rescaling import rescale
from kent.measure.memory import find_memories

last = profiles[-1].provenance["revision"]
model, tokenizer = kent.load(last["repository"], branch=last["branch"])
read = {"length": length, "limit": limit, "column": column}
tokens = kent.sequences(corpus, tokenizer, **read)

# %%
models = [model]
if find_memories(model)[0].gate is not None:
    floors = [1e-4 * each.mean() for each in profiles[-1].coefficients]
    pairs = zip(profiles[-1].coefficients, floors, strict=True)
    factors = [each.mean() / each.clamp(min=low) for each, low in pairs]
    models.append(rescale(model, factors))

# %%
asked = {"batch_size": batch_size, "measures": ("knowledge", "token")}
before, *changed = [kent.profile(each, tokens, **asked) for each in models]
moved = {
    f"rescaled, {measures.HEADINGS[key]}": after.change_since(before, key)
    for after in changed
    for key in ("knowledge", "contribution", "loss")
}

# %% tags=["hide-input"]
import pandas as pd

rescaled = pd.DataFrame({"rescaled minus original": moved})
seeds.Estimates(rescaled, plan, recorded)

# %% [markdown]
# ## Check
#
# At any scale, each measure keeps its bounds, and the rescaled model computes the same.

# %%
for profile in profiles:
    assert 0 <= profile.contribution_entropy <= profile.entropy_bound + 1e-9
    assert 0 <= profile.estimate("dormant fraction")[0] <= 1
for after in changed:
    assert abs(after.loss - before.loss) < 1e-4 * before.loss
    shift = after.contribution_entropy - before.contribution_entropy
    assert abs(shift) < 1e-4
    assert after.knowledge_entropy > after.entropy_bound - 0.01

# %% [markdown]
# ## Verdict
#
# The change of every measure from 16 % of the run to its end, and what it says of evenness.

# %%
comparisons.compare_measures(profiles, names, recorded)

# %% tags=["answer", "hide-input"]
said = comparisons.count_changes(profiles, names, recorded)
if moved:
    H, _, loss = seeds.pool_table(rescaled, recorded).iloc[:, 0]
    far = seeds.format_interval(*H, "+")
    said += f" Rescaling moves H by {far} nats, the loss by {abs(loss[0]):.1g}."
Markdown(said)

# %% [markdown]
# The rescaling calls for caution: networks that compute the same can have any knowledge entropy. A change of it
# speaks of how memory is used only as far as training does not move weight between keys and memory vectors.

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/other_measures.ipynb out.ipynb -f params/olmo-1b.yaml
# papermill notebooks/other_measures.ipynb out.ipynb \
#     -p checkpoints FOLDER -p corpus FILE.txt
# ```
#
# The passes of [Figure 2](fig02_knowledge_entropy.ipynb), shared through the cache, and two more of the last checkpoint for
# the rescaling ([what a pass takes](speed.ipynb)).
#
# *Beyond the paper.* All of it.
