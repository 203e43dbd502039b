"""Documents as tokens, of which no more is read and tokenised than is wanted."""

from array import array
from collections.abc import Callable, Iterator

from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerBase

MARGIN = 128
"""Tokens by which a beginning must grow before those in front of them count as settled.

More than the hundred that WordPiece may turn into one, UNK, when their word goes on.
"""
ADDED = "added_token_id"
"""Under which a model's configuration says what `find_bos` finds of its tokenizer."""
BATCH = 2**20  # characters that are tokenised together
PATIENCE = 5  # seconds after which a progress bar is shown


def find_bos(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The token that a tokenizer puts in front of a text by its own default; None for none.

    Models whose tokenizers do were trained so, and are no language models without it
    (lm-evaluation-harness's pull request 1465: Gemma-7B's perplexity is 5.9e9, and 3.46 with it).
    OLMo's, Pythia's, SmolLM2's and Qwen's do not.
    """
    plain, own = (
        tokenizer("a", add_special_tokens=special, verbose=False)["input_ids"]
        for special in (False, True)
    )
    added = len(own) > len(plain) and own[0] == tokenizer.bos_token_id
    return own[0] if added else None


def begin(tokens: list[int], tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens of a text, with the token in front that `find_bos` names, if there is one."""
    bos = find_bos(tokenizer)
    return tokens if bos is None else [bos, *tokens]


def tokenise(
    documents: Iterator[Iterator[str]], tokenizer: PreTrainedTokenizerBase, wanted: int | None
) -> array:
    """Token ids of documents, each ended by the end-of-text token, until there are `wanted`."""
    tokens, shown = array("q"), {"desc": "sequences", "unit": "token", "unit_scale": True}
    with tqdm(total=wanted, leave=False, delay=PATIENCE, **shown) as bar:
        while wanted is None or len(tokens) < wanted:
            needed = None if wanted is None else wanted - len(tokens)
            texts, rest = _take(documents, BATCH if needed is None else min(BATCH, 4 * needed))
            if not texts:
                break
            for ids in _encode(texts, rest, tokenizer, needed):
                tokens.extend(ids)
                tokens.append(tokenizer.eos_token_id)
            bar.update(len(tokens) - bar.n)
    return tokens


def _take(documents: Iterator[Iterator[str]], characters: int) -> tuple[list[str], Iterator[str]]:
    """Texts of about so many characters together, the last perhaps cut; and how that goes on."""
    texts, rest = [], iter(())
    while characters > 0 and (document := next(documents, None)) is not None:
        texts.append(_read(rest := document, characters))
        characters -= len(texts[-1])
    return texts, rest


def _read(pieces: Iterator[str], characters: int) -> str:
    """The pieces until they hold as many characters, or all."""
    read = []
    while characters > 0 and (piece := next(pieces, None)) is not None:
        read.append(piece)
        characters -= len(piece)
    return "".join(read)


def _encode(
    texts: list[str], rest: Iterator[str], tokenizer: PreTrainedTokenizerBase, needed: int | None
) -> list[list[int]]:
    """Token ids of each text; the last goes on with `rest`, and only `needed` of it are found."""

    def encode(texts: list[str]) -> list[list[int]]:
        options = {"add_special_tokens": False, "return_attention_mask": False, "verbose": False}
        return tokenizer(texts, **options)["input_ids"] if texts else []

    *whole, last = texts
    if needed is None:
        return encode([*whole, last + "".join(rest)])
    return [*encode(whole), _encode_beginning(last, rest, encode, needed)]


def _encode_beginning(
    text: str, rest: Iterator[str], encode: Callable[[list[str]], list[list[int]]], needed: int
) -> list[int]:
    """The first `needed` token ids of a document, or all that it has, from no more of it than that
    takes.

    How many characters make a token is the tokenizer's secret, which may drop, join or rewrite
    them. So beginnings of the document are tokenised, each half as long again as the one before,
    until one has MARGIN tokens more than the one before, and those needed are the same in both, and
    without the last character too (as they would not be in the middle of a long number that is
    split from its end): what a cut changes is then further on.
    """
    text += _read(rest, 6 * (needed + MARGIN) - len(text))
    (found,) = encode([text])
    while more := _read(rest, len(text) // 2):
        text, before = text + more, found
        (found,) = encode([text])
        grown = len(found) >= len(before) + MARGIN
        if grown and found[:needed] == before[:needed] == encode([text[:-1]])[0][:needed]:
            break
    return found[:needed]
