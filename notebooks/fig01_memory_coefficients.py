# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 1: the distribution of memory coefficients
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# The paper opens with a cartoon: an early model mixes many memory vectors, a late one few. This page draws the same from
# measured coefficients of three checkpoints. As built here, the page measures the **tiny** suite, pretrained on the spot and run on a CPU; nothing at OLMo's
# scale has been run for this book yet.

# %% [markdown]
# ## Claim
#
# Figure 1 of the paper is an illustration and publishes no number: over pretraining, coefficients concentrate on fewer
# memory vectors. The number behind it is the knowledge entropy of [Figure 2](fig02_knowledge_entropy.ipynb), where the
# claim is tested.
#
# *What would contradict it:* the share of all coefficients that the most used memory vectors hold is smaller in the final
# model than in the early one.

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
# $\bar C^l_i$ is the magnitude of what enters the down-projection of layer $l$ at memory vector $i$, averaged over tokens
# and then over sequences (`kent.profile`, `Profile.coefficients`). Shown is $\bar C^l_i$ over the mean of its layer, all
# layers together, for the checkpoints nearest to 16, 50 and 100 % of the run. Two baselines: the first checkpoint
# (untrained, in the tiny suite), and the line on which all memory vectors are used alike.

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

# %% mystnb={"figure": {"name": "fig-memory-coefficients", "caption": "Mean coefficients of all memory vectors relative to the mean of their layer (top), and the share that the most used ones hold (bottom). The entropy of these distributions is {numref}`fig-knowledge-entropy`. The paper's figure 1 is a drawing without numbers."}, "image": {"alt": "Top: histograms of the mean coefficient over its layer's mean on a logarithmic axis for an early, a middle and the final checkpoint, with the first as a dotted line. Bottom: share of all coefficients against the share of memory vectors, most used first, above the diagonal of even use.", "width": "100%"}} tags=["hide-input"]
figure = measuring.plot_coefficients(profiles, first)

# %% tags=["hide-input"]
names = {
    "knowledge": "H (nats)",
    "effective number": "effective number",
    "top 10 % share": "top 10 % share",
}
measuring.tabulate_measures([first, *profiles], names)

# %% [markdown]
# ## Check
#
# What must hold at any scale: coefficients are not negative, and the largest tenth holds at least a tenth.

# %%
for profile in [first, *profiles]:
    assert all((layer >= 0).all() for layer in profile.coefficients)
    assert profile.estimate("top 10 % share")[0] >= 0.0999

# %% [markdown]
# ## Reading
#
# How the share of the most used tenth changed from the early to the final checkpoint, with two standard errors, and what
# that says. The paper gives no number for it, so the verdict is left to [Figure 2](fig02_knowledge_entropy.ipynb).

# %%
change, error = (100 * each for each in evidence.measure_change(profiles, "top 10 % share"))
moved = seeds.format_interval(change, error, "+")
said = evidence.name_direction("top 10 % share", change, error)
print(f"share of the most used 10 %: {moved} percentage points, {said}")
if said == "more even":
    print("which contradicts the paper's drawing at this scale")

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig01_memory_coefficients.ipynb out.ipynb -f params/olmo-1b.yaml
# papermill notebooks/fig01_memory_coefficients.ipynb out.ipynb -p checkpoints FOLDER -p corpus FILE.txt
# ```
#
# Four passes over the text, one per checkpoint, which [Figure 2](fig02_knowledge_entropy.ipynb) shares through the cache.
# [What a pass takes](speed.ipynb) on a large GPU is estimated; on this device, the page says it before it starts.
#
# *Deviations from the paper.* A Dolma sample stands in for the first training batch ([the data](../book/data.md));
# padding never enters the means.
