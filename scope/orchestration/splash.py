"""A line on the terminal while a scope starts."""

import logging
import sys
import time
from typing import Any

logger = logging.getLogger("opticstream.scope")


class StartupSplash:
    """Says that the scope starts, until the interface is ready, a process fails or it has taken too long."""

    _startup_splash_deadline: float | None = None
    _startup_splash_close_event: Any = None
    _startup_splash_process: Any = None
    """A helper process of a window; a terminal needs none."""
    _startup_splash_timeout_seconds: float = 600.0
    _startup_splash_waiting_for_ui_ready: bool = False

    def _start_startup_splash(self) -> None:
        """Say that the scope starts."""
        self._startup_splash_waiting_for_ui_ready = True
        self._startup_splash_deadline = time.monotonic() + self._startup_splash_timeout_seconds
        if sys.stderr is not None and sys.stderr.isatty():
            print("The scope starts…", end="\r", file=sys.stderr, flush=True)

    def _dismiss_startup_splash_if_pending(self) -> None:
        """Dismiss the line while the start is still waited for."""
        if self._startup_splash_waiting_for_ui_ready:
            self._stop_startup_splash()

    def _stop_startup_splash(self) -> None:
        """Clear the line."""
        if self._startup_splash_waiting_for_ui_ready and sys.stderr is not None and sys.stderr.isatty():
            print(" " * 20, end="\r", file=sys.stderr, flush=True)
        self._startup_splash_waiting_for_ui_ready = False
        self._startup_splash_deadline = None

    def _check_startup_splash_timeout(self) -> None:
        """Dismiss the line if the interface has not been ready for too long."""
        deadline = self._startup_splash_deadline
        if deadline is not None and time.monotonic() >= deadline:
            logger.warning(
                "The interface was not ready after %g s; the scope goes on", self._startup_splash_timeout_seconds
            )
            self._dismiss_startup_splash_if_pending()

    def startup_ready(self, process_name: str = "UIManager") -> None:
        """Dismiss the line: the interface is ready."""
        logger.info("%s is ready", process_name)
        self._dismiss_startup_splash_if_pending()
