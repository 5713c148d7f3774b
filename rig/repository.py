"""The experiment's code: a git checkout brought to a commit, tag or branch, and never thrown away."""

import contextlib
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import filelock
from pydantic import BaseModel, ConfigDict

from opticstream.core.errors import BadInput
from opticstream.core.files import remove_tree, rename, write_failed
from opticstream.rig.git import GitFailed, git

_FILES_NAMED = 20
_LOCK_TIMEOUT_S = 600
_SHA = re.compile(r"[0-9a-fA-F]{4,64}")
_REF = re.compile(r"[^\s~^:?*\[\\\x00-\x20\x7f-][^\s~^:?*\[\\\x00-\x20\x7f]*")


class RepositoryRecord(BaseModel):
    """What is checked out, for ``git_revisions.json``."""

    model_config = ConfigDict(frozen=True)

    name: str = "workflow_repository"
    path: Path
    repository_url: str | None
    """Without user and password."""
    ref: str | None = None
    """What was asked for."""
    kind: Literal["branch", "tag", "commit"] | None = None
    commit: str
    previous_commit: str | None = None
    """What was checked out before; None: it was cloned."""
    dirty: bool = False
    changed_files: tuple[str, ...] = ()
    """Files that differ from the commit or are not in it, the first 20."""
    fetched: bool = True
    """Whether the repository could be asked for news."""
    warnings: tuple[str, ...] = ()


@dataclass
class _Checkout:
    """One working tree on its way to a ref."""

    path: Path
    url: str
    ref: str
    timeout_s: float
    warnings: list[str] = field(default_factory=list)
    fetched: bool = True

    def run(self, *arguments: str, timeout_s: float | None = None) -> str:
        return git(*arguments, at=self.path, timeout_s=timeout_s or self.timeout_s)

    def commit_of(self, name: str) -> str | None:
        """Return the full hash of what a name stands for here; None if it stands for nothing."""
        with contextlib.suppress(GitFailed):
            return self.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        return None

    def fetch(self, *what: str) -> bool:
        try:
            # A tag that moved is taken over; nothing that is gone there is deleted here.
            self.run("fetch", "--force", "--tags", "--no-prune", "origin", *what)
        except GitFailed as error:
            self.warnings.append(f"{self.url} could not be asked for news ({error.found}); using what is here")
            return False
        return True

    def kind(self) -> Literal["branch", "tag", "commit"]:
        """Say what the ref is, or raise."""
        if self.commit_of(f"refs/remotes/origin/{self.ref}"):
            return "branch"
        if self.commit_of(f"refs/tags/{self.ref}"):
            return "tag"
        is_hash = _SHA.fullmatch(self.ref) is not None
        if is_hash and not self.commit_of(self.ref) and self.fetched and len(self.ref) >= 40:
            # A commit of no branch; some servers give it to those who know its name.
            with contextlib.suppress(GitFailed):
                self.run("fetch", "origin", self.ref)
        if is_hash and self.commit_of(self.ref):
            return "commit"
        branches = self.run("for-each-ref", "--format=%(refname:strip=3)", "refs/remotes/origin").split()
        names = ", ".join(name for name in branches if name != "HEAD") or "none"
        raise BadInput(
            "repository_commit_hash",
            found=repr(self.ref),
            expected=f"a commit, tag or branch of {self.url}; its branches: {names}",
            action="" if self.fetched else "The repository could not be asked for news; it may know it.",
        )

    def check_out(self, kind: Literal["branch", "tag", "commit"], timeout_s: float | None = None) -> None:
        try:
            if kind == "branch":
                self._follow_branch(timeout_s)
            else:
                target = self.commit_of(f"refs/tags/{self.ref}" if kind == "tag" else self.ref)
                if target != self.commit_of("HEAD") or self.current_branch() or timeout_s:
                    self.run("checkout", "--quiet", "--detach", str(target), timeout_s=timeout_s)
        except GitFailed as error:
            raise BadInput(
                str(self.path),
                found=error.found,
                expected=f"a checkout that can be brought to {self.ref}",
                action="Nothing was changed. Commit, move or stash what is local there.",
            ) from None

    def _follow_branch(self, timeout_s: float | None) -> None:
        if self.commit_of(f"refs/heads/{self.ref}") is None:
            start = f"refs/remotes/origin/{self.ref}"
            self.run("checkout", "--quiet", "-b", self.ref, "--track", start, timeout_s=timeout_s)
            return
        if self.current_branch() != self.ref:
            self.run("checkout", "--quiet", self.ref, "--")
        self.run("merge", "--quiet", "--ff-only", f"refs/remotes/origin/{self.ref}")
        ahead = self.run("rev-list", "--count", f"refs/remotes/origin/{self.ref}..HEAD")
        if ahead != "0":
            self.warnings.append(f"{self.path} has {ahead} commits of {self.ref} that {self.url} does not")

    def current_branch(self) -> str | None:
        with contextlib.suppress(GitFailed):
            return self.run("symbolic-ref", "--quiet", "--short", "HEAD")
        return None


