"""The first steps of a launch: parameters read, completed by the operator, and checked against what is there."""

import logging
from pathlib import Path
from typing import Any

from opticstream.core.errors import BadInput
from opticstream.core.operator import NoAnswer, Question
from opticstream.rig.bad_parameters import BadParameters, Problem
from opticstream.rig.engine import Orphan, end_orphan, find_orphans
from opticstream.rig.engine_parameters import script_file
from opticstream.rig.launcher.aborted import Aborted
from opticstream.rig.launcher.module_names import load_source, module_problems
from opticstream.rig.launcher.request import Source
from opticstream.rig.launcher.session import Session
from opticstream.rig.loaded import Loaded
from opticstream.rig.parameters import LaunchParameters

_log = logging.getLogger("opticstream.rig")
_ASKED = {
    "subject_id": "Which subject (animal or sample) is this session of?",
    "user_id": "Who runs this session?",
}


def read_parameters(session: Session, source: Source) -> Loaded:
    """Read the parameters, ask for what is missing, and refuse what cannot run, all before anything is written.

    Raises:
        BadParameters: naming everything that is wrong.
        BadFile: a file cannot be read.
        NoAnswer: a required key was asked for in vain.
    """
    loaded = load_source(source, session.settings)
    if loaded.unanswered:
        answers = {key: _ask(session, loaded, key) for key in loaded.unanswered}
        loaded = load_source(source, session.settings, answers)
    for warning in loaded.warnings:
        session.warn(warning)
    problems = [*module_problems(loaded.parameters), *missing_script(loaded.parameters)]
    if problems:
        raise BadParameters(_where(loaded), problems)
    session.loaded, session.parameters = loaded, loaded.parameters
    return loaded


def _ask(session: Session, loaded: Loaded, key: str) -> Any:
    try:
        return session.operator.ask(Question(key, _ASKED.get(key, f"{key}?")))
    except NoAnswer as error:
        if session.operator.name == "headless":  # the clearest word: every key that is missing, at once
            loaded.require_answers()
        raise error


def missing_script(parameters: LaunchParameters) -> list[Problem]:
    """Return that the script or workflow is not there, where nothing of the launch could still bring it."""
    name = parameters.program_path
    brought = parameters.repository_url or parameters.pre_acquisition_pipeline or (name and "{" in name)
    if not name or brought or parameters.launcher not in ("python", "bonsai"):
        return []
    try:
        script_file(parameters, None)
    except BadInput as error:
        return [Problem(error.where, error.found, error.expected)]
    return []


def _where(loaded: Loaded) -> str:
    return str(loaded.file) if loaded.file else "parameters"


def output_root(parameters: LaunchParameters) -> Path:
    """Return the folder that session folders are made in."""
    return Path(parameters.output_root_folder or Path.cwd()).expanduser()


def look_for_orphans(session: Session) -> None:
    """Find acquisitions that outlived their launcher, and let the operator decide about them.

    Raises:
        Aborted: one runs on, and the operator did not say what to do with it, or said to stop here.
    """
    root = output_root(session.needed)
    orphans = list(find_orphans(root, session.settings.host_name)) if root.is_dir() else []
    for orphan in orphans:
        choice: str = session.needed.orphaned_acquisition
        if choice == "ask":
            choice = _asked(session, orphan)
        if choice == "abort":
            raise Aborted(f"{orphan} still runs; end it, or launch with --set orphaned_acquisition=end or =ignore")
        if choice == "end":
            left = end_orphan(orphan)
            if left:
                raise Aborted(f"{orphan}: processes {left} could not be ended")
            session.warn(f"ended {orphan}, which had outlived its launcher")
        else:
            session.warn(f"{orphan} runs beside this session")


def _asked(session: Session, orphan: Orphan) -> str:
    question = Question(
        "orphaned_acquisition",
        f"{orphan} has outlived its launcher and still runs. End it, ignore it, or abort this launch?",
        kind="choice",
        choices=("end", "ignore", "abort"),
    )
    try:
        return str(session.operator.ask(question))
    except NoAnswer as error:
        _log.error("%s", error)
        return "abort"
