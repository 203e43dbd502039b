# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What the tables can and cannot say: stage and learning rate
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Tables 1 and 2 give acquisition $A$ and forgetting $F$ for five settings of continual learning, each from four stages of
# one pretraining run. This page trains and measures nothing: it reads the 20 published cells again, and asks which
# explanations they can tell apart.

# %% [markdown]
# ## Claim
#
# Not in the paper. The later a checkpoint, the lower the learning rate it was last trained with, and the larger the jump to
# the rate of continual learning. So a fall of $A$ with the stage may be owed to the stage (and with it to knowledge
# entropy) or to that jump, and the tables cannot say to which.
#
# *What would contradict it:* a regression on stage and checkpoint's rate in which one interval includes 0 and the other
# does not, under both schedules considered below.

# %% tags=["hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input"]
import pandas as pd

from kent import paper
from kent.pages.plots import learning
from kent.pages.regressions import SCHEDULES, match_ratios, regress, tabulate_cells

# %% [markdown]
# ## Method
#
# The tables are data in `kent/tables.yaml`. Neither the paper nor its tables state the rate that a checkpoint was last trained
# with. **Assumed** here: what the configuration published for OLMo-1B says (`configs/official/OLMo-1B.yaml` in
# `allenai/OLMo`), a peak of 4e-4 and a cosine to 10 % of it over 739,328 steps. Whether the released checkpoints were made
# with exactly this was not checked. Warm-up and the last 1,308 steps are left out, which moves no rate by 1 %. A linear decay
# between the same ends, which OLMo-7B had (issue 310 there), is the second assumption, to see what hangs on the first.
#
# *Own rate* is the checkpoint's under that schedule, *ratio* the peak rate of continual learning over it:

# %%
schedules = {name: tabulate_cells(name) for name in SCHEDULES}
cells = schedules["cosine"]
rates = {name: table.loc["baseline", ["own", "ratio"]] for name, table in schedules.items()}
pd.concat(rates, axis=1).map("{:.3g}".format)

# %% [markdown]
# The regressions are ordinary least squares on the peak rate, the number of updates, the stage (0 to 1) and the own rate;
# rates and updates as base-2 logarithms, so that a coefficient is in points per doubling, and for the stage in points per
# whole run. Intervals are of 95 % by Student's $t$. They show how badly a straight line fits, and nothing else: each cell is
# one run, no spread over seeds was published, and the 20 cells share four initial models. The updates stand for batch and
# epochs at once, of which the tables vary one cell at a time.

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-tables", "caption": "Published acquisition and forgetting in five settings: above against the initial model, below against the ratio of the peak rate to the checkpoint's own (cosine assumed). Every line runs from 118k to 738k steps. One value, A = −92.2 % (larger batch, 738k), is written where its line leaves the panel."}, "image": {"alt": "Four line charts of the published table with one line for each of five settings: acquisition falls with the stage except at the lower learning rate, forgetting rises in all; against the ratio of learning rates the lines shift sideways but do not fall on one curve.", "width": "100%"}} tags=["hide-input"]
figure = learning.plot_tables(cells)

# %% [markdown]
# ## What moves together
#
# Within one setting, stage and own rate are the same four points on another axis. Their correlation over the table, and by
# how much having both inflates the variance of either coefficient:

# %%
controls = ["log rate", "log updates"]
both, rows = [*controls, "stage", "log own"], {}
for name, table in schedules.items():
    inflation = regress(table, "A", both).terms.loc["stage", "inflation"]
    rows[name] = (table["stage"].corr(table["log own"]), inflation)
columns = ["correlation of stage and log own", "variance inflation"]
pd.DataFrame.from_dict(rows, orient="index", columns=columns).round(3)

# %% [markdown]
# Some combinations are not merely hard to tell apart but the same columns. The ratio is no third quantity beside the two
# rates, and under a linear decay the own rate is the stage by another name:

# %%
same = {"cosine": ["log rate", "log own", "log ratio"], "linear": ["stage", "own"]}
for name, terms in same.items():
    try:
        regress(schedules[name], "A", terms)
    except ValueError as refusal:
        print(f"{name}: {refusal}")

# %% [markdown]
# ## Regressions
#
# Four laws for the same cells, once with all of them and once without the collapsed one (larger batch, 738k: $A$ = −92.2 %,
# $F$ = 44.9 %). *Residual* is what a law leaves, in points.

# %%
laws = {"stage": [*controls, "stage"], "own rate": [*controls, "log own"], "both": both}
laws["ratio"] = ["log ratio", "log updates"]
collapsed = ("larger batch", "738k")
samples = {"20 cells": cells, "19 cells": cells.drop(index=collapsed)}
shown = [*both, "log ratio", "R²", "residual"]


# %% tags=["hide-input"]
def compare_laws(outcome):
    """The terms of every law, a column each, over both samples."""
    tables = {}
    for sample, table in samples.items():
        fits = {law: regress(table, outcome, terms).describe() for law, terms in laws.items()}
        tables[sample] = pd.DataFrame(fits).reindex(shown)
    return pd.concat(tables).fillna("")


