# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 6: knowledge entropy in another architecture
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# OLMo's feed-forward layers are gated; Pythia's are plain, with one projection before the activation. Does knowledge
# entropy behave alike in both? As built here, the page measures the **tiny** suite and, beside it, **tiny-neox**: the
# GPT-NeoX architecture of Pythia with the same width, depth, tokenizer, text, schedule and seed. Both are pretrained on
# the spot and run on a CPU; nothing at the paper's scale has been run for this book yet.

# %% [markdown]
# ## Claim
#
# Figure 6 of the paper: knowledge entropy of Pythia falls over pretraining.
#
# *What would contradict it:* an entropy of the plain model at the end of pretraining above the one at 16 % of the run, by
# more than two standard errors, on the same text.
#
# *An observation on the published figure.* It names Pythia 1.4B, a model of 24 layers whose bound is 24 · ln 8192 =
# 216.26 nats; its axis, 143.4 to 143.7, fits a model of 16 layers with 8,192 memory vectors each (bound 144.17), such as
# Pythia 1B. The suite `pythia` here is Pythia 1B.

# %% tags=["parameters"]
checkpoints = "tiny"
other_architecture = ""
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
# In a plain network the coefficient of memory vector $i$ is $|\sigma(x K^\top)_i|$, what enters the second projection; in
# a gated one it is $|\sigma(x G^\top) \odot x K^\top|_i$. Everything else is as in [Figure 2](fig02_knowledge_entropy.ipynb).
# `other_architecture` is another suite, Hub repository or folder; empty, it is the suite's own. Models of different shape are compared
# by the distance to the bound per layer, $\ln m - H(\theta^l)$.

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
passes = {"steps": steps, "batch_size": batch_size, "other_architecture": other_architecture}
plan = plans.sweep_architectures(checkpoints, **passes, **measured)
page.estimate_cost(plan)

# %%
series = page.fetch_all(plan)
page.stamp([profile for profiles in series.values() for profile in profiles])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-other-architecture", "caption": "Distance of the knowledge entropy to its bound per layer over pretraining, for a gated and a plain architecture, with two standard errors. Bands: the range of the paper's figures 2 and 6. The gated model alone: {numref}`fig-knowledge-entropy`."}, "image": {"alt": "Line chart over the pretraining step on a logarithmic axis: the distance of knowledge entropy to its bound per layer in nats for a gated and a plain model, with error bars, beside bands for the published ranges of OLMo-1B, OLMo-7B and Pythia.", "width": "100%"}} tags=["hide-input"]
figure = measuring.plot_gaps(series, "figure 2", "figure 6")

# %% tags=["hide-input"]
import pandas as pd

names = {"knowledge": "H (nats)", "loss": "loss"}
tables = {name: measuring.tabulate_measures(each, names) for name, each in series.items()}
pd.concat(tables, axis=1)

# %% [markdown]
# ## Check
#
# What must hold at any scale: entropies between 0 and the bound, in both models.

# %%
for profiles in series.values():
    for profile in profiles:
        assert 0 <= profile.knowledge_entropy <= profile.entropy_bound + 1e-9

# %% [markdown]
# ## Reading
#
# The claim is about the plain model; the change of the gated one stands below.

# %%
changes = {name: evidence.measure_change(profiles) for name, profiles in series.items()}
kinds = {name: profiles[0].provenance["architecture"] for name, profiles in series.items()}
plain = next((name for name in kinds if "GPTNeoX" in kinds[name]), [*kinds][-1])
page.read({"fig06": changes[plain]}, series[plain])

# %% tags=["hide-input"]
for name, change in changes.items():
    print(f"{name}: {seeds.format_interval(*change, '+')} nats from 16 % of the run to its end")

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig06_other_architecture.ipynb out.ipynb -f params/pythia.yaml
# papermill notebooks/fig06_other_architecture.ipynb out.ipynb -p checkpoints FOLDER -p other_architecture FOLDER -p corpus FILE.txt
# ```
#
# `-f params/pythia.yaml` measures Pythia 1B and, beside it, OLMo-1B, with one pass over the text per checkpoint.
# [What a pass takes](speed.ipynb) on a large GPU is estimated; on this device, the page says it before it starts. Where
# `steps` are given, both models must have them.
#
# *Deviations from the paper.* Pythia 1B instead of the 1.4B of the caption. A Dolma sample for both models
# ([the data](../book/data.md)), though Pythia was pretrained on the Pile; padding never enters the means.
