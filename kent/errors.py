"""Errors of kent's own, and of what is not installed."""

from importlib.util import find_spec
from pathlib import Path


class NotFiniteError(ValueError):
    """Something a model computes is not finite: damaged weights, or too narrow a dtype."""

    def __init__(self, what: str):
        super().__init__(f"{what} is not finite: are the weights whole and the dtype wide enough?")


class DamagedError(ValueError):
    """A file or folder that kent wrote is not whole: cut short, changed, or in part missing."""

    def __init__(self, path: str | Path, what: str):
        super().__init__(f"{path} is not whole: {what}")
        self.path = Path(path)


def require(extra: str, *packages: str) -> None:
    """Raise ImportError, naming the extra that brings them, where packages are not installed."""
    if missing := [package for package in packages if not find_spec(package)]:
        raise ImportError(
            f"{', '.join(missing)} not installed: pip install 'knowledge-entropy[{extra}]'"
        )
