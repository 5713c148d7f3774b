"""The metadata modules against a real HTTP server: good, invalid, failing, hanging, and gone."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opticstream.core.operator import NoAnswer
from opticstream.rig.modules import ModuleFailed, ModuleResult
from opticstream.tasks.modules import metadata_service
from support.metadata_server import Service, metadata_server
from support.pipeline import Desk, run_module
from support.waiting import until


@pytest.fixture
def service() -> Iterator[Service]:
    with metadata_server() as found:
        yield found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait as often as the module does, but not as long."""
    monkeypatch.setattr(metadata_service, "_FIRST_WAIT_S", 0.01)


def _session(root: Path) -> Path:
    return next(path.parent for path in root.glob("*/launcher_metadata"))


def _file(root: Path, name: str) -> Any:
    return json.loads((_session(root) / name).read_text("utf-8"))


def _run(root: Path, service: Service, name: str, operator: Desk | None = None, **more: Any) -> ModuleResult:
    return run_module(root, name, operator, **{"metadata_service_base_url": service.url, **more})


def test_subject_is_written_into_the_session(service: Service, tmp_path: Path) -> None:
    service.will("subject/m1", (200, {"subject_id": "m1", "genotype": "wt/wt", "name": "ä"}))
    result = _run(tmp_path, service, "metadata_subject_fetch")
    assert result.success and result.message == "subject.json" and not list(tmp_path.glob("*.json"))
    assert _file(tmp_path, "subject.json")["name"] == "ä"


def test_other_spellings_paths_and_odd_ids(service: Service, tmp_path: Path) -> None:
    service.will("subject/a%2Fb%20%3F", (200, {"a": 1}))
    parameters = {"metadata_mouse_id": "a/b ?", "metadata_subject_path": "meta/s.json"}
    _run(
        tmp_path, service, "metadata_subject_fetch",
        metadata_service_base_url=None, metadata_api_base_url=f"{service.url}/", **parameters,
    )  # fmt: skip
    assert _file(tmp_path, "meta/s.json") == {"a": 1}
    with pytest.raises(ModuleFailed, match="inside the session folder"):
        _run(tmp_path, service, "metadata_subject_fetch", metadata_subject_path="../s.json")


def test_the_setting_names_the_service(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTICSTREAM_METADATA_SERVICE_BASE_URL", service.url)
    service.will("subject/m1", (200, {"a": 1}))
    assert run_module(tmp_path, "metadata_subject_fetch").success


def test_an_invalid_record_never_gets_the_name_of_a_valid_one(service: Service, tmp_path: Path) -> None:
    service.will("subject/m1", (200, {"a": 1}), (400, {"a": "?"}), (400, {"a": "?"}), (200, {"a": 2}))
    assert _run(tmp_path, service, "metadata_subject_fetch").success
    result = _run(tmp_path, service, "metadata_subject_fetch")
    assert result.success and "invalid" in result.message
    assert _file(tmp_path, "subject.invalid.json") == {"a": "?"} and not (_session(tmp_path) / "subject.json").exists()
    with pytest.raises(ModuleFailed, match="metadata_require_valid"):
        _run(tmp_path, service, "metadata_subject_fetch", metadata_require_valid=True)
    assert _run(tmp_path, service, "metadata_subject_fetch").success
    assert not (_session(tmp_path) / "subject.invalid.json").exists()


def test_400_without_a_record_is_a_failure(service: Service, tmp_path: Path) -> None:
    service.will("subject/m1", (400, b"<html>Bad Request</html>"))
    with pytest.raises(ModuleFailed, match="HTTP 400 <html>Bad"):
        _run(tmp_path, service, "metadata_subject_fetch")
    assert len(service.asked) == 1


@pytest.mark.parametrize("first", [(500, {}), (503, b"later"), (429, {}), (200, b"<html>Please log in</html>")])
def test_what_may_pass_is_tried_again(service: Service, tmp_path: Path, first: tuple[int, Any]) -> None:
    service.will("subject/m1", first, (200, {"a": 1}))
    assert _run(tmp_path, service, "metadata_subject_fetch").success
    assert len(service.asked) == 2


def test_a_subject_nobody_knows_is_not_asked_for_again(service: Service, tmp_path: Path) -> None:
    with pytest.raises(ModuleFailed, match=r"subject m1 from http.*HTTP 404.*no such record"):
        _run(tmp_path, service, "metadata_subject_fetch")
    assert len(service.asked) == 1


@pytest.mark.parametrize("body", ["hang", "trickle"])
def test_a_service_that_hangs_is_given_up(service: Service, tmp_path: Path, body: str) -> None:
    service.will("subject/m1", (200, body))
    with pytest.raises(ModuleFailed, match=r"no answer within 0\.2 s, and no earlier answer"):
        _run(tmp_path, service, "metadata_subject_fetch", metadata_service_timeout=0.2, metadata_service_retries=1)
    until(lambda: len(service.asked) == 2, "the service, in threads of its own, has heard both requests")


def test_a_service_that_is_down_is_stood_in_for_by_its_last_answer(service: Service, tmp_path: Path) -> None:
    service.will("subject/m1", (200, {"a": 1}), (500, "broken"))
    _run(tmp_path, service, "metadata_subject_fetch")
    (_session(tmp_path) / "subject.json").unlink()
    kept = next((tmp_path / "home" / "cache").rglob("*.json"))
    document = json.loads(kept.read_text()) | {"fetched_at": (datetime.now(UTC) - timedelta(hours=3)).isoformat()}
    kept.write_text(json.dumps(document))
    result = _run(tmp_path, service, "metadata_subject_fetch")
    assert result.success and "from the cache, 3 h old" in result.message
    assert _file(tmp_path, "subject.json") == {"a": 1} and len(service.asked) == 4
    with pytest.raises(ModuleFailed, match="HTTP 500"):
        _run(tmp_path, service, "metadata_subject_fetch", metadata_service_cache=False)
    kept.write_text("{")
    with pytest.raises(ModuleFailed, match="no earlier answer"):
        _run(tmp_path, service, "metadata_subject_fetch")


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ModuleFailed, match=r"no earlier answer.*metadata_service_base_url"):
            run_module(tmp_path, "metadata_subject_fetch", metadata_service_base_url=url)


