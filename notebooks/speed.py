# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Speed: what measuring and learning cost
#
# *A page of the [executable companion](https://-address-not-set-.github.io/kent) to “Knowledge Entropy Decay during Language Model Pretraining Hinders New
# Knowledge Acquisition” (Kim et al., ICLR 2025, [arXiv 2410.01380](https://arxiv.org/abs/2410.01380)).*
#
# What does measuring knowledge entropy add to a forward pass, and what does `kent.learn` add to a plain training run?
#
# Nothing is timed while the book is built: this page shows the records under `results/benchmarks/`, each with its device,
# date, commit and the command that repeats it. All models have random weights of the shape named. How the times are taken is
# said in `benchmarks/README.md`. What a page of this book is estimated to cost, and what it did cost, is on the
# [status page](status.ipynb).

# %% tags=["hide-input", "made"]
import json
from pathlib import Path
from statistics import median

import pandas as pd
from IPython.display import Markdown, display

from kent import records
from kent.pages import costs, timings
from kent.pages.plots import timing

# %% tags=["hide-input", "made"]
folders = [root / "results/benchmarks" for root in (Path(), records.PACKAGE.parent)]
files = next((sorted(folder.glob("*.json")) for folder in folders if folder.is_dir()), [])
read = [json.loads(path.read_text("utf-8")) for path in files]
kinds = ("comparisons", "ratios", "training", "imports")
found, probed, taught, imported = ([record for record in read if kind in record] for kind in kinds)


# %% tags=["hide-input", "made"]
def say(text: str) -> None:
    """A text as Markdown."""
    display(Markdown(text))


def write(value: object) -> object:
    """A number with four digits, or whole."""
    digits = ",.4g" if isinstance(value, float) and value < 1e4 else ",.0f"
    return f"{value:{digits}}" if isinstance(value, float | int) else value


def show(rows: list[dict], index: str | list[str]) -> None:
    """One table, numbers with four digits."""
    display(pd.DataFrame(rows).set_index(index).map(write))


def head(record: dict, about: str, again: bool = False) -> None:
    """Which record the next table is from, and how to repeat it where that is not said yet."""
    title, *rest = timings.describe_record(record, about)
    say("\n\n".join([title] if again else [title, *rest]))


# %% tags=["hide-input", "answer"]
sentences = [*map(timings.say_measuring, found)]
sentences += map(timings.say_learning, taught)
taken = "(Medians, with quartiles, over rounds in which each way has its turn.)"
say(" ".join([*sentences, taken]) if sentences else "No benchmark has been recorded yet.")

# %% mystnb={"figure": {"name": "fig-speed", "caption": "Seconds of one way to measure over those of another, by tokens in a sequence: medians and quartiles over rounds; carets: what is aimed at."}, "image": {"alt": "Two panels, for sequences of 512 and 2,048 tokens, with one row for each pair of ways: a dot at the ratio of their seconds with its quartiles, a line at 1, and carets at the aims.", "width": "100%"}} tags=["hide-input", "figure"]
panels = {
    f"{each['length']:,} tokens, {each['dtype']}, {record['device']['kind']}": each["ratios"]
    for record in found
    for each in record["comparisons"]
}
timing.plot_ratios(panels) if panels else say("No ratio has been recorded yet.")

# %% [markdown]
# ## Ratios
#
# Each is the median of the ratios within a round, in which every way has its turn, with their quartiles. *backbone* is the
# model without its vocabulary projection, *logits* the model with it; *knowledge*, *attention* and *token* are
# `kent.profile` with one measure, *all* with all three; *public* imitates the paper's public code (eager attention, all
# logits, the activations of all layers kept); *lens* is TransformerLens.

# %% tags=["hide-input"]
for record in found:
    rounds, sequences = record["repetitions"], record["comparisons"][0]["sequences"]
    head(record, f"{rounds} rounds, {sequences} sequences in one batch")
    rows = []
    for each in record["comparisons"]:
        setting = {"tokens": f"{each['length']:,}, {each['dtype']}"}
        rows += [timings.describe_ratio(ratio) | setting for ratio in each["ratios"]]
    show(rows, ["tokens", "time of"])
    if not record["transformer_lens"]:
        say("TransformerLens was not installed.")

