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
# Is the change of knowledge entropy a property of the model, or of the text it is measured on?
#
# Built here: the **tiny** suite, 0.8 million parameters on a synthetic world. Nothing at OLMo's scale has been run. Its three texts: the pretraining mix of the synthetic world; a near domain, the same facts in other kinds of text;
# a far domain with its own entities, vocabulary and style.

# %% [markdown]
# ## Claim
#
# Figure 7 of the paper: knowledge entropy of OLMo falls on Dolma ([Soldaini et al. 2024](https://arxiv.org/abs/2402.00159)), C4
# ([Raffel et al. 2020](https://arxiv.org/abs/1910.10683)) and PubMed alike.
#
# *What would contradict it:* on any of the texts, an entropy at the end of pretraining above the one at 16 % of the run,
# beyond the interval over seeds.

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
import pandas as pd
from IPython.display import Markdown

from kent.pages import comparisons, evidence, measures, page, seeds
from kent.pages.plots import entropies
from kent.runs import plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The measurement of [Figure 2](fig02_knowledge_entropy.ipynb), once per text. `others` are the texts beside `corpus`:
# names, files, or `{corpus: FILE, column: NAME}`; empty, they are the suite's own (for the Hub suites: C4 and PubMed
# beside Dolma).

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
passes = {"steps": steps, "others": others}
plan = plans.sweep_corpora(checkpoints, **passes, **measured)
page.estimate_cost(plan)

# %% tags=["made"]
series = page.fetch_all(plan)
everything = [profile for listed in series.values() for profile in listed]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(everything)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-other-corpora", "caption": "Distance of the knowledge entropy to its bound per layer over pretraining, on several texts: bold the mean of seeds with the band of its interval, or one model with two standard errors. Bands across: the range of the paper's figure 2, measured on Dolma; of its figure 7 only the trend is read. The first text alone: {numref}`fig-knowledge-entropy`."}, "image": {"alt": "Line chart over the pretraining step on a logarithmic axis: the distance of knowledge entropy to its bound per layer in nats, one line per text, beside bands for the published ranges of OLMo-1B and OLMo-7B.", "width": "100%"}} tags=["figure", "hide-input"]
rows = ["knowledge", "gap", "loss"]
tables = measures.tabulate_series(series, rows)
entropies.plot_gaps(tables, recorded, "figure 2")

# %% tags=["hide-input"]
seeds.Estimates(pd.concat(tables), plan, recorded)

# %% [markdown]
# A loss above the logarithm of the vocabulary's size is worse than guessing every token alike. On a domain that it never read,
# a small model is confidently wrong, and more so the longer it trains on other text.

# %% [markdown]
# ## Check
#
# At any scale, entropies lie between 0 and the bound; all checkpoints read one text, and the texts differ.

# %%
texts = set()
for profiles in series.values():
    for each in profiles:
        assert 0 <= each.knowledge_entropy <= each.entropy_bound + 1e-9
    corpora = [each.provenance["corpus"] for each in profiles]
    read = {each["tokens_sha256"] for each in corpora}
    assert len(read) == 1, "tokenizers differ"
    texts |= read
assert len(texts) == len(series)

# %% [markdown]
# ## Verdict
#
# Entropy falls on every text if it falls on the one where it falls least.

# %%
changes = map(evidence.measure_change, series.values())
largest = max(changes, key=lambda change: change[0])
page.judge({"fig07": largest}, everything, recorded)

# %% tags=["hide-input"]
Markdown(comparisons.describe_changes(series, recorded))

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/fig07_other_corpora.ipynb out.ipynb -f params/olmo-1b.yaml
# papermill notebooks/fig07_other_corpora.ipynb out.ipynb \
#     -p checkpoints FOLDER -p corpus FILE.txt \
#     -y "others: [OTHER.txt, {corpus: TABLE.csv, column: abstract}]"
# ```
#
# One pass per checkpoint and text; those over the first text are shared with [Figure 2](fig02_knowledge_entropy.ipynb) through the
# cache ([what a pass takes](speed.ipynb)).
#
# *Deviations from the paper.* A sample of Dolma ([Soldaini et al. 2024](https://arxiv.org/abs/2402.00159)) stands in for the first training batch
# ([the data](../book/data.md)); padding never enters the means. The largest change is picked among
# the texts; within one model its interval takes no account of that.
