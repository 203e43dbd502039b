"""Pictures to play with: measured coefficients inside a page, and what its scripts compute of them.

A page holds them as JSON in an output of HTML, and the book's scripts (book/_static/live/) draw
them. Elsewhere the output shows nothing. CONTRIBUTING.md describes the format, whose version is
`FORMAT`.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from re import search

import numpy as np
import torch
from torch import Tensor

from kent.change.resuscitation import find_multipliers
from kent.measure.entropy import knowledge_entropy_by_layer
from kent.measure.profiles import Profile
from kent.pages.axes import name_axis, name_checkpoint, place_checkpoints

FORMAT = "kent live 1"
TOP = 0x7C00
"""The bits of infinity in float16."""
MOVED = 1e-4
"""Nats: a layer whose entropy moves by less is neither raised nor lowered."""
BUDGET = 220_000
"""Characters that the data of a picture may take; models beyond it are left out."""


@dataclass(frozen=True)
class Model:
    """The layers of a model at each of its checkpoints, by name, as `round_layers` returns them.

    `note` says what it was measured on; each layer stands for `alike` layers.
    """

    title: str
    note: str
    checkpoints: Mapping[str, Sequence[Tensor]]
    alike: int = 1


def round_layers(coefficients: Sequence[Tensor]) -> list[Tensor]:
    """Each layer relative to its mean, as float16, the largest first."""
    divided = [(each.double() / each.double().mean()).half() for each in coefficients]
    return [each.sort(descending=True).values for each in divided]


def pack(layers: Sequence[Tensor]) -> str:
    """Layers as `round_layers` returns them, as text."""
    written = bytearray()
    for layer in layers:
        bits = layer.numpy().view(np.uint16).astype(int)
        for number in -np.diff(bits, prepend=TOP):
            written += _write_number(int(number))
    return b64encode(written).decode()


def _write_number(number: int) -> bytes:
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + _write_number(rest) if rest else bytes([low])


def unpack(text: str, neurons: Sequence[int]) -> list[Tensor]:
    """The layers that `pack` wrote, by their sizes."""
    numbers = _read_numbers(b64decode(text))
    layers = []
    for size in neurons:
        bits = TOP - np.cumsum([next(numbers) for _ in range(size)])
        layers.append(torch.from_numpy(bits.astype(np.uint16).view(np.float16)))
    return layers


def _read_numbers(written: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in written:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield number
            number = shift = 0


def multiply(layers: Sequence[Tensor], p: float | int, q: float | int) -> list[Tensor]:
    """Coefficients after Algorithm 1, if every layer reads what it did before."""
    pairs = zip(layers, find_multipliers(layers, p=p, q=q), strict=True)
    return [layer.double() * factors for layer, factors in pairs]


def edit(
    layers: Sequence[Tensor], p: float | int, q: float | int, alike: int = 1
) -> dict[str, float]:
    """What Algorithm 1 does to coefficients, as `editAll` in the page has it.

    `before` and `after` are the knowledge entropy in nats, `up` and `down` the rows scaled so,
    `raised` and `lowered` the layers whose entropy goes that way.
    """
    before, after = map(knowledge_entropy_by_layer, (layers, multiply(layers, p, q)))
    factors, moved = torch.cat(find_multipliers(layers, p=p, q=q)), after - before
    found = {"before": before, "after": after, "up": factors > 1, "down": factors < 1}
    found |= {"raised": moved > MOVED, "lowered": moved < -MOVED}
    return {name: alike * each.sum().item() for name, each in found.items()}


def collect(results: Mapping[str, Sequence[Profile]]) -> list[Model]:
    """The models of `kent.runs.picture_plans.show_models`, with all checkpoints."""
    return [_collect(title, profiles) for title, profiles in results.items()]


def _collect(title: str, profiles: Sequence[Profile]) -> Model:
    placed = place_checkpoints(profiles)
    axis = name_axis([*placed.values()])
    named = {name_checkpoint(axis, key): round_layers(x.coefficients) for key, x in placed.items()}
    about = profiles[-1].provenance
    text = about["corpus"].get("corpus") or about["corpus"]["kind"]
    size = f"{about['instances']:,} sequences of {about['length']:,} tokens"
    return Model(title, f"Measured on {text}, {size}.", named)


@dataclass(frozen=True)
class Picture:
    """Bars of a layer's coefficients beside a gauge of its entropy, of one of these models.

    `kind` is "entropy", or "algorithm", which has sliders for Algorithm 1's p and q. Of `wanted`
    titles those that are missing are said to be, as are models beyond `BUDGET`.
    """

    models: Sequence[Model]
    kind: str = "entropy"
    wanted: Sequence[str] = ()
    p: float | int = 50.0
    q: float | int = 1.0

    def __post_init__(self) -> None:
        if self.kind not in ("entropy", "algorithm"):
            raise ValueError(f"a picture is one of entropy or algorithm, not {self.kind!r}")

    def describe(self) -> dict:
        """What the page holds: see the module's text."""
        shown, used = [], 0
        for model in map(_describe, self.models):
            size = sum(len(each["data"]) for each in model["checkpoints"])
            if used + size <= BUDGET:
                shown, used = [*shown, model], used + size
        titles = [*(each.title for each in self.models), *self.wanted]
        missing = [
            each for each in dict.fromkeys(titles) if each not in {x["title"] for x in shown}
        ]
        why = "not installed, or too large for a page"
        said = f"Left out: {', '.join(missing)} ({why})." if missing else ""
        settings = {"format": FORMAT, "kind": self.kind, "p": self.p, "q": self.q}
        return settings | {"left_out": said, "models": shown}

    @property
    def left_out(self) -> str:
        """A sentence on the models that are missing; nothing where none is."""
        return self.describe()["left_out"]

    def _repr_mimebundle_(self, **_: object) -> dict:
        described = self.describe()
        plain = {"text/plain": "In the book a picture to play with stands here."}
        return plain | ({"text/html": write(described)} if described["models"] else {})


def _describe(model: Model) -> dict:
    first = next(iter(model.checkpoints.values()))
    checkpoints = [{"name": name, "data": pack(x)} for name, x in model.checkpoints.items()]
    about = {"title": model.title, "note": model.note, "alike": model.alike}
    return about | {"neurons": [*map(len, first)], "checkpoints": checkpoints}


OPENING = '<div class="live" data-kind="{kind}"><script type="application/json">'
CLOSING = "</script></div>"


def write(described: Mapping) -> str:
    """The HTML that the book's scripts draw in; nothing is shown without them."""
    text = json.dumps(described, ensure_ascii=False).replace("<", "\\u003c")
    return OPENING.format_map(described) + text + CLOSING


def read(html: str) -> dict:
    """What `write` wrote into HTML. Raises `ValueError` where there is no picture."""
    if found := search(r'<script type="application/json">(.+?)</script>', html):
        return json.loads(found[1])
    raise ValueError("there is no picture to play with")


def recall(page: Path) -> str:
    """The HTML of an executed page's picture; nothing where there is none."""
    if not page.exists():
        return ""
    cells = json.loads(page.read_text("utf-8"))["cells"]
    outputs = [each for cell in cells for each in cell.get("outputs", [])]
    texts = ["".join(each.get("data", {}).get("text/html", "")) for each in outputs]
    return next((text for text in texts if text.startswith('<div class="live"')), "")


def stand_in(picture: str, drawn: str) -> str:
    """A picture, and the drawing that stands in for it on paper and where scripts do not run."""
    return f'{picture}<div class="stand-in">{drawn}</div>'
