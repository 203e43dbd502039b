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
# `kent.profile` beside the bare forward pass, beside an imitation of the paper's public code (eager attention, all
# logits, the activations of all layers kept), and beside TransformerLens where it was installed. All models have random
# weights of the shape named. Nothing is timed while the book is built: the page shows the records under
# `results/benchmarks/`, each with its device, its date, its commit and the command that repeats it. How the times are
# taken is in `benchmarks/README.md`.

# %% tags=["hide-input"]
import json
from pathlib import Path
from statistics import median

import pandas as pd
from IPython.display import Markdown, display

from kent import records
from kent.pages import page

# %% tags=["hide-input"]
folders = [root / "results/benchmarks" for root in (Path(), records.PACKAGE.parent)]
files = next((sorted(folder.glob("*.json")) for folder in folders if folder.is_dir()), [])
read = [json.loads(path.read_text("utf-8")) for path in files]
kinds = ("comparisons", "ratios", "training", "imports")
found, probed, taught, imported = ([record for record in read if kind in record] for kind in kinds)


# %% tags=["hide-input"]
def write(value: object) -> object:
    """A number with four digits, or whole."""
    digits = ",.4g" if isinstance(value, float) and value < 1e4 else ",.0f"
    return f"{value:{digits}}" if isinstance(value, float | int) else value


def show(rows: list[dict], index: str | list[str]) -> None:
    """One table, numbers with four digits."""
    display(pd.DataFrame(rows).set_index(index).map(write))


# %% tags=["hide-input"]
def judge(ratio: dict) -> str:
    """Whether a ratio keeps its target; nothing where there is none."""
    if "target" not in ratio:
        return ""
    target, (low, high) = ratio["target"], ratio["quartiles"]
    over = ratio["ratio"] - target if ratio["bound"] == "at most" else target - ratio["ratio"]
    near = ", the target lies between the quartiles" if low <= target <= high else ""
    return f"{ratio['bound']} {target}: " + ("met" if over <= 0 else f"not met{near}")


# %% tags=["hide-input"]
def describe(ratio: dict) -> dict:
    """A ratio's columns: whose it is, its value, quartiles and target."""
    name = ratio.get("of") or "{over} / {under}".format(**ratio)
    quartiles = "{:.3f} to {:.3f}".format(*ratio["quartiles"])
    found = {"ratio": ratio["ratio"], "quartiles": quartiles, "target": judge(ratio)}
    return {"time of": name} | found


# %% tags=["hide-input"]
def head(record: dict, about: str) -> None:
    """Which record the next table is from, and how to repeat it."""
    device, made, shape = record["device"], record["provenance"], record["shape"]
    machine = f"CPU threads: {device['threads']} ({made['machine']}); torch {made['torch']}"
    when = f"{made['date'][:10]}, commit `{made['commit']}`"
    title = f"**{shape['name']} on {device['name']}**: {about}"
    run = f"{shape['parameters']:,} parameters; {machine}; {when}."
    display(Markdown(f"{title}\n\n{run}\n\n```bash\n{record['command']}\n```"))


# %%
if not found:
    print("No benchmark has been recorded yet: python benchmarks/profiling.py")
if not any(record["device"]["kind"] == "cuda" for record in found):
    command = "python benchmarks/profiling.py --device cuda --shape olmo-1b"
    print(f"No GPU has been measured yet: {command}")

# %% [markdown]
# ## Ratios
#
# Ratios of median times over rounds in which every way had its turn, with the quartiles of the ratio within a round.
# *backbone* is the model without its vocabulary projection, *logits* the model with it; *knowledge*, *attention* and
# *token* are `kent.profile` with one measure, *all* with all three; *public* imitates the public code; *lens* is
# TransformerLens.

# %% tags=["hide-input"]
for record in found:
    rounds, sequences = record["repetitions"], record["comparisons"][0]["sequences"]
    head(record, f"{rounds} rounds, {sequences} sequences in one batch")
    rows = []
    for each in record["comparisons"]:
        setting = {"dtype": each["dtype"], "tokens": each["length"]}
        rows += [setting | describe(ratio) for ratio in each["ratios"]]
    show(rows, ["dtype", "tokens", "time of"])
    print("" if record["transformer_lens"] else "TransformerLens was not installed.")

# %% [markdown]
# ## Seconds and memory
#
# Median seconds of each way, and the memory it needs above the model, also as a multiple of the bare backbone's.

# %% tags=["hide-input"]
for record in found:
    head(record, "time and peak memory")
    rows = []
    for each in record["comparisons"]:
        peaks, setting = each["peak_mib"], {"dtype": each["dtype"], "tokens": each["length"]}
        for way, times in each["seconds"].items():
            beside = peaks[way] / (peaks["backbone"] or float("nan"))
            row = {"way": way, "seconds": median(times), "peak (MiB)": peaks[way]}
            rows.append(setting | row | {"peak / backbone": beside})
    show(rows, ["dtype", "tokens", "way"])

# %% [markdown]
# ## A whole checkpoint
#
# The paper measures 2,048 sequences of 2,048 tokens. Where *timed* is smaller than *sequences*, a sample was timed and
# scaled. The share of the matrix rate is of what a large matrix product of the same dtype reached in the same run.

