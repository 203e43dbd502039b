# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 2: knowledge entropy over pretraining
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# How evenly does a language model use the memory vectors of its feed-forward layers, and does that change while it is
# pretrained? As built here, the page measures the **tiny** suite: an OLMo-architecture model of about 0.8 million
# parameters, pretrained on the spot on a synthetic world, and run on a CPU. The same page measures OLMo-1B, Pythia or
# any folder of checkpoints; nothing at that scale has been run for this book yet. The stamp under *Method* says
# exactly what you are seeing.

# %% [markdown]
# ## Claim
#
# Section 3.2 and figure 2 of the paper: knowledge entropy falls steadily over the pretraining of OLMo-1B and 7B.
#
# *What would contradict it:* an entropy at the end of pretraining above the one at 16 % of the run (the earliest stage
# the paper trains on from), by more than two standard errors, on the same text.

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
# The input of a layer's down-projection holds one coefficient per memory vector. Its magnitude, averaged over the
# tokens of a sequence and then over sequences, is the mean coefficient $\bar C^l$; normalised, it is a distribution,
# and
#
# $$H(\theta) = \sum_l H(\theta^l), \qquad H(\theta^l) = -\sum_{i=1}^{m} p^l_i \ln p^l_i, \qquad
# p^l_i = \bar C^l_i \Big/ \sum_{j=1}^{m} \bar C^l_j$$
#
# is the knowledge entropy in nats, at most $L \ln m$. `kent.profile` measures it in one forward pass; the error is a
# jackknife over 16 blocks of sequences. Two baselines: the first checkpoint (untrained, in the tiny suite), and the
# last checkpoint on the same tokens in random order.

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
plan = plans.sweep_with_baseline(checkpoints, steps=steps, batch_size=batch_size, **measured)
page.estimate_cost(plan)

# %%
results = page.fetch_all(plan)
profiles, (shuffled,) = results["in order"], results["shuffled"]
page.stamp(profiles)

# %% [markdown]
# ## Figure
#
# The signal is hundredths of a nat below the bound, so the lower panel shows the distance to the bound per layer, where
# models of different size can be compared; the bands are the extents of the published axes, which the published curves
# cross from bottom to top.

# %% mystnb={"figure": {"name": "fig-knowledge-entropy", "caption": "Knowledge entropy over pretraining (top) and its distance to the bound per layer (bottom), with two standard errors {eq}`eq-knowledge` and {eq}`eq-jackknife`. Bands: the range of the paper's figure 2."}, "image": {"alt": "Two line charts over the pretraining step on a logarithmic axis: knowledge entropy in nats with error bars, the first checkpoint as a dotted line and the shuffled-token baseline as a diamond; and the distance to the entropy bound per layer beside the published ranges of OLMo-1B and OLMo-7B.", "width": "100%"}} tags=["hide-input"]
figure = measuring.plot_knowledge_entropy(profiles, shuffled)

# %% tags=["hide-input"]
names = {"knowledge": "H (nats)", "loss": "loss"}
table = measuring.tabulate_measures(profiles, names, shuffled)
table.assign(**{"bound − H": profiles[0].entropy_bound - table["H (nats)"]})

# %% [markdown]
# ## Check
#
# What must hold at any scale: entropies between 0 and the bound, layers that add up, and one text for all checkpoints.

# %%
for profile in [*profiles, shuffled]:
    assert 0 <= profile.knowledge_entropy <= profile.entropy_bound + 1e-9
    assert abs(profile.knowledge_entropy_by_layer.sum().item() - profile.knowledge_entropy) < 1e-9
assert len({profile.provenance["corpus"]["tokens_sha256"] for profile in profiles}) == 1, (
    "tokenizers differ"
)

# %% [markdown]
# ## Reading
#
# The change from 16 % of the run to its end, with the standard error of the paired difference (the same block of
# sequences left out of both), and the verdict that follows from it.

# %% tags=["nbval-check-output"]
page.read({"fig02": evidence.measure_change(profiles)}, profiles)

# %% tags=["hide-input"]
early, first = evidence.pick_results(profiles)["118k"], profiles[0]
drop, drop_error = early.change_since(first)
first_drop = f"{seeds.format_interval(drop, drop_error, '+')} nats"
page.share(fig02_first_drop=first_drop)
print(f"Before that, from the first checkpoint to 16 % of the run: {first_drop}")

# %% [markdown]
# A tiny model is reported as it comes out and is not tuned to agree. Models of this size have shown a fast drop in the
# first few per cent of steps and then a slow *rise*; the late decline in the paper was seen at about 2,600 tokens per
# parameter, more than a thousand times what the tiny model reads.

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig02_knowledge_entropy.ipynb out.ipynb -f params/olmo-1b.yaml
# papermill notebooks/fig02_knowledge_entropy.ipynb out.ipynb -f params/pythia.yaml
# papermill notebooks/fig02_knowledge_entropy.ipynb out.ipynb -p checkpoints FOLDER -p corpus FILE.txt
# ```
#
# One pass over the text per checkpoint, and one more. [What a pass takes](speed.ipynb) on a large GPU is estimated; on this
# device, the page says it before it starts. A misspelt parameter is an error.
# Runs are kept in the cache one by one, so an interrupted page goes on where it stopped.
#
# *Deviations from the paper.* The file that gives the order of OLMo's training data is no longer available, so a Dolma
# sample stands in for the first training batch. The public code decodes the sequences and tokenises them again, lets
# padding into the mean and adds 1e-9 inside the logarithm; here the tokens are measured as they are, padding never
# enters, and 0 · ln 0 is 0.
