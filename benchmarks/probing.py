"""What probing costs: kent.learning.probes.probe beside the plain way, one probe at a time.

    python benchmarks/probing.py    this machine, the shape of the suite tiny
    python benchmarks/probing.py --device cuda --shape olmo-1b    a GPU; random weights

benchmarks/README.md says what is compared and how; the record goes to
results/benchmarks/{device}-probing.json.
"""

import argparse
from itertools import islice
from pathlib import Path

import torch
from profiling import interleave, name_device, relate
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from ways import SHAPES, build

from kent.learning.knowledge import Knowledge
from kent.learning.probes import probe
from kent.records import describe_run, save_json
from kent.text.world import World

TARGET = {"bound": "at least", "target": 5.0}
"""What is aimed at on a CPU at shape tiny."""
DOCUMENTS, VOCABULARY = 1000, 2048


def train_tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """A tokenizer like the suite tiny's: byte-level pairs of the world's documents, at most 2,048
    tokens."""
    words, documents = ByteLevelBPETokenizer(), islice(World(0).documents(), DOCUMENTS)
    texts = (document.text for document in documents)
    words.train_from_iterator(texts, vocab_size=min(vocabulary, VOCABULARY), show_progress=False)
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(words.to_str()))


@torch.no_grad()
def score_singly(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, knowledge: Knowledge
) -> list[float]:
    """Mean log probability of each target's tokens, one probe at a time: tokenised, passed,
    normalised on its own."""
    found = []
    for each in knowledge.probes:
        start = len(tokenizer(each.input, add_special_tokens=False)["input_ids"])
        encoded = tokenizer(
            f"{each.input} {each.target}", add_special_tokens=False, return_tensors="pt"
        )
        encoded = encoded.to(model.device)
        chances = model(**encoded).logits[0, :-1].log_softmax(dim=-1)
        found.append(
            chances.gather(1, encoded["input_ids"][0, 1:, None])[start - 1 :].mean().item()
        )
    return found


def run(options: argparse.Namespace) -> dict:
    """Times of both ways taken in turns, their ratio, and how far their values differ, as one
    record."""
    model = build(options.shape, torch.float32, options.device)
    tokenizer, knowledge = train_tokenizer(model.config.vocab_size), Knowledge.synthetic()
    ways = {
        "singly": lambda known: score_singly(model, tokenizer, known),
        "probe": lambda known: list(probe(model, tokenizer, known)["per_target_token"]),
    }
    differences = [
        abs(a - b) for a, b in zip(*(way(knowledge) for way in ways.values()), strict=True)
    ]
    seconds = interleave(ways, knowledge, options.repetitions)
    target = TARGET if (options.device, options.shape) == ("cpu", "tiny") else {}
    texts = [f"{each.input} {each.target}" for each in knowledge.probes]
    return {
        "command": f"python benchmarks/probing.py --device {options.device} "
        f"--shape {options.shape} "
        f"--repetitions {options.repetitions}",
        "device": {
            "kind": options.device,
            "name": name_device(options.device),
            "threads": torch.get_num_threads(),
        },
        "shape": {"name": options.shape, "parameters": model.num_parameters()},
        "repetitions": options.repetitions,
        "probes": len(texts),
        "tokens": sum(map(len, tokenizer(texts)["input_ids"])),
        "seconds": seconds,
        "ratios": [{**relate(seconds, "singly", "probe"), **target}],
        "largest_difference": max(differences),
        "provenance": describe_run(),
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--shape", choices=[*SHAPES], default="tiny")
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument(
        "--out", type=Path, help="results/benchmarks/{device}-probing.json when not given"
    )
    options = parser.parse_args()
    options.out = (
        options.out
        or Path(__file__).parents[1] / f"results/benchmarks/{options.device}-probing.json"
    )
    return options


if __name__ == "__main__":
    chosen = parse()
    record = run(chosen)
    save_json(record, chosen.out)
    for ratio in record["ratios"]:
        print(
            "{over} / {under} = {ratio:.2f} ({quartiles[0]:.2f} to {quartiles[1]:.2f})".format(
                **ratio
            )
        )
    print(f"Written: {chosen.out}")