# %% tags=["hide-input"]
columns = {
    "dtype": "dtype",
    "measures": "measures",
    "sequences": "sequences",
    "sequences_timed": "timed",
    "length": "tokens each",
    "seconds": "seconds",
    "tokens_per_second": "tokens/s",
    "share_of_matrix_rate": "share of matrix rate",
    "peak_mib": "peak (MiB)",
}

# %% tags=["hide-input"]
for record in found:
    head(record, "one checkpoint")
    rows = [each | {"measures": ", ".join(each["measures"])} for each in record["checkpoints"]]
    rows = [{new: row[old] for old, new in columns.items() if old in row} for row in rows]
    show(rows, ["dtype", "measures"])
    for measure, change in (record["bfloat16_moves"] or {}).items():
        before = record["entropies"]["float32"][measure]
        print(f"bfloat16 moves the {measure} entropy by {change:+.5f} nats, from {before:.5f}")

# %% [markdown]
# ## Probes
#
# `kent.probe` beside one probe at a time, on the same random weights; the largest difference of their values.

# %%
if not probed:
    print("No probing has been recorded yet: python benchmarks/probing.py")
for record in probed:
    size = f"{record['probes']:,} probes, {record['tokens']:,} tokens"
    head(record, f"{size}; values differ by {record['largest_difference']:.1e}.")
    show([describe(ratio) for ratio in record["ratios"]], "time of")

# %% [markdown]
# ## Learning
#
# `kent.learn` beside the Hugging Face Trainer with its default settings, on the same model and rows: seconds of the steps
# alone, without evaluation and checkpoints, and of one checkpoint; the memory a run needs above the model; and the time of
# the plain Trainer over kent's, for the steps and for the paper's 1,600 of them with each way's checkpoints. Where 1 is
# between the quartiles, the two are not told apart.

# %%
if not taught:
    print("No learning has been recorded yet: python benchmarks/learning.py")
if not any(record["device"]["kind"] == "cuda" for record in taught):
    print("No GPU has learned yet: python benchmarks/learning.py --device cuda --shape olmo-1b")

# %% tags=["hide-input"]
for record in taught:
    training, rows = record["training"], []
    setting = "{steps} steps of {batch} rows of {length:,} tokens, {rows} at once"
    head(record, setting.format(**record["setting"]))
    for way, speed in training["tokens_per_second"].items():
        share, parts = training["share_of_matrix_rate"][way], training["seconds"][way]
        row = {"way": way, "tokens/s": speed, "share of matrix rate": share}
        row |= {f"{part} (s)": median(times) for part, times in parts.items()}
        rows.append(row | {"peak (MiB)": training["peak_mib"][way]})
    show(rows, "way")

# %% tags=["hide-input"]
for record in taught:
    head(record, f"the plain Trainer's time over kent's, {record['repetitions']} rounds")
    show([describe(ratio) for ratio in record["training"]["ratios"]], "time of")

# %% [markdown]
# What evaluation would take of a run in the paper's setting, at the speed measured: an estimate. Measured are a training
# step, one probing of 1,950 probes and as many of a control, and one round of the six tasks about the world; scaled by
# tokens are 1,600 steps of 128 rows of 1,024 tokens, 11 probings, and the paper's six tasks, the length of whose documents
# is assumed. kent asks the tasks twice, before learning and after; the public code with every probing.

# %% tags=["hide-input"]
for record in taught:
    head(record, "seconds of a run in the paper's setting, scaled by tokens")
    rows = []
    for each in record["evaluation"]["shares"]:
        row = {"rounds of tasks": each["rounds"], "share of evaluation": each["share"]}
        row |= {part: each[part] for part in ("training", "probing", "tasks")}
        kept = judge(each | {"ratio": each["share"], "quartiles": [each["share"]] * 2})
        rows.append(row | {"target": kept})
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
    display(Markdown(f"{said}\n\n```bash\n{command}\n```"))
    lines = record["imports"].items()
    show([{"line": line, "seconds": median(times[way])} for way, line in lines], "line")
if not imported:
    print("No import has been timed yet: python benchmarks/importing.py")

# %% [markdown]
# ## A full run, estimated
#
# Nothing in this table is measured. It takes 2,048 sequences of 2,048 tokens, two operations per parameter and token, and an
# assumed 40 % of the matrix rate that is published for NVIDIA's H100 and H200 (67 · 10¹² operations per second in float32,
# 989 · 10¹² in bfloat16). Loading and downloading come on top. *One pass* is one checkpoint on one text; *figure 2* is all
# checkpoints of the suite and one pass more. How many passes another page takes is said in its section *Full run*. Beside the
# weights, a batch needs the activations of one layer: a smaller `batch_size` needs less.

# %%
page.estimate_full_runs().map("{:,.1f}".format)

# %% [markdown]
# ## Check
#
# The ways that give the knowledge entropy must give the same one, or the comparison would be of different things.

# %%
for comparison in (each for record in found for each in record["comparisons"]):
    entropies = comparison["knowledge_entropy"]
    close = 1e-4 if comparison["dtype"] == "float32" else 0.05
    assert max(entropies.values()) - min(entropies.values()) < close * entropies["knowledge"]
