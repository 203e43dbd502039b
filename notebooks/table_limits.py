# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Tables 1 and 2 read again: stage and learning rate
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Can the published tables tell whether late models acquire less because of their stage, or because of the learning rate they were last
# trained with?
#
# Tables 1 and 2 give acquisition $A$ and forgetting $F$ for five settings of continual learning, each from four stages of one
# pretraining run. Nothing is trained or measured here: the 20 published cells are read again.

# %% [markdown]
# ## Claim
#
# Not in the paper. The later a checkpoint, the lower the rate it was last trained with, and the larger the jump to the rate
# of continual learning. A fall of $A$ with the stage may be owed to the stage, and with it to knowledge entropy, or to that jump. The
# tables cannot say to which.
#
# *What would contradict it:* a regression on stage and checkpoint's rate in which one interval includes 0 and the other
# does not, under both schedules considered below.

# %% tags=["made", "hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["made", "hide-input"]
import pandas as pd
from IPython.display import Markdown

from kent import paper
from kent.pages import regressions
from kent.pages.plots.tables import plot_tables
from kent.pages.regressions import SCHEDULES, regress, tabulate_cells

# %% [markdown]
# ## Method
#
# The tables are data in `kent/tables.yaml`. Neither they nor the paper state the rate that a checkpoint was last trained with.
# **Assumed** here is what the configuration published for OLMo-1B says (`configs/official/OLMo-1B.yaml` in `allenai/OLMo`): a peak of
# 4e-4 and a cosine to 10 % of it over 739,328 steps. Whether the released checkpoints were made with exactly this was not
# checked. Warm-up and the last 1,308 steps are left out, which moves no rate by 1 %. The second assumption, to see what hangs
# on the first, is a linear decay between the same ends, which OLMo-7B had (issue 310 there).
#
# *Own rate* is the checkpoint's under that schedule, *ratio* the peak rate of continual learning over it:

# %%
schedules = {name: tabulate_cells(name) for name in SCHEDULES}
cells = schedules["cosine"]
rates = {name: table.loc["baseline", ["own", "ratio"]] for name, table in schedules.items()}
pd.concat(rates, axis=1).map("{:.3g}".format)

# %% [markdown]
# The regressions are ordinary least squares on the peak rate, the number of updates, the stage (0 to 1) and the own rate. Rates and
# updates enter as base-2 logarithms: a coefficient is in points per doubling, that of the stage in points per whole run.
# Intervals are of 95 % by Student's $t$. They show how badly a straight line fits, and nothing else: each cell is one run, no
# spread over seeds was published, and the 20 cells share four initial models. The updates stand for batch and epochs at
# once, of which the tables vary one cell at a time.

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-tables", "caption": "Published acquisition and forgetting in five settings: above against the initial model, below against the ratio of the peak rate to the checkpoint's own (cosine assumed). Every line runs from 118k to 738k steps. Crosses: F of a model that ends where guessing begins (P before as the tables imply it). One value, A = −92.2 % (larger batch, 738k), is written where its line leaves the panel."}, "image": {"alt": "Four line charts of the published table with one line for each of five settings: acquisition falls with the stage except at the lower learning rate, forgetting rises in all; against the ratio of learning rates the lines shift sideways but do not fall on one curve.", "width": "100%"}} tags=["figure", "hide-input"]
plot_tables(cells)

# %% [markdown]
# ## What moves together
#
# Within one setting, stage and own rate are the same four points on another axis. Their correlation over the table, and by
# how much having both inflates the variance of either coefficient:

# %%
controls = ["log rate", "log updates"]
both, rows = [*controls, *regressions.RIVALS], {}
for name, table in schedules.items():
    fit = regress(table, "A", both)
    correlation = table["stage"].corr(table["log own"])
    rows[name] = correlation, fit.terms.loc["stage", "inflation"]
columns = ["correlation of stage and log own", "variance inflation"]
pd.DataFrame.from_dict(rows, orient="index", columns=columns).round(3)

# %% [markdown]
# Some combinations are the same columns, and no regression tells them apart. The ratio is no third quantity beside the two rates,
# and under a linear decay the own rate is the stage by another name:

# %%
same = {"cosine": ["log rate", "log own", "log ratio"]}
same["linear"], lines = ["stage", "own"], []
for name, terms in same.items():
    try:
        regress(schedules[name], "A", terms)
    except ValueError as refusal:
        lines.append(f"- {name}: {refusal}")
Markdown("\n".join(lines))

# %% [markdown]
# ## Regressions
#
# Four laws for the same cells, without the collapsed one (larger batch, 738k: $A$ = −92.2 %, $F$ = 44.9 %). *Residual* is what a law
# leaves, in points.

# %%
collapsed = ("larger batch", "738k")
rest = cells.drop(index=collapsed)
laws = {"stage": [*controls, "stage"], "own rate": [*controls, "log own"]}
laws |= {"both": both, "ratio": ["log ratio", "log updates"]}
regressions.compare_laws(rest, laws)

# %% tags=["answer", "hide-input"]
kept = {name: table.drop(index=collapsed) for name, table in schedules.items()}
Markdown(regressions.describe_rivals(kept, controls))

# %% [markdown]
# All 20 cells, the collapsed one among them:

# %%
regressions.compare_laws(cells, laws)

# %% [markdown]
# What hangs on the assumed schedule: the law with both, without the collapsed cell.

# %%
law = {"both": both}
fits = {name: regressions.compare_laws(table, law).loc["both"] for name, table in kept.items()}
pd.concat(fits).drop(index=controls, level=1)

# %% [markdown]
# ## Same ratio, another rate
#
# If the jump were all that counts, cells of about the same ratio would agree, whatever their rate. All pairs of different initial
# models with equally many updates whose ratios are within 10 %, the lower peak rate first:

# %%
pairs = regressions.match_ratios(cells).round(2).astype(str)
pd.DataFrame({key: pairs[key].agg(" and ".join, axis=1) for key in ("ratio", "A", "F")})

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
missing = held.apply(lambda row: ", ".join(row.index[~row]), axis=1)
pd.DataFrame({"holds in": held.sum(axis=1).map("{} of 5".format), "not in": missing})

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
for table in (cells, rest):
    for outcome in "AF":
        fits = {law: regress(table, outcome, terms) for law, terms in laws.items()}
        best = max(fit.r_squared for fit in fits.values())
        assert fits["both"].r_squared >= best - 1e-9

# %% [markdown]
# ## Verdict
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
# updates. Acquisition falls with the stage where the peak rate is 4e-4 or more, and more so at 1e-3. At 1e-4, a rate well above the last
# checkpoint's only, it does not fall: the stage alone is not enough. Neither is the ratio alone. Without the collapsed cell it leaves
# more than twice as much of $F$ as rate and stage do, and cells of about the same ratio differ in $A$ and $F$ by up to 8 and 9
# points. For $A$ it does as well as rate and stage, but no straight line does well there: all leave more than 3 points. “A middle
# stage ends best” is a statement about a setting: for $K$ it holds in two of five.
#
# **What they cannot say.** Whether it is the stage or the annealed rate. Each describes 19 cells equally well, and with both in
# the law neither interval is clear of 0. Under a linear decay that of the stage would be, for $F$, beside the logarithm of
# the rate; but there the rate itself *is* the stage, so this says the shape of a curve, not its cause. Over all 20 cells one run
# decides the slopes: the collapsed one more than triples the stage's for $A$, and widens its interval past 0. What a
# repeated run would give, no table says.
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
