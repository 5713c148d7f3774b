import shutil
import subprocess

import psutil
import pytest

from opticstream.core.errors import BadInput
from opticstream.watch import refresh, refresh_hook, refresh_hook_names, register_refresh_hook
from support.waiting import until

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    monkeypatch.setattr(refresh, "_hooks", dict(refresh._hooks))


def scripts(folder, unmount, mount):
    (folder / "sas2_unmount").write_text(unmount)
    (folder / "sas2_mount").write_text(mount)


def test_names():
    assert refresh_hook_names() == ("none", "sas", "sas2", "sas3")
    assert refresh_hook("None")()


def test_an_unknown_name_lists_the_known(monkeypatch):
    with pytest.raises(BadInput, match=r"'sas9'.*none, sas, sas2, sas3"):
        refresh_hook("sas9")


def test_a_hook_of_ones_own_and_case():
    calls = []
    register_refresh_hook("NAS", lambda: calls.append(1))
    assert refresh_hook("nas")()
    assert refresh_hook("Nas")()
    assert calls == [1, 1]


def test_missing_scripts_are_a_warning(caplog):
    register_refresh_hook("sas2", lambda: refresh.remount("sas2", folder="/nonexistent"))
    assert refresh_hook("SAS2")() is False
    assert "Refreshing sas2 failed" in caplog.text


@needs_bash
def test_unmount_then_mount(tmp_path):
    scripts(tmp_path, f"echo u >> '{tmp_path}/log'", f"echo m >> '{tmp_path}/log'")
    refresh.remount("sas2", folder=str(tmp_path))
    assert (tmp_path / "log").read_text() == "u\nm\n"


@needs_bash
def test_it_is_mounted_again_when_unmounting_failed(tmp_path):
    scripts(tmp_path, "echo busy >&2; exit 3", f"echo m >> '{tmp_path}/log'")
    with pytest.raises(RuntimeError, match="exit code 3: busy"):
        refresh.remount("sas2", folder=str(tmp_path))
    assert (tmp_path / "log").read_text() == "m\n"


@needs_bash
def test_a_script_that_hangs_is_ended_with_its_children(tmp_path, monkeypatch):
    told = tmp_path / "child"
    scripts(tmp_path, f"sleep 600 & echo $! > '{told}'; wait", "true")

    class Popen(subprocess.Popen):
        def wait(self, timeout=None):
            """Let the time begin when the child is there, however long bash takes to start."""
            if timeout is not None:
                until(lambda: told.exists() and told.read_text().endswith("\n"), "the script's child")
            return super().wait(timeout)

    monkeypatch.setattr(refresh.subprocess, "Popen", Popen)
    with pytest.raises(RuntimeError, match="longer than"):
        refresh.remount("sas2", folder=str(tmp_path), timeout_s=0.2)
    child = int(told.read_text())
    until(lambda: not psutil.pid_exists(child), "the child is gone")