# %% tags=["hide-input"]
if not found:
    say("Nothing has been recorded yet: `python benchmarks/profiling.py`")
if not any(record["device"]["kind"] == "cuda" for record in found):
    command = "python benchmarks/profiling.py --device cuda --shape olmo-1b"
    say(f"No GPU has been measured yet: `{command}`")

# %% [markdown]
# ## Seconds and memory
#
# Median seconds of each way, and the memory it needs above the model, also as a multiple of the bare backbone's.

# %% tags=["hide-input"]
for record in found:
    head(record, "time and peak memory", again=True)
    rows = []
    for each in record["comparisons"]:
        peaks, setting = each["peak_mib"], {"tokens": f"{each['length']:,}, {each['dtype']}"}
        for way, times in each["seconds"].items():
            beside = peaks[way] / (peaks["backbone"] or float("nan"))
            row = {"way": way, "seconds": median(times), "peak (MiB)": peaks[way]}
            rows.append(setting | row | {"peak / backbone": beside})
    show(rows, ["tokens", "way"])

# %% [markdown]
# ## A whole checkpoint
#
# The paper measures 2,048 sequences of 2,048 tokens. Where *timed* is smaller than *sequences*, a sample was timed and
# scaled. The share of the matrix rate is of what a large matrix product of the same dtype reached in the same run.

# %% tags=["hide-input", "made"]
columns = {
    "measures": "measures",
    "dtype": "dtype",
    "seconds": "seconds",
    "share_of_matrix_rate": "share of matrix rate",
    "tokens_per_second": "tokens/s",
    "sequences": "sequences",
    "sequences_timed": "timed",
    "length": "tokens each",
    "peak_mib": "peak (MiB)",
}

# %% tags=["hide-input"]
for record in found:
    head(record, "one checkpoint", again=True)
    rows = [each | {"measures": ", ".join(each["measures"])} for each in record["checkpoints"]]
    rows = [{new: row[old] for old, new in columns.items() if old in row} for row in rows]
    show(rows, "measures")
    for measure, change in (record["bfloat16_moves"] or {}).items():
        before = record["entropies"]["float32"][measure]
        say(f"bfloat16 moves the {measure} entropy by {change:+.5f} nats, from {before:.5f}.")

# %% [markdown]
# ## Probes
#
# `kent.probe` beside one probe at a time, on the same random weights; the largest difference of their values.

# %% tags=["hide-input"]
for record in probed:
    size = f"{record['probes']:,} probes, {record['tokens']:,} tokens"
    head(record, f"{size}; values differ by {record['largest_difference']:.1e}.")
    show([timings.describe_ratio(ratio) for ratio in record["ratios"]], "time of")
if not probed:
    say("No probing has been recorded yet: `python benchmarks/probing.py`")

# %% [markdown]
# ## Learning
#
# `kent.learn` beside the Hugging Face Trainer with its default settings, on the same model and rows. First the ratio: the
# plain Trainer's time over that of `kent.learn`, for the steps alone (without evaluation and checkpoints), and for the
# paper's 1,600 of them with the checkpoints each writes. Where 1 lies between the quartiles, the two are not told apart.

# %% tags=["hide-input"]
for record in taught:
    head(
        record,
        f"the plain Trainer's time over that of `kent.learn`, {record['repetitions']} rounds",
    )
    show([timings.describe_ratio(ratio) for ratio in record["training"]["ratios"]], "time of")

# %% [markdown]
# Then the seconds of the steps, of one checkpoint and of what is around them, and the memory a run needs above the model.

