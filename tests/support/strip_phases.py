"""How far the holders of a strip's stages are: told from the claim table and from what lies on the disk."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Row, select

from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.lsm_identifiers import StripId
from opticstream.core.lsm_layout import strip_archive_path, strip_zarr_path
from opticstream.state import Database
from opticstream.state.tables import claims

PHASES = ("convert", "verify", "publish", "archive", "verify archive", "publish archive", "plan", "clean up")
"""Phases in which something lies half done; a claim is also in phase ``begin`` and, a stage of a conversion, ``beside``."""


@dataclass(frozen=True)
class Hold:
    """One claim that is not closed, or whose holder was found dead."""

    unit: str
    stage: str
    token: int
    host: str
    pid: int
    phase: str


def holds_now(database: Database, config: LSMScanConfig) -> list[Hold]:
    """Return what is held now."""
    return _holds(database, config, claims.c.outcome.is_(None))


def holds_of_the_dead(database: Database, config: LSMScanConfig, host: str, pid: int) -> list[Hold]:
    """Return what a process held when it was killed; ask before its host's next process starts."""
    unfinished = claims.c.outcome.is_(None) | claims.c.outcome.in_(("died", "expired"))
    return _holds(database, config, unfinished & (claims.c.host == host) & (claims.c.pid == pid))


def _holds(database: Database, config: LSMScanConfig, which: ColumnElement[bool]) -> list[Hold]:
    with database.peek() as connection:
        rows = connection.execute(select(claims).where(which).order_by(claims.c.token)).all()
    converting = {(row.unit, row.pid) for row in rows if row.stage == "compress"}
    found = []
    for row in rows:
        beside = row.stage == "archive" and (row.unit, row.pid) in converting
        phase = "beside" if beside else _phase(config, row)
        found.append(Hold(row.unit, row.stage, row.token, row.host, row.pid, phase))
    return found


def _phase(config: LSMScanConfig, row: Row[tuple[object, ...]]) -> str:
    if row.stage == "cleanup":
        return "plan" if row.result is None else "clean up"
    ident = _strip(row.unit)
    if row.stage == "compress":
        final, mark, names = strip_zarr_path(config, ident), "zarr.json", PHASES[:3]
    else:
        assert config.archive_path is not None
        final, mark, names = strip_archive_path(config.archive_path, ident), "SHA256SUMS", PHASES[3:6]
    staged = final.with_name(f".{final.name}.token-{row.token}.tree")
    if staged.is_dir():
        return names[1] if (staged / mark).exists() else names[0]
    return names[2] if _was_written_since(final / mark, row.claimed_at) else "begin"


def _was_written_since(path: Path, moment: float) -> bool:
    try:
        return path.stat().st_mtime >= moment
    except OSError:
        return False


def _strip(text: str) -> StripId:
    _, project, *levels = text.split("/")
    slice_, channel, strip = (int(level.rpartition("-")[2]) for level in levels)
    return StripId(project=project, slice=slice_, channel=channel, strip=strip)
