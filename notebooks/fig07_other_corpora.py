# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Figure 7: knowledge entropy on other texts
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Is the fall of knowledge entropy a property of the model, or of the text it is measured on? As built here, the page measures the **tiny** suite, pretrained on the spot and run on a CPU; nothing at OLMo's
# scale has been run for this book yet. Its three texts are
# the pretraining mix of the synthetic world, a near domain (the same facts in other kinds of text) and a far domain (its own
# entities, vocabulary and style).

# %% [markdown]
# ## Claim
#
# Figure 7 of the paper: knowledge entropy of OLMo falls on Dolma, C4 and PubMed alike.
#
# *What would contradict it:* on any of the texts, an entropy at the end of pretraining above the one at 16 % of the run,
# by more than two standard errors.

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
from kent.pages import evidence, page, seeds
from kent.pages.plots import measuring
from kent.runs import plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The measurement of [Figure 2](fig02_knowledge_entropy.ipynb), once per text. `others` are the texts beside `corpus`:
# names, files, or `{corpus: FILE, column: NAME}`; empty, they are the suite's own (for the Hub suites: C4 and PubMed
# beside Dolma).

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
passes = {"steps": steps, "batch_size": batch_size}
plan = plans.sweep_corpora(checkpoints, others=others, **passes, **measured)
page.estimate_cost(plan)

# %%
series = page.fetch_all(plan)
page.stamp([profile for profiles in series.values() for profile in profiles])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-other-corpora", "caption": "Distance of the knowledge entropy to its bound per layer over pretraining, measured on several texts, with two standard errors. Bands: the range of the paper's figure 2, measured on Dolma; its figure 7 is read for its trend only. The first text alone: {numref}`fig-knowledge-entropy`."}, "image": {"alt": "Line chart over the pretraining step on a logarithmic axis: the distance of knowledge entropy to its bound per layer in nats, one line with error bars per text, beside bands for the published ranges of OLMo-1B and OLMo-7B.", "width": "100%"}} tags=["hide-input"]
figure = measuring.plot_gaps(series, "figure 2")

# %% tags=["hide-input"]
import pandas as pd

names = {"knowledge": "H (nats)", "loss": "loss"}
tables = {name: measuring.tabulate_measures(each, names) for name, each in series.items()}
pd.concat(tables, axis=1)

# %% [markdown]
# A loss above the logarithm of the number of tokens in the vocabulary is worse than guessing every token alike. On text of a domain that it never read, a small model is confidently wrong, and more so the longer it is
# trained on other text.

# %% [markdown]
# ## Check
#
# What must hold at any scale: entropies between 0 and the bound; all checkpoints read one text, and the texts differ.

# %%
texts = set()
for profiles in series.values():
    assert all(0 <= each.knowledge_entropy <= each.entropy_bound + 1e-9 for each in profiles)
    read = {each.provenance["corpus"]["tokens_sha256"] for each in profiles}
    assert len(read) == 1, "tokenizers differ"
    texts |= read
assert len(texts) == len(series)

# %% [markdown]
# ## Reading
#
# The claim holds on every text when it holds on the one whose entropy fell least.

# %%
changes = {name: evidence.measure_change(profiles) for name, profiles in series.items()}
least = max(changes, key=lambda name: changes[name][0])
everything = [profile for profiles in series.values() for profile in profiles]
page.read({"fig07": changes[least]}, everything)

# %% tags=["hide-input"]
for name, change in changes.items():
    print(f"{name}: {seeds.format_interval(*change, '+')} nats from 16 % of the run to its end")

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig07_other_corpora.ipynb out.ipynb -f params/olmo-1b.yaml
# papermill notebooks/fig07_other_corpora.ipynb out.ipynb -p checkpoints FOLDER -p corpus FILE.txt \
#     -y "others: [OTHER.txt, {corpus: TABLE.csv, column: abstract}]"
# ```
#
# Three passes per checkpoint, one over each text, of which [Figure 2](fig02_knowledge_entropy.ipynb) shares one through the
# cache. [What a pass takes](speed.ipynb) on a large GPU is estimated; on this device, the page says it before it starts.
#
# *Deviations from the paper.* A Dolma sample stands in for the first training batch ([the data](../book/data.md));
# padding never enters the means.
