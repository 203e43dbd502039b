# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Appendix A.1: coefficients, gradients and updates of memory vectors
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Is a memory vector with a small coefficient hardly updated?
#
# This is the paper's reason why knowledge entropy should matter: a small coefficient means a small gradient. The paper
# derives it and does not measure it. This page measures gradients, and the updates that SGD and AdamW make of them. Built here: the **tiny** suite, 0.8 million parameters on a synthetic world. Nothing at OLMo's scale has been run.

# %% [markdown]
# ## Claim
#
# Appendix A.1: since $\mathrm{FFN}(x) = \sum_i c_i v_i$, the gradient of memory vector $i$ at a token is $\partial L /
# \partial v_i = c_i \, \partial L / \partial \mathrm{FFN}$, so the size of its update follows its coefficient.
#
# *What would contradict it:* over a batch, memory vectors with a larger mean |coefficient| have no larger gradient, or no
# larger update. The derivation holds at each token. It need not hold for the sum over tokens, where signs cancel, nor for
# AdamW ([Loshchilov and Hutter 2019](https://arxiv.org/abs/1711.05101)), which divides by the size of the gradient.

# %% tags=["parameters"]
checkpoints = "tiny"
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
from IPython.display import Markdown, display

from kent.pages import comparisons, measures, page, seeds
from kent.pages.plots import distributions
from kent.runs import plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# Three rank correlations (Spearman) over the memory vectors of each layer, each with their mean |coefficient| $\bar C_i$:
#
# - the norm of the gradient of the mean loss over all sequences, $\lVert \sum_t c_i(t)\, \partial L / \partial
#   \mathrm{FFN}(t) \rVert$;
# - the distance that 16 steps of SGD move the vector, each step on the next `batch_size` sequences;
# - the same for AdamW with the paper's settings (learning rate 4e-4, β 0.9 and 0.95, weight decay 0.1, fresh state).
#
# They are taken at the checkpoints nearest to 16, 50 and 100 % of the run, and averaged over layers. The error within a model
# ([Bonett and Wright 2000](https://doi.org/10.1007/BF02294183)) takes neurons as independent; the interval over seeds does not.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
plan = plans.compare_gradients(checkpoints, steps=steps, **measured)
page.estimate_cost(plan)

# %% tags=["made"]
stages = page.fetch_all(plan)["stages"]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(stages)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-gradients", "caption": "Coefficients and gradient norms of all memory vectors at the last stage (top), and rank correlations with gradients and updates at every stage, mean of layers (bottom): bold the mean of seeds with the band of its interval, or one model with two standard errors. At a single token the correlation is 1 by {eq}`eq-memory`; the paper publishes no measured value."}, "image": {"alt": "Top: scatter plot on logarithmic axes of the gradient norm of each memory vector against its mean absolute coefficient, coloured by layer. Bottom: rank correlation with the coefficient for the gradient, the SGD update and the AdamW update at each stage.", "width": "100%"}} tags=["figure", "hide-input"]
table = measures.tabulate_updates(stages)
distributions.plot_gradients(stages[-1], table, recorded)

# %% tags=["hide-input"]
layers = measures.tabulate_update_layers(stages[-1])
for each in (table, layers):
    display(seeds.Estimates(each, plan, recorded))

# %% [markdown]
# ## Check
#
# At any scale, correlations lie between −1 and 1, and there are as many gradients as coefficients.

# %%
assert (table.map(lambda pair: abs(pair[0])) <= 1).all(axis=None)
for stage in stages:
    pairs = zip(stage.gradients, stage.coefficients, strict=True)
    assert all(len(one) == len(other) for one, other in pairs)

# %% [markdown]
# ## Verdict
#
# At the last checkpoint.

# %% tags=["nbval-check-output"]
found = {"a1-gradient": table.iloc[:, -1]["gradient"]}
found["a1-update"] = table.iloc[:, -1]["AdamW update"]
page.judge(found, stages, recorded)

# %% tags=["answer", "hide-input"]
pooled = seeds.pool_table(table, recorded)
Markdown(comparisons.describe_updates(stages, pooled, recorded))

# %% [markdown]
# AdamW divides each weight's step by the running size of its own gradient, so how large the gradient is hardly counts; how
# steadily it points one way does. Where the update does not follow the coefficient, the argument from coefficients to updates
# has a gap. The trends that the paper measures stand or fall without it.

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/appendix_a1_gradients.ipynb out.ipynb -f params/olmo-1b.yaml -p limit 64
# papermill notebooks/appendix_a1_gradients.ipynb out.ipynb \
#     -p checkpoints FOLDER -p corpus FILE.txt
# ```
#
# Three checkpoints. Gradients take about three times a pass over the text ([what a pass takes](speed.ipynb)); the updates of AdamW
# need four times the memory of the weights beside the model itself. float32 only.
#
# *Beyond the paper.* All of it: the paper measures neither gradients nor updates.
