"""The settings of a scope; keys, defaults and ranges are those of the predecessor."""

from opticstream.scope.settings.spec import SettingSpec

SPECS: tuple[SettingSpec, ...] = (
    SettingSpec("ROI", 50, "int", "edge of every bead's region; a change removes all beads", "px", 8, 256, even=True),
    SettingSpec("magnification", 1.0, "float", "of the optics behind the camera's nm per pixel; divides it", "", 1),
    SettingSpec(
        "tracks max datapoints", 1_000_000, "int", "rows of tracks that are kept in memory", "", 1, restart=True
    ),
    SettingSpec("save tracking ROI positions", False, "bool", "store the regions beside the tracks"),
    SettingSpec("tracking data file rotation enabled", True, "bool", "begin a new tracking file at intervals"),
    SettingSpec("tracking data file rotation interval minutes", 60.0, "float", "how long a file lasts", "min", 1),
    SettingSpec(
        "video buffer n images", 40, "int", "frames of a stack, which are tracked together", "", 1, restart=True
    ),
    SettingSpec("video buffer n stacks", 5, "int", "stacks that the video buffer holds", "", 1, restart=True),
    SettingSpec("video processors n", 3, "int", "processes that track", "", 1, restart=True),
    SettingSpec("xy-lock default interval", 10.0, "float", "time between two passes", "s", 0),
    SettingSpec("xy-lock default max", 10.0, "float", "most that a region moves in one pass", "px", 0),
    SettingSpec("xy-lock default window", 10, "int", "newest positions that are averaged", "", 1),
    SettingSpec("z-lock default interval", 10.0, "float", "time between two corrections", "s", 0),
    SettingSpec("z-lock default max", 1000.0, "float", "largest deviation that is corrected at once", "nm", 0),
    SettingSpec("z-lock default window", 10, "int", "newest heights that are averaged", "", 1),
    SettingSpec("gui accent color", "#78c7ff", "color", "colour of what is selected"),
    SettingSpec("gui live plot progress bar", True, "bool", "show when the live plot is drawn next"),
)
