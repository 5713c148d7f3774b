"""What a session shows in the Prefect UI when it is over: who, what, how it ended, what it used, where it is."""

import base64
import logging
import re
from pathlib import Path
from typing import Any

import httpx
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from opticstream.rig.launcher.closing import PLOT
from opticstream.rig.launcher.report import SessionReport
from opticstream.rig.scope_acquisition import ScopeRecording, read_scope_recording

log = logging.getLogger(__name__)
_LONGEST_KEY = 120


def session_artifacts(report: SessionReport, who: dict[str, str]) -> list[dict[str, Any]]:
    """Return the artifacts of a session: a summary and a link to its folder; none for one that never had a folder.

    Args:
        report: how it ended.
        who: what is known of it: label → text.
    """
    roster = roster_artifacts(report.sync) if report.sync else []
    if report.session_folder is None or report.session_name is None:
        return roster
    key = _key(f"session-{report.session_name}")
    folder = report.session_folder
    return [
        *roster,
        {
            "type": "markdown",
            "key": key,
            "data": _summary(report, who),
            "description": f"{report.session_name}: {report.outcome.value}",
        },
        {"type": "link", "key": f"{key}-folder", "data": folder.as_uri(), "description": str(folder)},
    ]


def roster_artifacts(sync: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the table of who took part in session sync.

    Args:
        sync: a `SyncResult` as JSON data.
    """
    nodes = [{key: _cell(value) for key, value in node.items()} for node in sync["roster"].get("nodes", ())]
    refused = [
        {"name": each.get("name"), "status": "refused", "reason": each.get("reason")}
        for each in sync["roster"].get("refused", ())
    ]
    name = sync["session_name"] or sync["node_name"]
    return [
        {
            "type": "table",
            "key": _key(f"session-sync-{name}"),
            "data": [*nodes, *refused],
            "description": f"Session sync as {sync['role']}: {sync['outcome']} after {sync['waited_s']:.1f} s. {sync['reason']}".strip(),
        }
    ]


def _key(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_LONGEST_KEY]


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def publish(artifacts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Create artifacts of the flow run around the caller; return those that Prefect did not take.

    An API that does not answer is not asked again.
    """
    left: list[dict[str, Any]] = []
    for number, artifact in enumerate(artifacts):
        try:
            if artifact["type"] == "link":
                create_link_artifact(
                    artifact["data"],
                    link_text=artifact["description"],
                    key=artifact["key"],
                    description=artifact["description"],
                )
            elif artifact["type"] == "table":
                create_table_artifact(artifact["data"], key=artifact["key"], description=artifact["description"])
            else:
                create_markdown_artifact(artifact["data"], key=artifact["key"], description=artifact["description"])
        except httpx.TransportError as error:
            log.warning("%s: not shown in the Prefect UI yet: %s", artifact["key"], error)
            return left + artifacts[number:]
        except Exception as error:
            log.warning("%s: not shown in the Prefect UI yet: %s", artifact["key"], error)
            left.append(artifact)
    return left


def _summary(report: SessionReport, who: dict[str, str]) -> str:
    lines = [f"# {report.session_name}", "", f"**{report.outcome.value.replace('_', ' ')}**" + _because(report), ""]
    lines += [f"- {label}: {_escaped(text)}" for label, text in who.items() if text]
    lines += [f"- folder: `{report.session_folder}`"]
    if report.modules:
        lines += ["", "| stage | module | outcome | seconds | message |", "| --- | --- | --- | ---: | --- |"]
        lines += [
            f"| {module.stage.replace('_', '-')} | {_escaped(module.name)} | {module.outcome} "
            f"| {module.duration_s:.1f} | {_escaped(module.message)} |"
            for module in report.modules
        ]
    if report.durations:
        lines += ["", "| step | seconds |", "| --- | ---: |"]
        lines += [f"| {_escaped(name)} | {seconds:.1f} |" for name, seconds in report.durations.items()]
    if report.warnings:
        lines += ["", "## Warnings", "", *(f"- {_escaped(warning)}" for warning in report.warnings)]
    recording = read_scope_recording(report.session_folder) if report.session_folder else None
    if recording is not None:
        lines += _recording(recording)
    plot = report.metadata_folder / PLOT if report.metadata_folder else None
    picture = _embedded(plot) if plot and plot.is_file() else None
    if picture:
        lines += ["", "## Resources", "", f"![resource use](data:image/png;base64,{picture})"]
    return "\n".join(lines) + "\n"


def _because(report: SessionReport) -> str:
    return f": {_escaped(report.reason)}" if report.reason else ""


def _recording(recording: ScopeRecording) -> list[str]:
    said = recording.summary
    lines = [
        "",
        "## Scope",
        "",
        f"- {_escaped(str(said.get('reason', '')))}",
        f"- {said.get('frames', 0)} frames, {said.get('frames_tracked', 0)} tracked, "
        f"{said.get('frames_dropped', 0)} dropped; {said.get('beads', 0)} beads",
        *(f"- `{path}`" for path in recording.files),
    ]
    for path in (recording.picture, *recording.plots):
        if path is not None and (picture := _embedded(path)):
            lines += ["", f"![{_escaped(path.stem)}](data:image/png;base64,{picture})"]
    return lines


def _embedded(path: Path) -> str | None:
    try:
        return base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError as error:
        log.warning("%s: %s", path, error)
        return None


def _escaped(text: str) -> str:
    """Return text that is only text in a table of Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", " ".join(text.split()))
