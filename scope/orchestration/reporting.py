"""What a scope draws when it has ended."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from opticstream.core.errors import OpticstreamError
from opticstream.core.scope_files import TRACKS_PICTURE_NAME, tracking_files
from opticstream.scope.acquisition import Acquisition
from opticstream.scope.commands.showing import ShowWarningCommand
from opticstream.scope.ipc import Command

logger = logging.getLogger("opticstream.scope")

_ROWS = 200_000
"""Of the newest rows of a buffer that are kept; a recording has all."""
_CLOCK_NS = 2_000_000_000
"""What the coarsest file system's times may be off by."""
TRACKS = "TracksBuffer"


class Reporting:
    """Draws the tracks and the plots into the folder of the recording, when nobody waits any more.

    In the scope's own process, so that no time limit of an ending process cuts a picture off; of the recording, which
    goes back to its beginning, or where there is none of the newest rows that the buffers had.
    """

    name: str
    ui_manager: Any
    tracks_buffer: Any
    _hardware_buffers: Mapping[str, Any]
    _acquisition: Acquisition
    _last_status: dict[str, Any]
    _last_rows: Mapping[str, Any] = {}
    _began_ns: int = 0

    if TYPE_CHECKING:  # of the scope's other parts

        def _show(self, command: Command) -> None: ...

    def _keep_last_rows(self) -> None:
        """Copy what the plots may need out of the shared memory, before that is removed."""
        if self._report_folder is not None:
            buffers = {TRACKS: self.tracks_buffer, **self._hardware_buffers}
            self._last_rows = {name: buffer.newest(_ROWS) for name, buffer in buffers.items() if buffer is not None}

    @property
    def _report_folder(self) -> Path | None:
        """Where pictures go; None: nothing was saved."""
        acquisition = self._acquisition
        return Path(acquisition.dir) if acquisition.dir is not None and acquisition.dir_on else None

    def _draw_report(self) -> None:
        """Draw; what cannot be drawn is said, and is nobody's failure."""
        folder = self._report_folder
        if folder is None or not self._last_rows:
            return
        from opticstream.scope.files.recorded_rows import RecordedRows
        from opticstream.scope.ui.report_plots import BEADS, draw_plots, draw_tracks

        began = time.monotonic()
        recorded = RecordedRows(self._files_of_this_run(folder))

        def rows(buffer: str) -> Any:
            found = recorded.hardware(buffer) if buffer != TRACKS else np.empty((0, 0))
            return found if len(found) else self._last_rows[buffer]

        try:
            tracks = recorded.tracks(BEADS)
            draw_tracks(tracks if len(tracks) else self._last_rows[TRACKS], folder / TRACKS_PICTURE_NAME)
        except (OpticstreamError, MemoryError) as error:
            self._not_drawn("the tracks were not drawn", str(error))
        draw_plots(self.ui_manager.plots_to_add, rows, folder, self._not_drawn)
        self._last_rows = {}
        logger.info("the report's plots were drawn in %.2f s", time.monotonic() - began)

    def _files_of_this_run(self, folder: Path) -> list[Path]:
        files = []
        for path in tracking_files(folder):
            try:
                if path.stat().st_mtime_ns >= self._began_ns - _CLOCK_NS:
                    files.append(path)
            except OSError:
                continue
        return files

    def _not_drawn(self, text: str, details: str) -> None:
        self._show(ShowWarningCommand(text, details))
        said = {"time": time.time(), "text": text, "details": details}
        self._last_status["problems"] = [*self._last_status.get("problems", ()), said]
