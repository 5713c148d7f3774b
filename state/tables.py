"""The tables. Times are seconds since the epoch by the database's clock; views turn them into UTC datetimes."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

SCHEMA_VERSION = 3
OWNER_LENGTH = 200

metadata = MetaData()

# Only INTEGER PRIMARY KEY autoincrements in SQLite; PostgreSQL needs the width.
_Key = BigInteger().with_variant(Integer(), "sqlite")

schema_info = Table("schema_info", metadata, Column("version", Integer, nullable=False))

projects = Table(
    "project",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("pipeline", String(16), nullable=False),
    Column("slug", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("config", JSON, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("updated_at", Float(53), nullable=False),
    UniqueConstraint("pipeline", "slug"),
)

units = Table(
    "unit",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("level", String(16), nullable=False),
    Column("n1", Integer, nullable=False),
    Column("n2", Integer, nullable=False),
    Column("n3", Integer, nullable=False),
    Column("parent_id", ForeignKey("unit.id")),
    Column("status", String(16), nullable=False),
    Column("milestones", JSON, nullable=False),
    Column("fingerprint", String(64)),
    Column("source", JSON),
    Column("dispatch", String(8)),
    Column("dispatch_no", Integer, nullable=False),
    Column("watcher_id", BigInteger),
    Column("error", String),
    Column("created_at", Float(53), nullable=False),
    Column("updated_at", Float(53), nullable=False),
    Column("started_at", Float(53)),
    Column("finished_at", Float(53)),
    UniqueConstraint("project_id", "level", "n1", "n2", "n3"),
    Index("unit_children", "parent_id", "status"),
    Index("unit_by_status", "project_id", "level", "status"),
    sqlite_autoincrement=True,  # a deleted unit's id never names another unit
)

stages = Table(
    "stage",
    metadata,
    Column("unit_id", ForeignKey("unit.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(16), primary_key=True),
    Column("token", BigInteger),  # of the claim that holds it; NULL: nobody
    Column("done_token", BigInteger),  # of the claim that committed it
    Column("attempts", Integer, nullable=False),
    Column("not_before", Float(53), nullable=False),
)

# Claims are never deleted: they are the audit of who held what, and the source of monotonic tokens.
claims = Table(
    "claim",
    metadata,
    Column("token", _Key, primary_key=True),
    Column("unit_id", BigInteger, nullable=False),
    Column("unit", String(160), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("owner", String(OWNER_LENGTH), nullable=False),
    Column("host", String(128), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("birth", String(64), nullable=False),
    Column("claimed_at", Float(53), nullable=False),
    Column("lease_until", Float(53), nullable=False),
    Column("ended_at", Float(53)),
    Column("outcome", String(16)),  # committed, failed, released, died, expired, revoked; NULL: holding
    Column("result", JSON(none_as_null=True)),  # what the holder made and how it was verified
    Index("claim_by_unit", "unit_id", "outcome"),
    sqlite_autoincrement=True,
)

watchers = Table(
    "watcher",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("folder", String, nullable=False),
    Column("host", String(128), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("birth", String(64), nullable=False),
    Column("started_at", Float(53), nullable=False),
    Column("beat_at", Float(53), nullable=False),
    Column("stopped_at", Float(53)),
    sqlite_autoincrement=True,
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("event_id", String(36), nullable=False, unique=True),
    Column("event", String(128), nullable=False),
    Column("resource", String(160), nullable=False),
    Column("project", String(64), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("unit_id", BigInteger, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("leased_until", Float(53), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("sent_at", Float(53)),
    Column("settled_at", Float(53)),
    Index("outbox_unsettled", "settled_at", "leased_until"),
    sqlite_autoincrement=True,
)

sessions = Table(
    "session",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("folder", String),
    Column("rig", String(200), nullable=False),
    Column("subject", String, nullable=False),
    Column("user", String, nullable=False),
    Column("launcher", String(200), nullable=False),
    Column("host", String(128), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("birth", String(64), nullable=False),
    Column("status", String(32), nullable=False),  # started, acquiring, then the outcome
    Column("reason", String),
    Column("started_at", Float(53), nullable=False),
    Column("acquiring_at", Float(53)),
    Column("finished_at", Float(53)),
    Column("flow_run_id", String(36)),
    Column("end_state", JSON(none_as_null=True)),
    Column("state", JSON(none_as_null=True)),  # what the launcher saved for a later session
    Column("artifacts", JSON(none_as_null=True)),  # what Prefect is still to be shown
    Column("told_at", Float(53)),  # when Prefect was seen to know the end
    Index("session_by_name", "name"),
    Index("session_by_rig", "rig", "id"),
    Index("session_to_tell", "told_at", "finished_at"),
    sqlite_autoincrement=True,
)
