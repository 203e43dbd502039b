"""Measure a folder where only the wheel of kent is installed (`make wheel`).

Prints what measuring prints, then how many packages the environment holds, and their size.
"""

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from tempfile import TemporaryDirectory

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import OlmoConfig, OlmoForCausalLM, PreTrainedTokenizerFast

EXTRA = {"accelerate", "datasets", "lm_eval", "matplotlib", "pandas", "ruamel.yaml", "scipy"}
SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
TEXT = "The memory of a language model lies in its feed-forward layers. " * 40


def save_checkpoint(folder: Path) -> None:
    """A small OLMo with random weights, and a tokenizer whose tokens are bytes."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    vocabulary = {symbol: number for number, symbol in enumerate(["<end>", *sorted(alphabet)])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
    wrapped.save_pretrained(folder)
    special = {"eos_token_id": 0, "pad_token_id": None}
    config = OlmoConfig(**SHAPE, num_attention_heads=4, vocab_size=len(vocabulary), **special)
    OlmoForCausalLM(config).save_pretrained(folder)


def main() -> None:
    installed = {each.name: each for each in distributions()}
    if extra := EXTRA & installed.keys():
        sys.exit(f"the environment is not light: it holds {', '.join(sorted(extra))}")
    with TemporaryDirectory() as folder:
        save_checkpoint(Path(folder, "checkpoint"))
        Path(folder, "text.txt").write_text(TEXT)
        command = [sys.executable, "-m", "kent", "profile", "checkpoint", "--corpus", "text.txt"]
        subprocess.run([*command, "--limit", "16", "--length", "64"], cwd=folder, check=True)
    files = [file.locate() for each in installed.values() for file in each.files or []]
    size = sum(file.stat().st_size for file in files if file.is_file()) / 2**20
    print(f"{len(installed)} packages, {size:,.0f} MiB: {', '.join(sorted(installed))}")


if __name__ == "__main__":
    main()
