# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # At which setting can learning be measured?
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# At which peak rate, text and length of continual learning does a model acquire facts and forget some, but not all, of its skills?
#
# By default on the suite **small**, whose pages on learning run at the setting that is chosen here.

# %% [markdown]
# ## Claim
#
# None of the paper's. Where a setting wipes out all skills, forgetting says what a model could before; where it teaches no more than the
# style of the facts, acquisition says nothing of knowledge. Figures 4 and 5 can only be answered between the two. The setting is chosen
# by a rule that looks at the **last** checkpoint alone, before any stage is compared with another:
#
# 1. A of the injected facts exceeds that of the control, which is never injected, by more than two standard errors;
# 2. of its skill above guessing the model loses between 10 and 30 %;
# 3. of the settings left, the one whose net A is the most standard errors from zero.
#
# *What would contradict it:* nothing can, since it is a choice; but there may be no such setting, and then no page on learning can be
# informative.

# %% tags=["parameters"]
checkpoints = "small"
steps = []
corpus = "world"
column = "text"
length = 128
limit = 256
dtype = "float32"
batch_size = 8
corpora = ["world-far", "world-near"]
shares = [0.0, 0.5]
rates = [3e-4, 1e-3, 3e-3]
epochs = [1, 3]
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

from kent.pages import operating_points, page, seeds
from kent.pages.plots import operating_points as plots
from kent.runs import learned_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The last checkpoint learns on at every setting (`kent.learn`): text of each of `corpora`, with a share of rows of the page's own corpus,
# which is like what pretraining read (*old text*), each peak rate, each number of epochs over the same rows. *Net A* is A of injected
# facts minus that of facts never injected. *Skill* is P, the mean score of the tasks, minus what guessing scores; what is *lost* is its
# fall in % of what it was. Beside it the rise of the loss on held-out old text, which has no floor.
#
# Intervals are two standard errors within this one model: bootstrap over paragraphs for A, over tasks' documents for skill.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
varied = {"steps": steps, "corpora": corpora, "shares": shares}
varied |= {"rates": rates, "epochs": epochs}
settings = varied | measured | taught
plan = learned_plans.search_points(checkpoints, **settings)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
outcomes = [each for x in results if x.endswith(", learning") for each in results[x]]
page.describe_runs(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-operating-point", "caption": "Every setting that was tried: what the last checkpoint acquires net of the control, against the share of its skill above guessing that it loses, with two standard errors. The band is what the rule allows to be lost."}, "image": {"alt": "Scatter chart with error bars in both directions of net acquisition in points against the skill lost in per cent, settings that are out in grey, eligible ones in green, the chosen one in orange, beside a vertical band from 10 to 30 per cent.", "width": "100%"}} tags=["figure", "hide-input"]
table = operating_points.tabulate_points(results)
plots.plot_points(table)

# %% tags=["hide-input"]
seeds.Estimates(table.T, plan)

# %% tags=["hide-input"]
operating_points.explain_points(table).to_frame()

# %% [markdown]
# ## Check
#
# Log probabilities, scores and evaluations are as they must be (`kent.pages.page.check_outcomes`), and all settings begin with the same skill.

# %%
page.check_outcomes(outcomes)
assert len({float(each.downstream()[0, 0]) for each in outcomes}) == 1

# %% [markdown]
# ## Verdict

# %% tags=["answer", "hide-input"]
chosen = operating_points.choose_point(table)
said = f"Chosen is **{chosen}**." if chosen else "**No setting** that was tried keeps the rule."
count = sum(not operating_points.judge_point(row) for _, row in table.iterrows())
Markdown(f"{said} Of {len(table)} settings {count} are eligible.")

# %% [markdown]
# The rule asks whether something *can* be seen at a setting. It says nothing of whether stages differ there, nor of how far the setting is
# from the paper's.

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/operating_point.ipynb out.ipynb
# papermill notebooks/operating_point.ipynb out.ipynb -f params/tiny.yaml \
#     -y "{corpora: [world-far], epochs: [1]}"
# ```
#
# A run of learning for each setting.
#
# *Deviations from the paper.* The paper takes one setting, and varies rate, batch and epochs around it (table 1).
