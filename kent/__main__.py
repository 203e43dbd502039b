"""`python -m kent profile NAME --corpus FILE` measures a checkpoint; `python -m kent run
CONFIG.yaml …` does runs."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

import pandas as pd

import kent

TOTALS = ("knowledge_entropy", "attention_entropy", "next_token_entropy", "loss")


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and do it; 0 when done, 2 after an error that the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m kent", description=__doc__)
    commands = parser.add_subparsers(required=True)
    _add_profile(commands)
    run = commands.add_parser("run", help="do runs, each described by a YAML file")
    run.add_argument(
        "configs",
        type=Path,
        nargs="+",
        metavar="CONFIG.yaml",
        help="run: profile (or another kind), …",
    )
    run.set_defaults(command=do_run)
    options = parser.parse_args(arguments)
    try:
        options.command(options)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _add_profile(commands) -> None:
    formatter = argparse.ArgumentDefaultsHelpFormatter
    parser = commands.add_parser(
        "profile", help="measure a checkpoint on a text", formatter_class=formatter
    )
    parser.add_argument("name", help="suite, Hub repository, or folder")
    parser.add_argument(
        "--corpus",
        required=True,
        nargs="+",
        help="corpus name or .txt, .jsonl, .jsonl.gz, .csv files",
    )
    parser.add_argument("--step", type=int, help="pretraining step (default: the final model)")
    parser.add_argument("--column", default="text", help="column or key that holds the text")
    parser.add_argument("--length", type=int, default=128, help="tokens per sequence")
    parser.add_argument("--limit", type=int, default=256, help="number of sequences")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--device", help="cpu, cuda, … (default: the GPU if there is one)")
    parser.add_argument("--batch-size", type=int, default=8, help="sequences per forward pass")
    parser.add_argument(
        "--record", type=Path, default=Path("profile.json"), help="JSON record to write"
    )
    parser.set_defaults(command=do_profile)


def do_profile(options: argparse.Namespace) -> None:
    """Measure one checkpoint, print a table, write a JSON record; what would stop this is found
    before the work."""
    import torch

    from kent.files import check_writable
    from kent.models.checkpoints import find_device
    from kent.settings import Count, Several, check

    check({"length": Several, "limit": Count, "batch_size": Count}, vars(options))
    _check_record(options)
    check_writable(options.record)
    device = find_device(options.device)
    corpus = options.corpus[0] if len(options.corpus) == 1 else options.corpus
    kent.describe(
        corpus, column=options.column
    )  # an unreadable text is refused before the model is loaded
    revision = kent.resolve(options.name, options.step)
    model, tokenizer = kent.load(
        options.name, options.step, dtype=getattr(torch, options.dtype), device=device
    )
    tokens = kent.sequences(
        corpus, tokenizer, length=options.length, limit=options.limit, column=options.column
    )
    profile = kent.profile(model, tokens, batch_size=options.batch_size)
    text = kent.describe(corpus, column=options.column, tokens=tokens)
    profile.provenance.update(revision=asdict(revision), corpus=text)
    summary = profile.summarize()
    try:  # whichever of the two fails, the numbers are in the other
        print(format_table(summary, profile.provenance), flush=True)
    finally:
        kent.records.save_json({**summary, "provenance": profile.provenance}, options.record)
    print(f"\nrecord: {options.record}")


def _check_record(options: argparse.Namespace) -> None:
    """Raise `ValueError` for a record that would take the place of what is measured."""
    from kent.files import expand
    from kent.models.folders import PARTS

    record, folder = expand(options.record), expand(options.name).resolve()
    read = [path for path in map(expand, options.corpus) if path.exists() and record.exists()]
    part = folder in record.resolve().parents and any(record.match(pattern) for pattern in PARTS)
    if part or any(path.samefile(record) for path in read):
        raise ValueError(
            f"the record {options.record} would take the place of what is measured: name another "
            "file"
        )


def format_table(summary: dict, provenance: dict) -> str:
    """A profile's summary as two tables for people: totals with standard errors, then layer by
    layer."""
    measured = (
        "{architecture}, {instances:,} sequences of {length:,} tokens, {dtype}, {device}".format(
            **provenance
        )
    )
    totals = pd.DataFrame({name.replace("_", " "): summary[name] for name in TOTALS}).T
    totals.columns = ["nats", "± s.e."]
    totals.loc["bound minus knowledge"] = [
        summary["entropy_bound"] - summary["knowledge_entropy"]["value"],
        float("nan"),
    ]
    layers = pd.DataFrame(summary["by_layer"]).rename_axis("layer")
    layers.columns = [name.replace("_", " ") for name in layers]
    return "\n\n".join(
        [
            measured,
            totals.to_string(float_format="%.4f", na_rep=""),
            layers.to_string(float_format="%.4g"),
        ]
    )


def do_run(options: argparse.Namespace) -> None:
    """Do the runs that YAML files describe, unless their records are there, and print where the
    records are."""
    from kent.runs.execution import complete

    for run in [_plan(path) for path in options.configs]:
        complete(run)
        print(run.path)


def _plan(path: Path) -> "kent.runs.definitions.Run":
    from kent.runs.configurations import read_config
    from kent.runs.definitions import from_config

    config = read_config(path)
    try:
        return from_config(config)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
