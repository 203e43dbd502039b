"""What measuring costs: kent.profile beside the bare forward pass and beside other ways to get the
same numbers.

    python benchmarks/profiling.py                                  this machine
    python benchmarks/profiling.py --device cuda --shape olmo-1b    a GPU; random weights

benchmarks/README.md says what is compared and how; the record goes to
results/benchmarks/{device}-{shape}.json.
"""

import argparse
import multiprocessing
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.benchmark import Timer
from transformers import OlmoForCausalLM
from ways import SHAPES, WAYS, Way, build, draw_tokens, lens_version

from kent import profile
from kent.records import describe_run, save_json

# The first's time over the second's; what is aimed at on a CPU at shape small, by sequence length.
COMPARISONS = (
    ("knowledge", "backbone", "at most", {512: 1.05, 2048: 1.05}),
    ("public", "knowledge", "at least", {512: 1.7, 2048: 2.0}),
    ("all", "logits", "at most", {512: 1.3, 2048: 1.3}),
    ("attention", "backbone", "", {}),
    ("token", "logits", "", {}),
    ("logits", "backbone", "", {}),
    ("lens", "knowledge", "", {}),
)
ALL = ("knowledge", "attention", "token")
COMPARED, WHOLE, BATCH = (
    4,
    2048,
    8,
)  # sequences in a comparison, in a measurement of a checkpoint, and per batch of it
WHOLE_SECONDS = (
    75  # a measurement of a checkpoint that would take longer is timed on a sample of its batches
)


def timed(call: Callable[[], object]) -> float:
    """Seconds of a call, on a GPU until its work is done."""
    settle = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    settle()
    start = time.perf_counter()
    call()
    settle()
    return time.perf_counter() - start


def interleave(ways: dict[str, Way], tokens: Tensor, repetitions: int) -> dict[str, list[float]]:
    """Seconds of each way, taken in turns; a first round warms up and is left out."""
    rounds = [
        {name: timed(lambda way=way: way(tokens)) for name, way in ways.items()}
        for _ in range(repetitions + 1)
    ]
    return {name: [times[name] for times in rounds[1:]] for name in ways}


def divide(seconds: dict[str, list[float]], length: int, targeted: bool) -> list[dict]:
    """Every ratio between ways that were timed, and the target where there is one."""
    found = []
    for over, under, bound, targets in COMPARISONS:
        if not {over, under} <= seconds.keys():
            continue
        target = (
            {"bound": bound, "target": targets[length]} if targeted and length in targets else {}
        )
        found.append({**relate(seconds, over, under), **target})
    return found


def relate(seconds: dict[str, list[float]], over: str, under: str) -> dict:
    """Median and quartiles of the ratio of two ways' times within a round.

    The ratio of the medians may lie outside these quartiles: what slows a whole round moves both.
    """
    each = [a / b for a, b in zip(seconds[over], seconds[under], strict=True)]
    low, ratio, high = (
        statistics.quantiles(each, n=4, method="inclusive") if len(each) > 1 else each * 3
    )
    return {"over": over, "under": under, "ratio": ratio, "quartiles": [low, high]}


