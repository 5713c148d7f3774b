"""How keys are spelled: one table from the spellings of real files to the documented names."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from opticstream.rig.bad_parameters import Problem, shown

ALIASES: dict[str, str] = {
    "mouse_id": "subject_id",
    "OutputFolder": "output_root_folder",
    "session_folder": "output_session_folder",
    "bonsai_path": "workflow_path",
    "bonsai_exe_path": "bonsai_executable",
    "bonsai_parameters": "script_parameters",
    "python_exe_path": "python_executable",
    "matlab_function": "matlab_entrypoint",
    "rig_description_path": "matlab_rig_description_path",
    "session_sync_mode": "session_sync_role",
}
"""Spelling in a file → documented name. Below the top level nothing is renamed."""

KNOWN_ELSEWHERE = frozenset(
    [
        "$schema",
        "active_mouse_platform",
        "allow_override",
        "allow_pending_backup",
        "assume_yes",
        "backup_dir",
        "checksum_algo",
        "checksum_algorithm",
        "collect_mouse_runtime_data",
        "copy_to_backup",
        "description",
        "disk_space_check_path",
        "disk_space_freed",
        "disk_space_override",
        "dry_run",
        "example_message",
        "exclude_patterns",
        "experiment_code",
        "experiment_notes_allow_no",
        "experiment_notes_autoclose_editor",
        "experiment_notes_confirm_max_attempts",
        "experiment_notes_confirm_prompt",
        "experiment_notes_confirmed",
        "experiment_notes_editor_args",
        "experiment_notes_editor_command",
        "experiment_notes_encoding",
        "experiment_notes_filename",
        "experiment_notes_launch_editor",
        "experiment_notes_post",
        "experiment_notes_preview",
        "experiment_notes_preview_limit",
        "experiment_notes_prompt",
        "experimenter_full_name",
        "experimenter_name",
        "fail_if_no_input",
        "fatal_error_patterns",
        "force",
        "github_issue",
        "github_issue_on_error",
        "github_issue_repo",
        "iacuc_protocol",
        "include_patterns",
        "instrument_json_confirmed",
        "instrument_json_destination_name",
        "instrument_json_filename",
        "instrument_json_recursive",
        "instrument_json_required",
        "instrument_json_source_path",
        "instrument_json_source_root",
        "manifest_path",
        "matlab_arguments",
        "matlab_exe_path",
        "max_retries",
        "metadata_api_base_url",
        "metadata_mouse_id",
        "metadata_procedures_path",
        "metadata_procedures_timeout",
        "metadata_project_name",
        "metadata_project_prompt",
        "metadata_protocol_path",
        "metadata_protocol_required",
        "metadata_require_valid",
        "metadata_service_base_url",
        "metadata_service_cache",
        "metadata_service_retries",
        "metadata_service_timeout",
        "metadata_subject_id",
        "metadata_subject_path",
        "modality",
        "mouse_platform_name",
        "mouse_weight_maximum_g",
        "mouse_weight_minimum_g",
        "mouse_weight_post_g",
        "mouse_weight_pre_g",
        "mouse_weight_prompt",
        "move_to_network",
        "network_dir",
        "notes",
        "operator",
        "output_session_folder",
        "project_name",
        "projects",
        "prompt",
        "prompt_to_free_space",
        "remove_empty_dirs",
        "remove_source",
        "required_free_gb",
        "retry_delay_sec",
        "reverify",
        "routing_manifest",
        "session_dir",
        "session_notes",
        "session_type",
        "skip_completed",
        "wait_for_user_input",
        "zmq_ready_message",
        "zmq_ready_publisher_address",
        "zmq_ready_publisher_wait",
        "zmq_ready_waiter_address",
        "zmq_ready_waiter_timeout",
    ]
)
"""Keys of modules and of older files; not ours to check, but not typing mistakes either."""


def documented(name: str) -> str:
    """Return the documented name of a key, however it is spelled."""
    return ALIASES.get(name, name)


def renamed(layer: Mapping[str, Any], fields: Iterable[str], problems: list[Problem]) -> dict[str, Any]:
    """Return one layer under documented names; what is null, or blank where a parameter is, is not given.

    Args:
        layer: keys as they were spelled.
        fields: names of the parameters.
        problems: receives two spellings of one key that say different things.
    """
    known = set(fields)
    found: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    for spelling, value in layer.items():
        name = documented(spelling)
        if value is None or (name in known and isinstance(value, str) and not value.strip()):
            continue
        if name in found and found[name] != value:
            problems.append(
                Problem(
                    name,
                    f"{spelled[name]} = {shown(found[name])} and {spelling} = {shown(value)}",
                    "one of them: they are spellings of the same key",
                )
            )
            continue
        found[name], spelled[name] = value, spelling
    return found


def hints(keys: Iterable[str], fields: Iterable[str]) -> list[str]:
    """Return a sentence for each key that is no parameter but looks like one."""
    known = sorted({*fields, *ALIASES, *KNOWN_ELSEWHERE})
    lower = {name.lower(): name for name in known}
    found = []
    for key in keys:
        if key in known:
            continue
        meant = lower.get(key.lower())
        close = [meant] if meant else get_close_matches(key, known, n=1, cutoff=0.85)
        if close:
            why = "keys are case-sensitive" if meant else "kept, but nothing of ours reads it"
            found.append(f"{key} is not a parameter ({why}); did you mean {close[0]}?")
    return found
