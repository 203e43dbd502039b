# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # When does knowledge entropy begin to fall?
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# After how many tokens per parameter does knowledge entropy rise or fall, and what else changes there?
#
# By default on the suite **small**, which goes on to a thousand tokens per parameter; the tiny suite ends at two.

# %% [markdown]
# ## Claim
#
# The paper's figure 2 begins where OLMo-1B has read about 420 tokens per parameter and ends at about 2,600: knowledge entropy falls all
# along. It does not show what comes before, nor why it falls there.
#
# *What would contradict it:* on the stretch that the paper covers, a knowledge entropy that rises, beyond two standard errors.

# %% tags=["parameters"]
checkpoints = "small"
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
from IPython.display import Markdown

from kent.pages import histories, page, seeds
from kent.pages.plots import histories as plots
from kent.runs import plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# Every checkpoint is measured on the same text. Beside the distance of knowledge entropy to its bound, of the model and of each layer,
# stand what is often named as its cause: the loss, the learning rate at that step (as a share of the peak; known of the book's own
# models), the mean length of the memory vectors, and the dormant fraction (coefficients of at most 0.025 times the layer's mean).
#
# A **phase** is a stretch in which $H$ only rises or only falls. It ends where $H$ moves back by more than two standard errors of the
# difference on the same text (jackknife over blocks of sequences). That error is within this one model; another seed may turn
# elsewhere.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
plan = plans.sweep(checkpoints, steps=steps, **measured)
page.estimate_cost(plan)

# %% tags=["made"]
[profiles] = page.fetch_all(plan).values()
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(profiles)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-history", "caption": "Distance of knowledge entropy to its bound per layer (lower is more even), of the model and by layer, and what may go with it, by tokens per parameter. Bands across: the range of the paper's figure 2; grey: what its stages have read. Two standard errors within one model; where seeds are recorded, their mean with its interval."}, "image": {"alt": "Six line charts over tokens per parameter on a logarithmic axis: the distance of knowledge entropy to its bound for the model and for each layer, the loss, the learning rate as a share of its peak, the mean length of memory vectors, and the dormant fraction, with a grey stretch where the paper's models are.", "width": "100%"}} tags=["figure", "hide-input"]
table = histories.tabulate_history(profiles)
plots.plot_history(table, recorded)

# %% tags=["hide-input"]
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# ## Check
#
# Phases join, alternate, and add up to the change from the first checkpoint to the last turn.

# %%
from itertools import pairwise

phases = histories.find_phases(profiles)
for one, other in pairwise(phases):
    assert one.end == other.start and one.change * other.change < 0
if phases:
    ends = [profiles[place] for place in (phases[0].start, phases[-1].end)]
    moved = ends[1].knowledge_entropy - ends[0].knowledge_entropy
    assert abs(sum(phase.change for phase in phases) - moved) < 1e-9

# %% [markdown]
# ## Verdict

# %% tags=["answer", "hide-input"]
Markdown(histories.describe_phases(phases, table))

# %% [markdown]
# What moves at the same place need not be the cause: over one run everything is a function of the step. Runs that differ in one thing
# (the schedule of the rate, the weight decay) are the next step.

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/when_entropy_falls.ipynb out.ipynb -f params/tiny.yaml
# papermill notebooks/when_entropy_falls.ipynb out.ipynb -f params/olmo-1b.yaml
# ```
#
# One pass over the text per checkpoint, shared with [Figure 2](fig02_knowledge_entropy.ipynb).
#
# *Beyond the paper.* All but the curve itself.
