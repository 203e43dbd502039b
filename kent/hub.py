"""Branches of a repository on the Hugging Face Hub, as it lists them now or as the cache remembers
them."""

import re
from json import JSONDecodeError
from pathlib import Path

from huggingface_hub import HfApi, constants
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.file_download import repo_folder_name

UNREACHABLE = (OSError, HfHubHTTPError.__mro__[1])
"""What the Hub's client raises when it gets no answer; the second is its HTTP library's own base
class."""
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
        raise ValueError(
            f"the Hub has no {kind} {repository!r}, or shows it only to those who log in (hf auth "
            "login)"
        ) from error
    except UNREACHABLE as error:
        if cached := _read_cached_branches(repository, kind):
            return cached
        raise ConnectionError(
            f"the Hub does not answer, and the cache ({constants.HF_HUB_CACHE}) holds no {kind} "
            f"{repository!r}: {error}"
        ) from error
    except (JSONDecodeError, LookupError, TypeError) as error:
        raise ConnectionError(
            f"what answers for the Hub ({constants.ENDPOINT}) is not the Hub: {error!r}"
        ) from error
    return {branch.name: branch.target_commit for branch in branches}


def _read_cached_branches(repository: str, kind: str) -> dict[str, str]:
    folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type=kind)
    references = [path for path in sorted((folder / "refs").rglob("*")) if path.is_file()]
    commits = {
        path.relative_to(folder / "refs").as_posix(): path.read_bytes().strip()
        for path in references
    }
    whole = {
        branch: commit.decode() for branch, commit in commits.items() if COMMIT.fullmatch(commit)
    }
    return {
        branch: commit
        for branch, commit in whole.items()
        if (folder / "snapshots" / commit).is_dir()
    }
