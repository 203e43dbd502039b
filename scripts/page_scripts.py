"""A Sphinx extension: which scripts a built page loads."""

from sphinx.application import Sphinx

UNUSED = "THEBE_JS_URL", "sphinx-thebe.js"
"""Of running cells in the page, which nothing here offers; declared twice, it is an error."""


PLAYED = ("measures", "drawing", "controls")
COMPARED = ("measures", "drawing", "records", "plane", "compare")
CURVES = ("measures", "drawing", "scales", "curves")
LIVE = {'data-kind="entropy"': PLAYED, 'data-kind="algorithm"': PLAYED}
LIVE |= {'data-kind="compare"': COMPARED, 'class="curves"': CURVES}
"""Of book/_static/live, by what a page holds, in the order in which they need each other."""
STYLES = {'class="live"': "live/live.css", 'class="curves"': "live/curves.css"}


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
    """Load what draws what a page holds to play with, each once; on paper a figure stands in."""
    body = context.get("body", "") if app.builder.name == "html" else ""
    names = [name for mark in LIVE if mark in body for name in LIVE[mark]]
    for name in dict.fromkeys(names):
        app.add_js_file(f"live/{name}.js", loading_method="defer")
    for mark in STYLES:
        if mark in body:
            app.add_css_file(STYLES[mark])


def ask(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Load what keeps a reader's predictions: at once, so that no chip shows first what it hides.

    What asks, and what counts, is loaded by the pages that do. On paper everything is unfolded.
    """
    body = context.get("body", "")
    app.add_css_file("predict/predict.css")
    if app.builder.name != "html":
        context["body"] = body.replace('<details class="predict"', '<details open class="predict"')
        return
    app.add_js_file("predict/picks.js")
    if 'class="predict"' in body or 'class="tally"' in body:
        app.add_js_file("predict/predict.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", show_formulas)
    app.connect("html-page-context", play)
    app.connect("html-page-context", ask)
    app.connect("html-page-context", drop_unused, priority=900)
    return {"parallel_read_safe": True}
