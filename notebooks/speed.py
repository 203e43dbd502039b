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

roots = [Path(), records.PACKAGE.parent]
folder = next(
    (root / "results/benchmarks" for root in roots if (root / "results/benchmarks").is_dir()),
    Path(),
)
read = (
    [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    if folder.name
    else []
)
found, probed, taught = (
    [one for one in read if kind in one] for kind in ("comparisons", "ratios", "training")
)


# %% tags=["hide-input"]
def show(rows: list[dict], index: str | list[str]) -> None:
    """One table, numbers with four digits."""
    table = pd.DataFrame(rows).set_index(index)
    display(table.map(lambda value: f"{value:,.4g}" if isinstance(value, float) and value < 1e4 else f"{value:,.0f}"
                      if isinstance(value, float | int) else value))  # fmt: skip


def judge(ratio: dict) -> str:
    """Whether a ratio keeps its target; nothing where there is none."""
    if "target" not in ratio:
        return ""
    kept = (
        ratio["ratio"] <= ratio["target"]
        if ratio["bound"] == "at most"
        else ratio["ratio"] >= ratio["target"]
    )
    low, high = ratio["quartiles"]
    missed = (
        "not met, the target lies between the quartiles"
        if low <= ratio["target"] <= high
        else "not met"
    )
    return f"{ratio['bound']} {ratio['target']}: {'met' if kept else missed}"


def head(record: dict, about: str) -> None:
    """Which record the next table is from, and how to repeat it."""
    device, made, shape = record["device"], record["provenance"], record["shape"]
    display(Markdown(
        f"**{shape['name']} on {device['name']}**: {about}\n\n"
        f"{shape['parameters']:,} parameters; CPU threads: {device['threads']} ({made['machine']}); torch {made['torch']}; "
        f"{made['date'][:10]}, commit `{made['commit']}`.\n\n```bash\n{record['command']}\n```"
    ))  # fmt: skip


# %%
if not found:
    print("No benchmark has been recorded yet: python benchmarks/profiling.py")
if not any(record["device"]["kind"] == "cuda" for record in found):
    print(
        "No GPU has been measured yet: python benchmarks/profiling.py --device cuda --shape olmo-1b"
    )

# %% [markdown]
# ## Ratios
#
# Ratios of median times over rounds in which every way had its turn, with the quartiles of the ratio within a round.
# *backbone* is the model without its vocabulary projection, *logits* the model with it; *knowledge*, *attention* and
# *token* are `kent.profile` with one measure, *all* with all three; *public* imitates the public code; *lens* is
# TransformerLens.

# %% tags=["hide-input"]
for record in found:
    head(
        record,
        f"{record['repetitions']} rounds, {record['comparisons'][0]['sequences']} sequences in one batch",
    )
    show([
        {"dtype": comparison["dtype"], "tokens": comparison["length"], "time of": f"{ratio['over']} / {ratio['under']}",
         "ratio": ratio["ratio"], "quartiles": "{:.3f} to {:.3f}".format(*ratio["quartiles"]), "target": judge(ratio)}
        for comparison in record["comparisons"] for ratio in comparison["ratios"]
    ], ["dtype", "tokens", "time of"])  # fmt: skip
    if not record["transformer_lens"]:
        print("TransformerLens was not installed.")

# %% [markdown]
# ## Seconds and memory
#
# Median seconds of each way, and the memory it needs above the model, also as a multiple of the bare backbone's.

# %% tags=["hide-input"]
for record in found:
    head(record, "time and peak memory")
    show([
        {"dtype": comparison["dtype"], "tokens": comparison["length"], "way": way, "seconds": median(times),
         "peak (MiB)": (peak := comparison["peak_mib"][way]),
         "peak / backbone": peak / (comparison["peak_mib"]["backbone"] or float("nan"))}
        for comparison in record["comparisons"] for way, times in comparison["seconds"].items()
    ], ["dtype", "tokens", "way"])  # fmt: skip

# %% [markdown]
# ## A whole checkpoint
#
# The paper measures 2,048 sequences of 2,048 tokens. Where *timed* is smaller than *sequences*, a sample was timed and
# scaled. The share of the matrix rate is of what a large matrix product of the same dtype reached in the same run.

# %% tags=["hide-input"]
for record in found:
    head(record, "one checkpoint")
    show([
        {"dtype": checkpoint["dtype"], "measures": ", ".join(checkpoint["measures"]), "sequences": checkpoint["sequences"],
         "timed": checkpoint["sequences_timed"], "tokens each": checkpoint["length"], "seconds": checkpoint["seconds"],
         "tokens/s": checkpoint["tokens_per_second"], "share of matrix rate": checkpoint["share_of_matrix_rate"],
         **({"peak (MiB)": checkpoint["peak_mib"]} if "peak_mib" in checkpoint else {})}
        for checkpoint in record["checkpoints"]
    ], ["dtype", "measures"])  # fmt: skip
    for measure, change in (record["bfloat16_moves"] or {}).items():
        print(
            f"bfloat16 moves the {measure} entropy by {change:+.5f} nats, from {record['entropies']['float32'][measure]:.5f}"
        )

# %% [markdown]
# ## Probes
#
# `kent.probe` beside one probe at a time, on the same random weights; the largest difference of their values.

# %%
for record in probed:
    head(
        record,
        f"{record['probes']:,} probes, {record['tokens']:,} tokens; values differ by {record['largest_difference']:.1e}.",
    )
    show([
        {"time of": f"{ratio['over']} / {ratio['under']}", "ratio": ratio["ratio"],
         "quartiles": "{:.3f} to {:.3f}".format(*ratio["quartiles"]), "target": judge(ratio)}
        for ratio in record["ratios"]
    ], "time of")  # fmt: skip
if not probed:
    print("No probing has been recorded yet: python benchmarks/probing.py")

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
    setting, training = record["setting"], record["training"]
    head(
        record,
        "{steps} steps of {batch} rows of {length:,} tokens, {rows} at once".format(**setting),
    )
    show([
        {"way": way, "tokens/s": speed, "share of matrix rate": training["share_of_matrix_rate"][way],
         **{f"{part} (s)": median(times) for part, times in training["seconds"][way].items()},
         "peak (MiB)": training["peak_mib"][way]}
        for way, speed in training["tokens_per_second"].items()
    ], "way")  # fmt: skip

# %% tags=["hide-input"]
for record in taught:
    head(record, f"the plain Trainer's time over kent's, {record['repetitions']} rounds")
    show([
        {"of": ratio["of"], "plain / kent": ratio["ratio"], "quartiles": "{:.3f} to {:.3f}".format(*ratio["quartiles"]),
         "target": judge(ratio)}
        for ratio in record["training"]["ratios"]
    ], "of")  # fmt: skip

# %% [markdown]
# What evaluation would take of a run in the paper's setting, at the speed measured: an estimate. Measured are a training
# step, one probing of 1,950 probes and as many of a control, and one round of the six tasks about the world; scaled by
# tokens are 1,600 steps of 128 rows of 1,024 tokens, 11 probings, and the paper's six tasks, the length of whose documents
# is assumed. kent asks the tasks twice, before learning and after; the public code with every probing.

# %% tags=["hide-input"]
for record in taught:
    head(record, "seconds of a run in the paper's setting, scaled by tokens")
    shares = record["evaluation"]["shares"]
    show([
        {"rounds of tasks": each["rounds"], **{part: each[part] for part in ("training", "probing", "tasks")},
         "share of evaluation": each["share"],
         "target": judge({**each, "ratio": each["share"], "quartiles": [each["share"]] * 2})}
        for each in shares
    ], "rounds of tasks")  # fmt: skip

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
for record in found:
    for comparison in record["comparisons"]:
        entropies, close = (
            comparison["knowledge_entropy"],
            1e-4 if comparison["dtype"] == "float32" else 0.05,
        )
        assert max(entropies.values()) - min(entropies.values()) < close * entropies["knowledge"]
