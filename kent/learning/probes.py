"""Probes: the log probability of what each asks for, and K(θ) (section 4.1 of the paper).

Axes: probe (one input and its target).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import pandas as pd
import torch
from jaxtyping import Float64
from torch import Tensor
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from kent.errors import NotFiniteError
from kent.learning.knowledge import Knowledge, Probe
from kent.measure.decoders import Model, check_tokens, find_decoder, find_device
from kent.measure.head import Project, find_head, measure_surprisal
from kent.measure.streaming import Batch, freeze
from kent.settings import Count, checked
from kent.text.tokens import PATIENCE, begin

MEASURES = ("per_target_token", "padded_mean")
PADDED = 16
"""Probes that the public code pads to one length."""


@dataclass(frozen=True)
class _Line:
    """The token ids of "input target", and how many of them come before the target."""

    tokens: list[int]
    start: int


@checked
def probe(
    model: Model,
    tokenizer: PreTrainedTokenizerBase,
    knowledge: Knowledge,
    *,
    batch_size: Count = 64,
) -> pd.DataFrame:
    """Log probability of each probe's target, in nats: a row per probe, in the order of
    `knowledge.probes`.

    Columns: item, setting, kind; `per_target_token`, the mean over the target's tokens (the paper's
    text); and `padded_mean`, their sum / (padded length - 1), where the public code pads batches of
    16 probes in file order within each setting and kind. The target's tokens are those of "input
    target" after as many as the input has alone. In front of both stands the token that begins a
    text where the tokenizer puts one by its own default (`kent.text.tokens.find_bos`), which also
    counts in the padded length; no other special token is added. One space stands
    between the two: white space at the end of an input, and at both ends of a target, is no part of
    them (lm-evaluation-harness also keeps it out of its contexts). Probes of one length share a
    batch, so that none is padded; the vocabulary projection is applied only where a target is
    predicted, in float32 at least. The model is left as found.

    K(θ) is their mean within an item of a setting first, then over all items.

    Raises ValueError for a probe without a target or input token or beyond the model's positions
    (named), another model's tokenizer, no probes, a log probability that is not finite.
    """
    lines = _tokenise(knowledge.probes, tokenizer)
    _check_lines(knowledge.probes, lines, model)
    batches, sums = _gather(lines, batch_size), torch.empty(len(lines), dtype=torch.float64)
    with freeze(model):
        project = find_head(model)
        for chosen in tqdm(batches, desc="probe", unit="batch", leave=False, delay=PATIENCE):
            sums[chosen] = _score([lines[index] for index in chosen], model, project)
    if not sums.isfinite().all():
        raise NotFiniteError("a probe's log probability")
    return _tabulate(knowledge.probes, lines, sums)


def _tokenise(probes: Sequence[Probe], tokenizer: PreTrainedTokenizerBase) -> list[_Line]:
    if not probes:
        raise ValueError("the knowledge has no probes: at least one is needed")
    starts = [each.input.rstrip() for each in probes]
    ends = [each.target.strip() for each in probes]
    texts = [f"{start} {end}".rstrip() for start, end in zip(starts, ends, strict=True)]
    before, whole = (
        tokenizer(each, add_special_tokens=False, verbose=False)["input_ids"]
        for each in (starts, texts)
    )
    # As in the public code tokens are counted, not compared: one may reach over the border.
    front = begin([], tokenizer)
    pairs = zip(whole, before, strict=True)
    return [_Line([*front, *tokens], len(front) + len(start)) for tokens, start in pairs]


def _check_lines(probes: Sequence[Probe], lines: list[_Line], model: PreTrainedModel) -> None:
    for each, line in zip(probes, lines, strict=True):
        name = f"{each.kind} probe {each.input!r:.60} of {each.setting} item {each.item}"
        if not 0 < line.start < len(line.tokens):
            counts = f"of {len(line.tokens)} tokens, {line.start} are the input's"
            raise ValueError(f"{name}: {counts}; both parts need at least one")
        check_tokens(model, [torch.tensor(line.tokens, device="cpu")], f"the {name}")


def _gather(lines: list[_Line], size: int) -> list[list[int]]:
    """Indices of lines of one length, at most `size` together: no batch is padded."""
    order = sorted(range(len(lines)), key=lambda index: -len(lines[index].tokens))
    groups = [[*each] for _, each in groupby(order, key=lambda index: len(lines[index].tokens))]
    # The longest come first: what does not fit into memory is known at once.
    return [group[at : at + size] for group in groups for at in range(0, len(group), size)]


def _score(
    batch: list[_Line], model: PreTrainedModel, project: Project
) -> Float64[Tensor, " probe"]:
    """Log probability of each target, in nats, in lines of one length."""
    device = find_device(model)
    tokens = torch.tensor([line.tokens for line in batch], device=device)
    starts = torch.tensor([[line.start] for line in batch], device=device)
    # Position t predicts token t + 1, so a target's first token is asked one before its start.
    asked = torch.arange(1, tokens.shape[1], device=device) >= starts
    hidden = Batch(tokens[:, :-1], None).run(find_decoder(model))
    surprisal = measure_surprisal(hidden[asked], tokens[:, 1:][asked], project)
    # Sums are taken on the CPU in float64, in one order: a GPU's index_add has none.
    owners, sums = asked.nonzero()[:, 0].cpu(), torch.zeros(len(batch), dtype=torch.float64)
    return -sums.index_add(0, owners, surprisal)


def _tabulate(
    probes: Sequence[Probe], lines: list[_Line], sums: Float64[Tensor, " probe"]
) -> pd.DataFrame:
    """Both normalisations of the sums."""
    columns = ("item", "setting", "kind")
    table = pd.DataFrame({name: [getattr(each, name) for each in probes] for name in columns})
    lengths, groups = pd.Series([len(each.tokens) for each in lines]), [table.setting, table.kind]
    # The public code averages over all positions of a batch padded to its longest probe, but one.
    batches = lengths.groupby(groups).cumcount() // PADDED
    padded = lengths.groupby([*groups, batches]).transform("max")
    return table.assign(
        per_target_token=sums.numpy() / [len(line.tokens) - line.start for line in lines],
        padded_mean=sums.numpy() / (padded - 1),
    )
