# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Learning curves: K along a run of continual learning
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# The paper reports the end of continual learning. What happens on the way there?
#
# By default on the **tiny** suite: small models pretrained on the spot, on a CPU, and facts of a synthetic world. None of the
# paper's checkpoints has been run yet.

# %% [markdown]
# ## Claim
#
# Not in the paper, which scores the probes after every injection and reports the last score.
# [Chang et al. (2024)](https://arxiv.org/abs/2406.11813), whose Fictional Knowledge it uses, found that a fact jumps when it is injected and
# fades afterwards.
#
# *What would contradict it:* facts injected once that gain no more over their own injection than over the others.

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

# %% tags=["made", "hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["made", "hide-input"]
from IPython.display import Markdown

from kent.learning.injection import list_injections
from kent.pages import curves, page, seeds
from kent.pages.plots.curves import plot_injections, plot_learning_curves
from kent.runs import learning_plans
from kent.runs.configurations import read_knowledge

page.check_parameters()

# %% [markdown]
# ## Method
#
# The runs are those of [Figure 4](fig04_acquisition_and_forgetting.ipynb): a checkpoint continues learning on text that holds new facts. $K$ is
# the mean log probability of the target of each fact's probes, $A$ its rise in % of where it began; the **control** asks about
# facts that are never injected, and $A$ *net* is what the injected facts gain beyond it. $P$ is the mean score of six tasks, $F$
# its fall. Intervals are two standard errors within one model, or those of the mean where other seeds were recorded.
#
# Ten injections in a run; text $i$ stands in front of row $i$ of its batch (`kent.learning.injection`). The schedule of the first two:

# %% tags=["made"]
text = {"corpus": corpus, "column": column, "length": length}
measured = text | {"limit": limit, "dtype": dtype}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
passes = {"steps": steps, "batch_size": batch_size}

# %% tags=["made"]
settings = measured | taught | passes
plan = learning_plans.learn_stages(checkpoints, **settings)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
outcomes = results["learning"]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs(outcomes)

# %% tags=["hide-input"]
setting = plan["learning"][0].config
facts, _ = read_knowledge(setting)
sizes = {"batch": setting["batch"], "steps": setting["steps"]}
schedule = list_injections(facts, **sizes)
first = schedule[schedule.injection <= 2].groupby("injection").head(3)
texts = first.text.str.slice(0, 40) + " …"
first.assign(text=texts)[["step", "row", "setting", "text"]].set_index("step")

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-learning-curves", "caption": "K minus K before learning, at every scoring, by initial model: below 0 a run has undone more than it has taught. Grey: the steps up to the first scoring. With recorded seeds their mean and its 95 % interval, each seed thin; else two standard errors. Net of the control: all injected facts minus the control."}, "image": {"alt": "Four line charts over the step of continual learning: the change of K since the start for paraphrased facts, facts injected once, the never injected control, and injected facts net of the control, one line per initial model; the first steps are shaded.", "width": "100%"}} tags=["figure", "hide-input"]
plot_learning_curves(outcomes, recorded)

# %% tags=["answer", "hide-input"]
table, jumps = curves.tabulate_curves(outcomes), curves.tabulate_jumps(outcomes)
dip = curves.describe_dip(table, recorded)
Markdown(f"{dip} {curves.describe_jumps(jumps, recorded)}")

# %% [markdown]
# On the tiny suites the warm-up is over in three steps, and the peak rate, that of pretraining, is ten times the rate at which the last
# checkpoint was trained. K of everything falls, injected or not. What the end of a run shows of a late model is then in part the
# repair of that crash, and only the difference to the control speaks of the injected facts.

# %% tags=["hide-cell"]
from IPython.display import display

for name in curves.CURVES:
    rows = [row for row in table.index if row.startswith(f"{name}, ")]
    display(seeds.Estimates(table.loc[rows], plan, recorded))

# %% [markdown]
# The jump, and its decay: K of a fact injected once, from before its injection to so many injections after it, over what K of the control
# does meanwhile. The first injection, which changes the style of everything, is left out here and below.

# %% mystnb={"figure": {"name": "fig-injections", "caption": "What is left of a single injection, by the number of injections since: the gain of K over the never injected control, by initial model. With recorded seeds their mean and its 95 % interval, each seed thin; else two standard errors over paragraphs."}, "image": {"alt": "A line chart over the injections since a fact was injected once: the gain of K over the control in nats, one line per initial model.", "width": "100%"}} tags=["hide-input"]
plot_injections(outcomes, recorded)

# %% tags=["hide-input"]
seeds.Estimates(curves.tabulate_injections(outcomes), plan, recorded)

# %% [markdown]
# ## Check
#
# What must hold at any scale: log probabilities are not positive, scores lie between 0 and 1, every injection is followed by a
# scoring; and there is a loss for every step, at rates that warm up to the peak and never exceed it.

# %%
page.check_outcomes(outcomes)
for each in outcomes:
    peak = each.provenance["recipe"]["learning_rate"]
    assert len(each.curve) == each.steps[-1]
    assert each.provenance["stopped"] or each.curve.isfinite().all()
    assert abs(each.curve[:, 1].max() - peak) < 0.2 * peak

# %% [markdown]
# ## Verdict
#
# The gain of a fact's K over its own injection, minus its mean gain over each of the others, with errors over paragraphs or over seeds.
# Where it is within its interval of nothing, models of this size did not keep a fact from one injection long enough for the next
# scoring to see it.

# %% tags=["hide-input"]
seeds.Estimates(jumps, plan, recorded)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/learning_curves.ipynb out.ipynb \
#     -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# ```
#
# [Figure 4](fig04_acquisition_and_forgetting.ipynb) says what a run takes, how to give checkpoints and files of your own, and where this
# differs from the paper.
