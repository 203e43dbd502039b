"""Set the repository's public address everywhere, and optionally the revision that Colab installs.

    python scripts/address.py https://github.com/OWNER/REPOSITORY [REVISION]

The address in use is `repository.url` in _config.yml; every other file is brought to the same.
"""

import argparse
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PLACES = ("_config.yml", "*.toml", "*.cff", "*.md", "book/*.md", "notebooks/*.py")
GITHUB = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")


def book_address(repository: str) -> str:
    """Where GitHub Pages serves the book of a GitHub repository.

    Raises:
        ValueError: when the address is not that of a GitHub repository (Colab opens no others).
    """
    if parts := GITHUB.fullmatch(repository):
        return f"https://{parts[1].lower()}.github.io/{parts[2]}"
    expected = "expected https://github.com/OWNER/REPOSITORY"
    raise ValueError(f"not a GitHub repository: {repository!r}; {expected}")


def readdressed(text: str, old: str, new: str, revision: str | None = None) -> str:
    """`text` with the repository's and the book's address, and the revision that pip installs."""
    text = re.sub(re.escape(old) + r"(?![\w-])", new, text)
    text = re.sub(re.escape(book_address(old)) + r"(?![\w-])", book_address(new), text)
    installed = rf"(git\+{re.escape(new)}@)[\w./-]+"
    return re.sub(installed, rf"\g<1>{revision}", text) if revision else text


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("address", help="https://github.com/OWNER/REPOSITORY")
    parser.add_argument("revision", nargs="?", help="branch, tag or commit that Colab installs")
    chosen = parser.parse_args()
    try:
        book_address(chosen.address)
    except ValueError as error:
        parser.error(str(error))
    new = "https://github.com/" + "/".join(GITHUB.fullmatch(chosen.address).groups())
    old = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["repository"]["url"]
    for path in sorted({path for place in PLACES for path in ROOT.glob(place)}):
        text = path.read_text("utf8")
        changed = readdressed(text, old, new, chosen.revision)
        if changed != text:
            path.write_text(changed, "utf8")
            print(f"{path.relative_to(ROOT)}: {new}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
