"""The module session_creator: a minimal session.json, or one by aind-data-schema where that is installed."""

import json
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict

from opticstream.rig.modules import ModuleFailed
from opticstream.tasks.post_acquisition import session_creator
from support.module_context import START, STOP, module_context


@pytest.fixture
def session(tmp_path: Path, home: Path) -> Path:
    folder = tmp_path / "m_2026-01-02_03-04-05"
    (folder / "launcher_metadata").mkdir(parents=True)
    return folder


def written(session: Path) -> dict[str, Any]:
    return dict(json.loads((session / "session.json").read_text("utf-8")))


@pytest.fixture
def without_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aind_data_schema.core.session", None)


@pytest.mark.usefixtures("without_schema")
def test_a_minimal_session(session: Path) -> None:
    revisions = [
        {"name": "workflow_repository", "commit": "c0ffee", "dirty": True, "repository_url": "https://example.org/r"},
        {"name": "opticstream", "commit": None},
    ]
    (session / "launcher_metadata" / "git_revisions.json").write_text(json.dumps(revisions))
    parameters = {"experimenter_full_name": "U Ser", "session_sync_secret": "pw", "protocol_id": 3}
    result = session_creator.run(module_context(session, parameters, experiment_data={"experiment_notes": "ran well"}))
    document = written(session)
    assert result.success and "aind-data-schema is not installed" in result.message
    assert (document["subject_id"], document["user_id"], document["rig_id"]) == ("m", "u", "rig-3")
    assert document["experimenter_full_name"] == ["U Ser"] and document["notes"] == "ran well"
    assert datetime.fromisoformat(document["session_start_time"]) == START
    assert datetime.fromisoformat(document["session_end_time"]) == STOP
    assert document["software"][1] == {
        "name": "workflow_repository",
        "version": "c0ffee with changes",
        "url": "https://example.org/r",
    }
    assert "pw" not in json.dumps(document) and document["parameters"]["protocol_id"] == 3


@pytest.mark.usefixtures("without_schema")
@pytest.mark.parametrize("stop", [START, START - timedelta(hours=1), None])
def test_times_are_utc_and_the_end_is_after_the_start(session: Path, stop: datetime | None) -> None:
    start = START.astimezone(timezone(timedelta(hours=-8)))
    session_creator.run(module_context(session, {}, start_time=start, stop_time=stop))
    begun, ended = (datetime.fromisoformat(written(session)[f"session_{name}_time"]) for name in ("start", "end"))
    assert begun == START and begun.utcoffset() == ended.utcoffset() == timedelta(0) and begun < ended


@pytest.mark.usefixtures("without_schema")
def test_a_richer_session_stays_unless_it_is_forced(session: Path) -> None:
    (session / "session.json").write_text('{"describedBy": "a schema"}')
    assert "stays" in session_creator.run(module_context(session, {})).message
    assert written(session) == {"describedBy": "a schema"}
    session_creator.run(module_context(session, {"force": True}))
    assert written(session)["subject_id"] == "m"
    session_creator.run(module_context(session, {}, subject_id="other"))  # a minimal one of ours is no treasure
    assert written(session)["subject_id"] == "other"


@pytest.mark.usefixtures("without_schema")
@pytest.mark.parametrize("content", ["", "[]", "{", "\x00", '[{"name": 3}]'])
def test_revisions_that_cannot_be_read_are_left_out(session: Path, content: str) -> None:
    (session / "launcher_metadata" / "git_revisions.json").write_text(content)
    assert session_creator.run(module_context(session, {})).success
    assert [item["name"] for item in written(session)["software"]] == ["opticstream"]


class _Session(BaseModel):
    """The fields that the schema's Session demands; it forbids others, as that does."""

    model_config = ConfigDict(extra="forbid")
    experimenter_full_name: list[str]
    session_start_time: AwareDatetime
    session_end_time: AwareDatetime
    session_type: str
    iacuc_protocol: str | None
    protocol_id: list[str]
    rig_id: str
    subject_id: str
    animal_weight_prior: float | None
    animal_weight_post: float | None
    data_streams: list[dict[str, Any]]
    mouse_platform_name: str
    active_mouse_platform: bool
    notes: str | None


@pytest.fixture
def schema(monkeypatch: pytest.MonkeyPatch) -> bool:
    """Use the real schema where it is installed, else its demands; return whether it is real."""
    try:
        import aind_data_schema.core.session  # noqa: F401
    except ImportError:
        module = ModuleType("aind_data_schema.core.session")
        module.Session = _Session  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "aind_data_schema", ModuleType("aind_data_schema"))
        monkeypatch.setitem(sys.modules, "aind_data_schema.core", ModuleType("aind_data_schema.core"))
        monkeypatch.setitem(sys.modules, "aind_data_schema.core.session", module)
        return False
    return True


@pytest.mark.usefixtures("schema")
def test_a_session_by_the_schema(session: Path) -> None:
    (session / "mouse_weight.csv").write_text("timestamp,stage,weight_g\nt,pre,24.5\nt,post,24.25\n")
    parameters = {"protocol_id": [1, "two"], "mouse_platform_name": "disc"}
    result = session_creator.run(module_context(session, parameters))
    document = written(session)
    assert "by aind-data-schema" in result.message and document["mouse_platform_name"] == "disc"
    assert (float(document["animal_weight_prior"]), float(document["animal_weight_post"])) == (24.5, 24.25)
    assert (
        document["protocol_id"] == ["1", "two"] and document["data_streams"][0]["software"][0]["name"] == "opticstream"
    )
    assert datetime.fromisoformat(document["session_end_time"]).astimezone(UTC) == STOP


@pytest.mark.usefixtures("schema")
def test_what_the_schema_refuses_is_named(session: Path) -> None:
    with pytest.raises(ModuleFailed, match=r"session\.json: found rig_id"):
        session_creator.run(module_context(session, {}, rig_id=["not", "text"]))
    assert not (session / "session.json").exists()
