"""A change of files as a commit on a branch of its own, or as a patch: by plain git, without touching the work tree."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path


class GitError(RuntimeError):
    """git refused; the message is its own, or says what to do."""


class Repository:
    """A repository, by any folder of its work tree."""

    def __init__(self, folder: Path) -> None:
        """Find the repository. Raises GitError."""
        self._folder = folder
        self.root = Path(self._git("rev-parse", "--show-toplevel"))

    def read(self, path: str) -> str | None:
        """Return a file as it is in HEAD, None where it is not there."""
        done = self._run("cat-file", "blob", f"HEAD:{path}")
        return done.stdout if done.returncode == 0 else None

    def has_branch(self, branch: str) -> bool:
        """Return whether there is a branch of this name."""
        return self._run("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}").returncode == 0

    def commit(self, files: Mapping[str, str], message: str) -> str:
        """Return the id of a commit on top of HEAD with these files, which no branch has yet. Raises GitError."""
        with tempfile.TemporaryDirectory(prefix="kong-mcp-") as scratch:
            # An index of its own: what somebody has staged stays as it is.
            own = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
            self._git("read-tree", "HEAD", **own)
            for path, text in files.items():
                blob = self._git("hash-object", "-w", "--stdin", text=text)
                self._git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", **own)
            tree = self._git("write-tree", **own)
        return self._git("commit-tree", tree, "-p", "HEAD", "-F", "-", text=message)

    def branch(self, branch: str, commit: str) -> None:
        """Make a branch that is not there yet. Raises GitError."""
        self._git("update-ref", f"refs/heads/{branch}", commit, "0" * len(commit))

    def patch(self, commit: str) -> str:
        """Return a commit as `git am` takes it."""
        return self._git("format-patch", "-1", "--stdout", commit) + "\n"

    def push(self, remote: str, branch: str, options: list[str]) -> str:
        """Push a branch, with push options; return what the other side said. Raises GitError."""
        given = [f"--push-option={option}" for option in options]
        done = self._run("push", *given, "--", remote, f"refs/heads/{branch}:refs/heads/{branch}")
        if done.returncode:
            raise GitError(f"git push: {done.stderr.strip()[-1000:]}")
        return done.stderr

    def _git(self, *words: str, text: str | None = None, **environment: str) -> str:
        done = self._run(*words, text=text, **environment)
        if done.returncode:
            raise GitError(f"git {words[0]}: {done.stderr.strip()[-1000:]}")
        return done.stdout.rstrip("\n")

    def _run(self, *words: str, text: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        everything = {**os.environ, "GIT_TERMINAL_PROMPT": "0", **environment}
        command = ["git", "-C", str(self._folder), *words]
        try:
            return subprocess.run(  # noqa: S603 - git with words of ours; texts go by standard input
                command, input=text, env=everything, capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            raise GitError("there is no `git` on the PATH") from None
