"""What a recording says of itself."""

import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from opticstream.core.errors import BadInput
from opticstream.scope.tracking.zlut import ZLut

_NAME = re.compile(r"[^/\0.][^/\0]*")


@dataclass(frozen=True)
class RecordingInfo:
    """Everything that does not change while a file is written; all of it is stored in every file of a recording.

    Raises:
        BadInput: a table or column of ``hardware`` has a name that cannot be one, or settings are not plain values.
    """

    scope_name: str = ""
    host: str = field(default_factory=platform.node)
    flow_run_id: str = ""
    camera_class: str = ""
    width_px: int = 0
    height_px: int = 0
    bits: int = 0
    nm_per_px: float = 0.0
    """Edge of the camera's pixel, nm; divided by ``magnification`` it is that in the sample."""
    magnification: float = 1.0
    camera_settings: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The scope's, all of them."""
    tracking_options: Mapping[str, Any] = field(default_factory=dict)
    zlut: ZLut | None = None
    zlut_path: str = ""
    hardware: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Names of the columns of each hardware manager's table."""
    include_roi_positions: bool = False
    """Store the corner of the bead's ROI with each record, as the predecessor does on request."""

    def __post_init__(self) -> None:
        for name, columns in self.hardware.items():
            if not _NAME.fullmatch(name):
                raise BadInput(
                    "hardware table", found=repr(name), expected="a name without '/', not beginning with '.'"
                )
            if not columns or len(set(columns)) != len(columns) or not all(columns):
                expected = "at least one name, all different"
                raise BadInput(f"columns of hardware table {name!r}", found=f"{list(columns)}", expected=expected)
        self.attributes()

    def attributes(self) -> dict[str, str | int | float]:
        """Return what is stored as attributes of the file; settings as JSON.

        Raises:
            BadInput: settings hold something that JSON has no word for.
        """
        texts = {}
        for name in ("camera_settings", "settings", "tracking_options"):
            try:
                texts[name] = json.dumps(dict(getattr(self, name)), ensure_ascii=False, allow_nan=True)
            except (TypeError, ValueError) as error:
                raise BadInput(f"recording: {name}", found=str(error), expected="plain values by name") from None
        versions = {f"{name}_version": version(name) for name in ("opticstream", "numpy", "h5py")}
        return {
            "scope_name": self.scope_name,
            "host": self.host,
            "flow_run_id": self.flow_run_id,
            "camera_class": self.camera_class,
            "camera_width_px": self.width_px,
            "camera_height_px": self.height_px,
            "camera_bits": self.bits,
            "camera_nm_per_px": self.nm_per_px,
            "magnification": self.magnification,
            "zlut_path": self.zlut_path,
            "zlut_sha256": "" if self.zlut is None else self.zlut.content_hash,
            "python_version": platform.python_version(),
            **texts,
            **versions,
        }
