# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 8: knowledge entropy layer by layer
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# In which layers does the use of memory vectors grow uneven?
#
# Built here: the **tiny** suite, 0.8 million parameters on a synthetic world. Nothing at OLMo's scale has been run.

# %% [markdown]
# ## Claim
#
# Figure 8 of the paper, for three stages of OLMo-1B and 7B ([Groeneveld et al. 2024](https://arxiv.org/abs/2402.00838)): knowledge
# entropy falls in every layer (in OLMo-1B between 9.00 and 8.88 nats), and most in the last.
#
# *What would contradict it:* a layer whose entropy is higher at the end of pretraining than at 16 % of the run, or a last
# layer that falls less than the others do on average, beyond the interval over seeds.

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
from kent.pages import comparisons, evidence, gates, measures, page, seeds
from kent.pages.plots import entropies
from kent.runs import plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The knowledge entropy of [Figure 2](fig02_knowledge_entropy.ipynb) is a sum over layers, $H(\theta) = \sum_l
# H(\theta^l)$. Shown is each layer's distance to its bound, $\ln m - H(\theta^l)$, at the checkpoints nearest to 16, 50 and
# 100 % of the run. The baseline is the first checkpoint (untrained, in the tiny suite).

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
plan = plans.sweep_stages(checkpoints, steps=steps, **measured)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
profiles, (first,) = results["stages"], results["first"]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs([first, *profiles])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-layers", "caption": "Distance of each layer's knowledge entropy to its bound {eq}`eq-layer` at three stages of pretraining: bold the mean of seeds with the band of its interval, or one model with two standard errors. Bands across: the range of the paper's figure 8. The sum over layers: {numref}`fig-knowledge-entropy`."}, "image": {"alt": "Line chart over the layers on a logarithmic axis: the distance of each layer's entropy to its bound in nats, one line per stage of pretraining and a dotted one for the first checkpoint, beside bands for the published ranges of OLMo-1B and OLMo-7B.", "width": "100%"}} tags=["figure", "hide-input"]
table = measures.tabulate_layers([first, *profiles])
entropies.plot_layers(table, recorded)

# %% tags=["hide-input"]
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# ## Check
#
# At any scale, every layer's entropy lies between 0 and its bound, and the layers add up.

# %%
import math

for each in [first, *profiles]:
    by_layer = each.knowledge_entropy_by_layer.tolist()
    for layer, entropy in zip(each.coefficients, by_layer, strict=True):
        assert 0 <= entropy <= math.log(len(layer)) + 1e-9
    assert abs(sum(by_layer) - each.knowledge_entropy) < 1e-9

# %% [markdown]
# ## Verdict
#
# From 16 % of the run to its end: the layer that fell least (all fell if it did), and how much more the last fell than
# the others on average, which needs a fall of the whole.

# %%
late, early = comparisons.pick_ends(profiles)
changes, errors = late.change_by_layer(early)
least = changes.argmax()
found = {"fig08-everywhere": (changes[least].item(), errors[least].item())}
found["fig08-last"] = evidence.compare_last_layer(late, early)

# %%
entropy = comparisons.pool_change(late, early, seeds=recorded)
missed = {"fig08-last": gates.require_fall(entropy)}
page.judge(found, profiles, recorded, missed)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig08_layers.ipynb out.ipynb -f params/olmo-1b.yaml
# papermill notebooks/fig08_layers.ipynb out.ipynb \
#     -p checkpoints FOLDER -p corpus FILE.txt
# ```
#
# Four passes over the text, shared with [Figure 2](fig02_knowledge_entropy.ipynb) through the cache ([what a pass takes](speed.ipynb)).
#
# *Deviations from the paper.* A sample of Dolma ([Soldaini et al. 2024](https://arxiv.org/abs/2402.00159)) stands in for the first training batch
# ([the data](../book/data.md)); padding never enters the means. The layer that fell least is picked
# among the layers; within one model its interval takes no account of that.
