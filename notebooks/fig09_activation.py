# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 9: knowledge entropy by magnitude and by ReLU
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# In a gated network a coefficient can be negative. The paper takes its magnitude; it could have taken its positive part.
# Does the choice matter? As built here, the page measures the **tiny** suite, pretrained on the spot and run on a CPU; nothing at OLMo's
# scale has been run for this book yet.

# %% [markdown]
# ## Claim
#
# Figure 9 of the paper: with ReLU(gate) ⊗ up, negatives set to 0, in place of the magnitude of SwiGLU's output, the trend
# is the same.
#
# *What would contradict it:* an entropy of the ReLU variant at the end of pretraining above the one at 16 % of the run, by
# more than two standard errors, on the same text.

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
from kent.pages import evidence, page, seeds
from kent.pages.plots import measuring
from kent.runs import plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The measurement of [Figure 2](fig02_knowledge_entropy.ipynb), and beside it `kent.profile(..., activation="relu")`, which
# reads $\max(0, \mathrm{ReLU}(x G^\top) \odot x K^\top)$. The model computes with its own activation in both. A plain
# model has no gate and is refused.

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
plan = plans.sweep_activations(checkpoints, steps=steps, batch_size=batch_size, **measured)
page.estimate_cost(plan)

# %%
series = page.fetch_all(plan)
page.stamp([profile for profiles in series.values() for profile in profiles])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-activation", "caption": "Distance of the knowledge entropy to its bound per layer over pretraining, from the magnitude of the coefficients and from the ReLU variant {eq}`eq-relu`, with two standard errors. Bands: the range of the paper's figure 2; its figure 9 is read for its trend only. Magnitudes alone: {numref}`fig-knowledge-entropy`."}, "image": {"alt": "Line chart over the pretraining step on a logarithmic axis: the distance of knowledge entropy to its bound per layer in nats, with error bars, one line for the magnitude of the coefficients and one for the ReLU variant, beside bands for the published ranges of OLMo-1B and OLMo-7B.", "width": "100%"}} tags=["hide-input"]
shown = {"magnitude": series["abs"], "ReLU variant": series["relu"]}
figure = measuring.plot_gaps(shown, "figure 2")

# %% tags=["hide-input"]
import pandas as pd

names = {"knowledge": "H (nats)"}
tables = {name: measuring.tabulate_measures(each, names) for name, each in series.items()}
pd.concat(tables, axis=1)

# %% [markdown]
# ## Check
#
# What must hold at any scale: entropies between 0 and the bound, and both variants read the same tokens.

# %%
for pair in zip(series["abs"], series["relu"], strict=True):
    assert all(0 <= each.knowledge_entropy <= each.entropy_bound + 1e-9 for each in pair)
    assert len({each.provenance["corpus"]["tokens_sha256"] for each in pair}) == 1

# %% [markdown]
# ## Reading

# %%
changes = {name: evidence.measure_change(profiles) for name, profiles in series.items()}
page.read({"fig09": changes["relu"]}, series["relu"])

# %% tags=["hide-input"]
for name, change in changes.items():
    print(f"{name}: {seeds.format_interval(*change, '+')} nats from 16 % of the run to its end")

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig09_activation.ipynb out.ipynb -f params/olmo-1b.yaml
# papermill notebooks/fig09_activation.ipynb out.ipynb -p checkpoints FOLDER -p corpus FILE.txt
# ```
#
# Two passes over the text per checkpoint, of which [Figure 2](fig02_knowledge_entropy.ipynb) shares one through the cache.
# [What a pass takes](speed.ipynb) on a large GPU is estimated; on this device, the page says it before it starts.
#
# *Deviations from the paper.* A Dolma sample stands in for the first training batch ([the data](../book/data.md));
# padding never enters the means.
