"""Branches of a Hugging Face Hub repository: listed by the Hub, or remembered by the cache."""

import re
from json import JSONDecodeError
from pathlib import Path

from huggingface_hub import HfApi, constants
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.file_download import repo_folder_name

UNREACHABLE = (OSError, HfHubHTTPError.__mro__[1])
"""What the Hub's client raises when it gets no answer; the second is its HTTP library's base."""
COMMIT = re.compile(rb"[0-9a-f]{40}")


def list_branches(repository: str, kind: str = "model") -> dict[str, str]:
    """Commit of every branch of a Hub repository ("owner/name"); `kind` is model or dataset.

    Offline (`HF_HUB_OFFLINE`, or no answer) the branches are those whose files the cache holds.
    Raises ValueError when there is no such repository, ConnectionError when neither the Hub answers
    nor the cache knows it.
    """
    try:
        branches = HfApi().list_repo_refs(repository, repo_type=kind).branches
    except RepositoryNotFoundError as error:
        hidden = "or shows it only to those who log in (hf auth login)"
        raise ValueError(f"the Hub has no {kind} {repository!r}, {hidden}") from error
    except UNREACHABLE as error:
        if cached := _read_cached_branches(repository, kind):
            return cached
        missing = f"the cache ({constants.HF_HUB_CACHE}) holds no {kind} {repository!r}"
        raise ConnectionError(f"the Hub does not answer, and {missing}: {error}") from error
    except (JSONDecodeError, LookupError, TypeError) as error:
        found = f"what answers for the Hub ({constants.ENDPOINT}) is not the Hub"
        raise ConnectionError(f"{found}: {error!r}") from error
    return {branch.name: branch.target_commit for branch in branches}


def _read_cached_branches(repository: str, kind: str) -> dict[str, str]:
    folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type=kind)
    found = {}
    for path in filter(Path.is_file, sorted((folder / "refs").rglob("*"))):
        commit = path.read_bytes().strip()
        if COMMIT.fullmatch(commit) and (folder / "snapshots" / commit.decode()).is_dir():
            found[path.relative_to(folder / "refs").as_posix()] = commit.decode()
    return found