def prepare_repository(
    url: str, parent: Path, ref: str = "main", *, timeout_s: float = 120, clone_timeout_s: float = 1800
) -> RepositoryRecord:
    """Clone a repository, or bring its checkout to a commit, tag or branch; a branch is fast-forwarded.

    The checkout is ``parent`` itself where that is one of this repository, else ``parent/<name of the repository>``.
    Nothing is ever deleted or reset: local changes stay and are reported, and where they are in the way that is an
    error. Out of reach of the repository, a checkout that already knows ``ref`` is good enough, with a warning.

    Args:
        url: address of the repository, or path of one.
        parent: folder for checkouts.
        ref: commit hash, tag or branch.
        timeout_s: seconds that one git command may take.
        clone_timeout_s: seconds that cloning may take.

    Raises:
        BadInput: the folder is not a checkout of this repository, ``ref`` is unknown, or local work is in the way.
        GitFailed: git is not there, or the repository cannot be cloned.
        WriteFailed: the folder cannot be written to.
    """
    if not _REF.fullmatch(ref) or ".." in ref:
        raise BadInput("repository_commit_hash", found=repr(ref), expected="a commit, tag or branch")
    if not url.strip() or url.startswith("-"):
        raise BadInput("repository_url", found=repr(url), expected="the address of a git repository")
    parent = parent.expanduser().absolute()
    path = parent if _is_checkout(parent) else parent / _name(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path.with_name(f".{path.name}.lock"), timeout=_LOCK_TIMEOUT_S)
        with lock:
            checkout = _Checkout(path, public_url(url), ref, timeout_s)
            previous = _opened(checkout, url) if _exists(path) else None
            if previous is None:
                return _cloned(checkout, url, clone_timeout_s)
            checkout.fetched = checkout.fetch()
            kind = checkout.kind()
            checkout.check_out(kind)
            return _record(checkout, kind, previous)
    except filelock.Timeout:
        raise BadInput(
            str(path), found="another launcher that is bringing it up to date", expected="one at a time"
        ) from None
    except OSError as error:
        raise write_failed(path, error) from None


def inspect_repository(path: Path, name: str = "workflow_repository") -> RepositoryRecord | None:
    """Return what is checked out in a folder, nothing fetched or changed; None where there is no checkout or no git.

    Args:
        path: root of the working tree.
        name: what ``git_revisions.json`` calls it.
    """
    if not _is_checkout(path):
        return None
    checkout = _Checkout(path, "", "", 30)
    try:
        with contextlib.suppress(GitFailed):
            checkout.url = public_url(checkout.run("remote", "get-url", "origin"))
        return _record(checkout, None, None).model_copy(update={"name": name, "fetched": False})
    except GitFailed:
        return None


def public_url(url: str) -> str:
    """Return an address without user and password."""
    return re.sub(r"^([a-z][a-z0-9+.-]*://)[^/@]*@", r"\1", url, flags=re.IGNORECASE)