def resident() -> float:
    """Highest memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**20 if sys.platform == "darwin" else 2**10
    )


@torch.no_grad()
def peak_on_cpu(shape: str, dtype: str, length: int, name: str) -> float:
    """MiB that one way needs above the model, in a process that has done nothing else."""
    torch.set_default_dtype(getattr(torch, dtype))
    model = build(shape, getattr(torch, dtype), "cpu")
    way = WAYS[name](model)
    way(draw_tokens(model, 1, 8))
    before = resident()
    way(draw_tokens(model, COMPARED, length))
    return resident() - before


def peak_on_cuda(call: Callable[[], object]) -> float:
    """MiB allocated on the GPU at the most during a call, above what was allocated before it."""
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    call()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def peaks_on_cpu(
    shape: str, dtypes: list[str], lengths: list[int]
) -> dict[tuple[str, int], dict[str, float]]:
    """Peaks of all ways by dtype and length, each in a fresh process, while this one is still
    small."""
    jobs = [(shape, *job) for job in product(dtypes, lengths, WAYS)]
    with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
        found = dict(zip(jobs, pool.starmap(peak_on_cpu, jobs, chunksize=1), strict=True))
    return {
        key: {name: found[shape, *key, name] for name in WAYS} for key in product(dtypes, lengths)
    }


def matrix_rate(dtype: torch.dtype, device: str) -> float:
    """Floating-point operations per second of a large square matrix product."""
    size = 8192 if device == "cuda" else 1024
    matrix = torch.randn(size, size, device=device).to(dtype)
    timer = Timer(
        "matrix @ matrix", globals={"matrix": matrix}, num_threads=torch.get_num_threads()
    )
    return 2 * size**3 / timer.blocked_autorange(min_run_time=1).median


def count_operations(model: OlmoForCausalLM, length: int, measures: tuple[str, ...]) -> int:
    """Floating-point operations per token: two per weight of a matrix product, and the causal half
    of attention."""
    config = model.config
    weights = sum(weight.numel() for weight in model.get_decoder().layers.parameters())
    head = config.hidden_size * config.vocab_size if "token" in measures else 0
    return 2 * (weights + head) + 2 * length * config.hidden_size * config.num_hidden_layers


@torch.no_grad()
def measure_checkpoint(
    model: OlmoForCausalLM, length: int, measures: tuple[str, ...], rate: float
) -> dict:
    """Time and memory of measuring a checkpoint on 2,048 sequences, on a sample of their batches
    where that is slow."""
    sequences = draw_tokens(model, WHOLE, length)

    def measure(count: int) -> None:
        profile(model, sequences[:count], batch_size=BATCH, measures=measures)

    measure(BATCH)
    affordable = int(WHOLE_SECONDS / timed(lambda: measure(BATCH))) * BATCH
    count = min(max(affordable, BATCH), WHOLE)
    seconds = timed(lambda: measure(count))
    speed = count * length / seconds
    return {
        "measures": list(measures),
        "length": length,
        "sequences": WHOLE,
        "sequences_timed": count,
        "seconds": seconds * WHOLE / count,
        "tokens_per_second": speed,
        "matrix_rate": rate,
        "share_of_matrix_rate": speed * count_operations(model, length, measures) / rate,
        **(
            {"peak_mib": peak_on_cuda(lambda: measure(BATCH))}
            if model.device.type == "cuda"
            else {}
        ),
    }


@torch.no_grad()
def compare(
    model: OlmoForCausalLM, length: int, repetitions: int, targeted: bool, peaks: dict | None
) -> dict:
    """All ways on the same tokens: times, ratios, peak memory, and the knowledge entropy where a
    way gives it."""
    ways = {name: prepare(model) for name, prepare in WAYS.items()}
    tokens = draw_tokens(model, COMPARED, length)
    seconds = interleave(ways, tokens, repetitions)
    peaks = peaks or {name: peak_on_cuda(lambda way=way: way(tokens)) for name, way in ways.items()}
    entropies = {
        name: ways[name](tokens) for name in ("knowledge", "public", "lens") if name in ways
    }
    return {
        "length": length,
        "sequences": COMPARED,
        "seconds": seconds,
        "ratios": divide(seconds, length, targeted),
        "peak_mib": peaks,
        "knowledge_entropy": entropies,
    }


def measure_entropies(model: OlmoForCausalLM, length: int) -> dict[str, float]:
    found = profile(model, draw_tokens(model, COMPARED, length), batch_size=COMPARED)
    return {"knowledge": found.knowledge_entropy, "attention": found.attention_entropy,
            "token": found.next_token_entropy}  # fmt: skip


def name_device(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text("utf-8").splitlines() if listed.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--shape", choices=[*SHAPES], default="small")
    parser.add_argument(
        "--length", type=int, nargs="+", default=[512, 2048], help="tokens per sequence"
    )
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument(
        "--dtype", choices=["float32", "bfloat16"], nargs="+", help="cpu: float32; cuda: both"
    )
    parser.add_argument(
        "--out", type=Path, help="results/benchmarks/{device}-{shape}.json when not given"
    )
    options = parser.parse_args()
    options.dtype = options.dtype or (
        ["float32"] if options.device == "cpu" else ["float32", "bfloat16"]
    )
    options.out = (
        options.out
        or Path(__file__).parents[1] / f"results/benchmarks/{options.device}-{options.shape}.json"
    )
    return options


@torch.no_grad()
def run(options: argparse.Namespace) -> dict:
    """Everything that was asked for, as one record."""
    on_cpu, targeted = options.device == "cpu", (options.device, options.shape) == ("cpu", "small")
    peaks = peaks_on_cpu(options.shape, options.dtype, options.length) if on_cpu else {}
    comparisons, checkpoints, entropies = [], [], {}
    for dtype in options.dtype:
        model = build(options.shape, getattr(torch, dtype), options.device)
        for length in options.length:
            found = compare(
                model, length, options.repetitions, targeted, peaks.get((dtype, length))
            )
            comparisons.append({"dtype": dtype, **found})
            show(comparisons[-1])
        entropies[dtype] = measure_entropies(model, max(options.length))
        rate = matrix_rate(getattr(torch, dtype), options.device)
        for measures in (("knowledge",), ALL):
            found = measure_checkpoint(model, max(options.length), measures, rate)
            checkpoints.append({"dtype": dtype, **found})
            print(
                "{dtype} {measures}: {seconds:.1f} s for {sequences} sequences of {length}".format(
                    **checkpoints[-1]
                )
            )
        parameters = model.num_parameters()
        del model
    return {
        **describe(options, parameters),
        "comparisons": comparisons,
        "checkpoints": checkpoints,
        "entropies": entropies,
        "bfloat16_moves": move(**entropies) if len(entropies) == 2 else None,
        "provenance": describe_run(),
    }


def move(float32: dict[str, float], bfloat16: dict[str, float]) -> dict[str, float]:
    """How far each entropy is in bfloat16 from what it is in float32, in nats."""
    return {measure: bfloat16[measure] - float32[measure] for measure in float32}


def show(comparison: dict) -> None:
    for ratio in comparison["ratios"]:
        low, high = ratio["quartiles"]
        print("{dtype} {length}: ".format(**comparison), end="")
        print(
            "{over} / {under} = {ratio:.3f}".format(**ratio),
            f"({low:.3f} to {high:.3f})",
            flush=True,
        )


def describe(options: argparse.Namespace, parameters: int) -> dict:
    """What was run, on what, and the command that does it again."""
    lengths, dtypes = " ".join(map(str, options.length)), " ".join(options.dtype)
    chosen = f"--device {options.device} --shape {options.shape} --length {lengths}"
    command = f"python benchmarks/profiling.py {chosen}"
    names = ("width", "layers", "neurons", "heads", "vocabulary", "tied")
    return {
        "command": f"{command} --repetitions {options.repetitions} --dtype {dtypes}",
        "device": {
            "kind": options.device,
            "name": name_device(options.device),
            "threads": torch.get_num_threads(),
        },
        "shape": {
            "name": options.shape,
            "parameters": parameters,
            **dict(zip(names, SHAPES[options.shape], strict=True)),
        },
        "repetitions": options.repetitions,
        "float32_products": torch.get_float32_matmul_precision(),
        "transformer_lens": lens_version(),
    }


def main() -> None:
    chosen = parse()
    save_json(run(chosen), chosen.out)
    print(f"Written: {chosen.out}")


if __name__ == "__main__":
    main()
