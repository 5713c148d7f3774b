"""The deployments of each pipeline, as data: what they claim, what starts them, which flow they run."""

from opticstream.core.errors import BadInput
from opticstream.core.events import BATCH_READY
from opticstream.core.lsm_config import LSMScanConfig
from opticstream.core.lsm_events import CHANNEL_READY, STRIP_READY
from opticstream.state.job import Job

BATCHES = Job(
    name="",
    pipeline="oct",
    level="batch",
    stages=("process",),
    event=BATCH_READY,
    flow="process_tile_batch_event_flow",
    entrypoint="opticstream.flows.process_tile_batch:process_tile_batch_event_flow",
    noun="batches",
)
STRIPS = Job(
    name="",
    pipeline="lsm",
    level="strip",
    stages=("compress", "archive", "cleanup"),
    event=STRIP_READY,
    flow="process_strip_event",
    entrypoint="opticstream.flows.process_strip:process_strip_event",
    noun="strips",
)
STRIPS_WITHOUT_ARCHIVE = Job(
    name="",
    pipeline="lsm",
    level="strip",
    stages=("compress", "cleanup"),
    event=STRIP_READY,
    flow=STRIPS.flow,
    entrypoint=STRIPS.entrypoint,
    noun="strips",
)
ARCHIVE = Job(
    name="archive",
    pipeline="lsm",
    level="strip",
    stages=("archive", "cleanup"),
    event=STRIP_READY,
    flow="archive_strip_event",
    entrypoint="opticstream.flows.archive_strip:archive_strip_event",
    noun="archives",
    direct_too=True,  # nobody announces these; reconcile brings their runs
)
CHANNELS = Job(
    name="channel",
    pipeline="lsm",
    level="channel",
    stages=("mip", "volume"),
    event=CHANNEL_READY,
    flow="process_channel_event",
    entrypoint="opticstream.flows.process_channel:process_channel_event",
    noun="channels",
)


def lsm_jobs(config: LSMScanConfig, part: str = "all") -> tuple[Job, ...]:
    """Return the jobs that a host does for a light-sheet project.

    Args:
        config: the project's.
        part: ``all``, ``process`` (strips and channels) or ``archive``.

    Raises:
        BadInput: there is no such part, or this project has no archive job of its own.
    """
    strips = STRIPS_WITHOUT_ARCHIVE if config.distribute_archive else STRIPS
    archive = (ARCHIVE,) if config.distribute_archive else ()
    parts = {"all": (strips, *archive, CHANNELS), "process": (strips, CHANNELS), "archive": archive}
    if part not in parts:
        raise BadInput("PART", found=repr(part), expected=", ".join(parts))
    if not parts[part]:
        raise BadInput(
            "PART",
            found=f"{part!r} for {config.project_name}, whose strips are archived where they are converted",
            expected="a project with distribute_archive",
            action="`opticstream lsm setup … --distribute-archive` sets it.",
        )
    return parts[part]
