"""The module session_archiver: parameters of real files, its answer, and its policy for a backup that says no."""

from pathlib import Path

import pytest

from opticstream.core.errors import BadInput
from opticstream.rig.modules import ModuleParameters
from opticstream.tasks.post_acquisition import session_archiver
from support.archive_session import content, make_session
from support.module_context import module_context
from support.unprivileged import folder_of_nobody


@pytest.fixture
def session(tmp_path: Path, home: Path) -> Path:
    return make_session(tmp_path / "root" / "m_2026-01-02_03-04-05")


def test_both_sides_without_a_question(session: Path, tmp_path: Path) -> None:
    folders = {"network_dir": str(tmp_path / "net"), "backup_dir": str(tmp_path / "bak" / session.name)}
    result = session_archiver.run(module_context(session, folders))
    assert result.success and "16 files" in result.message and "MB/s" in result.message
    network, backup = tmp_path / "net" / session.name, tmp_path / "bak" / session.name
    assert result.values == {"archived_to": {"network": str(network), "backup": str(backup)}}
    assert result.experiment_data["session_archiver"]["verified"]
    assert content(session) == content(network) == content(backup)


def test_keys_of_real_files_choose(session: Path, tmp_path: Path) -> None:
    parameters = {
        "network_dir": str(tmp_path / "net"),
        "backup_dir": str(tmp_path / "bak"),
        "copy_to_backup": False,
        "exclude_patterns": "*.bin",
        "checksum_algo": "md5",
        "max_retries": 3,
        "manifest_path": "archive.json",
    }
    assert session_archiver.run(module_context(session, parameters)).success
    assert not (tmp_path / "bak").exists() and (session / "archive.json").exists()
    assert not [path for path in content(tmp_path / "net") if path.endswith(".bin")]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "network_dir, backup_dir or both"),
        ({"network_dir": "/n", "move_to_network": False}, "network_dir, backup_dir or both"),
        ({"network_dir": "relative"}, "network_dir: found 'relative'; expected an absolute path"),
        ({"network_dir": "/n", "checksum_algo": "crc"}, "crc"),
        ({"network_dir": "/n", "max_retries": -1, "dry_run": "maybe"}, "max_retries.*dry_run|dry_run.*max_retries"),
        ({"network_dir": "/n", "session_dir": "../elsewhere"}, "inside the session folder"),
    ],
)
def test_wrong_parameters(session: Path, parameters: dict[str, object], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        session_archiver.run(module_context(session, parameters))


def test_a_dry_run_succeeds_and_archives_nothing(session: Path, tmp_path: Path) -> None:
    result = session_archiver.run(module_context(session, {"network_dir": str(tmp_path / "net"), "dry_run": True}))
    assert result.success and result.values == {"archived_to": {}} and not (tmp_path / "net").exists()


def test_a_failed_file_fails_the_module(session: Path, tmp_path: Path) -> None:
    (tmp_path / "net" / session.name / "raw0" / "frame 0000.bin").mkdir(parents=True)
    parameters = {"network_dir": str(tmp_path / "net"), "backup_dir": str(tmp_path / "bak")}
    result = session_archiver.run(module_context(session, parameters | {"retry_delay_sec": 0}))
    assert not result.success and "1 of 16 files not archived: 'raw0/frame 0000.bin' (network)" in result.message
    assert result.values["archived_to"].keys() == {"backup"}


def test_a_pending_backup_fails_unless_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with folder_of_nobody() as folder:
        monkeypatch.setenv("OPTICSTREAM_HOME", str(folder / "home"))
        session = make_session(folder / "s")
        (folder / "bak").mkdir(mode=0o500)
        parameters = {"network_dir": str(folder / "net"), "backup_dir": str(folder / "bak")}
        context = module_context(session, parameters)
        assert not session_archiver.run(context).success
        allowed = session_archiver.run(module_context(session, parameters | {"allow_pending_backup": True}))
        assert allowed.success and allowed.values["archived_to"].keys() == {"network"}


def test_every_parameter_is_described() -> None:
    assert issubclass(session_archiver.PARAMETERS, ModuleParameters)
    assert all(field.description for field in session_archiver.PARAMETERS.model_fields.values())
