"""What a scope takes from its user's preferences, and what it keeps there for the next one."""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opticstream.core.errors import WriteFailed
from opticstream.scope.commands.showing import ShowWarningCommand, UpdateValueCommand
from opticstream.scope.commands.video import LoadZLUTCommand, SetTrackingOptionsCommand, UnloadZLUTCommand
from opticstream.scope.ipc import Command
from opticstream.scope.settings import MagScopeSettings, ScopePreferences, restart_keys
from opticstream.scope.tracking import TrackingOptions

logger = logging.getLogger("opticstream.scope")


class Keeping:
    """Loads the Z-LUT that was used last, remembers the one that is loaded, and tells what a change has to wait for."""

    preferences: ScopePreferences | None
    """Of the user; None: nothing is taken from there, and nothing kept."""
    begins_with_last_zlut: bool = True
    """Whether the Z-LUT that was used last is loaded at the start, where no other is."""
    video_processor_manager: Any
    problems: deque[tuple[float, str, str]]
    _settings: MagScopeSettings
    _zlut_asked: str | None = None

    if TYPE_CHECKING:  # of the scope's other parts

        def _show(self, command: Command) -> None: ...

    def _take_last_zlut(self) -> None:
        """Begin with the Z-LUT that was used last, unless there is another one or it was unloaded on purpose."""
        manager, preferences = self.video_processor_manager, self.preferences
        if preferences is None or not self.begins_with_last_zlut:
            return
        if manager.zlut_path is not None or preferences.z_lut_disabled:
            return
        if (path := preferences.last_z_lut) is not None:
            logger.info("the Z-LUT that was used last is loaded: %s", path)
            manager.zlut_path = str(path)

    def _keep_choice(self, command: Command) -> None:
        """Keep how somebody wants beads tracked, and a Z-LUT once it is known that it can be used."""
        match command:
            case SetTrackingOptionsCommand(options):
                self._keep_tracking(options)
            case LoadZLUTCommand(filepath):
                self._zlut_asked = filepath
            case UnloadZLUTCommand():
                self._remember_zlut(None)
            case UpdateValueCommand("zlut", {"path": str(path)}) if path == self._zlut_asked:
                self._zlut_asked = None
                self._remember_zlut(Path(path).absolute())

    def _remember_zlut(self, path: Path | None) -> None:
        if (preferences := self.preferences) is not None:
            self._store(lambda: preferences.remember_z_lut(path))

    def _keep_tracking(self, options: Mapping[str, Any]) -> None:
        if (preferences := self.preferences) is None:
            return
        with suppress(ValueError):  # the process that tracks refuses them, and says so
            wanted = TrackingOptions.from_mapping(options)
            self._store(lambda: setattr(preferences, "tracking", wanted))

    def _store(self, change: Callable[[], None]) -> None:
        try:
            change()
        except WriteFailed as error:
            logger.warning("%s", error)
            self._show(ShowWarningCommand("a preference cannot be kept", str(error)))

    def _settings_not_stored(self, error: WriteFailed) -> None:
        """Take note that settings cannot be kept for the next time; they hold for this one."""
        logger.warning("%s", error)
        self.problems.append((time.time(), "settings cannot be kept", str(error)))

    def _waits_for_restart(self, changed: Mapping[str, Any]) -> list[ShowWarningCommand]:
        """Return what to say of those changes of settings that a running scope cannot take."""
        late = restart_keys(self._settings, changed)
        if not late:
            return []
        keys = ", ".join(f"{key!r}" for key in late)
        if self._settings.stored:
            text = f"{keys}: the change takes effect when the scope is started again"
        else:
            text = f"{keys}: cannot change while the scope runs; set it for the next one"
        logger.warning("%s", text)
        return [ShowWarningCommand(text)]
