"""`python -m kent profile NAME --corpus FILE` measures; `… suite NAME` lists a suite's checkpoints;
`… run CONFIG.yaml …` does runs."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

import kent

TOTALS = ("knowledge_entropy", "attention_entropy", "next_token_entropy", "loss", "routing_entropy")
MEASURES = ("knowledge", "attention", "token")


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and do it; 0 when done, 2 after an error that the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m kent", description=__doc__)
    commands = parser.add_subparsers(required=True)
    _add_profile(commands)
    _add_suite(commands)
    run = commands.add_parser("run", help="do runs, each described by a YAML file")
    described = {"metavar": "CONFIG.yaml", "help": "run: profile (or another kind), …"}
    run.add_argument("configs", type=Path, nargs="+", **described)
    run.set_defaults(command=do_run)
    options = parser.parse_args(arguments)
    try:
        options.command(options)
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _add_profile(commands) -> None:
    formatter = argparse.ArgumentDefaultsHelpFormatter
    said = "measure a checkpoint on a text"
    parser = commands.add_parser("profile", help=said, formatter_class=formatter)
    parser.set_defaults(command=do_profile)
    add = parser.add_argument
    add("name", help="suite, Hub repository, folder, or .gguf file")
    files = "corpus name or .txt, .jsonl, .jsonl.gz, .csv files"
    add("--corpus", required=True, nargs="+", help=files)
    add("--step", type=int, help="pretraining step (default: the final model)")
    add("--branch", help="branch on the Hub, or folder of a checkpoint, instead of a step")
    add("--column", default="text", help="column or key that holds the text")
    add("--length", type=int, default=128, help="tokens per sequence")
    add("--limit", type=int, default=256, help="number of sequences")
    taken = {"nargs": "+", "choices": MEASURES, "metavar": "MEASURE"}
    some = f"some of {', '.join(MEASURES)} (default: all that the model allows)"
    add("--measures", default=argparse.SUPPRESS, help=some, **taken)
    add("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    add("--device", help="cpu, cuda, … (default: the GPU if there is one)")
    add("--batch-size", type=int, default=8, help="sequences per forward pass")
    add("--title", help="what figures call the model (default: as NAME says)")
    add("--tokens", type=int, help="read in pretraining so far, where the branch does not say")
    drawn = "JSON record to write, which the book's figures draw"
    add("--record", type=Path, default=Path("profile.json"), help=drawn)


def _add_suite(commands) -> None:
    formatter = argparse.ArgumentDefaultsHelpFormatter
    said = "list a suite's checkpoints, and what measuring them takes"
    parser = commands.add_parser("suite", help=said, formatter_class=formatter)
    parser.set_defaults(command=do_suite)
    parser.add_argument("name", help="suite, Hub repository, or folder")
    parser.add_argument("--length", type=int, default=128, help="tokens per sequence")
    parser.add_argument("--limit", type=int, default=256, help="number of sequences")
    parser.add_argument("--device", help="cpu, cuda, … (default: the GPU if there is one)")


def do_suite(options: argparse.Namespace) -> None:
    """Print a suite's checkpoints with stage, step and tokens, and what measuring them takes."""
    from kent.models.catalogue import describe_suite
    from kent.models.costs import estimate_cost, time_products
    from kent.models.devices import choose_device
    from kent.models.places import tabulate_places
    from kent.models.revisions import find_checkpoint, list_places
    from kent.models.suites import SUITES
    from kent.settings import Count, Several, check

    check({"length": Several, "limit": Count}, vars(options))
    device, own = choose_device(options.device), SUITES.get(options.name)
    if words := str(suite := describe_suite(own.repository or "" if own else options.name)):
        print(words, end="\n\n")
    if suite.name == options.name:
        print("repositories, such as:", *suite.example, sep="\n")
        return
    if places := list_places(options.name):
        print(_align(tabulate_places(places), "{:,}"), end="\n\n")
    cost = estimate_cost(*find_checkpoint(options.name, None, next(reversed(places), None)))
    tokens = options.length * options.limit
    print(cost.say(max(1, len(places)), tokens, time_products(device=device)))


