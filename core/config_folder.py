"""Where files are that a user or a rig writes once and programs read."""

import os
from pathlib import Path

import platformdirs

from opticstream.core.settings import Settings


def config_folder(settings: Settings) -> Path:
    """Return the application's home if it was moved, else the user's configuration folder."""
    if "home" in settings.model_fields_set or os.environ.get("OPTICSTREAM_HOME"):
        return settings.home
    return platformdirs.user_config_path("opticstream", appauthor=False)
