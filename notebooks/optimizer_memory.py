# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Learning with the optimizer's memory
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Do later stages learn less because of what the model is, or because the paper starts its optimizer afresh and at the same rate?
#
# On the suite **small**, which comes with the moments of its optimizer at the paper's four stages.

# %% [markdown]
# ## Claim
#
# Not in [Kim et al. (2025)](https://arxiv.org/abs/2410.01380), who begin every run with a new optimizer and warm up to one peak rate.
# [Chang et al. (2024)](https://arxiv.org/abs/2406.11813), of the same laboratory, inject facts *during* pretraining, with the optimizer and the
# rate that it has there, and find no decline with the stage. If the decline is the model's, it should be there from either start.
#
# *What would contradict it:* a net A that falls from the first stage to the last with a fresh start at one rate, and does not with the
# optimizer's memory at the checkpoint's own rate.

# %% tags=["parameters"]
checkpoints = "small"
steps = []
corpus = "world"
column = "text"
length = 128
limit = 256
dtype = "float32"
batch_size = 8
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

from kent.pages import losses, page, seeds
from kent.pages.plots import losses as plots
from kent.pages.summaries import NET
from kent.runs import learned_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# Each stage learns the same rows with the same facts (`kent.learn`) from three starts:
#
# - **fresh start**, the paper's: new moments, a warm-up to one peak rate for all stages, a cosine down;
# - **own rate**: new moments, at the rate that pretraining had at this checkpoint, constant;
# - **own rate and memory**: so, with AdamW's two moments and its step count as pretraining left them (`kent.learning.moments`), as if facts
#   were injected while pretraining goes on.
#
# The own rate falls from stage to stage, so the first start has one *rate* for all and the others one *ratio* to the own rate. Net A is A
# of injected facts minus that of facts never injected; forgetting is the rise of the loss on held-out text like that of pretraining.
#
# Intervals are two standard errors within this one model; where other seeds are recorded, those of their mean.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
plan = learned_plans.compare_starts(checkpoints, steps=steps, **measured, **taught)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
outcomes = [each for x in results if x.endswith("learning") for each in results[x]]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(outcomes)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-memory", "caption": "Net acquisition (left) and the rise of the loss on held-out text (right) by initial model, from a fresh start at one peak rate, at the checkpoint's own rate, and so with the optimizer's memory. Two standard errors; where seeds are recorded, their mean with its interval."}, "image": {"alt": "Two line charts over the initial model's pretraining step, each with three lines for the starts of learning: net acquisition in points, and the rise of the loss in nats, with error bars.", "width": "100%"}} tags=["figure", "hide-input"]
table = losses.tabulate_starts(results)
plots.plot_starts(table, recorded)

# %% tags=["hide-input"]
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# The last stage minus the first:

# %% tags=["hide-input"]
import pandas as pd

moved = {row: losses.compare_ends(table, row) for row in table.index}
ends = pd.DataFrame({"last minus first": moved})
seeds.Estimates(ends.add_prefix("last minus first, ", axis="index"), plan, recorded)

# %% [markdown]
# ## Check
#
# Log probabilities, scores and evaluations are as they must be (`kent.pages.page.check_outcomes`), and all starts of a stage begin with the
# same loss on the same rows.

# %%
page.check_outcomes(outcomes)
starts = [results[x] for x in results if x.endswith("learning")]
for fresh, *others in zip(*starts, strict=True):
    for other in others:
        assert abs(fresh.curve[0, 0] - other.curve[0, 0]) < 1e-4

# %% [markdown]
# ## Verdict

# %% tags=["answer", "hide-input"]
said = []
for start in (learned_plans.FRESH, learned_plans.OWN_RATE, learned_plans.MEMORY):
    value, error = moved[f"{start}, {NET}"]
    said.append(f"{seeds.format_interval(value, error, '+')} ({start})")
basis = f"means of {1 + len(recorded)} seeds" if recorded else "one seed: no verdict"
Markdown(
    f"Net A of the last stage minus that of the first, in points: {', '.join(said)} ({basis})."
)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/optimizer_memory.ipynb out.ipynb
# ```
#
# Twelve runs of learning. Public checkpoints come without the moments of their optimizers (OLMo's were deleted), so this page has
# the book's own suites only.
#
# *Beyond the paper.* All but the fresh start.