@pytest.mark.parametrize("url", ["  ", "aind-metadata-service", "ftp://x", "http://", "http://[::1"])
def test_an_address_that_is_none(tmp_path: Path, url: str) -> None:
    with pytest.raises(ModuleFailed, match="expected http://HOST"):
        run_module(tmp_path, "metadata_subject_fetch", metadata_service_base_url=url)


@pytest.mark.parametrize("body", [{}, [], None])
def test_procedures_that_are_empty_are_a_failure(service: Service, tmp_path: Path, body: Any) -> None:
    service.will("procedures/m1", (200, body))
    with pytest.raises(ModuleFailed, match="empty record"):
        _run(tmp_path, service, "metadata_procedures_fetch")
    assert not (_session(tmp_path) / "procedures.json").exists()


def test_procedures(service: Service, tmp_path: Path) -> None:
    service.will("procedures/m1", (200, {"subject_procedures": [1]}))
    assert _run(tmp_path, service, "metadata_procedures_fetch").success
    assert _file(tmp_path, "procedures.json") == {"subject_procedures": [1]}


def test_protocols_one_or_many_or_none(service: Service, tmp_path: Path) -> None:
    service.will("protocols/7", (200, {"id": 7}))
    service.will("protocols/x", (200, {"id": "x"}))
    assert _run(tmp_path, service, "metadata_protocol_validator").message == "no protocol_id"
    _run(tmp_path, service, "metadata_protocol_validator", protocol_id=7)
    assert _file(tmp_path, "protocol.json") == {"id": 7}
    _run(tmp_path, service, "metadata_protocol_validator", protocol_id=[7, "x"])
    assert _file(tmp_path, "protocol.json") == [{"id": 7}, {"id": "x"}]
    with pytest.raises(ModuleFailed, match=r"protocol 9.*404"):
        _run(tmp_path, service, "metadata_protocol_validator", protocol_id=[7, 9])
    with pytest.raises(ModuleFailed) as caught:
        _run(tmp_path, service, "metadata_protocol_validator", metadata_protocol_required=True)
    assert isinstance(caught.value.__cause__, NoAnswer)
    desk = Desk({"protocol_id": "x"})
    assert _run(tmp_path, service, "metadata_protocol_validator", desk, metadata_protocol_required=True).success


class TestProject:
    @pytest.fixture(autouse=True)
    def projects(self, service: Service) -> None:
        service.will("project_names", (200, ["Alpha", "Brain Map", "Learning"]))

    @pytest.mark.parametrize(
        "given", [{"project_name": "brain map"}, {"metadata_project_name": "Brain Map"}, {"projects": ["BRAIN MAP"]}]
    )
    def test_known(self, service: Service, tmp_path: Path, given: dict[str, Any]) -> None:
        result = _run(tmp_path, service, "metadata_project_validator", protocol_id=[5], **given)
        assert result.values == {"metadata_project_name": "Brain Map", "protocol_id": "5"}
        expected = {"project_name": "Brain Map", "protocol_id": "5", "operator": "u1"}
        assert _file(tmp_path, "project.json") == expected

    def test_unknown_or_missing_is_asked_for_from_the_list(self, service: Service, tmp_path: Path) -> None:
        desk = Desk({"metadata_project_name": ["Learning", "alpha"]})
        result = _run(tmp_path, service, "metadata_project_validator", desk, project_name="Lerning")
        assert result.values == {"metadata_project_name": "Learning"}
        assert "'Lerning' is no project" in desk.asked[0].text and "close to it: Learning" in desk.asked[0].text
        assert desk.asked[0].choices == ("Alpha", "Brain Map", "Learning") and desk.asked[0].default is None
        assert _run(tmp_path, service, "metadata_project_validator", desk).message == "Alpha"

    def test_nobody_there_takes_no_project(self, service: Service, tmp_path: Path) -> None:
        with pytest.raises(ModuleFailed, match=r"found 'Lerning' is no project.*Close to it: Learning\."):
            _run(tmp_path, service, "metadata_project_validator", project_name="Lerning")
        with pytest.raises(ModuleFailed, match="metadata_project_name: found nothing; expected one of the 3 projects"):
            _run(tmp_path, service, "metadata_project_validator")
        assert not (_session(tmp_path) / "project.json").exists()

    @pytest.mark.parametrize("answer", [(200, []), (200, {"message": "x"}), (400, ["Alpha"]), (200, [1, 2])])
    def test_no_list(self, service: Service, tmp_path: Path, answer: tuple[int, Any]) -> None:
        service.will("project_names", answer)
        with pytest.raises(ModuleFailed, match="projects of the metadata service"):
            _run(tmp_path, service, "metadata_project_validator", project_name="Alpha")
