# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 3: attention entropy and next-token entropy over pretraining
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Does a model that goes on pretraining look at fewer positions, and grow surer of the next token? As built here, the page measures the **tiny** suite, pretrained on the spot and run on a CPU; nothing at OLMo's
# scale has been run for this book yet. The
# measurements are those of [Figure 2](fig02_knowledge_entropy.ipynb), which come from the same pass.

# %% [markdown]
# ## Claim
#
# Figure 3 of the paper: both entropies of OLMo-1B fall over pretraining, attention entropy from about 70 to 40 nats and
# next-token entropy from about 2.8 to 2.4.
#
# *What would contradict it:* an entropy at the end of pretraining above that at 16 % of the run, by more than two
# standard errors, on the same text.

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
# With $a^{l,h}_{nj}$ the attention weights of position $j$ in head $h$ of layer $l$, $q_{nj}$ the predicted distribution
# of the next token, and $S(a) = -\sum_k a_k \ln a_k$,
#
# $$H_\mathrm{att} = \sum_l \operatorname*{mean}_{n}\, \operatorname*{mean}_{j, h}\, S(a^{l,h}_{nj}), \qquad
# H_\mathrm{tok} = \operatorname*{mean}_{n}\, \operatorname*{mean}_{j}\, S(q_{nj}).$$
#
# `kent.profile` takes both while the model runs, over blocks of positions. Attention entropy grows with the length of the
# sequences, since position $j$ has at most $\ln j$ nats per layer; so values at another length or depth are not comparable
# with the paper's, only their trend is. The baseline is the first checkpoint.

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
plan = plans.sweep(checkpoints, steps=steps, batch_size=batch_size, **measured)
page.estimate_cost(plan)

# %%
profiles = page.fetch_all(plan)["in order"]
page.stamp(profiles)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-other-entropies", "caption": "Attention entropy {eq}`eq-attention` (top) and next-token entropy {eq}`eq-token` (bottom) over pretraining, with two standard errors. Knowledge entropy at the same checkpoints: {numref}`fig-knowledge-entropy`."}, "image": {"alt": "Two line charts over the pretraining step on a logarithmic axis: attention entropy summed over layers and next-token entropy, both in nats with error bars, each with the values that the paper reports for OLMo-1B as text.", "width": "100%"}} tags=["hide-input"]
figure = measuring.plot_entropies(profiles)

# %% tags=["hide-input"]
names = {"attention": "attention entropy", "token": "next-token entropy", "loss": "loss"}
measuring.tabulate_measures(profiles, names)

# %% [markdown]
# ## Check
#
# What must hold at any scale: a layer's attention entropy is at most the mean logarithm of the positions in sight, and all
# checkpoints read one text.

# %%
import math

in_sight = sum(math.log(position) for position in range(1, length + 1)) / length
for profile in profiles:
    attention = profile.attention_entropy_by_layer
    assert attention.min() >= 0 and attention.max() < in_sight + 1e-6
    assert profile.next_token_entropy > 0
texts = {profile.provenance["corpus"]["tokens_sha256"] for profile in profiles}
assert len(texts) == 1, "tokenizers differ"

# %% [markdown]
# ## Reading

# %%
keys = {"fig03-attention": "attention", "fig03-token": "token"}
changes = {key: evidence.measure_change(profiles, measure) for key, measure in keys.items()}
page.read(changes, profiles)

# %% [markdown]
# A next-token entropy that falls along with the loss is what learning is; the claim is about how it goes on late in
# pretraining. The tiny model is reported as it comes out.

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig03_other_entropies.ipynb out.ipynb -f params/olmo-1b.yaml
# papermill notebooks/fig03_other_entropies.ipynb out.ipynb -p checkpoints FOLDER -p corpus FILE.txt
# ```
#
# One pass over the text per checkpoint, which [Figure 2](fig02_knowledge_entropy.ipynb) shares through the cache.
# [What a pass takes](speed.ipynb) on a large GPU is estimated; on this device, the page says it before it starts.
#
# *Deviations from the paper.* A Dolma sample stands in for the first training batch ([the data](../book/data.md));
# padding never enters the means.
