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
# As pretraining goes on, does a model look at fewer positions, and does it grow surer of the next token?
#
# Built here: the **tiny** suite, 0.8 million parameters on a synthetic world. Nothing at OLMo's scale has been run. The measurements come from the pass of [Figure 2](fig02_knowledge_entropy.ipynb).

# %% [markdown]
# ## Claim
#
# Figure 3 of the paper: both entropies of OLMo-1B ([Groeneveld et al. 2024](https://arxiv.org/abs/2402.00838)) fall over
# pretraining, attention entropy from about 70 to 40 nats, next-token entropy from about 2.8 to 2.4.
#
# *What would contradict it:* an entropy at the end of pretraining above that at 16 % of the run, beyond the interval over
# seeds, on the same text.

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
from functools import partial

from kent.pages import evidence, measures, page, seeds
from kent.pages.plots import entropies
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
# Attention entropy grows with the sequences: position $j$ has at most $\ln j$ nats per layer. So values at another length
# or depth do not compare with the paper's; only their trend does. The baseline is the first checkpoint.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
plan = plans.sweep(checkpoints, steps=steps, **measured)
page.estimate_cost(plan)

# %% tags=["made"]
profiles = page.fetch_all(plan)["in order"]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(profiles)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-other-entropies", "caption": "Attention entropy {eq}`eq-attention` (top) and next-token entropy {eq}`eq-token` (bottom) over pretraining: bold the mean of seeds with the band of its interval, or one model with two standard errors. Knowledge entropy at the same checkpoints: {numref}`fig-knowledge-entropy`."}, "image": {"alt": "Two line charts over the pretraining step on a logarithmic axis: attention entropy summed over layers and next-token entropy, both in nats, each with the values that the paper reports for OLMo-1B as text.", "width": "100%"}} tags=["figure", "hide-input"]
table = measures.tabulate(profiles, ["attention", "token", "loss"])
entropies.plot_entropies(table, recorded)

# %% tags=["hide-input"]
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# ## Check
#
# At any scale, a layer's attention entropy is at most the mean logarithm of the positions in sight, and all checkpoints read
# one text.

# %%
import math

in_sight = sum(map(math.log, range(1, length + 1))) / length
for profile in profiles:
    attention = profile.attention_entropy_by_layer
    assert attention.min() >= 0 and attention.max() < in_sight + 1e-6
    assert profile.next_token_entropy > 0
texts = {each.provenance["corpus"]["tokens_sha256"] for each in profiles}
assert len(texts) == 1, "tokenizers differ"

# %% [markdown]
# ## Verdict

# %%
compare = partial(evidence.measure_change, profiles)
found = {f"fig03-{name}": compare(name) for name in ("attention", "token")}
page.judge(found, profiles, recorded)

# %% [markdown]
# Next-token entropy falls with the loss in any model that learns; the claim is about late pretraining. Neither entropy is
# about memory vectors: both may fall where [knowledge entropy](fig02_knowledge_entropy.ipynb) does not.

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig03_other_entropies.ipynb out.ipynb -f params/olmo-1b.yaml
# papermill notebooks/fig03_other_entropies.ipynb out.ipynb \
#     -p checkpoints FOLDER -p corpus FILE.txt
# ```
#
# One pass over the text per checkpoint, shared with [Figure 2](fig02_knowledge_entropy.ipynb) through the cache ([what a pass
# takes](speed.ipynb)).
#
# *Deviations from the paper.* A sample of Dolma ([Soldaini et al. 2024](https://arxiv.org/abs/2402.00159)) stands in for the first training batch
# ([the data](../book/data.md)); padding never enters the means.
