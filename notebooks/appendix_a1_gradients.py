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
# The paper's reason why knowledge entropy should matter: a memory vector that is mixed in with a small coefficient gets a
# small gradient, so it is hardly updated. The paper derives this and does not measure it. This page does, for gradients
# and then for the updates that SGD and AdamW make of them. As built here, the page measures the **tiny** suite, pretrained on the spot and run on a CPU; nothing at OLMo's
# scale has been run for this book yet.

# %% [markdown]
# ## Claim
#
# Appendix A.1: since $\mathrm{FFN}(x) = \sum_i c_i v_i$, the gradient of memory vector $i$ at a token is $\partial L /
# \partial v_i = c_i \, \partial L / \partial \mathrm{FFN}$, so the size of its update follows its coefficient.
#
# *What would contradict it:* over a batch, memory vectors with a larger mean |coefficient| do not have a larger gradient.
# The derivation holds at each token; the sum over tokens, where signs cancel, and AdamW, which divides by the size of the
# gradient, are where it need not.

# %% tags=["parameters"]
checkpoints = "tiny"
steps = []
corpus = "world"
column = "text"
length = 128
limit = 256
dtype = "float32"
batch_size = 8

# %% tags=["hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input"]
from kent.pages import page, seeds
from kent.pages.plots import measuring
from kent.runs import plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# Per layer, three rank correlations (Spearman) over the memory vectors, each with their mean |coefficient| $\bar C_i$: the
# norm of the gradient of the mean loss over all sequences, $\lVert \sum_t c_i(t)\, \partial L / \partial
# \mathrm{FFN}(t) \rVert$; and the distance that 16 steps of SGD, and of AdamW with the paper's settings (learning rate
# 4e-4, β 0.9 and 0.95, weight decay 0.1, fresh state), move the vector, each step on the next `batch_size` sequences
# (`kent.measure.gradients`). At the checkpoints nearest to 16, 50 and 100 % of the run.

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
plan = plans.compare_gradients(checkpoints, steps=steps, batch_size=batch_size, **measured)
page.estimate_cost(plan)

# %%
stages = page.fetch_all(plan)["stages"]
page.stamp(stages)

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-gradients", "caption": "Coefficients and gradient norms of all memory vectors at the last stage (top), and rank correlations with gradients and updates at every stage, mean of layers, with two standard errors (bottom). At a single token the correlation is 1 by {eq}`eq-memory`; the paper publishes no measured value."}, "image": {"alt": "Top: scatter plot on logarithmic axes of the gradient norm of each memory vector against its mean absolute coefficient, coloured by layer. Bottom: rank correlation with the coefficient for the gradient, the SGD update and the AdamW update at each stage, with error bars.", "width": "100%"}} tags=["hide-input"]
figure = measuring.plot_gradients(stages)

# %% tags=["hide-input"]
import pandas as pd

names = {"gradients": "gradient", "sgd": "SGD update", "adamw": "AdamW update"}
pd.DataFrame(
    {name: stages[-1].correlate(quantity)[0] for quantity, name in names.items()}
).rename_axis("layer").round(3)

# %% [markdown]
# ## Check
#
# What must hold at any scale: correlations between -1 and 1, and as many gradients as coefficients.

# %%
for stage in stages:
    assert all((stage.correlate(quantity)[0].abs() <= 1).all() for quantity in names)
    assert [len(layer) for layer in stage.gradients] == [len(layer) for layer in stage.coefficients]

# %% [markdown]
# ## Reading

# %% tags=["nbval-check-output"]
last = stages[-1]
page.read(
    {
        "a1-gradient": last.average_correlation("gradients"),
        "a1-update": last.average_correlation("adamw"),
    },
    stages,
)

# %% tags=["hide-input"]
for quantity, name in names.items():
    value, error = last.average_correlation(quantity)
    print(f"{name}: {seeds.format_interval(value, error, '+')}")

# %% [markdown]
# AdamW divides each weight's step by the running size of its own gradient, so the update under the optimizer that the
# paper trains with owes little to how large the gradient is; what remains is how steadily it points one way. A correlation
# of updates that is smaller than that of gradients, or of the other sign, is a gap in the argument from coefficients to
# updates, and says nothing against the measured trends.

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/appendix_a1_gradients.ipynb out.ipynb -f params/olmo-1b.yaml -p limit 64
# papermill notebooks/appendix_a1_gradients.ipynb out.ipynb -p checkpoints FOLDER -p corpus FILE.txt
# ```
#
# Three checkpoints; gradients take about three times a pass over the text ([what a pass takes](speed.ipynb) on a large GPU
# is estimated; on this device, the page says before it starts what the passes alone take), and the updates of AdamW need
# four times the memory of the weights beside the model itself. float32 only.
#
# *Beyond the paper.* All of it: the paper measures neither gradients nor updates. The standard errors take neurons as
# independent.
