"""Figures for phones: a narrow variant that an output keeps beside its picture.

The picture stays one image with one caption; below 600 px a style puts the variant in its place.
"""

from cells import has_picture

KEY = "kent-narrow"
"""Of an output's metadata: the variant, as the text of an SVG."""


def collect_variants(name: str, cells: list[dict]) -> tuple[list[dict], dict[str, str]]:
    """The cells with a class on each picture that has a variant, and the variants by class."""
    marked, variants = [], {}
    for cell in cells:
        found = [each.get("metadata", {}).get(KEY) for each in cell.get("outputs", [])]
        found = [each for each in found if each]
        if has_picture(cell) and found:
            label = f"narrow-{name}-{len(variants) + 1}".replace("_", "-")
            variants[label] = "".join(found[0])
            cell = _mark(cell, label)
        marked.append(cell)
    return marked, variants


def _mark(cell: dict, label: str) -> dict:
    shown = cell["metadata"].get("mystnb", {})
    shown = {**shown, "image": {**shown.get("image", {}), "classes": label}}
    outputs = [drop_variant(each) for each in cell["outputs"]]
    return {**cell, "metadata": {**cell["metadata"], "mystnb": shown}, "outputs": outputs}


def drop_variant(output: dict) -> dict:
    """An output without its narrow variant."""
    if KEY not in output.get("metadata", {}):
        return output
    kept = {key: each for key, each in output["metadata"].items() if key != KEY}
    return {**output, "metadata": kept}


def style_variants(labels: list[str]) -> str:
    """CSS that shows the files narrow/LABEL.svg, beside this style, on narrow screens."""
    rules = [f'  img.{label} {{ content: url("narrow/{label}.svg"); }}' for label in labels]
    return "\n".join(["@media screen and (max-width: 600px) {", *rules, "}", ""])
