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
# Does a language model come to use fewer of its memory vectors while it is pretrained?
#
# The paper opens with a cartoon of this; here it is drawn from measured coefficients of three checkpoints. Built here: the **tiny** suite, 0.8 million parameters on a synthetic world. Nothing at OLMo's scale has been run.

# %% [markdown]
# ## Claim
#
# Figure 1 of the paper is a drawing without numbers: over pretraining, coefficients concentrate on fewer memory vectors. The
# claim itself is tested by [Figure 2](fig02_knowledge_entropy.ipynb).
#
# *What would contradict it:* the most used memory vectors hold a smaller share of all coefficients in the final model than
# in the early one.

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

from kent.pages import comparisons, live, measures, page, seeds
from kent.pages.plots import distributions
from kent.runs import picture_plans, plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# A feed-forward layer adds up memory vectors $v_i$, each times a coefficient
# ([Geva et al. 2021](https://arxiv.org/abs/2012.14913)). $\bar C^l_i$ is the size of the coefficient of vector $i$ in layer $l$,
# averaged over tokens and then over sequences. Knowledge entropy $H$ says how evenly the vectors of a layer are used: it is
# largest, $\ln m$, when all $m$ are used alike ([the definition](../book/method.md)).

# %% mystnb={"figure": {"name": "fig-evenness", "caption": "What knowledge entropy says of one layer with 16 memory vectors, sorted by use: used alike, unevenly, and by a few."}, "image": {"alt": "Three bar charts of the share of use of 16 memory vectors, most used first: all alike with an entropy of 2.77 nats, falling off slowly with a lower entropy, and falling off fast with the lowest.", "width": "100%"}} tags=["hide-input"]
distributions.plot_evenness()

# %% [markdown]
# Below, $\bar C^l_i$ is divided by the mean of its layer, and all layers are taken together, at the checkpoints nearest to 16,
# 50 and 100 % of the run. Two baselines: the first checkpoint (untrained, in the tiny suite), and even use.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
plan = plans.sweep_stages(checkpoints, steps=steps, **measured)
pictured = picture_plans.show_models(checkpoints, steps=steps, **measured)
page.estimate_cost(plan | pictured)

# %% tags=["made"]
results = page.fetch_all(plan)
profiles, (first,) = results["stages"], results["first"]
recorded = seeds.recall(plan, checkpoints)
shown = page.fetch_all(pictured)
others = [each for listed in shown.values() for each in listed]
page.describe_runs([*others, first, *profiles])

# %% [markdown]
# ## Figure
#
# In the book a picture to play with comes first: one layer's coefficients, sorted. Even is a row of bars as high as the dashed line, and an
# entropy at its bound; uneven is a few high bars beside many low ones.

# %% tags=["live", "hide-input"]
further = picture_plans.name_suites([*picture_plans.FURTHER])
live.Picture(live.collect(shown), wanted=further)

# %% mystnb={"figure": {"name": "fig-memory-coefficients", "caption": "Mean coefficients of all memory vectors relative to the mean of their layer (top), and the share that the most used ones hold, mean of layers (bottom); dots: the largest 1 and 10 % in other seeds. The entropy of these distributions is {numref}`fig-knowledge-entropy`. The paper's figure 1 is a drawing without numbers."}, "image": {"alt": "Top: histograms of the mean coefficient over its layer's mean on a logarithmic axis for an early, a middle and the final checkpoint, with the first as a dotted line. Bottom: share of all coefficients against the share of memory vectors, most used first, above the diagonal of even use.", "width": "100%"}} tags=["figure", "hide-input"]
distributions.plot_coefficients(profiles, first, recorded)

# %% tags=["hide-input"]
names = ["knowledge", "effective number", *distributions.SHARES]
table = measures.tabulate([first, *profiles], names)
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# ## Check
#
# At any scale, coefficients are not negative, and the largest tenth holds at least a tenth.

# %%
for profile in [first, *profiles]:
    assert all((layer >= 0).all() for layer in profile.coefficients)
    assert profile.estimate("top 10 % share")[0] >= 0.0999

# %% [markdown]
# ## Verdict
#
# The share of the most used tenth, from 16 % of the run to its end. The paper gives no number for it, so the verdict on the
# claim is left to [Figure 2](fig02_knowledge_entropy.ipynb).

# %% tags=["answer", "hide-input"]
said = comparisons.describe_share(profiles, "top 10 % share", recorded)
Markdown(said)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig01_memory_coefficients.ipynb out.ipynb -f params/olmo-1b.yaml
# papermill notebooks/fig01_memory_coefficients.ipynb out.ipynb \
#     -p checkpoints FOLDER -p corpus FILE.txt
# ```
#
# Four passes over the text, and one for every other checkpoint and for the further models in the picture to play with. All are shared with
# [Figure 2](fig02_knowledge_entropy.ipynb) and [Algorithm 1 by p and q](algorithm1_entropy.ipynb) through the cache ([what a pass takes](speed.ipynb)).
#
# *Deviations from the paper.* A sample of Dolma ([Soldaini et al. 2024](https://arxiv.org/abs/2402.00159)) stands in for the first training batch
# ([the data](../book/data.md)); padding never enters the means.
