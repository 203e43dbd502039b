# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Several endings of one pretraining
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Is it the stage that decides how a model learns on, its knowledge entropy, or the learning rate at which pretraining left it?
#
# A suite of the book goes on in several ways from half of its run, over the same rows in the same order.

# %% [markdown]
# ## Claim
#
# Not in [Kim et al. (2025)](https://arxiv.org/abs/2410.01380), where the stage and the decay of the learning rate go together: from 16 %
# of the run to its end the peak rate of continual learning grows from 1.06 to 10 times the checkpoint's own.
# [Rofin et al. (2026)](https://arxiv.org/abs/2604.13627) hold the decay responsible for forgetting, and ask for controlled runs.
#
# *What would contradict it:* were it the stage, all endings that have read as much would learn and forget alike; were it knowledge entropy,
# those of higher entropy would learn more, whatever their rate.

# %% tags=["parameters"]
checkpoints = "tiny"
steps = []
corpus = "world"
column = "text"
length = 128
limit = 256
dtype = "float32"
batch_size = 8
noise = 0.5
draws = 3
recipe = {}
knowledge = []
control = []

# %% tags=["hide-input", "made"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input", "made"]
from IPython.display import Markdown

from kent.pages import forks, page, seeds
from kent.pages.plots import forks as plots
from kent.pages.summaries import NET
from kent.runs import fork_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The endings (`kent.models.suites.BRANCHES`), of which all but the first and the last have read the same:
#
# - **at the fork**: half of the run;
# - **cosine**: the suite itself, whose rate falls to 10 % of its peak;
# - **constant**: the rate stays where it was at the fork, at 61 % of the peak;
# - **averaged**: the mean of the weights at four steps of that;
# - **decayed**: the rate falls in a line from there to 0;
# - **rewarmed**: the suite, taken up again with fresh text, its rate raised to the peak.
#
# Each is measured, shaken by Gaussian noise on all weights (so many standard deviations of an initialisation, `noise`), and learns on from two
# starts: *fresh start*, the paper's, at one peak rate for all, and *own rate*, constant at the rate that it had in the end. The branch that
# decayed to 0 has no rate of its own. Net A is A of injected facts minus that of facts never injected; the rise of the loss on held-out text
# like that of pretraining is a forgetting without a floor.
#
# Intervals are two standard errors within this one model; where other seeds are recorded, those of their mean.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
shaken = {"noise": noise, "draws": draws, "steps": steps}
plan = fork_plans.compare_forks(checkpoints, **shaken, **taught, **measured)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
outcomes = [each for x in results if x.endswith("learning") for each in results[x]]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-forks", "caption": "Endings of one pretraining: knowledge entropy and how far noise on the weights raises the loss; net acquisition and the rise of the loss on held-out text, from a fresh start at one peak rate and at each ending's own rate. Two standard errors; where seeds are recorded, their mean with its interval, and each of them small."}, "image": {"alt": "Four panels over six endings of a pretraining, with a mark and an error bar for each: knowledge entropy, the rise of the loss under noise, net acquisition and the rise of the loss after learning, the last two for two starts of learning.", "width": "100%"}} tags=["figure", "hide-input"]
table = forks.tabulate_forks(results)
plots.plot_forks(table, recorded)

# %% tags=["hide-input"]
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# Each ending minus the suite itself (cosine):

# %% tags=["hide-input"]
minus = forks.compare_branches(results)
seeds.Estimates(minus, plan, recorded)

# %% [markdown]
# ## Check
#
# Log probabilities, scores and evaluations are as they must be (`kent.pages.page.check_outcomes`), and noise is noise: it moves the loss of
# every ending, and another draw of it moves it by another amount.

# %%
page.check_outcomes(outcomes)
for branch in table:
    losses = [each.loss for each in results[f"{branch}, noise"]]
    assert len({*losses, results[branch][0].loss}) == draws + 1

# %% [markdown]
# ## Verdict
#
# Beside the suite itself, of endings that have read as much (and the re-warmed one, which has read more):

# %% tags=["hide-input"]
asked = [forks.ENTROPY, forks.SHAKEN]
asked += [f"{forks.FRESH}, {row}" for row in (NET, forks.RISE)]
judged = forks.judge_branches(minus, asked, recorded)
judged

# %% tags=["answer", "hide-input"]
basis = f"means of {1 + len(recorded)} seeds" if recorded else "one seed: no verdict"
said = []
for branch in ("constant", "decayed"):
    H, _, net, rise = judged.loc[branch]
    said.append(f"**{branch}**: knowledge entropy {H}, net A {net}, rise of the loss {rise}")
Markdown(f"Beside the cosine, after the same tokens ({basis}): {'; '.join(said)}.")

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/forks.ipynb out.ipynb -p checkpoints tiny-1
# ```
#
# Four pretrainings of two minutes and eleven runs of learning. Real checkpoints have no such forks: OLMo's stages come from one schedule.
#
# *Beyond the paper.* All of this page.
