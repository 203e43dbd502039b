"""A Hub on this machine: answers what the real client asks for, out of folders, so that loading is
tested as it is."""

import gzip
import hashlib
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

END, BOS = "<|endoftext|>", "<s>"


def make_byte_tokenizer(**options) -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens are the text's bytes (in the order of the byte-level alphabet), with
    the end-of-text token last."""
    letters = sorted(ByteLevel.alphabet())
    model = Tokenizer(
        BPE(vocab={letter: index for index, letter in enumerate([*letters, END])}, merges=[])
    )
    model.pre_tokenizer = ByteLevel(add_prefix_space=False)
    model.decoder = ByteLevelDecoder()
    return PreTrainedTokenizerFast(tokenizer_object=model, **({"eos_token": END} | options))


def make_bos_tokenizer() -> PreTrainedTokenizerFast:
    """The same, but by its own default a text begins with a token more, 257, as in Llama."""
    tokenizer = make_byte_tokenizer(bos_token=BOS)
    template = TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 257)])
    tokenizer.backend_tokenizer.post_processor = template
    return tokenizer


class Hub:
    """Serves `repositories`: "owner/name" (models) or "datasets/owner/name" to branches to folders;
    and under /files/ the folder `files`, packed once more for a client that accepts it, as Dolma's
    server does."""

    def __init__(self, repositories: dict[str, dict[str, Path]], files: Path | None = None):
        self.repositories, self.files = repositories, files
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "Hub":
        Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error) -> None:
        self.server.shutdown()
        self.server.server_close()

    def commit(self, repository: str, branch: str) -> str:
        return hashlib.sha1(f"{repository}@{branch}".encode()).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        parts = path.split("/")
        if parts[0] == "files":
            return self._send_file(self.hub.files / "/".join(parts[1:]), {})
        if parts[0] == "api":
            kind = "" if parts[1] == "models" else f"{parts[1]}/"
            return self._answer(kind + "/".join(parts[2:4]), parts[4:])
        start = 1 if parts[0] == "datasets" else 0
        repository, rest = "/".join(parts[: start + 2]), parts[start + 2 :]
        folder, commit = self._find(repository, rest[1])
        if folder is not None:
            self._send_file(folder / "/".join(rest[2:]), {"X-Repo-Commit": commit})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self._send(404, b"{}")

    def _answer(self, repository: str, question: list[str]) -> None:
        """The API: a repository's branches, or one revision of it (main where none is named)."""
        if question == ["refs"] and repository in self.hub.repositories:
            names = self.hub.repositories[repository]
            commits = {name: self.hub.commit(repository, name) for name in names}
            branches = [
                {"name": n, "ref": f"refs/heads/{n}", "targetCommit": c} for n, c in commits.items()
            ]
            return self._send(
                200, json.dumps({"branches": branches, "tags": [], "converts": []}).encode()
            )
        revision = question[1] if question[:1] == ["revision"] else "main"
        folder, commit = self._find(repository, revision)
        if folder is None:
            return None
        if question[:1] not in ([], ["revision"]):
            return self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})
        files = [
            {"rfilename": p.relative_to(folder).as_posix(), "size": p.stat().st_size}
            for p in sorted(folder.rglob("*"))
            if p.is_file()
        ]
        answer = {
            "id": repository.removeprefix("datasets/"),
            "sha": commit,
            "siblings": files,
            "tags": [],
        }
        return self._send(200, json.dumps(answer).encode())

    def _find(self, repository: str, revision: str) -> tuple[Path | None, str]:
        branches = self.hub.repositories.get(repository)
        if branches is None:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            return None, ""
        for branch, folder in branches.items():
            if revision in (branch, commit := self.hub.commit(repository, branch)):
                return folder, commit
        self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        return None, ""

    def _send_file(self, path: Path, headers: dict[str, str]) -> None:
        if not path.is_file():
            return self._send(404, b"{}", headers | {"X-Error-Code": "EntryNotFound"})
        content = path.read_bytes()
        if self.path.startswith("/files/") and "gzip" in self.headers.get("Accept-Encoding", ""):
            content, headers = gzip.compress(content), headers | {"Content-Encoding": "gzip"}
        return self._send(
            200, content, headers | {"ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        )

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments) -> None:
        pass


def ask(code: str, cache: Path, **environment: str) -> dict | list:
    """Run `code` in a fresh Python that reads the Hub's settings from `environment`; what it prints
    last is JSON.

    The client reads its settings when it is imported, so they cannot be changed within this
    process.
    """
    root = Path(__file__).parents[1]
    paths = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    settings = {
        "HF_HOME": str(cache),
        "PYTHONPATH": paths,
        "NO_PROXY": "127.0.0.1",
        "OMP_NUM_THREADS": "1",
    }
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("HF_", "HUGGINGFACE_"))
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=inherited | settings | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def silence(monkeypatch, cache: Path) -> None:
    """Have the client in this process ask a Hub that does not answer, and remember by `cache`."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache / "hub"))
