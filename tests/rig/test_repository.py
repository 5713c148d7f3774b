"""Against real repositories: nothing is lost, and what is checked out is what was asked for."""

import os
import sys
from pathlib import Path

import pytest

from opticstream.core.errors import BadInput
from opticstream.rig import prepare_repository
from opticstream.rig.git import GitFailed, git
from opticstream.rig.repository import inspect_repository, public_url
from support.parallel import in_parallel


@pytest.fixture(autouse=True)
def _identity(monkeypatch, tmp_path):
    (tmp_path / "gitconfig").write_text("[user]\nname = T\nemail = t@example.org\n[init]\ndefaultBranch = main\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


class Origin:
    """A bare repository and a working tree that feeds it."""

    def __init__(self, folder: Path) -> None:
        self.url = str(folder / "task.git")
        self.work = folder / "work"
        git("init", "--bare", "--quiet", self.url, at=folder)
        git("clone", "--quiet", self.url, str(self.work), at=folder)
        self.first = self.commit("one")
        git("tag", "v1", at=self.work)
        git("push", "--quiet", "origin", "v1", at=self.work)

    def commit(self, text: str, branch: str = "main", file: str = "task.py") -> str:
        (self.work / file).write_text(text)
        git("add", ".", at=self.work)
        git("commit", "--quiet", "-m", text, at=self.work)
        git("push", "--quiet", "--force", "origin", f"HEAD:{branch}", at=self.work)
        return git("rev-parse", "HEAD", at=self.work)


@pytest.fixture
def origin(tmp_path):
    return Origin(tmp_path)


def read(record):
    return (record.path / "task.py").read_text()


def test_clones_then_follows_the_branch(origin, tmp_path):
    record = prepare_repository(origin.url, tmp_path / "rig" / "code")
    assert record.path == tmp_path / "rig" / "code" / "task"
    assert (record.kind, record.commit, record.previous_commit, record.dirty) == ("branch", origin.first, None, False)
    assert read(record) == "one" and record.warnings == ()
    second = origin.commit("two")
    record = prepare_repository(origin.url, tmp_path / "rig" / "code")
    assert (record.commit, record.previous_commit, read(record)) == (second, origin.first, "two")
    assert sorted(path.name for path in record.path.parent.iterdir()) == [".task.lock", "task"]


def test_commits_tags_and_other_branches(origin, tmp_path):
    second = origin.commit("two")
    third = origin.commit("three", branch="topic/x")
    for ref, kind, commit in [
        ("v1", "tag", origin.first),
        ("topic/x", "branch", third),
        (second[:8], "commit", second),
        (origin.first, "commit", origin.first),
        ("main", "branch", second),
    ]:
        for parent in (tmp_path / "kept", tmp_path / f"fresh-{ref.replace('/', '-')}"):
            record = prepare_repository(origin.url, parent, ref)
            assert (record.ref, record.kind, record.commit, record.dirty) == (ref, kind, commit, False)
    fourth = origin.commit("four", branch="topic/x")
    assert prepare_repository(origin.url, tmp_path / "kept", "topic/x").commit == fourth


def test_a_commit_that_no_branch_holds_any_more(origin, tmp_path):
    lost = origin.commit("lost")
    git("reset", "--quiet", "--hard", origin.first, at=origin.work)
    origin.commit("kept")
    git("config", "uploadpack.allowAnySHA1InWant", "true", at=Path(origin.url))
    assert prepare_repository(origin.url, tmp_path / "code", lost).commit == lost


def test_out_of_reach_a_good_checkout_is_good_enough(origin, tmp_path):
    kept = prepare_repository(origin.url, tmp_path / "code")
    Path(origin.url).rename(f"{origin.url}.away")
    record = prepare_repository(origin.url, tmp_path / "code")
    assert (record.commit, record.fetched) == (origin.first, False)
    assert "could not be asked for news" in record.warnings[0]
    with pytest.raises(BadInput, match=r"repository_commit_hash: found 'v9'.*its branches: main.*could not be asked"):
        prepare_repository(origin.url, tmp_path / "code", "v9")
    assert read(kept) == "one"
    with pytest.raises(GitFailed, match="git clone"):
        prepare_repository(origin.url, tmp_path / "other")
    assert [path.name for path in (tmp_path / "other").iterdir()] == [".task.lock"]


def test_an_unknown_ref_leaves_nothing_half_cloned(origin, tmp_path):
    with pytest.raises(BadInput, match="its branches: main"):
        prepare_repository(origin.url, tmp_path / "code", "deadbeef")
    assert [path.name for path in (tmp_path / "code").iterdir()] == [".task.lock"]


def test_local_changes_stay_and_are_told(origin, tmp_path):
    record = prepare_repository(origin.url, tmp_path / "code")
    (record.path / "notes.txt").write_text("mine")
    second = origin.commit("two")
    record = prepare_repository(origin.url, tmp_path / "code")
    assert (record.commit, record.dirty, record.changed_files) == (second, True, ("notes.txt",))
    assert "differs from its commit: notes.txt" in record.warnings[0]
    (record.path / "task.py").write_text("edited")
    assert prepare_repository(origin.url, tmp_path / "code").changed_files == ("task.py", "notes.txt")
    origin.commit("three")
    with pytest.raises(BadInput, match="Commit, move or stash"):
        prepare_repository(origin.url, tmp_path / "code")
    assert (read(record), (record.path / "notes.txt").read_text()) == ("edited", "mine")
    with pytest.raises(BadInput, match="Nothing was changed"):
        prepare_repository(origin.url, tmp_path / "code", "v1")
    assert read(record) == "edited"


def test_own_commits_stay(origin, tmp_path):
    record = prepare_repository(origin.url, tmp_path / "code")
    (record.path / "task.py").write_text("own")
    git("commit", "--quiet", "-am", "own", at=record.path)
    own = git("rev-parse", "HEAD", at=record.path)
    record = prepare_repository(origin.url, tmp_path / "code")
    assert record.commit == own and "has 1 commits of main" in record.warnings[0]
    origin.commit("theirs")
    with pytest.raises(BadInput, match="that can be brought to main"):
        prepare_repository(origin.url, tmp_path / "code")
    assert git("rev-parse", "HEAD", at=record.path) == own


def test_a_folder_that_is_not_ours_is_refused(origin, tmp_path):
    data = tmp_path / "code" / "task"
    data.mkdir(parents=True)
    (data / "DATA.bin").write_bytes(b"1")
    with pytest.raises(BadInput, match=r"a folder that is no git checkout.*Nothing was touched"):
        prepare_repository(origin.url, tmp_path / "code")
    assert (data / "DATA.bin").read_bytes() == b"1"
    git("init", "--quiet", at=data)
    with pytest.raises(BadInput, match="a checkout of no remote repository"):
        prepare_repository(origin.url, tmp_path / "code")
    git("remote", "add", "origin", "https://user:secret@git.example.org/other.git", at=data)
    with pytest.raises(BadInput, match=r"a checkout of https://git\.example\.org/other\.git") as error:
        prepare_repository(origin.url, tmp_path / "code")
    assert "secret" not in str(error.value)
    assert (data / "DATA.bin").read_bytes() == b"1"


def test_an_empty_folder_and_the_checkout_itself_will_do(origin, tmp_path):
    (tmp_path / "code" / "task").mkdir(parents=True)
    record = prepare_repository(origin.url, tmp_path / "code")
    assert prepare_repository(f"file://{origin.url}", record.path).path == record.path


def test_inside_another_repository_is_still_a_clone_of_its_own(origin, tmp_path):
    git("init", "--quiet", at=tmp_path)
    assert prepare_repository(origin.url, tmp_path / "code").commit == origin.first
    assert inspect_repository(tmp_path / "code") is None


@pytest.mark.parametrize("ref", ["--upload-pack=x", "a b", "a..b", "", "x\n", "~1"])
def test_odd_refs_never_reach_git(ref, tmp_path):
    with pytest.raises(BadInput, match="repository_commit_hash"):
        prepare_repository("x", tmp_path, ref)


@pytest.mark.parametrize("url", ["--upload-pack=touch x", "", "ext::sh -c touch% evil", "/"])
def test_odd_urls_run_nothing(url, tmp_path):
    with pytest.raises(BadInput):
        prepare_repository(url, tmp_path / "code")
    assert not (tmp_path / "code" / "evil").exists() and not Path("evil").exists()


def test_launchers_at_the_same_time(origin, tmp_path):
    records = in_parallel(4, lambda _: prepare_repository(origin.url, tmp_path / "code"))
    assert {record.commit for record in records} == {origin.first}


def test_a_record_without_fetching(origin, tmp_path):
    record = prepare_repository(origin.url, tmp_path / "code")
    seen = inspect_repository(record.path, "x")
    assert (seen.name, seen.commit, seen.repository_url) == ("x", origin.first, origin.url)
    assert inspect_repository(tmp_path / "nowhere") is None


def test_a_git_that_hangs_is_stopped_with_its_children(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport subprocess\nsubprocess.run(['sleep', '60'])\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    with pytest.raises(GitFailed, match=r"git fetch in .*found no end; expected one within 0\.5 s"):
        git("fetch", at=tmp_path, timeout_s=0.5)


def test_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitFailed, match="Install git"):
        git("status", at=tmp_path)
    with pytest.raises(GitFailed):
        prepare_repository("https://git.example.org/x.git", tmp_path)


def test_addresses_are_told_without_passwords():
    assert public_url("https://me:pw@git.example.org/x") == "https://git.example.org/x"
    assert public_url("git@git.example.org:lab/x.git") == "git@git.example.org:lab/x.git"
