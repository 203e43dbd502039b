"""What continual learning costs: kent.learn beside the plain Hugging Face Trainer, and what
evaluation adds to it.

    python benchmarks/learning.py      this machine, the suite tiny's shape
    python benchmarks/learning.py --device cuda --shape olmo-1b --repetitions 3

benchmarks/README.md says what is compared and how; the record goes to
results/benchmarks/{device}-learning.json, with the shape in its name where that is not tiny.
"""

import argparse
import gc
import io
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from unittest.mock import patch

import torch
from probing import train_tokenizer
from profiling import (
    count_operations,
    interleave,
    matrix_rate,
    name_device,
    peak_on_cuda,
    relate,
    resident,
    timed,
)
from transformers import PreTrainedModel, PreTrainedTokenizerFast, Trainer, TrainingArguments
from ways import SHAPES, build, draw_tokens

from kent.learning.downstream import evaluate
from kent.learning.evaluations import Evaluator
from kent.learning.knowledge import INJECTIONS, Knowledge
from kent.learning.probes import probe
from kent.learning.recipes import Recipe
from kent.learning.training import learn
from kent.records import describe_run, save_json

FAST = {"bound": "at least", "target": 1.0}  # the plain Trainer's time over kent's
SMALL = {"bound": "at most", "target": 0.15}  # evaluation's share of a run in the paper's setting
TARGETED = (("cpu", "tiny"), ("cuda", "olmo-1b"))
TRAINED = 1600 * 128 * 1024
"""Tokens of a run in the paper's setting."""
PROBINGS, PROBED = INJECTIONS + 1, 2 * 50_444
"""Its probings; tokens of one: Fictional Knowledge by GPT-2's tokenizer, and as many of a
control."""
ROUNDS = (2, PROBINGS)
"""Its rounds of the six tasks: before and at the end (kent), with every probing (the public
code)."""
# Documents that lm-evaluation-harness asks, choices, tokens of a document with a choice (assumed)
TASKS = {
    "sciq": (1000, 4, 120),
    "winogrande": (1267, 2, 30),
    "piqa": (1838, 2, 40),
    "openbookqa": (500, 4, 20),
    "hellaswag": (10042, 4, 90),
    "arc_easy": (2376, 4, 35),
}
WRITTEN = {
    "plain": 4,
    "kent": INJECTIONS,
}  # checkpoints in 1,600 steps: every 500 steps and the last; every tenth
WATCHED = {
    "train": (Trainer, "train"),
    "write": (Trainer, "_save_checkpoint"),
    "examine": (Evaluator, "examine"),
}


@dataclass(frozen=True)
class Setting:
    """What is trained on what: `rows` at once of the `batch` of a step; paragraphs injected once,
    and paraphrased."""

    device: str
    shape: str
    batch: int
    rows: int
    length: int
    steps: int
    once: int
    paraphrase: int


Way = Callable[[PreTrainedModel, Path], object]


def make(setting: Setting) -> PreTrainedModel:
    return build(setting.shape, torch.float32, setting.device)


def prepare(setting: Setting) -> tuple[PreTrainedTokenizerFast, list[Knowledge]]:
    """A tokenizer whose first token ends a text; what is told, and the control."""
    tokenizer = train_tokenizer(SHAPES[setting.shape][4])
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(0)
    return tokenizer, [
        Knowledge.synthetic(seed, once=setting.once, paraphrase=setting.paraphrase)
        for seed in (0, 1)
    ]


def list_ways(setting: Setting) -> dict[str, Way]:
    """Both ways to train a model on the same rows; each is given a folder for what it writes."""
    sequences = draw_tokens(make(setting), setting.steps * setting.batch, setting.length).cpu()
    dataset = [{"input_ids": row, "labels": row} for row in sequences]
    tokenizer, (facts, control) = prepare(setting)
    recipe = Recipe(batch=setting.batch, rows=setting.rows, steps=setting.steps, tasks="")

    def train_plainly(model: PreTrainedModel, out: Path) -> None:
        arguments = TrainingArguments(
            str(out), max_steps=setting.steps, per_device_train_batch_size=setting.rows,
            gradient_accumulation_steps=setting.batch // setting.rows,
            bf16=setting.device == "cuda", use_cpu=setting.device == "cpu",
        )  # fmt: skip
        Trainer(model, arguments, train_dataset=dataset).train()

    return {
        "plain": train_plainly,
        "kent": lambda model, out: learn(
            model, tokenizer, sequences, facts, recipe, out, control=control
        ),
    }


