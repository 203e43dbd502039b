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
# In a gated network a coefficient can be negative: does it matter whether its magnitude or its positive part is measured?
#
# Built here: the **tiny** suite, 0.8 million parameters on a synthetic world. Nothing at OLMo's scale has been run.

# %% [markdown]
# ## Claim
#
# Figure 9 of the paper: with ReLU(gate) ⊗ up, negatives set to 0, in place of the magnitude of SwiGLU's output ([Shazeer
# 2020](https://arxiv.org/abs/2002.05202)), the trend is the same.
#
# *What would contradict it:* an entropy of the ReLU variant at the end of pretraining above the one at 16 % of the run,
# beyond the interval over seeds, on the same text.

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
import pandas as pd
from IPython.display import Markdown

from kent.pages import comparisons, evidence, measures, page, seeds
from kent.pages.plots import entropies
from kent.runs import plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The measurement of [Figure 2](fig02_knowledge_entropy.ipynb), and beside it `kent.profile(..., activation="relu")`, which
# takes $\max(0, \mathrm{ReLU}(x G^\top) \odot x K^\top)$. The model computes with its own activation in both. A plain
# model has no gate and is refused.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
plan = plans.sweep_activations(checkpoints, steps=steps, **measured)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
series = {"magnitude": results["abs"], "ReLU variant": results["relu"]}
recorded = seeds.recall(plan, checkpoints)
page.describe_runs([profile for listed in series.values() for profile in listed])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-activation", "caption": "Distance of the knowledge entropy to its bound per layer over pretraining, from the magnitude of the coefficients and from the ReLU variant {eq}`eq-relu`: bold the mean of seeds with the band of its interval, or one model with two standard errors. Bands across: the range of the paper's figure 2; of its figure 9 only the trend is read. Magnitudes alone: {numref}`fig-knowledge-entropy`."}, "image": {"alt": "Line chart over the pretraining step on a logarithmic axis: the distance of knowledge entropy to its bound per layer in nats, one line for the magnitude of the coefficients and one for the ReLU variant, beside bands for the published ranges of OLMo-1B and OLMo-7B.", "width": "100%"}} tags=["figure", "hide-input"]
tables = measures.tabulate_series(series, ["knowledge", "gap"])
entropies.plot_gaps(tables, recorded, "figure 2")

# %% tags=["hide-input"]
seeds.Estimates(pd.concat(tables), plan, recorded)

# %% [markdown]
# ## Check
#
# At any scale, entropies lie between 0 and the bound, and both variants read the same tokens.

# %%
for pair in zip(*series.values(), strict=True):
    for each in pair:
        assert 0 <= each.knowledge_entropy <= each.entropy_bound + 1e-9
    texts = {each.provenance["corpus"]["tokens_sha256"] for each in pair}
    assert len(texts) == 1

# %% [markdown]
# ## Verdict

# %%
variant = series["ReLU variant"]
change = evidence.measure_change(variant)
page.judge({"fig09": change}, variant, recorded)

# %% tags=["hide-input"]
Markdown(comparisons.describe_changes(series, recorded))

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig09_activation.ipynb out.ipynb -f params/olmo-1b.yaml
# papermill notebooks/fig09_activation.ipynb out.ipynb \
#     -p checkpoints FOLDER -p corpus FILE.txt
# ```
#
# Two passes over the text per checkpoint, one of them shared with [Figure 2](fig02_knowledge_entropy.ipynb) through the cache ([what
# a pass takes](speed.ipynb)).
#
# *Deviations from the paper.* A sample of Dolma ([Soldaini et al. 2024](https://arxiv.org/abs/2402.00159)) stands in for the first training batch
# ([the data](../book/data.md)); padding never enters the means.
