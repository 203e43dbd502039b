"""`python -m kent profile NAME --corpus FILE` measures a checkpoint; `python -m kent run CONFIG.yaml` does one run."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

import yaml


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and do it; 0 when done, 2 after an error that the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m kent", description=__doc__)
    commands = parser.add_subparsers(required=True)
    _add_profile(commands)
    run = commands.add_parser("run", help="do one run, described by a YAML file")
    run.add_argument("config", type=Path, help="run: profile or run: pretrain, and its settings")
    run.set_defaults(command=do_run)
    options = parser.parse_args(arguments)
    try:
        options.command(options)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _add_profile(commands) -> None:
    parser = commands.add_parser("profile", help="measure a checkpoint on a text",
                                 formatter_class=argparse.ArgumentDefaultsHelpFormatter)  # fmt: skip
    parser.add_argument("name", help="suite, Hub repository, or folder")
    parser.add_argument(
        "--corpus", required=True, nargs="+", help="corpus name, or file(s): .txt, .jsonl, .jsonl.gz, .csv"
    )
    parser.add_argument("--step", type=int, help="pretraining step (default: the final model)")
    parser.add_argument("--column", default="text", help="column or key that holds the text")
    parser.add_argument("--length", type=int, default=128, help="tokens per sequence")
    parser.add_argument("--limit", type=int, default=256, help="number of sequences")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--device", help="cpu, cuda, … (default: the GPU if there is one)")
    parser.add_argument("--batch-size", type=int, default=8, help="sequences per forward pass")
    parser.add_argument("--record", type=Path, default=Path("profile.json"), help="JSON record to write")
    parser.set_defaults(command=do_profile)


def do_profile(options: argparse.Namespace) -> None:
    """Measure one checkpoint, print a table, write a JSON record."""
    import torch

    from kent.checkpoints import load, resolve
    from kent.corpora import describe, sequences
    from kent.measurement import profile
    from kent.records import save_json

    corpus = options.corpus[0] if len(options.corpus) == 1 else options.corpus
    revision = resolve(options.name, options.step)
    model, tokenizer = load(options.name, options.step, dtype=getattr(torch, options.dtype), device=options.device)
    tokens = sequences(corpus, tokenizer, length=options.length, limit=options.limit, column=options.column)
    measured = profile(model, tokens, batch_size=options.batch_size)
    text = describe(corpus, column=options.column, tokens=tokens)
    measured.provenance.update(revision=asdict(revision), corpus=text)
    save_json({**summarize(measured), "provenance": measured.provenance}, options.record)
    print(format_table(measured), f"record: {options.record}", sep="\n\n")


def summarize(measured) -> dict:
    """A profile's numbers as JSON-able values, in nats: totals with standard errors, and per layer."""
    from kent.entropy import MEASURES

    concentration = {name: [measure(vector) for vector in measured.coefficients] for name, measure in MEASURES.items()}
    return {
        "knowledge_entropy": {"value": measured.knowledge_entropy, "standard_error": measured.standard_error},
        "attention_entropy": _with_error(measured, "attention", measured.attention_entropy),
        "next_token_entropy": _with_error(measured, "token", measured.next_token_entropy),
        "loss": _with_error(measured, "loss", measured.loss),
        "entropy_bound": measured.entropy_bound,
        "knowledge_entropy_by_layer": measured.knowledge_entropy_by_layer.tolist(),
        "standard_error_by_layer": measured.standard_error_by_layer.tolist(),
        "attention_entropy_by_layer": measured.attention_entropy_by_layer.tolist(),
        "concentration_by_layer": concentration,
    }


def _with_error(measured, name: str, value: float) -> dict:
    return {"value": value, "standard_error": measured.standard_error_of(name)}


def format_table(measured) -> str:
    """A profile as two tables for people: totals with standard errors, then layer by layer."""
    summary, seen = summarize(measured), measured.provenance
    lines = [
        f"{seen['architecture']}, {seen['instances']:,} sequences of {seen['length']:,} tokens, {seen['dtype']}, "
        f"{seen['device']}",
        "",
        f"{'measure (nats)':<24}{'value':>12}{'± s.e.':>10}",
    ]
    for name in ("knowledge_entropy", "attention_entropy", "next_token_entropy", "loss"):
        lines.append(
            f"{name.replace('_', ' '):<24}{summary[name]['value']:>12.4f}{summary[name]['standard_error']:>10.4f}"
        )
    lines += [f"{'bound minus knowledge':<24}{measured.entropy_bound - measured.knowledge_entropy:>12.4f}", ""]
    lines.append(
        f"{'layer':<7}{'H':>9}{'± s.e.':>9}{'ln m - H':>10}{'exp H':>10}{'Gini':>7}{'top 1 %':>9}{'dormant':>9}"
    )
    by_layer, concentration = summary["knowledge_entropy_by_layer"], summary["concentration_by_layer"]
    for layer, (value, error) in enumerate(zip(by_layer, summary["standard_error_by_layer"], strict=True)):
        import math

        gap = math.log(len(measured.coefficients[layer])) - value
        number, gini, top, dormant = (
            concentration[name][layer] for name in ("effective number", "Gini", "top 1 % share", "dormant fraction")
        )
        lines.append(
            f"{layer:<7}{value:>9.4f}{error:>9.4f}{gap:>10.4f}{number:>10.1f}{gini:>7.3f}{top:>9.3f}{dormant:>9.3f}"
        )
    return "\n".join(lines)


def do_run(options: argparse.Namespace) -> None:
    """Do the run that a YAML file describes, unless its record is there."""
    from kent import runs

    config = yaml.safe_load(options.config.read_text("utf-8"))
    if not isinstance(config, dict):
        raise ValueError(
            f"{options.config} holds no settings: expected run: profile or run: pretrain, and its settings"
        )
    run = runs.from_config(config)
    runs.fetch(run) if config["run"] == "profile" else runs.do(run)
    print(run.path)


if __name__ == "__main__":
    sys.exit(main())
