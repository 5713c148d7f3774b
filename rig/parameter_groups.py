"""The keys of a launch, group by group; their descriptions are the run form's.

A group lists keys that one part of a launch reads. :class:`~opticstream.rig.parameters.LaunchParameters` joins them.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr

from opticstream.rig.parameter_types import (
    Arguments,
    LauncherName,
    LauncherVersion,
    LogLevel,
    Pattern,
    Port,
    PositiveSeconds,
    Protocol,
    Seconds,
    Text,
    Values,
    Whole,
)
from opticstream.rig.pipeline_entry import Entry

_Count = Annotated[Whole, Field(ge=0)]


class SessionKeys(BaseModel):
    """Who, where, and what runs around the acquisition."""

    subject_id: Text | None = Field(None, description="Animal or experiment subject. Asked for when empty.")
    user_id: Text | None = Field(None, description="Experimenter who runs the session. Asked for when empty.")
    launcher: LauncherName = Field(
        "base",
        description="What runs the acquisition: base, bonsai, matlab, python, or package.module:Class. Not given: "
        "inferred from the other keys.",
    )
    launcher_version: LauncherVersion | None = Field(
        None, description="Launcher versions this file is written for, such as >=0.2,<0.3. Empty: any."
    )
    output_root_folder: Text | None = Field(
        None, description="Folder that receives the session's folder. Empty: the working directory."
    )
    session_uuid: Text | None = Field(
        None, description="Name of the session and its folder. Empty: subject, date and time."
    )
    rig_config_path: Text | None = Field(None, description="This rig's TOML file. Empty: the usual place.")
    pre_acquisition_pipeline: tuple[Entry, ...] = Field(
        (), description="Modules that run before the acquisition, in order: names, or objects with module_path."
    )
    post_acquisition_pipeline: tuple[Entry, ...] = Field(
        (), description="Modules that run after the acquisition, in order: names, or objects with module_path."
    )
    protocol_id: Protocol | None = Field(None, description="Number or name of the protocol, or a list of them.")
    resource_log_interval: Seconds = Field(5, description="Seconds between entries of the resource log; 0: none.")
    centralized_log_directory: Text | None = Field(
        None, description="Folder that receives a copy of the session's log. Empty: no copy."
    )
    orphaned_acquisition: Literal["ask", "end", "ignore", "abort"] = Field(
        "ask", description="What to do with an acquisition that outlived an earlier launcher."
    )
    operator_timeout_sec: Seconds = Field(
        0, description="Seconds a module's question waits for the operator, then the module fails; 0: without end."
    )
    log_level: LogLevel = Field("INFO", description="Least level shown in the terminal; the log file has all.")


class AcquisitionKeys(BaseModel):
    """What runs, and when it is stopped."""

    script_path: Text | None = Field(
        None, description="Script of the experiment: absolute, in the repository, or in the working directory."
    )
    script_parameters: Values = Field({}, description="Names and values for Bonsai properties or MATLAB arguments.")
    script_arguments: Arguments = Field((), description="Arguments after the script or workflow.")
    command: Arguments = Field(
        (), description="Program and arguments that launcher base runs. Empty: only sync and modules."
    )
    acquisition_error_terminate: bool = Field(False, description="Stop at the first line on standard error.")
    acquisition_error_grace_period_sec: Seconds = Field(
        0, description="Seconds from that line to the stop, for more of the message."
    )
    process_start_timeout_sec: Seconds = Field(
        0, description="Stop when nothing was printed this many seconds after the start; 0: never."
    )
    process_no_output_timeout_sec: Seconds = Field(
        0, description="Stop when nothing was printed for this many seconds; 0: never."
    )
    process_memory_limit_mb: Seconds = Field(
        0, description="Stop when the acquisition's processes hold more memory than this, MB; 0: never."
    )
    minimum_free_disk_gb: Seconds = Field(
        0, description="Stop when the session's disk has less room than this, GB; 0: never."
    )
    process_stop_timeout_sec: PositiveSeconds = Field(
        5, description="Seconds the acquisition has to end by itself when it is stopped, before it is killed."
    )


class RepositoryKeys(BaseModel):
    """Code of the experiment."""

    repository_url: Text | None = Field(None, description="Address of the experiment's git repository.")
    repository_commit_hash: Text = Field("main", description="Commit, tag or branch to check out.")
    local_repository_path: Text | None = Field(None, description="Folder in which the repository is cloned and kept.")


class PythonKeys(BaseModel):
    """Launcher python."""

    python_executable: Text | None = Field(None, description="Python to run the script with. Empty: our own.")
    python_venv_path: Text | None = Field(None, description="Virtual environment to run the script in.")
    python_args: Arguments = Field((), description="Options of Python itself, before the script.")
    python_arguments: Arguments = Field((), description="Arguments after the script, before script_arguments.")


class BonsaiKeys(BaseModel):
    """Launcher bonsai."""

    workflow_path: Text | None = Field(None, description="Workflow (.bonsai) to run; script_path does as well.")
    bonsai_executable: Text | None = Field(None, description="Bonsai.exe: absolute or in the repository.")
    bonsai_args: Arguments = Field((), description="Further arguments for Bonsai.")
    bonsai_setup_script: Text | None = Field(
        None, description="Script that installs Bonsai when bonsai_executable is missing."
    )
    bonsai_config_path: Text | None = Field(None, description="Bonsai.config whose packages should be installed.")
    bonsai_max_retries: Whole | None = Field(
        None,
        description="How often a failed workflow starts again. Empty or negative: as often as the operator asks; "
        "unattended, never without end.",
    )
    bonsai_retry_delay_sec: Seconds = Field(0, description="Wait before a workflow starts again, seconds.")
    bonsai_fail_on_stderr: bool = Field(True, description="A line on standard error makes the workflow fail.")
    bonsai_retry_error_patterns: tuple[Pattern, ...] = Field(
        (), description="Regular expressions; output that matches one makes the workflow fail."
    )
    bonsai_continue_on_failure: bool = Field(False, description="Go on after a failed workflow without asking.")
    bonsai_failure_default: Literal["retry", "proceed", "abort"] | None = Field(
        None, description="Answer taken when the operator gives none after a failed workflow."
    )


class ScopeKeys(BaseModel):
    """Launcher scope."""

    scope_camera: Text = Field(
        "beads", description="Camera: beads (simulated), noise, fast-noise, or package.module:Class for one of yours."
    )
    scope_camera_settings: Values = Field({}, description="Settings of the camera, by name.")
    scope_replay: Text | None = Field(None, description="Recorded video (TIFF, OME-Zarr) instead of a camera.")
    scope_beads: Text = Field(
        "auto", description="auto: beads are found; a number: random places; or a file of places."
    )
    scope_seconds: Seconds | None = Field(
        None, description="Seconds until the scope ends. Empty: when its script has ended, or somebody stops it."
    )
    scope_mode: Literal["Track", "Track and Video (ROIs)", "Track and Video (Full)", "Video (ROIs)", "Video (Full)"] = (
        Field("Track", description="What is recorded.")
    )
    scope_zlut: Text | None = Field(
        None, description="Z-LUT file, or none. Empty: the one used last; simulated beads have theirs."
    )
    scope_tracking: Literal["linear_bins", "magtrack"] | None = Field(
        None,
        description="How beads are tracked; magtrack gives the values of the older program. "
        "Empty: as the user's settings say, else linear_bins.",
    )
    scope_settings: Values = Field({}, description="Settings of the scope, this time; see `scope settings show`.")
    scope_simulated_focus: bool = Field(False, description="Add a simulated focus motor.")


class MatlabKeys(BaseModel):
    """Launcher matlab."""

    matlab_backend: Literal["matlab", "octave"] = Field(
        "matlab", description="matlab: a shared MATLAB engine; octave: GNU Octave, no licence needed."
    )
    matlab_engine_name: Text = Field("slap2_launcher", description="Name under which MATLAB shares its engine.")
    matlab_entrypoint: Text | None = Field(
        None, description="Function to call. Empty: the name of script_path, else slap2_launcher."
    )
    matlab_entrypoint_args: tuple[object, ...] | None = Field(
        None, description="Arguments in order. Empty: execute for slap2_launcher, else none."
    )
    matlab_entrypoint_kwargs: Values = Field({}, description="Names and values after those of script_parameters.")
    matlab_entrypoint_nargout: _Count = Field(0, description="Number of outputs to ask for.")
    matlab_engine_connect_timeout_sec: Seconds = Field(
        120, description="Seconds to wait until the engine is there; 0: until it is, or the operator stops."
    )
    matlab_engine_connect_poll_interval_sec: PositiveSeconds = Field(
        1, description="Seconds between attempts to find the engine; at least 0.1."
    )
    matlab_cancel_timeout_sec: Seconds = Field(
        15, description="Seconds MATLAB has to confirm that it stops; at least 1."
    )
    matlab_keep_engine_alive: bool = Field(True, description="Leave the engine running after the session.")
    matlab_pass_session_folder: bool = Field(True, description="Older files: pass the session's folder to MATLAB.")
    matlab_session_folder_position: Literal["append", "prepend", "ignore"] | Whole = Field(
        "append", description="Older files: where the session's folder stands: append, prepend, ignore or an index."
    )
    matlab_enable_resume: bool = Field(True, description="Older files: call again after the engine was lost.")
    matlab_resume_keyword: Text = Field("resume", description="Older files: name of the argument that says so.")
    matlab_max_resumes: _Count = Field(3, description="How often a call is resumed after the engine was lost.")
    matlab_rig_description_path: Text | None = Field(
        None, description="File passed to MATLAB as rig_description_path unless the parameters name one."
    )


class SyncKeys(BaseModel):
    """One session name for several rigs."""

    session_sync_role: Text | None = Field(
        None, description="master or slave: agree on one session name with other rigs. Anything else: no sync."
    )
    session_sync_port: Port | None = Field(None, description="TCP port of the master, the same on every rig.")
    session_sync_expected_slaves: Annotated[Whole, Field(ge=1)] | None = Field(
        None, description="Master: how many slaves must confirm."
    )
    session_sync_bind_host: Text = Field(
        "127.0.0.1", description="Master: own address to listen on; 0.0.0.0 lets other computers in."
    )
    session_sync_master_host: Text | None = Field(None, description="Slave: name or address of the master.")
    session_sync_node_name: Text | None = Field(None, description="This rig's name in logs. Empty: the computer's.")
    session_sync_key_param: Text = Field("subject_id", description="Parameter that must be the same on every rig.")
    session_sync_session_key: Text | None = Field(None, description="Text that must be the same, instead of that.")
    session_sync_session_name: Text | None = Field(None, description="Master: the session name to announce.")
    session_sync_name_param: Text = Field("session_uuid", description="Master: parameter that holds that name.")
    session_sync_timeout_sec: PositiveSeconds = Field(120, description="Seconds until all rigs must be there.")
    session_sync_ack_timeout_sec: PositiveSeconds = Field(
        30, description="Seconds a rig has for an answer that is due."
    )
    session_sync_retry_delay_sec: PositiveSeconds = Field(1, description="Slave: seconds between two attempts.")
    session_sync_allow_bypass: bool = Field(False, description="Let the operator go on without the other rigs.")
    session_sync_bypass_prompt: Text | None = Field(None, description="What the operator is asked for that.")
    session_sync_secret: SecretStr | None = Field(
        None, description="Shared secret; rigs without it are refused. Better kept out of files."
    )
