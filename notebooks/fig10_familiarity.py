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
# How well does a final model know the entities that a corpus speaks of?
#
# Built here: the **tiny** suite, 0.8 million parameters on a synthetic world. Nothing at OLMo's scale has been run. Its three texts: the pretraining mix of the synthetic world; a near domain, the same facts in other kinds of text;
# a far domain with its own entities, vocabulary and style.

# %% [markdown]
# ## Claim
#
# Figure 10 of the paper: under OLMo's final model, entities in PubMed have a higher perplexity than those in C4 ([Raffel et al.
# 2020](https://arxiv.org/abs/1910.10683)). That is why PubMed is the main corpus of the continual learning experiments.
#
# *What would contradict it:* entities of the last corpus compared have a lower mean ln perplexity than those of the one
# before it, beyond the interval.

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

# %% tags=["made", "hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["made", "hide-input"]
from kent.models.suites import OWN
from kent.pages import gates, measures, page, seeds
from kent.pages.plots import distributions
from kent.runs import plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# Each document is read on its own. The perplexity of an entity $e$ is $\exp\bigl(-\frac{1}{|e|} \sum_{t \in e} \ln p(x_t
# \mid x_{<t})\bigr)$ over its tokens, that of an instance the mean over its entities. Perplexities are spread over orders of
# magnitude, so corpora are compared by the mean of ln perplexity over instances.
#
# The synthetic world knows where its entities stand. For real text, `corpus` and `others` are spans files: `.jsonl` with the
# text under `column` and character pairs under `entities`.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
passes = {"steps": steps, "others": others}
plan = plans.compare_familiarity(checkpoints, **passes, **measured)
page.estimate_cost(plan)

# %% tags=["made"]
corpora = {name: each for name, (each,) in page.fetch_all(plan).items()}
recorded = seeds.recall(plan, checkpoints)
page.describe_runs([*corpora.values()])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-familiarity", "caption": "How familiar each corpus is to the final model: histograms over instances of the mean perplexity of their entities {eq}`eq-familiarity`, a line at the geometric mean, thin ones for other seeds. Of the paper's figure 10 only the order is read (PubMed less familiar than C4). Knowledge entropy on the same corpora: {numref}`fig-other-corpora`."}, "image": {"alt": "Overlaid histograms, one per corpus, of the mean perplexity of an instance's entities on a logarithmic axis, each with a vertical line at its geometric mean.", "width": "100%"}} tags=["figure", "hide-input"]
distributions.plot_familiarity(corpora, recorded)

# %% tags=["hide-input"]
table = measures.tabulate_familiarity(corpora)
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# ## Check
#
# At any scale, a perplexity is at least 1, and every instance has an entity.

# %%
for found in corpora.values():
    assert (found.perplexities >= 1).all()
    assert found.perplexities.isfinite().all()
    assert (found.entities >= 1).all()

# %% [markdown]
# ## Verdict
#
# The last corpus compared (for the Hub suites PubMed, here the far domain) against the one before it (C4, here the near
# domain).

# %% tags=["nbval-check-output"]
*_, known, new = corpora.values()
small = new.provenance["revision"]["repository"] in OWN
missed = {"fig10": gates.BY_CONSTRUCTION if small else None}
change = {"fig10": new.difference_from(known)}
page.judge(change, [*corpora.values()], recorded, missed)

# %% [markdown]
# For a model pretrained on the spot this is so *by construction*: the far domain's names occur in no pretraining document. It
# shows that the measure sees them, and is no evidence about PubMed. A perplexity above the vocabulary's size is worse than
# guessing every token alike: the model is confidently wrong about names it never read.

# %% [markdown]
# ## Full run
#
# ```bash
# mkdir -p results/pages/olmo-1b  # where the scorecard looks for full runs
# papermill notebooks/fig10_familiarity.ipynb \
#     results/pages/olmo-1b/fig10_familiarity.ipynb -f params/olmo-1b.yaml \
#     -p corpus c4-spans.jsonl -y "others: [pubmed-spans.jsonl]" -p limit 10000
# ```
#
# Spans must be found first, by any tagger; a row is `{"text": "Aspirin relieves pain.", "entities": [[0, 7]]}`. The corpora
# of the Hub suites come without, so a build of all pages (`snakemake --config suite=olmo-1b`) leaves this one out, and says
# so. One pass over each corpus ([what a pass takes](speed.ipynb)).
#
# *Deviations from the paper.* The paper had GPT-4o find the entities, of 10,000 instances of each corpus; here they are the
# world's own spans, or those of the file given, of as many instances as `limit` says. An entity that the cut at `length`
# tokens splits is left out.
