"""A Sphinx extension: which scripts a built page loads."""

from sphinx.application import Sphinx

UNUSED = "THEBE_JS_URL", "sphinx-thebe.js"
"""Of running cells in the page, which nothing here offers; declared twice, it is an error."""


LIVE = ("measures", "drawing", "controls")
"""Of book/_static/live, in the order in which they need each other."""
CURVES = ("measures", "drawing", "scales", "curves")


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
    if app.builder.name == "html" and 'class="live"' in context.get("body", ""):
        for name in LIVE:
            app.add_js_file(f"live/{name}.js", loading_method="defer")
        app.add_css_file("live/live.css")


def explore(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Load what draws curves to explore where there are some."""
    if app.builder.name == "html" and 'class="curves"' in context.get("body", ""):
        for name in CURVES:
            app.add_js_file(f"live/{name}.js", loading_method="defer")
        app.add_css_file("live/curves.css")


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
    app.connect("html-page-context", explore)
    app.connect("html-page-context", ask)
    app.connect("html-page-context", drop_unused, priority=900)
    return {"parallel_read_safe": True}