def _opened(checkout: _Checkout, url: str) -> str | None:
    """Return the commit of an existing checkout; None where there is nothing yet; refuse what is not ours."""
    path = checkout.path
    if not _is_checkout(path):
        raise BadInput(
            str(path),
            found="a folder that is no git checkout" if path.is_dir() else "a file",
            expected=f"a checkout of {checkout.url}, or nothing",
            action="Move it away, or give another local_repository_path. Nothing was touched.",
        )
    try:
        origin = checkout.run("remote", "get-url", "origin")
    except GitFailed as error:
        if "No such remote" not in error.found:
            raise
        origin = ""
    if _same_repository(origin, url):
        return checkout.commit_of("HEAD") or ""
    raise BadInput(
        str(path),
        found=f"a checkout of {public_url(origin) or 'no remote repository'}",
        expected=f"one of {checkout.url}",
        action="Give another local_repository_path. Nothing was touched.",
    )


def _cloned(checkout: _Checkout, url: str, timeout_s: float) -> RepositoryRecord:
    """Clone beside the final place, so that what stands there is whole."""
    path = checkout.path
    checkout.path = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}.clone")
    try:
        git("clone", "--quiet", "--no-checkout", "--", url, str(checkout.path), at=path.parent, timeout_s=timeout_s)
        kind = checkout.kind()
        if kind == "branch" and checkout.current_branch() == checkout.ref:
            checkout.run("checkout", "--quiet", checkout.ref, "--", timeout_s=timeout_s)
        else:
            checkout.check_out(kind, timeout_s)
        with contextlib.suppress(FileNotFoundError):
            path.rmdir()  # an empty folder was as good as none
        rename(checkout.path, path)
    except BaseException:
        if checkout.path.exists():
            remove_tree(checkout.path)  # only what this call has made
        raise
    checkout.path = path
    return _record(checkout, kind, None)


def _record(
    checkout: _Checkout, kind: Literal["branch", "tag", "commit"] | None, previous: str | None
) -> RepositoryRecord:
    lines = checkout.run("status", "--porcelain", "-z", "--no-renames").split("\0")
    changed = [line[3:] for line in lines if line]
    if changed:
        named = ", ".join(changed[:3]) + (" ..." if len(changed) > 3 else "")
        checkout.warnings.append(f"{checkout.path} differs from its commit: {named}")
    return RepositoryRecord(
        path=checkout.path,
        repository_url=checkout.url or None,
        ref=checkout.ref or None,
        kind=kind,
        commit=checkout.run("rev-parse", "HEAD"),
        previous_commit=previous or None,
        dirty=bool(changed),
        changed_files=tuple(changed[:_FILES_NAMED]),
        fetched=checkout.fetched,
        warnings=tuple(checkout.warnings),
    )


def _exists(path: Path) -> bool:
    """Return whether something is there that is more than an empty folder."""
    return path.exists() and not (path.is_dir() and not any(path.iterdir()))


def _is_checkout(path: Path) -> bool:
    return (path / ".git").exists()


def _name(url: str) -> str:
    name = re.split(r"[/\\:]", url.strip().rstrip("/\\"))[-1].removesuffix(".git")
    if not name or name.startswith("."):
        raise BadInput("repository_url", found=repr(url), expected="an address that ends in the repository's name")
    return name


def _same_repository(one: str, other: str) -> bool:
    return bool(one) and _canonical(one) == _canonical(other)


def _canonical(url: str) -> str:
    """Return an address in one spelling: https, ssh and scp forms of one place are the same."""
    text = url.strip().replace("\\", "/").rstrip("/").removesuffix(".git")
    scp = re.fullmatch(r"(?:[^@/]+@)?([^:/]{2,}):(?!//)(.+)", text)
    if scp:
        return f"{scp[1].lower()}/{scp[2].strip('/')}"
    parts = urlsplit(text)
    if parts.scheme.lower() in ("http", "https", "ssh", "git"):
        return f"{(parts.hostname or '').lower()}/{parts.path.strip('/')}"
    return os.path.realpath(parts.path if parts.scheme == "file" else text)
