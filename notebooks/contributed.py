# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Contributed checkpoints
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# How evenly do models use their memory vectors, by how much they have read?
#
# Nothing is measured while the book is built: this page shows the records in `results/contributed`, which anyone may add to.

# %% tags=["hide-input", "made"]
from IPython.display import Markdown

from kent.pages import contributed
from kent.pages.plots import contributed as plots

curves = contributed.group(contributed.read_kept())

# %% tags=["hide-input", "answer"]
Markdown(contributed.sum_up(curves))

# %% tags=["hide-input", "live"]
contributed.Picture(curves, plots.draw_records(curves))

# %% [markdown]
# Bands across: the range of the paper's figure 2; grey: what its stages have read; a dashed line: a checkpoint that does not say what it
# had read. Bars are two standard errors within one model, over the text it was measured on.
#
# The models read different texts, and a text moves knowledge entropy. So this page shows magnitudes and courses. It is no ranking.
#
# ## All records

# %% tags=["hide-input"]
contributed.tabulate_records(curves).style.hide(axis="index")

# %% [markdown]
# ## Add yours
#
# Measure a checkpoint, look at its file in the picture above, put it into `results/contributed`, and open a pull request. README.md
# there says what is asked, and [Data](../book/data.md) what the fields are.
#
# ```bash
# python -m kent profile path/to/checkpoint --corpus text.txt \
#     --title NAME --tokens 300000000000 --record results/contributed/NAME-STEP.json
# pytest tests/pages/test_contributed.py
# ```