@contextmanager
def watch() -> Iterator[tuple[Path, dict[str, list[float]]]]:
    """A folder for one quiet run that writes only the first of its checkpoints, and the seconds of
    what is watched."""
    spent: dict[str, list[float]] = {name: [] for name in WATCHED}

    def keep_time(name: str, owner: type, method: str) -> patch:
        work = getattr(owner, method)

        def work_timed(*given, **named) -> None:
            if name != "write" or not spent[name]:
                spent[name].append(timed(lambda: work(*given, **named)))

        return patch.object(owner, method, work_timed)

    with ExitStack() as stack:
        for name, place in WATCHED.items():
            stack.enter_context(keep_time(name, *place))
        for redirect in (redirect_stdout, redirect_stderr):
            stack.enter_context(redirect(io.StringIO()))
        yield Path(stack.enter_context(TemporaryDirectory())), spent


def take_apart(setting: Setting, way: Way) -> dict[str, float]:
    """Seconds of one run's steps (without evaluation and checkpoints), of one checkpoint, of what
    is around them."""
    gc.collect()  # an earlier Trainer's optimizer goes only now
    model = make(setting)
    with watch() as (folder, spent):
        whole = timed(lambda: way(model, folder))
    (train,), (checkpoint,), examined = spent.values()
    steps = train - checkpoint - sum(examined[1:])  # the first examination is before the first step
    return {"steps": steps, "checkpoint": checkpoint, "around": whole - train - sum(examined[:1])}


def compare(setting: Setting, repetitions: int) -> dict:
    """Both ways in turns, after a round that does not count, and the memory of each."""
    peaks = {name: measure_peak(replace(setting, once=0, paraphrase=1), name) for name in WRITTEN}
    ways, rounds = list(list_ways(setting).items()), []
    for _ in range(repetitions + 1):
        rounds.append({name: take_apart(setting, way) for name, way in ways})
        ways.reverse()
    del rounds[0]
    seconds = {
        name: {part: [each[name][part] for each in rounds] for part in rounds[0][name]}
        for name in WRITTEN
    }
    steps = {name: parts["steps"] for name, parts in seconds.items()}
    whole = {name: [lengthen(setting, name, **each[name]) for each in rounds] for name in WRITTEN}
    speeds = {
        name: setting.steps * setting.batch * setting.length / median(times)
        for name, times in steps.items()
    }
    rate = matrix_rate(
        torch.bfloat16 if setting.device == "cuda" else torch.float32, setting.device
    )
    needed = 3 * count_operations(make(setting), setting.length, ("token",))
    target = FAST if (setting.device, setting.shape) in TARGETED else {}
    return {
        "seconds": seconds,
        "tokens_per_second": speeds,
        "ratios": [{"of": "steps", **relate(steps, "plain", "kent"), **target},
                   {"of": "1,600 steps, estimated", **relate(whole, "plain", "kent"), **target}],
        "matrix_rate": rate,
        "share_of_matrix_rate": {name: speed * needed / rate for name, speed in speeds.items()},
        "peak_mib": peaks,
    }  # fmt: skip


def lengthen(setting: Setting, name: str, steps: float, checkpoint: float, around: float) -> float:
    """Seconds of a run in the paper's setting, without evaluation: steps by tokens, and the
    checkpoints of this way."""
    return (
        TRAINED / (setting.steps * setting.batch * setting.length) * steps
        + WRITTEN[name] * checkpoint
        + around
    )


def measure_peak(setting: Setting, name: str) -> float:
    """MiB that training needs above the model, next to no evaluation: of the allocator, or of a
    fresh process."""
    if setting.device == "cpu":
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            return pool.submit(peak_on_cpu, setting, name).result()
    gc.collect()
    way, model = list_ways(setting)[name], make(setting)
    with watch() as (folder, _):
        return peak_on_cuda(lambda: way(model, folder))


def peak_on_cpu(setting: Setting, name: str) -> float:
    """Growth of this process's highest memory; a run of the smallest model has loaded the code
    before."""
    for each in (
        replace(setting, shape="debug", batch=1, rows=1, length=512, steps=INJECTIONS),
        setting,
    ):
        way, model, before = list_ways(each)[name], make(each), resident()
        with watch() as (folder, _):
            way(model, folder)
    return resident() - before


@contextmanager
def count_tokens(model: PreTrainedModel) -> Iterator[dict[str, int]]:
    """Rows and tokens that go through the model within the block, padding included."""
    passed = {"rows": 0, "tokens": 0}

    def add(module, given, named) -> None:
        passed["rows"] += len(named["input_ids"])
        passed["tokens"] += named["input_ids"].numel()

    handle = model.get_decoder().register_forward_pre_hook(add, with_kwargs=True)
    yield passed
    handle.remove()


