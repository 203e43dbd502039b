# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 10: familiarity of the corpus to learn from
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# How well does a final model know the entities that a corpus speaks of? As built here, the page measures the **tiny** suite, pretrained on the spot and run on a CPU; nothing at OLMo's
# scale has been run for this book yet. Its three texts are the pretraining mix of
# the synthetic world, a near domain (the same facts in other kinds of text) and a far domain (its own entities, vocabulary
# and style).

# %% [markdown]
# ## Claim
#
# Figure 10 of the paper: entities in PubMed, on which the models continue learning, have a higher perplexity under OLMo's final
# model than those in C4; that is why it is the main corpus of the continual learning experiments.
#
# *What would contradict it:* entities of the last corpus compared have a lower mean ln perplexity than those of the one
# before it, by more than two standard errors.

# %% tags=["parameters"]
checkpoints = "tiny"
others = []
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
from kent.models.suites import RECIPES
from kent.pages import evidence, page
from kent.pages.plots import measuring
from kent.runs import plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# Each document is read on its own. The perplexity of an entity $e$ is $\exp\bigl(-\frac{1}{|e|} \sum_{t \in e} \ln p(x_t
# \mid x_{<t})\bigr)$ over its tokens, that of an instance the mean over its entities (`kent.measure.familiarity`). The synthetic
# world knows where its entities stand. For real text, `corpus` and `others` are spans files: `.jsonl` with the text under
# `column` and character pairs under `entities`. The comparison is of means of ln perplexity over instances, since
# perplexities are spread over orders of magnitude.

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
passes = {"steps": steps, "batch_size": batch_size}
plan = plans.compare_familiarity(checkpoints, others=others, **passes, **measured)
page.estimate_cost(plan)

# %%
corpora = {name: found for name, (found,) in page.fetch_all(plan).items()}
page.stamp([*corpora.values()])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-familiarity", "caption": "How familiar each corpus is to the final model: histograms over instances of the mean perplexity of their entities. The paper's figure 10 is read for its order (PubMed less familiar than C4). Knowledge entropy on the same corpora: {numref}`fig-other-corpora`."}, "image": {"alt": "Overlaid histograms, one per corpus, of the mean perplexity of an instance's entities on a logarithmic axis, each with a vertical line at its geometric mean.", "width": "100%"}} tags=["hide-input"]
figure = measuring.plot_familiarity(corpora)

# %% tags=["hide-input"]
import pandas as pd

rows = {}
for name, each in corpora.items():
    found = each.perplexities
    rows[name] = (each.mean_log_perplexity, each.standard_error, found.median().item(), len(found))
names = ["mean ln perplexity", "s.e.", "median perplexity", "instances"]
pd.DataFrame.from_dict(rows, orient="index", columns=names).round(3)

# %% [markdown]
# ## Check
#
# What must hold at any scale: a perplexity is at least 1, and every instance has an entity.

# %%
for found in corpora.values():
    assert (found.perplexities >= 1).all() and found.perplexities.isfinite().all()
    assert (found.entities >= 1).all()

# %% [markdown]
# ## Reading
#
# The last corpus compared (for the Hub suites PubMed, here the far domain) against the one before it (C4, here the near
# domain).

# %% tags=["nbval-check-output"]
*_, known, new = corpora.values()
small = new.provenance["revision"]["repository"] in RECIPES
gates = {"fig10": evidence.BY_CONSTRUCTION if small else None}
page.read({"fig10": new.difference_from(known)}, [*corpora.values()], gates=gates)

# %% [markdown]
# For a model that was pretrained on the spot this is so by construction: the far domain's names occur in no pretraining document. The page shows that
# the measure sees it; it is no evidence about PubMed. A perplexity above the number of tokens in the vocabulary is worse than
# guessing every token alike: the model is confidently wrong about names it never read.

# %% [markdown]
# ## Full run
#
# ```bash
# mkdir -p results/pages/olmo-1b  # where the scorecard looks for full runs
# papermill notebooks/fig10_familiarity.ipynb results/pages/olmo-1b/fig10_familiarity.ipynb -f params/olmo-1b.yaml \
#     -p corpus c4-spans.jsonl -y "others: [pubmed-spans.jsonl]" -p limit 10000
# ```
#
# Spans must be found first, by any tagger; a row is `{"text": "Aspirin relieves pain.", "entities": [[0, 7]]}`. The corpora
# of the Hub suites come without, so a build of all pages (`snakemake --config suite=olmo-1b`) leaves this one out, and says
# so. One pass over each corpus. [What a pass takes](speed.ipynb) on a large GPU is estimated; on this device, the page says
# it before it starts.
#
# *Deviations from the paper.* The paper had GPT-4o find the entities, of 10,000 instances of each corpus; here the world's
# own spans, or those of the file given, and as many instances as `limit` says. An entity that the cut at `length` tokens
# splits is left out.
