"""A Sphinx extension: which scripts a built page loads."""

from sphinx.application import Sphinx

UNUSED = "THEBE_JS_URL", "sphinx-thebe.js"
"""Of running cells in the page, which nothing here offers; declared twice, it is an error."""


PLAYED = ("measures", "drawing", "controls")
LIVE = {"entropy": PLAYED, "algorithm": PLAYED}
LIVE |= {"compare": ("measures", "drawing", "records", "plane", "compare")}
"""Of book/_static/live, by the kind of picture, in the order in which they need each other."""


def show_formulas(app: Sphinx) -> None:
    """Load what shows formulas in the whole book as one page, which Sphinx takes for its first."""
    if app.builder.name == "singlehtml":
        app.set_html_assets_policy("always")


def drop_unused(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    scripts = context.get("script_files", [])
    context["script_files"] = [each for each in scripts if not _is_unused(each)]


def _is_unused(script: object) -> bool:
    said = f"{script} {getattr(script, 'attributes', {}).get('body', '')}"
    return any(word in said for word in UNUSED)


def play(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Load what draws a picture to play with where there is one; on paper another stands in."""
    body = context.get("body", "") if app.builder.name == "html" else ""
    names = [name for kind in LIVE if f'data-kind="{kind}"' in body for name in LIVE[kind]]
    for name in dict.fromkeys(names):
        app.add_js_file(f"live/{name}.js", loading_method="defer")
    if names:
        app.add_css_file("live/live.css")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", show_formulas)
    app.connect("html-page-context", play)
    app.connect("html-page-context", drop_unused, priority=900)
    return {"parallel_read_safe": True}
