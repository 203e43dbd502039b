# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Learning curves: what an injection adds, and what is left of it
#
# *A page of the executable companion to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# The paper reports the end of continual learning. What happens on the way there? As built here, the page takes the
# **tiny** suite, pretrained on the spot and run on a CPU, and facts of the synthetic world; nothing at OLMo's scale has been
# run for this book yet.

# %% [markdown]
# ## Claim
#
# A page beyond the paper, which scores the probes after every injection and reports the last score. Chang et al. (2024),
# whose Fictional Knowledge it uses, found that a fact jumps when it is told and fades afterwards.
#
# *What would contradict it:* facts told once that gain no more over the injection that tells them than over the others.

# %% tags=["parameters"]
checkpoints = "tiny"
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

# %% tags=["hide-input"]
import sys

if "google.colab" in sys.modules:  # install kent where it is missing, leaving Colab's torch and numpy alone
    # %pip install -q "knowledge-entropy @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input"]
from kent import evidence, pages, plans, plots

pages.check_parameters()

# %% [markdown]
# ## Method
#
# A checkpoint learns on, with the Trainer of Hugging Face, from text that holds injected facts (`kent.learn`,
# [learning curves](learning_curves.ipynb)). $K$ is the mean log probability of the target of each fact's probes, $P$ the
# mean score of six tasks, both before and after:
#
# $$A = \frac{K_{CL} - K_{PT}}{|K_{PT}|}, \qquad F = -\frac{P_{CL} - P_{PT}}{P_{PT}}$$
#
# (`Outcome.acquisition`, `Outcome.forgetting`). The **control** holds facts of the same kind that are never injected: what
# it gains is style, not knowledge. Intervals are two bootstrap standard errors, over paragraphs for $K$, over tasks and
# their documents for $P$; runs are compared on the same redrawn paragraphs.
#
# Ten injections in a run; text $i$ stands in front of row $i$ of its batch (`kent.injection`). This is the schedule of the
# first two.

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
plan = plans.learn_stages(checkpoints, steps=steps, batch_size=batch_size, **measured, **taught)
pages.estimate_cost(plan)

# %%
results = pages.fetch_all(plan)
before, outcomes = results["before"], results["learning"]
pages.stamp(outcomes)

# %% [markdown]
# ## Figure

# %% tags=["hide-input"]
from kent.injection import list_injections
from kent.runs import read_knowledge

setting = plan["learning"][0].config
facts, _ = read_knowledge(setting)
schedule = list_injections(facts, batch=setting["batch"], steps=setting["steps"])
schedule[schedule.injection <= 2].assign(text=schedule.text.str.slice(0, 60) + " …").set_index(["step", "row"])

# %% mystnb={"figure": {"name": "fig-learning-curves", "caption": "K before learning and after every injection, from four stages of pretraining, with two standard errors."}, "image": {"alt": "Three line charts over the step of continual learning: K of paraphrased facts, of facts told once and of the never injected control, one line with error bars per initial model.", "width": "100%"}} tags=["hide-input"]
figure = plots.plot_learning_curves(outcomes)

# %% [markdown]
# What one telling does to a fact told once: the gain of its K over the injection that tells it, and the mean gain over each
# of the other injections (after the first, which changes the style of everything).

# %% tags=["hide-input"]
import pandas as pd

gains = {
    step: evidence.measure_tellings(each) for step, each in zip(evidence.label_steps(outcomes), outcomes, strict=True)
}
table = pd.DataFrame(gains, index=["when told (nats)", "at other injections (nats)", "difference (nats)", "s.e."])
table.round(3)

# %% [markdown]
# ## Check
#
# What must hold at any scale: a row of losses for every step, at rates that warm up to the peak and never exceed it.

# %%
for each in outcomes:
    made = each.provenance["recipe"]
    assert len(each.curve) == each.steps[-1] and each.curve.isfinite().all()
    assert abs(each.curve[:, 1].max() - made["learning_rate"]) < 0.2 * made["learning_rate"]

# %% [markdown]
# ## Reading
#
# The difference in the table is the trace of a single telling; where it is within two standard errors of nothing, this
# model at this size did not keep a fact from one telling long enough for the next scoring to see it.

# %%
for step, (_, _, difference, error) in gains.items():
    told = "too small to tell" if abs(difference) <= 2 * error else "a jump" if difference > 0 else "a fall"
    print(f"from step {step}: {difference:+.3f} ± {2 * error:.3f} nats, {told}")

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/learning_curves.ipynb out.ipynb -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# papermill notebooks/learning_curves.ipynb out.ipynb -y "checkpoints: [EARLY, LATE]" -p corpus FILE.txt \
#     -y "knowledge: [once60.json, paraphrase70.json]" \
#     -y "recipe: {corpus: FILE.txt, length: 2048, batch: 76, steps: 60, tasks: world}"
# ```
#
# For a suite of the Hub the recipe is the paper's (`kent.learning.Recipe`: 1,600 steps of 128 rows of 1,024 tokens of
# PubMed, six tasks of lm-evaluation-harness). Per checkpoint that is 210 million tokens, three times as dear each as in
# measuring; the page says what it will cost on the device at hand before it starts. An interrupted run goes on.
#
# *Deviations from the paper.* On the tiny suite facts, text, tasks and model are small and synthetic: 14 texts in batches of 16 rows
# of 128 tokens, 100 steps, at the peak rate of its pretraining, as in the paper. Rows come in the same order in every epoch.
# Published $K$ is the public code's padded mean (row "padded mean" of the table), so only $A$, $F$ and $P$ are marked.
