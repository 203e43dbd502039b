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
# Where in the model do memory coefficients grow uneven? As built here, the page measures the **tiny** suite, pretrained on the spot and run on a CPU; nothing at OLMo's
# scale has been run for this book yet.

# %% [markdown]
# ## Claim
#
# Figure 8 of the paper, for three stages of OLMo-1B and 7B: knowledge entropy falls in every layer, and most in the last.
#
# *What would contradict it:* a layer whose entropy is higher at the end of pretraining than at 16 % of the run, or a last
# layer that falls less than the others do on average, by more than two standard errors.

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
from kent.pages import evidence, page
from kent.pages.plots import measuring
from kent.runs import plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The knowledge entropy of [Figure 2](fig02_knowledge_entropy.ipynb) is a sum over layers, $H(\theta) = \sum_l
# H(\theta^l)$ (`Profile.by_layer`). Shown is each layer's distance to its bound, $\ln m - H(\theta^l)$, at the checkpoints
# nearest to 16, 50 and 100 % of the run. The baseline is the first checkpoint (untrained, in the tiny suite).

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
plan = plans.sweep_stages(checkpoints, steps=steps, batch_size=batch_size, **measured)
page.estimate_cost(plan)

# %%
results = page.fetch_all(plan)
profiles, (first,) = results["stages"], results["first"]
page.stamp([first, *profiles])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-layers", "caption": "Distance of each layer's knowledge entropy to its bound {eq}`eq-layer` at three stages of pretraining, with two standard errors. Bands: the range of the paper's figure 8. The sum over layers: {numref}`fig-knowledge-entropy`."}, "image": {"alt": "Line chart over the layers on a logarithmic axis: the distance of each layer's entropy to its bound in nats, one line with error bars per stage of pretraining and a dotted one for the first checkpoint, beside bands for the published ranges of OLMo-1B and OLMo-7B.", "width": "100%"}} tags=["hide-input"]
figure = measuring.plot_layers(profiles, first)

# %% tags=["hide-input"]
import pandas as pd

changes, errors = profiles[-1].change_by_layer(profiles[0])
steps_shown = [f"step {step}" for step in evidence.label_steps(profiles)]
layers = [profile.knowledge_entropy_by_layer.tolist() for profile in profiles]
table = pd.DataFrame(dict(zip(steps_shown, layers, strict=True)))
table.assign(change=changes, error=errors).rename_axis("layer").round(4)

# %% [markdown]
# ## Check
#
# What must hold at any scale: every layer's entropy lies between 0 and its bound, and the layers add up.

# %%
import math

for profile in [first, *profiles]:
    by_layer = profile.knowledge_entropy_by_layer.tolist()
    for coefficients, entropy in zip(profile.coefficients, by_layer, strict=True):
        assert 0 <= entropy <= math.log(len(coefficients)) + 1e-9
    assert abs(sum(by_layer) - profile.knowledge_entropy) < 1e-9

# %% [markdown]
# ## Reading
#
# From 16 % of the run to its end: the layer that fell least (all fell when it did), and how much more the last fell than
# the others on average.

# %%
least = changes.argmax()
everywhere = (changes[least].item(), errors[least].item())
last = evidence.compare_last_layer(profiles[-1], profiles[0])
gates = {"fig08-last": evidence.require_fall(evidence.measure_change(profiles))}
page.read({"fig08-everywhere": everywhere, "fig08-last": last}, profiles, gates=gates)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig08_layers.ipynb out.ipynb -f params/olmo-1b.yaml
# papermill notebooks/fig08_layers.ipynb out.ipynb -p checkpoints FOLDER -p corpus FILE.txt
# ```
#
# Four passes over the text, one per checkpoint, which [Figure 2](fig02_knowledge_entropy.ipynb) shares through the cache.
# [What a pass takes](speed.ipynb) on a large GPU is estimated; on this device, the page says it before it starts.
#
# *Deviations from the paper.* A Dolma sample stands in for the first training batch ([the data](../book/data.md));
# padding never enters the means. The interval of the layer that fell least takes no account of its having been picked among the layers.