# %% tags=["hide-input"]
for record in taught:
    training, rows = record["training"], []
    setting = "{steps} steps of {batch} rows of {length:,} tokens, {rows} at once"
    head(record, setting.format(**record["setting"]), again=True)
    for way, speed in training["tokens_per_second"].items():
        share, parts = training["share_of_matrix_rate"][way], training["seconds"][way]
        row = {"way": way} | {f"{part} (s)": median(times) for part, times in parts.items()}
        row |= {"tokens/s": speed, "share of matrix rate": share}
        rows.append(row | {"peak (MiB)": training["peak_mib"][way]})
    show(rows, "way")

# %% tags=["hide-input"]
if not taught:
    say("No learning has been recorded yet: `python benchmarks/learning.py`")
if not any(record["device"]["kind"] == "cuda" for record in taught):
    say("No GPU has learned yet: `python benchmarks/learning.py --device cuda --shape olmo-1b`")

# %% [markdown]
# What evaluation would take of a run in the paper's setting, at the speed measured: an estimate. Measured are a training
# step, one probing of 1,950 probes and as many of a control, and one round of the six tasks about the world; scaled by
# tokens are 1,600 steps of 128 rows of 1,024 tokens, 11 probings, and the paper's six tasks, the length of whose documents
# is assumed. kent asks the tasks twice, before learning and after; the public code with every probing.

# %% tags=["hide-input"]
for record in taught:
    head(record, "seconds of a run in the paper's setting, scaled by tokens", again=True)
    rows = []
    for each in record["evaluation"]["shares"]:
        row = {"rounds of tasks": each["rounds"], "share of evaluation": each["share"]}
        row["aim"] = timings.judge_aim(
            each | {"ratio": each["share"], "quartiles": [each["share"]] * 2}
        )
        rows.append(row | {f"{part} (s)": each[part] for part in ("training", "probing", "tasks")})
    show(rows, "rounds of tasks")

# %% [markdown]
# ## Imports
#
# Median seconds of a line in a fresh process. `kent` itself loads nothing; a name is loaded when it is first asked for.

# %% tags=["hide-input"]
for record in imported:
    made, times = record["provenance"], record["seconds"]
    name, command = record["device"]["name"], record["command"]
    said = f"**{name}**: {record['repetitions']} rounds, {made['date'][:10]}, commit `{made['commit']}`"
    say(f"{said}\n\n```bash\n{command}\n```")
    lines = record["imports"].items()
    show([{"line": line, "seconds": median(times[way])} for way, line in lines], "line")
if not imported:
    say("No import has been timed yet: `python benchmarks/importing.py`")

# %% [markdown]
# ## A full run, estimated
#
# Nothing in this table is measured. It takes 2,048 sequences of 2,048 tokens, two operations per parameter and token, and an
# assumed 40 % of the matrix rate that is published for NVIDIA's H100 and H200 (67 · 10¹² operations per second in float32,
# 989 · 10¹² in bfloat16). Loading and downloading come on top. *One pass* is one checkpoint on one text; *figure 2* is all
# checkpoints of the suite and one pass more; *learning* is one run of continual learning by the paper's whole recipe, 1,600
# steps of 128 rows of 1,024 tokens at three times the operations, without its probes and tasks. How many of them another page
# takes is said in its section *Full run*. Beside the weights, a batch needs the activations of one layer: a smaller
# `batch_size` needs less; learning needs gradients and two moments as well.

# %% tags=["hide-input"]
full = costs.estimate_full_runs()
ends = [
    "one pass (s)",
    "figure 2 (min)",
    "learning (h)",
]  # first, since a phone shows the first columns
full[[*ends, *full.columns.drop(ends)]].map("{:,.2f}".format)

# %% [markdown]
# ## Check
#
# The ways that give the knowledge entropy must give the same one, or the comparison would be of different things.

# %%
for comparison in (each for record in found for each in record["comparisons"]):
    entropies = comparison["knowledge_entropy"]
    close = 1e-4 if comparison["dtype"] == "float32" else 0.05
    assert max(entropies.values()) - min(entropies.values()) < close * entropies["knowledge"]
