"""What a scope records."""

from typing import TYPE_CHECKING

from opticstream.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from opticstream.scope.files.batch_lost import BatchLost
    from opticstream.scope.files.recording import Recording, read_tracking_file
    from opticstream.scope.files.recording_info import RecordingInfo
    from opticstream.scope.files.repair import RepairReport, repair_tracking_file
    from opticstream.scope.files.telemetry_file import TelemetryFile
    from opticstream.scope.files.tracking_file import TrackingFile
    from opticstream.scope.files.tracking_writer import TrackingFileWriter

__all__ = [
    "BatchLost",
    "Recording",
    "RecordingInfo",
    "RepairReport",
    "TelemetryFile",
    "TrackingFile",
    "TrackingFileWriter",
    "read_tracking_file",
    "repair_tracking_file",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "BatchLost": "opticstream.scope.files.batch_lost",
        "Recording": "opticstream.scope.files.recording",
        "RecordingInfo": "opticstream.scope.files.recording_info",
        "RepairReport": "opticstream.scope.files.repair",
        "TelemetryFile": "opticstream.scope.files.telemetry_file",
        "TrackingFile": "opticstream.scope.files.tracking_file",
        "TrackingFileWriter": "opticstream.scope.files.tracking_writer",
        "read_tracking_file": "opticstream.scope.files.recording",
        "repair_tracking_file": "opticstream.scope.files.repair",
    },
)
