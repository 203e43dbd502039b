# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What kent measures
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Which types of causal language model can be measured, and which can be changed as the paper changes them?
#
# Nothing is tried while the book is built: this page shows the record `results/models.json`, which `python scripts/census.py`
# makes anew. It builds each type that transformers knows from the type's own configuration, at a tiny size and with random
# weights, runs `kent.profile` on a few tokens, and resuscitates it (Algorithm 1). No checkpoint was loaded for it.

# %% tags=["hide-input", "made"]
from IPython.display import Markdown

from kent.pages import architectures

record = architectures.read_record()

# %% tags=["hide-input", "answer"]
Markdown(architectures.sum_up(record))

# %% [markdown]
# ## Why not
#
# A measure is left out where kent does not know how the type computes what it is of; `left_out` of the profile says why.
# Feed-forward networks are found by the names of their projections, experts by the interface through which transformers runs
# them; attention, head and experts are tried against the model's own output before they are measured.

# %% tags=["hide-input"]
architectures.count_reasons(record).style.hide(axis="index")

# %% tags=["hide-input"]
Markdown(architectures.describe_both_ways(record))

# %% [markdown]
# ## All types
#
# *H* is knowledge entropy, *att.* attention entropy, *token* next-token entropy and loss, *change* Algorithm 1. A type
# opens to say its class in transformers, whether its networks are gated, plain or experts, and why something is missing.

# %% tags=["hide-input"]
architectures.Table(record["models"])

# %% tags=["hide-input", "made"]
run = record["run"]
Markdown(
    f"Recorded {run['date'][:10]} at commit `{run['commit']}` with transformers "
    f"{run['transformers']} and torch {run['torch']}, by `python scripts/census.py`."
)