def examine(setting: Setting, repetitions: int, seconds_per_token: float) -> dict:
    """A probing of both facts and a round of the world's tasks, timed; evaluation's share in the
    paper's setting."""
    model, (tokenizer, asked), passed = make(setting), prepare(setting), {}
    kinds = {
        "probing": lambda _: [probe(model, tokenizer, facts) for facts in asked],
        "tasks": lambda _: evaluate(model, tokenizer, "world"),
    }
    for name, kind in kinds.items():
        with count_tokens(model) as passed[name]:
            kind(None)
    seconds = interleave(kinds, None, repetitions)
    costs = {name: median(times) / passed[name]["tokens"] for name, times in seconds.items()}
    target = SMALL if (setting.device, setting.shape) in TARGETED else {}
    return {
        "seconds": seconds,
        "passed": passed,
        "paper": {"trained": TRAINED, "probings": PROBINGS, "probed": PROBED, "tasks": TASKS},
        "shares": [
            {**estimate(seconds_per_token, **costs, rounds=rounds), **target} for rounds in ROUNDS
        ],
    }


def estimate(training: float, probing: float, tasks: float, rounds: int) -> dict:
    """A run's seconds in the paper's setting, by tokens, from seconds a token; checkpoints are left
    out."""
    asked = sum(documents * choices * tokens for documents, choices, tokens in TASKS.values())
    parts = {
        "training": TRAINED * training,
        "probing": PROBINGS * PROBED * probing,
        "tasks": rounds * asked * tasks,
    }
    return {"rounds": rounds, **parts, "share": 1 - parts["training"] / sum(parts.values())}


def run(options: argparse.Namespace) -> dict:
    """Training beside the plain Trainer, and the share of evaluation, as one record."""
    named = {
        name: getattr(options, name)
        for name in ("device", "shape", "batch", "rows", "length", "steps")
    }
    setting = Setting(*named.values(), *options.paragraphs)
    training = compare(setting, options.repetitions)
    chosen = " ".join(
        f"--{name} {value}" for name, value in {**named, "repetitions": options.repetitions}.items()
    )
    return {
        "command": f"python benchmarks/learning.py {chosen} "
        f"--paragraphs {setting.once} {setting.paraphrase}",
        "device": {
            "kind": options.device,
            "name": name_device(options.device),
            "threads": torch.get_num_threads(),
        },
        "shape": {"name": options.shape, "parameters": make(setting).num_parameters()},
        "setting": {
            **asdict(setting),
            "autocast": "bfloat16" if options.device == "cuda" else None,
        },
        "repetitions": options.repetitions,
        "float32_products": torch.get_float32_matmul_precision(),
        "training": training,
        "evaluation": examine(
            setting, options.repetitions, 1 / training["tokens_per_second"]["kent"]
        ),
        "provenance": describe_run(),
    }


def show(training: dict, evaluation: dict) -> None:
    for name, speed in training["tokens_per_second"].items():
        share, peak = training["share_of_matrix_rate"][name], training["peak_mib"][name]
        print(
            f"{name}: {speed:,.0f} tokens/s, {share:.1%} of the matrix rate, {peak:,.0f} MiB above "
            "the model"
        )
    for ratio in training["ratios"]:
        print(
            "{of}: {over} / {under} = {ratio:.3f} "
            "({quartiles[0]:.3f} to {quartiles[1]:.3f})".format(**ratio)
        )
    for each in evaluation["shares"]:
        print("estimated share of evaluation, {rounds} rounds of tasks: {share:.1%}".format(**each))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--shape", choices=[*SHAPES], default="tiny")
    parser.add_argument("--batch", type=int, default=128, help="rows of a step")
    parser.add_argument("--rows", type=int, default=16, help="rows at once: a divisor of the batch")
    parser.add_argument("--length", type=int, help="tokens of a row; cpu: 128, cuda: 1,024")
    parser.add_argument("--steps", type=int, default=INJECTIONS, help="of a run: a multiple of 10")
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument(
        "--paragraphs", type=int, nargs=2, default=[60, 70], help="injected once, and paraphrased"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="results/benchmarks/{device}-learning[-{shape}].json when not given",
    )
    options = parser.parse_args()
    options.length = options.length or {"cpu": 128, "cuda": 1024}[options.device]
    name = f"{options.device}-learning" + (f"-{options.shape}" if options.shape != "tiny" else "")
    options.out = options.out or Path(__file__).parents[1] / f"results/benchmarks/{name}.json"
    return options


def main() -> None:
    asked = parse()
    if asked.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # kent.learn takes a GPU where there is one
    record = run(asked)
    save_json(record, asked.out)
    show(record["training"], record["evaluation"])
    print(f"Written: {asked.out}")


if __name__ == "__main__":
    main()