# %% [markdown]
# Acquisition $A$:

# %%
compare_laws("A")

# %% [markdown]
# Forgetting $F$:

# %%
compare_laws("F")

# %% [markdown]
# What hangs on the assumed schedule: the law with both, without the collapsed cell.

# %%
rows = {
    (outcome, name): regress(table.drop(index=collapsed), outcome, both).describe()
    for outcome in "AF"
    for name, table in schedules.items()
}
pd.DataFrame(rows).T[["stage", "log own", "R²", "residual"]]

# %% [markdown]
# ## Same ratio, another rate
#
# If the jump were all that counts, cells of about the same ratio would agree, whatever their rate. These are all pairs of
# different initial models with equally many updates whose ratios are within 10 %, the lower peak rate first:

# %%
match_ratios(cells).round(2)

# %% [markdown]
# ## The paper's claims, row by row
#
# Which of them hold in every setting, read off the tables by code:

# %%
A, F, K, P = (cells[key].unstack("initial", sort=False) for key in "AFKP")
claims = {
    "A is lower at 738k than at 118k": A["738k"] < A["118k"],
    "A falls from each stage to the next": (A.diff(axis=1).iloc[:, 1:] < 0).all(axis=1),
    "F is higher at 738k than at 118k": F["738k"] > F["118k"],
    "F rises from each stage to the next": (F.diff(axis=1).iloc[:, 1:] > 0).all(axis=1),
}

# %%
middle = ["369k", "554k"]
for key, table in {"K": K, "P": P}.items():
    claims[f"final {key} is best from a middle stage"] = table.idxmax(axis=1).isin(middle)
    claims[f"final {key} is worse from 738k than from 118k"] = table["738k"] < table["118k"]
held = pd.DataFrame(claims).T
held.replace({True: "yes", False: "no"}).assign(settings=held.sum(axis=1).map("{} of 5".format))

# %% [markdown]
# From which stage the best end result comes, and how far it is ahead of the next best. In $K$ a lead of 0.001 is one unit of
# the last printed digit.

# %%
best = {}
for key, table in {"K": K, "P (%)": P}.items():
    best[f"best {key}"] = table.idxmax(axis=1)
    best[f"lead in {key[0]}"] = table.apply(lambda row: -row.nlargest(2).diff().iloc[1], axis=1)
pd.DataFrame(best).round(3)

# %% [markdown]
# ## Check
#
# The two tables agree with each other: every setting implies the same $K$ and $P$ before learning, within what rounding of
# the printed digits hides. A law with more terms describes no less.

# %%
before = {f"{key} before": paper.infer_before(key) for key in "KP"}
assert all(low <= high for stages in before.values() for low, high in stages.values())
pd.DataFrame(before).map(lambda ends: "{:.4g} to {:.4g}".format(*ends))

# %%
for table in samples.values():
    for outcome in "AF":
        described = {law: regress(table, outcome, terms).r_squared for law, terms in laws.items()}
        assert described["both"] >= max(described.values()) - 1e-9

# %% [markdown]
# ## Reading
#
# The change from 118k to 738k in each setting, beside the ratios at both ends, in the order of the peak rate:

# %%
ratio = cells["ratio"].unstack("initial", sort=False)
ends = {"change of A": A["738k"] - A["118k"], "change of F": F["738k"] - F["118k"]}
ends |= {f"ratio at {stage}": ratio[stage] for stage in ("118k", "738k")}
order = cells["rate"].groupby("setting", sort=False).first().sort_values(kind="stable").index
pd.DataFrame(ends).loc[order].round(2)

# %% [markdown]
# **What the tables can say.** Forgetting rises with the stage in every setting, with the peak rate, and with the number of
# updates. Acquisition falls with the stage where the peak rate is 4e-4 or more, and more so at 1e-3; at 1e-4, a rate well above
# the last checkpoint's only, it does not fall. The stage alone is therefore not enough. Neither is the ratio alone: without the
# collapsed cell it leaves more than twice as much of $F$ as rate and stage do, and cells of about the same ratio differ in $A$
# and $F$ by up to 8 and 9 points. For $A$ it does as well as rate and stage, but no straight line does well there: all
# leave more than 3 points. “A middle stage ends best” is a statement about a setting: for $K$ it holds in two of five.
#
# **What they cannot say.** Whether it is the stage or the annealed rate. Each describes 19 cells equally well, and with both in
# the law neither interval is clear of 0. Under a linear decay that of the stage would be, for $F$, beside the logarithm of
# the rate; but there the rate itself *is* the stage, so this tells the shape of a curve, not its cause. Over all 20
# cells one run decides the slopes: the collapsed one more than triples the stage's for $A$, and widens its interval past 0. And what
# a repeated run would give, no table says.
#
# **What would separate them.** Checkpoints pretrained at a constant rate; continual learning whose peak rate is the same
# multiple of each checkpoint's own; or an early checkpoint annealed on a branch, so that its stage is early and its rate low.

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/table_limits.ipynb out.ipynb
# ```
#
# This is the full run: there is nothing to scale, and it takes seconds.
#
# *Beyond the paper.* All of it, except the numbers.
