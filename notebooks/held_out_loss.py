# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Forgetting as a loss, which has no floor
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Measured by the loss on text like that of pretraining, do later models forget more, and does resuscitation lessen it?
#
# By default on the **tiny** suite: small models pretrained for this book, and facts of a synthetic world.

# %% [markdown]
# ## Claim
#
# Figures 4 and 5 of the paper: models of later stages forget more (F rises from 10.5 to 19.5 %), and resuscitating inactive memory vectors
# of the last one lessens it. The paper's F is the fall of the score of six tasks. A score cannot fall below guessing, and is coarse: where a
# model ends at guessing, F only repeats what it could before. The loss on held-out text of the kind that pretraining read has no such
# floor. This measure of forgetting is not the paper's.
#
# *What would contradict it:* a loss that rises no more for the last stage than for the first; or that ends no lower for a model
# with resuscitated memory vectors than for the unchanged one.

# %% tags=["parameters"]
checkpoints = "tiny"
steps = []
corpus = "world"
column = "text"
length = 128
limit = 256
dtype = "float32"
batch_size = 8
p = 50.0
q = [1.0, 2.0]
controls = ["random", "rescale"]
controlled = [1.0]
recipe = {}
knowledge = []
control = []

# %% tags=["hide-input", "made"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input", "made"]
from kent.pages import changes, losses, page, seeds
from kent.pages.plots import losses as plots
from kent.runs import learned_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The runs of learning are those of [Figure 4](fig04_acquisition_and_forgetting.ipynb) (four stages of pretraining) and of [Resuscitation
# beside its controls](entropy_or_not.ipynb) (the last one, unchanged and changed). Before learning and after it the model reads the same
# sequences of the page's corpus, none of which pretraining or learning has read, and its next-token loss is taken
# (`kent.Profile.loss`). The **rise** is the loss after minus that before; of changed models it counts from the unchanged model
# before learning, so that what the change itself breaks counts. The same passes say how learning moved knowledge entropy.
#
# Differences are taken on the same tokens; intervals are two standard errors, by a jackknife over blocks of sequences. Where other
# seeds were recorded, numbers are means over seeds with the 95 % interval between them.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
taught = {"recipe": recipe, "knowledge": knowledge, "control": control}
varied = {"steps": steps, "p": p, "q": q}
varied |= {"controls": controls, "controlled": controlled}
settings = varied | measured | taught
plan = learned_plans.measure_learned(checkpoints, **settings)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
before, outcomes = results["before"], results["learning"]
learned = results["learned"]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs([each for listed in results.values() for each in listed])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-held-out-loss", "caption": "Left: rise of the loss on held-out text by learning, by initial model. Right: the loss of the final model, unchanged and changed, after learning and, squares, before; the line is the unchanged model before learning. Means over seeds with their 95 % interval where other seeds are recorded; else this model's value with two standard errors."}, "image": {"alt": "Left: a line chart of the rise of the loss over the initial model's pretraining step. Right: a chart with a place for the unchanged model and each changed one and marks with error bars for the loss before and after learning, beside a horizontal line.", "width": "100%"}} tags=["hide-input", "figure"]
stages = losses.tabulate_stages(before, learned, outcomes)
changed = losses.tabulate_changes(results)
plots.plot_losses(stages, changed, recorded)

# %% [markdown]
# By initial model, with F and what F is of a model that ends where guessing begins:

# %% tags=["hide-input"]
seeds.Estimates(stages, plan, recorded)

# %% [markdown]
# The final model, unchanged and changed. The loss rises from the unchanged model's before learning; knowledge entropy moves from the
# changed model's own:

# %% tags=["hide-input"]
seeds.Estimates(changed, plan, recorded)

# %% [markdown]
# ## Check
#
# Outcomes are as they must be (`kent.pages.page.check_outcomes`, which names runs that were stopped), and a model is read on the same
# tokens before and after.

# %%
page.check_outcomes(outcomes)
profiles = [*before, *learned]
assert len({each.provenance["corpus"]["tokens_sha256"] for each in profiles}) == 1
for each in profiles:
    assert each.loss > 0 and 0 <= each.knowledge_entropy <= each.entropy_bound + 1e-9

# %% [markdown]
# ## Verdict

# %% tags=["hide-input"]
found = {"fig04-forgetting-loss": losses.compare_ends(stages)}
if (label := "resuscitate, q = 2") in changed:
    found["fig05-forgetting-loss"] = changed.loc[losses.FINAL + losses.BESIDE, label]
page.judge(found, [*learned, *results["unchanged, learned"]], recorded)

# %% tags=["hide-input"]
from IPython.display import Markdown

pooled = seeds.pool_table(changed, recorded).drop(columns="unchanged")
beside, moved = (pooled.loc[losses.FINAL + row] for row in (losses.BESIDE, losses.MOVED))
Markdown(f"""Loss after learning, of changed models minus the unchanged one, in nats:
{changes.say_changes(beside)}.""")

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/held_out_loss.ipynb out.ipynb \
#     -f params/olmo-1b.yaml \
#     -y "knowledge: [once60.json, paraphrase70.json]"
# ```
#
# All runs of learning are shared with the two pages named above; each is measured once more, in one pass. `corpus` is the
# held-out text: for a model whose pretraining text is not at hand take what comes nearest to it, and read the rise as of that text.
#
# *Deviations from the paper.* The measure itself. The rest as on [Figure 4's page](fig04_acquisition_and_forgetting.ipynb).
