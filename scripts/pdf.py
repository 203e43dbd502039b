"""The whole book as one PDF: Sphinx makes one page of it, Chromium prints that page.

python scripts/pdf.py            _build/knowledge-entropy.pdf, from the pages that `make book` ran
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import publish

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SITE, OUTPUT = publish.BUILD / "site", publish.BUILD / "pdf"
PDF = publish.BUILD / "knowledge-entropy.pdf"
ROOT_PAGE = "book/intro"
"""The book's first page, `root` in _toc.yml."""
PATIENCE = 120_000
"""Milliseconds that formulas and pictures may take until the page is printed."""


def find_browser() -> str:
    """The path of an installed Chromium.

    Raises:
        FileNotFoundError: when there is none.
    """
    if found := next(filter(None, map(shutil.which, BROWSERS)), None):
        return found
    raise FileNotFoundError(f"no Chromium is installed; looked for {', '.join(BROWSERS)}")


def gather(folder: Path) -> Path:
    """The one page that Sphinx made, at the folder's top: what it loads is named from there.

    Links to that page lead within it; those to files beside it are dropped, or the PDF would name
    folders of this machine.
    """
    text = (folder / f"{ROOT_PAGE}.html").read_text("utf8")
    text = text.replace(f'"{ROOT_PAGE}.html#', '"#')
    page = folder / "whole.html"
    page.write_text(re.sub(r'(<a\b[^>]*?) href="(?!#|https?:)[^"]*"', r"\1", text), "utf8")
    return page


def print_page(browser: str, page: Path, target: Path) -> None:
    """Print a local HTML page to PDF, once its scripts are done."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    options += [f"--virtual-time-budget={PATIENCE}", "--generate-pdf-document-outline"]
    command = [browser, *options, f"--print-to-pdf={target}", page.as_uri()]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def main() -> int:
    try:
        browser = find_browser()
        publish.stage(SITE, publish.contents())
    except (FileNotFoundError, ValueError) as error:
        print(f"No PDF:\n{error}", file=sys.stderr)
        return 1
    if status := publish.build(SITE, OUTPUT, "--builder", "singlehtml"):
        return status
    print_page(browser, gather(OUTPUT / "_build" / "singlehtml"), PDF)
    print(f"\n{PDF.as_uri()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
