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
# Does knowledge entropy move alike in a gated model and in a plain one?
#
# OLMo's feed-forward layers are gated ([Shazeer 2020](https://arxiv.org/abs/2002.05202)); Pythia's ([Biderman et al.
# 2023](https://arxiv.org/abs/2304.01373)) are plain, with one projection before the activation. Built here: **tiny** and
# **tiny-neox**, alike in width, depth, tokenizer, text, schedule and seed. Nothing at the paper's scale has been run.

# %% [markdown]
# ## Claim
#
# Figure 6 of the paper: knowledge entropy of Pythia falls over pretraining, from about 143.7 to 143.4 nats.
#
# *What would contradict it:* an entropy of the plain model at the end of pretraining above the one at 16 % of the run, beyond
# the interval over seeds, on the same text.
#
# *The published figure* names Pythia 1.4B, which has 24 layers and a bound of 24 · ln 8192 = 216.26 nats. Its axis, 143.4 to
# 143.7, fits 16 layers of 8,192 memory vectors (bound 144.17), such as Pythia 1B, which is the suite `pythia` here.

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

# %% tags=["made", "hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["made", "hide-input"]
import pandas as pd
from IPython.display import Markdown, display

from kent.pages import comparisons, evidence, measures, page, seeds
from kent.pages.plots import entropies
from kent.runs import plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# In a plain network the coefficient of memory vector $i$ is $|\sigma(x K^\top)_i|$, what enters the second projection; in
# a gated one it is $|\sigma(x G^\top) \odot x K^\top|_i$. The rest is as in [Figure 2](fig02_knowledge_entropy.ipynb). Models of
# different shape are compared by the distance to the bound per layer, $\ln m - H(\theta^l)$. `other_architecture` is another
# suite, Hub repository or folder; empty, it is the suite's own.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
passes = {"steps": steps, "other_architecture": other_architecture}
plan = plans.sweep_architectures(checkpoints, **passes, **measured)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
names = measures.name_architectures(results)
series = {names[key]: profiles for key, profiles in results.items()}
recorded = seeds.recall(plan, checkpoints)
page.describe_runs([profile for listed in series.values() for profile in listed])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-other-architecture", "caption": "Distance of the knowledge entropy to its bound per layer over pretraining, for a gated (Olmo) and a plain (GPTNeoX) architecture: bold the mean of seeds with the band of its interval, or one model with two standard errors. Bands across: the range of the paper's figures 2 and 6. The gated model alone: {numref}`fig-knowledge-entropy`."}, "image": {"alt": "Line chart over the pretraining step on a logarithmic axis: the distance of knowledge entropy to its bound per layer in nats for a gated and a plain model, beside bands for the published ranges of OLMo-1B, OLMo-7B and Pythia.", "width": "100%"}} tags=["figure", "hide-input"]
rows = ["knowledge", "gap", "loss"]
tables = measures.tabulate_series(series, rows)
entropies.plot_gaps(tables, recorded, "figure 2", "figure 6")

# %% tags=["hide-input"]
for name, table in tables.items():
    display(seeds.Estimates(pd.concat({name: table}), plan, recorded))

# %% [markdown]
# ## Check
#
# At any scale, entropies lie between 0 and the bound, in both models.

# %%
for profiles in series.values():
    for each in profiles:
        assert 0 <= each.knowledge_entropy <= each.entropy_bound + 1e-9

# %% [markdown]
# ## Verdict
#
# The claim is about the plain model.

# %%
plain = "GPTNeoX" if "GPTNeoX" in series else [*series][-1]
change = evidence.measure_change(series[plain])
page.judge({"fig06": change}, series[plain], recorded)

# %% tags=["hide-input"]
Markdown(comparisons.describe_changes(series, recorded))

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig06_other_architecture.ipynb out.ipynb -f params/pythia.yaml
# papermill notebooks/fig06_other_architecture.ipynb out.ipynb \
#     -p checkpoints FOLDER -p other_architecture FOLDER -p corpus FILE.txt
# ```
#
# `-f params/pythia.yaml` measures Pythia 1B and, beside it, OLMo-1B, with one pass over the text per checkpoint ([what a pass
# takes](speed.ipynb)). Where `steps` are given, both models must have them.
#
# *Deviations from the paper.* Pythia 1B instead of the 1.4B of the caption. A sample of Dolma ([Soldaini et al.
# 2024](https://arxiv.org/abs/2402.00159)) for both models ([the data](../book/data.md)), though Pythia was pretrained on the Pile;
# padding never enters the means.
