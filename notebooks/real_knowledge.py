# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Real knowledge instead of fictional
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# Does a model know the entities of a document better once it has read that document, and does resuscitation add to that?
#
# By default on the **tiny** suite, whose text is synthetic too. With SmolLM2-135M the text is abstracts of medical papers.

# %% [markdown]
# ## Claim
#
# Not in [Kim et al. (2025)](https://arxiv.org/abs/2410.01380), who measure acquisition by fictional facts only. These are
# injected once or ten times, into text that is otherwise ordinary. That text holds knowledge as well, and each document is
# read once. If the paper's explanation holds for it, a model with resuscitated memory vectors should learn more of it.
#
# *What would contradict it:* beside the unchanged model, a changed one that gains more by the paper's measure gains less on
# the entities of what it read, beyond the interval.

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
orders = []
knowledge = []
control = []
read = ""
unread = ""
skip = 2000
documents = 200

# %% tags=["hide-input", "made"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input", "made"]
from kent.models.suites import OWN
from kent.pages import changes, entities, page, seeds
from kent.pages.plots import entities as plots
from kent.runs import model_plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The runs of learning are those of [Resuscitation beside its controls](entropy_or_not.ipynb): a final model, unchanged and
# changed, reads the documents of a corpus, into whose rows fictional facts are injected. Before and after, the log
# probability of each entity is measured (mean over its tokens, in nats) where its document names it, each document read on
# its own from its beginning. The **rise** of a document is the mean over its entities. All rises count from the unchanged
# model before learning.
#
# A document that was not read rises too, since the model learns the style of the corpus and what other documents say of the
# same things. So the statistic is the mean rise of documents **read whole** minus that of documents **not read**. Which
# ones a run has read is traced token by token (`kent.runs.exposure`): an injected text stands at the head of a row and
# displaces as much of the row's end, so many a document is read in part or not at all, and which ones is a matter of the
# order of rows. To those not read come documents of a text that no run reads. A document is known by its text: one that a
# run was fed elsewhere has been read, and of several with the same text one counts. Where a row ends within a document, it
# is read in two pieces.
#
# Errors are standard errors over documents; a changed model and the unchanged one have the same documents, so their
# difference is taken in each. Of several orders of rows (`orders`, seeds) values and errors are means: the documents are
# the same, so a second order makes the interval no narrower.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
taught = {"recipe": recipe, "orders": orders}
taught |= {"knowledge": knowledge, "control": control}
varied = {"steps": steps, "p": p, "q": q}
varied |= {"controls": controls, "controlled": controlled}
texts = {"read": read, "unread": unread}
texts |= {"skip": skip, "documents": documents}
settings = varied | measured | taught | texts
plan = model_plans.learn_entities(checkpoints, **settings)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
recorded = seeds.recall(plan, checkpoints)
page.describe_runs([each for listed in results.values() for each in listed])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-real-knowledge", "caption": "Entities in documents that were read, and in others. First panel: rise of their log probability from before learning to its end, in documents read whole, in part and not at all. Then: read whole minus not read; that minus the unchanged model's; and the rise of the injected fictional facts minus that of the control. Means over seeds with their 95 % interval where other seeds are recorded; else this model's value with two standard errors."}, "image": {"alt": "Four charts with a place for the unchanged model and for each changed one: the rise of the log probability of entities in documents read whole, in part and not at all; the difference of the first and the last; this difference minus the unchanged model's; and the rise of fictional facts; all with error bars about a line at zero.", "width": "100%"}} tags=["hide-input", "figure"]
rises = entities.collect_rises(plan, results)
facts = entities.measure_facts(plan, results)
table = entities.tabulate_rises(rises, facts)
plots.plot_rises(table, recorded)

# %% tags=["hide-input"]
seeds.Estimates(table, plan, recorded)

# %% [markdown]
# How many documents there are of each kind, by order of rows:

# %% tags=["hide-input"]
entities.count_groups(rises)

# %% [markdown]
# ## Check
#
# Log probabilities, scores and evaluations of the runs of learning are as they must be (`kent.pages.page.check_outcomes`,
# which names runs that were stopped). Surprisals are not negative, and a mean perplexity is at least that of the mean
# surprisal.

# %%
learnt = [each for label in results for each in results[label] if label.endswith("learning")]
page.check_outcomes(learnt)

# %%
import torch

for label, listed in results.items():
    for found in () if label.endswith("learning") else listed:
        assert (found.surprisals >= 0).all()
        least = found.surprisals.exp()
        assert torch.all(found.perplexities >= least * (1 - 1e-9))

# %% [markdown]
# ## Verdict

# %% tags=["hide-input"]
pretrained = results["read"][0].provenance["revision"]["repository"]
one_model = pretrained not in OWN
entities.judge_rises(table, recorded, one_model)

# %% tags=["hide-input"]
pooled = seeds.pool_table(table, recorded)
shown = {
    row: seeds.format_interval(*pooled.loc[row, "unchanged"], "+")
    for row in (entities.GAIN, entities.FACTS)
}
beside = pooled.loc[entities.BESIDE].drop("unchanged")

# %% tags=["hide-input", "answer"]
from IPython.display import Markdown

said = changes.say_changes(beside) or "none was asked for"
Markdown(f"""Entities of documents read whole rise by {shown[entities.GAIN]}
nats more than those of documents not read (unchanged model; fictional facts:
{shown[entities.FACTS]} nats more than their control). Changed models minus the
unchanged one, in nats: {said}.""")

# %% [markdown]
# A synthetic world tells the same facts in many documents, so that on the tiny suites documents that were not read are no
# strangers. What is left is what is peculiar to one document.

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/real_knowledge.ipynb out.ipynb \
#     -f params/smollm2.yaml \
#     -p unread unread.jsonl -p skip 0 -y "orders: [1, 2]" \
#     -y "knowledge: [once.json, paraphrase.json]" \
#     -y "control: [once-control.json, paraphrase-control.json]" \
#     -y "recipe: {corpus: read.jsonl, length: 512, batch: 24,
#         rows: 8, steps: 20, bf16: true, tasks: english}"
# ```
#
# `scripts/divide_texts.py` writes the files. For other texts, `recipe` names the corpus that is read, and `read` and `unread`
# are spans files (as on [Figure 10's page](fig10_familiarity.ipynb)): documents of that corpus, and others of the same kind.
# The runs of learning are shared with the other pages; each of them is measured twice more, over `documents` documents.
#
# *Beyond the paper.* All of it.
