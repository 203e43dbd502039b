# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How exact is the number?
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# How many sequences does knowledge entropy take to a hundredth of a nat, and what do length, dtype, packed weights, padding and
# the public code do to it?
#
# Built here: the **tiny** suite, 0.8 million parameters on a synthetic world. Nothing at OLMo's scale has been run.

# %% [markdown]
# ## Claim
#
# The paper measures on 2,048 sequences of 2,048 tokens in float32 and does not say how exact that is. The question here:
# how many would have been enough?
#
# *What would contradict the number:* a change of the way of measuring that moves it as far as pretraining does.

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
    # %pip install -q "knowledge-entropy[gguf,learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["made", "hide-input"]
import torch
from IPython.display import Markdown, display
from scipy.stats import entropy

import kent
from kent.change.quantisation import BITS, quantise
from kent.measure.memory import find_memories
from kent.pages import archive, comparisons, measures, page, seeds
from kent.pages.plots import entropies
from kent.runs import plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The last checkpoint is measured on ever fewer sequences, on ever shorter ones (both from the same text), and in lower
# precision. Averaging over few instances leaves noise in each mean coefficient, which looks like unevenness. So with few
# sequences $H$ comes out too low, and the jackknife error ([Efron and Stein 1981](https://doi.org/10.1214/aos/1176345462)) does not
# correct that.

# %% tags=["made"]
measured = {"corpus": corpus, "column": column, "length": length}
measured |= {"limit": limit, "dtype": dtype, "batch_size": batch_size}
plan = plans.sweep_sizes(checkpoints, steps=steps, **measured)
page.estimate_cost(plan)

# %% tags=["made"]
results = page.fetch_all(plan)
whole = results["sequences"][-1]
recorded = seeds.recall(plan, checkpoints)
page.describe_runs([each for listed in results.values() for each in listed])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-exactness", "caption": "Knowledge entropy {eq}`eq-knowledge` of the last checkpoint against the number of sequences (top) and their length (bottom): bold the mean of seeds with the band of its interval, or one model with two standard errors {eq}`eq-jackknife`; dashed: what the paper used. The checkpoint's place in pretraining: {numref}`fig-knowledge-entropy`."}, "image": {"alt": "Two charts on logarithmic horizontal axes: knowledge entropy in nats against the number of sequences, and against the tokens per sequence, each with a dashed line at 2,048.", "width": "100%"}} tags=["figure", "hide-input"]
sizes = {"instances": "sequences", "length": "tokens per sequence"}
listed = [results["sequences"], results["length"]]
tables = {
    name: measures.tabulate_sizes(profiles, key, name)
    for (key, name), profiles in zip(sizes.items(), listed, strict=True)
}
entropies.plot_sizes(tables, recorded)

# %% tags=["hide-input"]
for table in tables.values():
    display(seeds.Estimates(table, plan, recorded))

# %% [markdown]
# ## By hand
#
# The formula of [Figure 2](fig02_knowledge_entropy.ipynb) written out once more, in float64 and sequence by sequence, on the first
# `batch_size` sequences.

# %%
last = whole.provenance["revision"]
which = {"name": last["repository"], "branch": last["branch"]}
model, tokenizer = kent.load(**which)
exact, _ = kent.load(**which, dtype=torch.float64)

# %%
read = {"length": length, "limit": limit, "column": column}
joined = kent.sequences(corpus, tokenizer, **read)
few = joined[:batch_size]

# %%
found = []
for memory in find_memories(exact):
    memory.values.register_forward_pre_hook(
        lambda _, given: found.append(given[0].flatten(0, -2).abs().mean(0))
    )
for row in few:
    with torch.inference_mode():
        exact(row[None].to(exact.device))

# %%
count = len(found) // len(few)
means = [sum(found[layer::count]).numpy(force=True) for layer in range(count)]
ours = kent.profile(model, few, measures=["knowledge"])
by_layer = ours.knowledge_entropy_by_layer.numpy()
apart = max(abs(by_layer - [*map(entropy, means)]))

# %% [markdown]
# ## Weights packed to few bits
#
# A `.gguf` file packs 32 neighbouring numbers of a matrix's row into a few bits each and one scale (Q5_1 and Q4_1: and an
# offset). How far that moves the number is known only of a model whose weights are known. So the last checkpoint's matrices, the embeddings
# among them, are packed and unpacked in place by the package `gguf`, block for block, and the model is measured on the same
# sequences. No file is written: transformers reads no OLMo or Pythia from one. `gguf` writes six such formats; files called
# Q4_K_M and the like mix others, which it only reads.

# %%
plain, read = results["dtype"][0], {"measures": ["knowledge", "token"]}
packed = {"not packed, 32 bits a weight": plain}
for kind, bits in BITS.items():
    given = quantise(model, kind), joined
    found = kent.profile(*given, **read, batch_size=batch_size)
    packed[f"{kind}, {bits:g} bits a weight"] = found

# %% tags=["hide-input"]
unpacked = measures.tabulate_copies(plain, packed)
seeds.Estimates(unpacked, plan, recorded)

# %% [markdown]
# ## The token that begins a text
#
# No model of this book, nor OLMo or Pythia, reads a token in front of a text (BOS). Where a tokenizer puts one there by its own default,
# kent gives it to the model and leaves its position out of the mean coefficients ([method](../book/method.md)). What the choice is worth
# was measured once, of Gemma 3 270M, whose tokenizer puts one there: left out, counted (`skip=0`), and not given to the
# model at all. Values ± two standard errors; what is moved is paired over the same text.

