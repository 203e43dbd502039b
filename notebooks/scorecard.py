# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Scorecard: every claim against the evidence
#
# Each claim of the paper that can be tested, beside what was measured here, per suite of checkpoints. The table is written
# by code when the book is built: from the readings in the executed pages of this build, and from the executed copies of full
# runs under `results/pages/`. [The front page](../book/intro.md) says what each verdict means. That of the suite `tiny` is
# one over four seeds of pretraining, where the page was recorded for them; their interval is 95 % of Student's $t$ on the
# spread between them.
#
# The suite `tiny` is a model of about 0.8 million parameters on synthetic text. What it says about a claim made for OLMo is
# in the words *at this scale*.

# %% tags=["hide-input"]
from IPython.display import Markdown

from kent import records
from kent.models.suites import SUITES
from kent.pages import evidence
from kent.paper import CLAIMS

# %% tags=["hide-input"]
folders = [records.PACKAGE.parent / name for name in ("_build/pages", "results/pages")]
read = [row for folder in folders for row in evidence.collect_readings(folder)]
suites = ["tiny", *(name for name, suite in SUITES.items() if suite.repository)]
rows = {(row["suite"], row["claim"]): row for row in read if row["suite"] in suites}
readings = [*rows.values()]

# %% [markdown]
# ## Verdicts

# %%
Markdown(evidence.tabulate_verdicts(readings, suites))

# %% [markdown]
# ## What was measured
#
# Every reading with its statistic and interval (two standard errors), and the model and text it was taken on.

# %%
Markdown(evidence.tabulate_readings(readings))

# %% [markdown]
# ## Settings of the claims
#
# What each statistic is, what the paper says of it and for which setting.

# %%
Markdown(evidence.tabulate_settings())

# %% [markdown]
# ## Check

# %%
assert {row["claim"] for row in readings} <= set(CLAIMS)
for row in readings:
    assert row["verdict"].removesuffix(evidence.ONE_MODEL) in evidence.VERDICTS
    assert CLAIMS[row["claim"]].page == row["page"], "a claim is tested by the page it names"

# %%
tested = {row["claim"] for row in readings if row["suite"] == "tiny"}
print(f"{len(tested)} of {len(CLAIMS)} claims have evidence from the tiny suite")
