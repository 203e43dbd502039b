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
# Knowledge entropy is read as hundredths of a nat. How many sequences does that take, how long must they be, and what do
# dtype, padding and the deviations of the public code do to it? As built here, the page measures the **tiny** suite, pretrained on the spot and run on a CPU; nothing at OLMo's
# scale has been run for this book yet.

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

# %% tags=["hide-input"]
import sys

if "google.colab" in sys.modules:  # kent is missing there; torch and numpy stay as they are
    # %pip install -q "knowledge-entropy[learn] @ git+https://github.com/-address-not-set-/kent@v0.1.0"
    pass

# %% tags=["hide-input"]
from kent.pages import page
from kent.pages.plots import measuring
from kent.runs import plans

page.check_parameters()

# %% [markdown]
# ## Method
#
# The last checkpoint is measured on ever fewer sequences, on ever shorter ones (both from the same text), and in lower
# precision. Averaging over few instances leaves noise in each mean coefficient, which looks like unevenness: with few
# sequences $H$ comes out too low, and the jackknife error does not correct that bias.

# %%
measured = {"corpus": corpus, "column": column, "length": length, "limit": limit, "dtype": dtype}
plan = plans.sweep_sizes(checkpoints, steps=steps, batch_size=batch_size, **measured)
page.estimate_cost(plan)

# %%
results = page.fetch_all(plan)
whole = results["sequences"][-1]
page.stamp([profile for profiles in results.values() for profile in profiles])

# %% [markdown]
# ## Figure

# %% mystnb={"figure": {"name": "fig-exactness", "caption": "Knowledge entropy {eq}`eq-knowledge` of the last checkpoint against the number of sequences (top) and their length (bottom), with two standard errors {eq}`eq-jackknife`; dashed: what the paper used. The checkpoint's place in pretraining: {numref}`fig-knowledge-entropy`."}, "image": {"alt": "Two charts on logarithmic horizontal axes: knowledge entropy in nats with error bars against the number of sequences, and against the tokens per sequence, each with a dashed line at 2,048.", "width": "100%"}} tags=["hide-input"]
figure = measuring.plot_sizes(results["sequences"], results["length"])

# %% [markdown]
# ## Padding and the public code
#
# The public code decodes the sequences and tokenises the text again, cut or padded to the length; its mean runs over the
# padding too, and it adds 1e-9 inside the logarithm. How much padding there is depends on the text. So the same steps are
# taken once with the sequences, and once with one document a row, where much is padded.

# %%
import pandas as pd

import kent

# %%
last = whole.provenance["revision"]
model, tokenizer = kent.load(last["repository"], last["step"])
tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
joined = kent.sequences(corpus, tokenizer, length=length, limit=limit, column=column)
texts = tokenizer.decode(joined.flatten()).split(tokenizer.eos_token)
documents = [text for text in texts if text.strip()][:limit]


# %%
def measure(texts, side="right", padding=False):
    """Knowledge entropy over texts tokenised again, one a row, and the share of padding in them.

    With `padding` its positions are in the mean.
    """
    settings = {"padding": "max_length", "truncation": True, "max_length": length}
    rows = tokenizer(texts, padding_side=side, return_tensors="pt", **settings)
    mask, read = rows.attention_mask, None if padding else rows.attention_mask
    found = kent.profile(model, rows.input_ids, attention_mask=read, measures=["knowledge"])
    return found.knowledge_entropy, 1 - mask.double().mean().item()


# %%
ways = {
    "sequences, tokenised again": measure(tokenizer.batch_decode(joined)),
    "one document a row, padded on the right": measure(documents),
    "one document a row, padded on the left": measure(documents, side="left"),
    "one document a row, padding in the mean": measure(documents, padding=True),
}

# %%
found = {each.provenance["dtype"]: (each.knowledge_entropy, 0) for each in results["dtype"]} | ways
shares = [layer / layer.sum() for layer in whole.coefficients]
shifted = -sum((share * (share + 1e-9).log()).sum().item() for share in shares)
found["1e-9 in the logarithm"] = (shifted, 0)

# %%
table = pd.DataFrame(found, index=["H (nats)", "padding"]).T
table["moved (nats)"] = table["H (nats)"] - whole.knowledge_entropy
formats = {"padding": "{:.1%}", "H (nats)": "{:.6f}", "moved (nats)": "{:+.6f}"}
table.style.format(formats).set_table_attributes('class="dataframe"')

# %% [markdown]
# ## Check
#
# What must hold at any scale: the side of the padding does not matter, and no entropy is above the bound.

# %%
left, right = (ways[f"one document a row, padded on the {side}"][0] for side in ("left", "right"))
assert abs(left - right) < 1e-4
for each in (each for listed in results.values() for each in listed):
    assert each.knowledge_entropy <= each.entropy_bound + 1e-9

# %% [markdown]
# ## Reading
#
# The fewest sequences that give the whole measurement's number to a hundredth of a nat, and the standard error per
# sequence, from which the error of any number of sequences follows. And the way of measuring that moves it most: over
# pretraining it moves as [Figure 2](fig02_knowledge_entropy.ipynb) says, in the paper by about 0.4 nats for OLMo-1B, so a
# way that moves it as far must be the same for every checkpoint.

# %%
H, error, instances = whole.knowledge_entropy, whole.standard_error, whole.provenance["instances"]
close = [each for each in results["sequences"] if abs(each.knowledge_entropy - H) < 0.01]
enough, expected = close[0].provenance["instances"], error * (instances / 2048) ** 0.5
print(f"H = {H:.4f} ± {2 * error:.4f} nats: {instances:,} sequences, {length:,} tokens")
print(f"within 0.01 nats of it: {enough:,} sequences, of those tried")
print(f"standard error of 2,048 sequences like these: {expected:.5f} nats")
most = table["moved (nats)"].abs().idxmax()
print(f"moved most: {most}, by {table['moved (nats)'][most]:+.3f} nats")

# %% [markdown]
# ## Full run
#
# ```bash
# papermill notebooks/exactness.ipynb out.ipynb -f params/olmo-1b.yaml
# papermill notebooks/exactness.ipynb out.ipynb -p checkpoints FOLDER -p corpus FILE.txt
# ```
#
# About four passes over the text by the last checkpoint, and three more for the padding. [What a pass takes](speed.ipynb) on
# a large GPU is estimated; on this device, the page says it before it starts.
#
# *Beyond the paper.* All of it. The padded positions are read without an attention mask where they enter the mean; padding
# stands on the right there, so that no real token sees it.