# %% tags=["hide-input"]
if record := archive.find_record("bos.json"):  # it is in the repository
    said = archive.describe_bos, archive.describe_origin
    display(archive.tabulate_bos(record))
    display(Markdown("\n\n".join(describe(record) for describe in said)))

# %% [markdown]
# ## Padding and the public code
#
# The public code decodes the sequences and tokenises the text again, cut or padded to the length; its mean runs over the
# padding too, and it adds 1e-9 inside the logarithm. How much padding there is depends on the text. So the same steps are
# taken once with the sequences, and once with one document a row, where much is padded.

# %%
tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
whole_text = tokenizer.decode(joined.flatten())
texts = whole_text.split(tokenizer.eos_token)
documents = [text for text in texts if text.strip()][:limit]


# %%
def measure(texts, side="right", padding=False):
    """A profile of texts, one a row, and the share of padding."""
    form = {"padding": "max_length", "truncation": True}
    form |= {"padding_side": side, "max_length": length}
    rows = tokenizer(texts, return_tensors="pt", **form)
    mask, asked = rows.attention_mask, {"measures": ["knowledge"]}
    asked["attention_mask"] = None if padding else mask
    found = kent.profile(model, rows.input_ids, **asked)
    return found, 1 - mask.double().mean().item()


# %%
pieces = tokenizer.batch_decode(joined)
left, counted = "padded on the left", "padding in the mean"
again = {"sequences, tokenised again": measure(pieces)}
again["a document a row"] = measure(documents)
again[f"a document a row, {left}"] = measure(documents, "left")
again[f"a document a row, {counted}"] = measure(documents, padding=True)

# %% tags=["hide-input"]
ways = {each.provenance["dtype"]: each for each in results["dtype"]}
ways |= {name: profile for name, (profile, _) in again.items()}
moved = measures.tabulate_ways(whole, ways)
seeds.Estimates(moved, plan, recorded)

# %% [markdown]
# ## Check
#
# At any scale, the computation by hand agrees, the side of the padding does not matter, and no entropy is above the bound.

# %%
assert apart < 1e-4
one, other = ways["a document a row"], ways[f"a document a row, {left}"]
assert abs(one.knowledge_entropy - other.knowledge_entropy) < 1e-4
for each in (each for listed in results.values() for each in listed):
    assert each.knowledge_entropy <= each.entropy_bound + 1e-9

# %% [markdown]
# ## Verdict
#
# Over pretraining the number moves as [Figure 2](fig02_knowledge_entropy.ipynb) says, in the paper by about 0.4 nats for OLMo-1B. A
# way of measuring that moves it as far must be the same for every checkpoint.

# %%
H, error = whole.estimate()
near = [abs(each.knowledge_entropy - H) < 0.01 for each in results["sequences"]]
enough = results["sequences"][near.index(True)].provenance["instances"]
pooled = seeds.pool_table(moved, recorded)["moved (nats)"]
padding = seeds.format_interval(*pooled[f"a document a row, {counted}"], "+")
lower = seeds.format_interval(*pooled["bfloat16"], "+")
full = seeds.format_interval(H, error)
share = f"{100 * again['a document a row'][1]:.0f} %"

# %%
fewer = seeds.pool_table(unpacked, recorded)["H, moved (nats)"]
worst = max(fewer.index, key=lambda name: abs(fewer[name][0]))
furthest = seeds.format_interval(*fewer[worst], "+")
kept = [seed for seed in recorded if worst in seed.estimates]
basis = comparisons.name_basis([whole], kept)

# %% tags=["answer", "hide-input"]
Markdown(
    f"Here {limit:,} sequences of {length:,} tokens give H = {full} nats, and "
    f"{enough:,} of those tried come within 0.01 nats of it. By hand in "
    f"float64 no layer differs by more than {apart:.1g} nats; bfloat16 moves H "
    f"by {lower}. Weights packed as in `.gguf` files move it by {furthest} at "
    f"most ({worst}; {basis}). Padding in the mean, which the public code lets in, "
    f"moves it by **{padding} nats** where {share} of positions are padding "
    f"({comparisons.name_basis([whole], recorded)})."
)

# %% tags=["hide-input"]
shares = [layer / layer.sum() for layer in whole.coefficients]
public = -sum((each * (each + 1e-9).log()).sum().item() for each in shares)
many = error * (whole.provenance["instances"] / 2048) ** 0.5
Markdown(
    f"1e-9 inside the logarithm moves H by {abs(public - H):.1g} nats. On "
    f"2,048 sequences like these the standard error would be {many:.5f} nats."
)

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/exactness.ipynb out.ipynb -f params/olmo-1b.yaml
# papermill notebooks/exactness.ipynb out.ipynb \
#     -p checkpoints FOLDER -p corpus FILE.txt
# ```
#
# About four passes over the text by the last checkpoint, six with its weights packed, three for the padding, and a few
# sequences in float64 ([what a pass takes](speed.ipynb)). Packing needs the extra `gguf`.
#
# *Beyond the paper.* All of it. Where padded positions enter the mean they are read without an attention mask; padding
# stands on the right there, so that no real token sees it.
