"""Names of modules that parameter files of labs hold, and that this version does not have."""

from opticstream.core.errors import BadInput

LACKING = {
    "session_enhancer_bonsai": "adds Bonsai streams to session.json",
    "session_enhancer_predictive_processing": "adds predictive-processing epochs to session.json",
    "session_enhancer_slap2": "adds SLAP2 streams to session.json",
    "stimulus_table_predictive_processing": "makes stimulus_table.csv from Harp recordings",
    "slap2_meta_annotator": "names and sorts SLAP2 recordings",
    "slap2_behavior_annotator": "names and sorts Harp recordings",
    "slap2_behaviorvideo_annotator": "names and sorts behaviour videos",
    "slap2_stimuli_p3_annotator": "sorts stimulus tables",
    "behavior_videos_flatten": "moves nested video files up",
}
"""Name → what it did. All stand after the acquisition; a lab's package may bring a module of that name."""


class Lacking(BadInput):
    """Raised when a known module is asked for that this version does not have; the parameter file is not at fault."""

    @classmethod
    def of(cls, name: str) -> "Lacking":
        """Return the error for one of :data:`LACKING`."""
        return cls(
            f"module {name}",
            found=f"the name of a module ({LACKING[name]}) that this version does not have yet",
            expected="a module of `opticstream modules list`",
            action="Take it out of the pipeline, or install a package that brings it.",
        )
