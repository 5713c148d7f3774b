"""A line about the camera, once a minute."""

import logging
import time
from typing import Any

logger = logging.getLogger("opticstream.scope")


class CameraHealth:
    """Logs, while logging is verbose, how many frames came and what went wrong with them."""

    shared_values: Any
    video_buffer: Any
    _camera_health_log_interval_seconds: float = 60.0
    _next_camera_health_log_deadline: float | None = None
    _last_camera_health_sample_time: float | None = None
    _last_camera_health_frame_count: int = 0

    def _reset_camera_health_logging_state(self) -> None:
        """Start a fresh window for the frame rate."""
        now = time.monotonic()
        self._last_camera_health_sample_time = now
        self._last_camera_health_frame_count = (
            int(self.shared_values.camera_total_frames.value) if self.shared_values is not None else 0
        )
        self._next_camera_health_log_deadline = now + self._camera_health_log_interval_seconds

    def _log_camera_health_if_due(self) -> None:
        """Log the summary when a minute has passed and logging is verbose."""
        now, due = time.monotonic(), self._next_camera_health_log_deadline
        if due is None or now < due or self.video_buffer is None:
            return
        self._next_camera_health_log_deadline = now + self._camera_health_log_interval_seconds
        values = self.shared_values
        frames = int(values.camera_total_frames.value)
        since = now - (self._last_camera_health_sample_time or now)
        rate = (frames - self._last_camera_health_frame_count) / since if since > 0 else 0.0
        self._last_camera_health_sample_time, self._last_camera_health_frame_count = now, frames
        if not logger.isEnabledFor(logging.INFO):
            return
        last = float(values.camera_last_frame_timestamp.value)
        logger.info(
            "camera: %.1f frames/s, %d frames, %s, %d timeouts in a row, %d times full, buffer %.0f %% full",
            rate,
            frames,
            f"last one {time.time() - last:.1f} s ago" if last > 0 else "no frames received yet",
            int(values.camera_consecutive_timeouts.value),
            int(values.camera_queue_full_events.value),
            100 * self.video_buffer.get_level(),
        )