def do_profile(options: argparse.Namespace) -> None:
    """Measure one checkpoint, print a table, write a JSON record.

    Of torchrun's processes, which share the work, the first prints and writes. What would stop this
    is found before the work: an unreadable text before the model is loaded.
    """
    import torch

    from kent import records
    from kent.files import check_writable
    from kent.measure import contributions
    from kent.measure.sharing import find_place
    from kent.models.devices import choose_device
    from kent.models.places import count_tokens
    from kent.settings import Count, Several, Whole, check

    wanted = {"length": Several, "limit": Count, "batch_size": Count, "tokens": Whole | None}
    check(wanted | {"title": contributions.Title | None}, vars(options))
    _check_record(options)
    check_writable(options.record)
    device = choose_device(options.device)
    corpus = options.corpus[0] if len(options.corpus) == 1 else options.corpus
    column, dtype = options.column, getattr(torch, options.dtype)
    kent.describe(corpus, column=column)
    chosen = {"step": options.step, "branch": options.branch}
    revision = kent.resolve(options.name, **chosen)
    model, tokenizer = kent.load(options.name, **chosen, dtype=dtype, device=device)
    sizes = {"length": options.length, "limit": options.limit}
    tokens = kent.sequences(corpus, tokenizer, column=column, **sizes)
    settings = {"batch_size": options.batch_size, "measures": getattr(options, "measures", None)}
    profile = kent.profile(model, tokens, **settings)
    text = kent.describe(corpus, column=column, tokens=tokens)
    profile.provenance.update(revision=asdict(revision), corpus=text)
    if find_place()[0] > 0:  # torchrun's processes have the same result, and the first writes it
        return
    read = count_tokens(asdict(revision)) if options.tokens is None else options.tokens
    about = {"name": _name_model(options, revision), "parameters": model.num_parameters()}
    record = contributions.make(profile, **about, tokens=read)
    try:  # whichever of the two fails, the numbers are in the other
        print(format_table(record, profile.provenance), flush=True)
    finally:
        records.save_json(record, options.record)
    print(f"\nrecord: {options.record}")


def _name_model(options: argparse.Namespace, revision: "kent.models.revisions.Revision") -> str:
    """What figures call a model: as asked, as its suite has it, or by its repository or folder."""
    from kent.models.suites import SUITES

    own = SUITES.get(options.name)
    return options.title or (own and own.title) or Path(revision.repository).absolute().name[:80]


def _check_record(options: argparse.Namespace) -> None:
    """Raise `ValueError` for a record that would take the place of what is measured."""
    from kent.files import expand
    from kent.models.folders import PARTS

    record, folder = expand(options.record), expand(options.name).resolve()
    read = [path for path in map(expand, options.corpus) if path.exists() and record.exists()]
    part = folder in record.resolve().parents and any(record.match(pattern) for pattern in PARTS)
    if part or any(path.samefile(record) for path in read):
        taken = f"the record {options.record} would take the place of what is measured"
        raise ValueError(f"{taken}: name another file")


def format_table(summary: dict, provenance: dict) -> str:
    """A profile's summary as two tables for people: totals in nats, then layer by layer.

    Below them what was left out, and why.
    """
    form = "{architecture}, {instances:,} sequences of {length:,} tokens, {dtype}, {device}"
    taken = [name for name in TOTALS if name in summary]
    rows = [["", "nats", "± s.e."]]
    rows += [[name.replace("_", " "), *summary[name].values()] for name in taken]
    if "entropy_bound" in summary:
        gap = summary["entropy_bound"] - summary["knowledge_entropy"]["value"]
        rows += [["bound minus knowledge", gap, ""]]
    by_layer = summary["by_layer"]
    layers = [["layer", *(name.replace("_", " ") for name in by_layer)]]
    layers += [[str(layer), *row] for layer, row in enumerate(zip(*by_layer.values(), strict=True))]
    tables = [_align(rows, "{:.4f}"), *([_align(layers, "{:.4g}")] if by_layer else [])]
    reasons = [f"left out: {name}: {why}" for name, why in summary.get("left_out", {}).items()]
    return "\n\n".join([form.format(**provenance), *tables, *reasons])


def _align(rows: list[list[str | float]], form: str) -> str:
    """Rows in columns: the first to the left, numbers, in the given form, to the right.

    What is not known (NaN) stays blank.
    """
    written = [
        [each if isinstance(each, str) else form.format(each) for each in row] for row in rows
    ]
    cells = [["" if each == "nan" else each for each in row] for row in written]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in cells]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def do_run(options: argparse.Namespace) -> None:
    """Do the runs that YAML files describe, unless done; print where their records are."""
    from kent.runs.execution import complete

    for run in [_plan(path) for path in options.configs]:
        complete(run)
        print(run.path)


def _plan(path: Path) -> "kent.runs.names.Run":
    from kent.runs.configurations import read_config
    from kent.runs.definitions import from_config

    config = read_config(path)
    try:
        return from_config(config)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
