"""Recorded benchmarks in words: ratios of times with their quartiles, and what is aimed at.

A ratio is a dictionary as benchmarks write it: `over`, `under`, `ratio`, `quartiles`, and where
something is aimed at a `bound` ("at most" or "at least") and a `target`.
"""

from collections.abc import Mapping


def format_ratio(ratio: Mapping) -> str:
    """A ratio with its quartiles.

    >>> format_ratio({"ratio": 1.5, "quartiles": [1.4, 1.75]})
    '1.500 (1.400 to 1.750)'
    """
    return "{:.3f} ({:.3f} to {:.3f})".format(ratio["ratio"], *ratio["quartiles"])


def judge_aim(ratio: Mapping) -> str:
    """Whether a ratio keeps what is aimed at; nothing where nothing is.

    Open where the aim lies between the quartiles.
    """
    if "target" not in ratio:
        return ""
    target, (low, high) = ratio["target"], ratio["quartiles"]
    over = ratio["ratio"] - target if ratio["bound"] == "at most" else target - ratio["ratio"]
    found = "met" if over <= 0 else "not met"
    if low <= target <= high and low < high:
        found = "open, it lies between the quartiles"
    return f"{ratio['bound']} {target}: {found}"


def describe_ratio(ratio: Mapping) -> dict[str, str]:
    """A ratio's columns: whose it is, its value and quartiles, what is aimed at."""
    name = ratio.get("of") or "{over} / {under}".format(**ratio)
    return {"time of": name, "ratio": format_ratio(ratio), "aim": judge_aim(ratio)}


def describe_record(record: Mapping, about: str) -> list[str]:
    """Paragraphs in Markdown: which record a table is from, on what, and how to repeat it."""
    device, made, shape = record["device"], record["provenance"], record["shape"]
    machine = f"CPU threads: {device['threads']} ({made['machine']}); torch {made['torch']}"
    when = f"{made['date'][:10]}, commit `{made['commit']}`"
    command = record["command"].replace(" --", " \\\n  --")
    run = f"{shape['parameters']:,} parameters; {machine}; {when}."
    title = f"**{shape['name']} on {device['name']}**: {about}"
    return [title, run, f"```bash\n{command}\n```"]


def say_measuring(record: Mapping) -> str:
    """What a record of comparisons comes to, at its longest sequences."""
    last = max(record["comparisons"], key=lambda each: each["length"])
    ratios = {(each["over"], each["under"]): format_ratio(each) for each in last["ratios"]}
    entropy, public = ratios["knowledge", "backbone"], ratios["public", "knowledge"]
    model = f"a model of {record['shape']['parameters']:,} parameters on {record['device']['name']}"
    return (
        f"For {model} and sequences of {last['length']:,} tokens, measuring knowledge entropy "
        f"takes **{entropy}** times as long as the bare forward pass, and an imitation of the "
        f"paper's public code **{public}** times as long as `kent.profile`."
    )


def say_learning(record: Mapping) -> str:
    """What a record of learning comes to."""
    ratio = record["training"]["ratios"][0]
    low, high = ratio["quartiles"]
    apart = "the two are not told apart" if low <= 1 <= high else "the two differ"
    said = f"The steps of a plain Hugging Face Trainer take **{format_ratio(ratio)}** times as long"
    return f"{said} as those of `kent.learn`: {apart}."
