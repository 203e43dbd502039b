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
# pretrained?
#
# Built here: the **tiny** suite, 0.8 million parameters on a synthetic world. Nothing at OLMo's scale has been run. The same page measures OLMo-1B, Pythia or any folder of checkpoints.

# %% [markdown]
# ## Claim
#
# Section 3.2 and figure 2 of the paper: over the pretraining of OLMo-1B and 7B ([Groeneveld et al.
# 2024](https://arxiv.org/abs/2402.00838)) knowledge entropy falls steadily, from about 144.0 to 143.6 and from 297.6 to 297.0
# nats.
#
# *What would contradict it:* an entropy at the end of pretraining above the one at 16 % of the run (the earliest stage
# the paper trains on from), beyond the interval over seeds, on the same text.

# %% tags=["parameters"]
checkpoints = "tiny"
steps = []
corpus = "world"
column = "text"
length = 128
limit = 256
dtype = "float32"
batch_size = 8
compare = ""

# %% tags=["made", "hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["made", "hide-input"]
from IPython.display import Markdown

from kent.pages import comparisons, contributed, evidence, measures, page, seeds
from kent.pages.plots import contributed as others
from kent.pages.plots import entropies
from kent.runs import plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The input of a layer's down-projection holds one coefficient per memory vector. Its magnitude, averaged over the
# tokens of a sequence and then over sequences, is the mean coefficient $\bar C^l$. Normalised, it is a distribution, whose
# entropy, summed over layers, is the knowledge entropy in nats, at most $L \ln m$:
#
# $$H(\theta) = \sum_l H(\theta^l), \qquad H(\theta^l) = -\sum_{i=1}^{m} p^l_i \ln p^l_i, \qquad
# p^l_i = \bar C^l_i \Big/ \sum_{j=1}^{m} \bar C^l_j$$
#
# `kent.profile` measures it in one forward pass. The error within a model is a jackknife over 16 blocks of sequences
# ([Efron and Stein 1981](https://doi.org/10.1214/aos/1176345462)). Two baselines: the first checkpoint (untrained, in the tiny
# suite), and the last checkpoint on the same tokens in random order. [Method](../book/method.md) derives all of it.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
plan = plans.sweep_with_baseline(checkpoints, steps=steps, **measured)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
profiles, (shuffled,) = results["in order"], results["shuffled"]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(profiles)

# %% [markdown]
# ## Figure
#
# The changes are hundredths of a nat close to the bound. So the lower panel shows the distance to the bound per layer, where
# models of different size compare. The bands are the extents of the published axes; the published curves cross them from
# bottom to top.

# %% mystnb={"figure": {"name": "fig-knowledge-entropy", "caption": "Knowledge entropy over pretraining (top) and its distance to the bound per layer (bottom) {eq}`eq-knowledge`. Where several seeds are recorded: bold their mean, with the band of its 95 % interval, thin each seed; else two standard errors {eq}`eq-jackknife`. Bands across: the range of the paper's figure 2."}, "image": {"alt": "Two line charts over the pretraining step on a logarithmic axis: knowledge entropy in nats, the first checkpoint as a dotted line and the shuffled-token baseline as a diamond; and the distance to the entropy bound per layer beside the published ranges of OLMo-1B and OLMo-7B.", "width": "100%"}} tags=["figure", "hide-input"]
table = measures.tabulate(profiles, ["knowledge", "gap", "loss"], shuffled)
entropies.plot_knowledge_entropy(table, recorded)

# %% tags=["hide-input"]
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# ## Check
#
# At any scale, entropies lie between 0 and the bound, layers add up, and all checkpoints read one text.

# %%
for profile in [*profiles, shuffled]:
    assert 0 <= profile.knowledge_entropy <= profile.entropy_bound + 1e-9
    total = profile.knowledge_entropy_by_layer.sum().item()
    assert abs(total - profile.knowledge_entropy) < 1e-9
texts = {each.provenance["corpus"]["tokens_sha256"] for each in profiles}
assert len(texts) == 1, "tokenizers differ"

# %% [markdown]
# ## Verdict
#
# The change from 16 % of the run to its end. Its error within a model is that of the paired difference: the same block of
# sequences is left out of both.

# %% tags=["nbval-check-output"]
change = evidence.measure_change(profiles)
page.judge({"fig02": change}, profiles, recorded)

# %% tags=["hide-input"]
_, early = comparisons.pick_ends(profiles)
first_drop = comparisons.format_change(early, profiles[0], recorded)
page.share(fig02_first_drop=first_drop)
basis = comparisons.name_basis(profiles, recorded)
said = "Before that, from the first checkpoint to 16 % of the run"
Markdown(f"{said}, H changes: {first_drop} ({basis}).")

# %% [markdown]
# The tiny model is shown as it comes out and is not tuned to agree. In the first few per cent of its steps $H$ drops fast; then
# it *rises* slowly. OLMo-1B reads about 2,600 tokens per parameter, the tiny model about two: a late decline may lie beyond
# what it reads.

# %% [markdown]
# ## Your checkpoint beside these
#
# The same distance to the bound for other models, by what they had read. Each was measured on a text of its own, so compare courses and
# magnitudes, not hundredths of a nat. Measure your checkpoint, and drop the file on this page in the book:
#
# ```bash
# python -m kent profile path/to/checkpoint --corpus text.txt \
#     --title mine --tokens 300000000000 --record mine.json
# ```
#
# Outside the book, `compare` draws it: a file, a folder of files, or (with `-y`) a list. [Contributed checkpoints](contributed.ipynb)
# says how to share it.
#
# ```bash
# papermill notebooks/fig02_knowledge_entropy.ipynb out.ipynb -p compare mine.json
# ```

# %% tags=["hide-input"]
curves = contributed.collect(checkpoints, profiles, compare)
contributed.Picture(curves, others.draw_records(curves))

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig02_knowledge_entropy.ipynb out.ipynb -f params/olmo-1b.yaml
# papermill notebooks/fig02_knowledge_entropy.ipynb out.ipynb -f params/pythia.yaml
# papermill notebooks/fig02_knowledge_entropy.ipynb out.ipynb \
#     -p checkpoints FOLDER -p corpus FILE.txt
# ```
#
# One pass over the text per checkpoint, and one more ([what a pass takes](speed.ipynb)). Runs are kept in the cache one by one,
# so an interrupted page goes on where it stopped. A misspelt parameter is an error.
#
# *Deviations from the paper.* The file that gives the order of OLMo's training data is no longer available, so a sample of
# Dolma ([Soldaini et al. 2024](https://arxiv.org/abs/2402.00159)) stands in for the first training batch. The public code decodes the
# sequences and tokenises them again, lets padding into the mean and adds 1e-9 inside the logarithm. Here the tokens are
# measured as they are, padding never enters, and 0 · ln 0 is 0 ([what that moves](exactness.ipynb)).
