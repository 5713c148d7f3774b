"""Every name of the user's document is there, with the signature it has there."""

import inspect
import re
from pathlib import Path

import pytest

from opticstream.scope import MagScope
from opticstream.scope import scope as module
from support.running_scope import make_scope

LINES = (Path(__file__).parent / "documented_api.txt").read_text("utf-8").splitlines()
METHODS = [found.groups() for line in LINES if (found := re.match(r"   \.\. py:method:: (\w+)\((.*?)\)", line))]
ATTRIBUTES = [found[1] for line in LINES if (found := re.match(r"   \.\. py:attribute:: (\w+)", line))]
PROPERTIES = [found[1] for line in LINES if (found := re.match(r"   \.\. py:property:: (\w+)", line))]


def _names(signature: str) -> list[str]:
    """Return the names of parameters of a written signature; commas within brackets do not part them."""
    flat = re.sub(r"\[[^\]]*\]", "", signature)
    return [part.split(":")[0].split("=")[0].strip() for part in flat.split(",") if part.strip()]


def test_the_document_was_read():
    assert (len(METHODS), len(ATTRIBUTES), len(PROPERTIES)) == (43, 36, 3)


def test_the_module_has_its_logger():
    assert module.logger.name == "opticstream.scope"


def test_the_constructor_has_the_documented_arguments():
    documented = next(line for line in LINES if "py:class::" in line)
    names = _names(re.search(r"\((.*)\)", documented)[1])
    parameters = inspect.signature(MagScope).parameters
    assert list(parameters)[: len(names) - 1] == names[1:]
    assert all(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in names[1:])
    assert all(parameters[name].default is False for name in names[1:])
    with pytest.raises(TypeError):
        MagScope(True)


@pytest.mark.parametrize(("name", "signature"), METHODS)
def test_a_method_has_the_documented_parameters(name, signature):
    parameters = inspect.signature(inspect.getattr_static(MagScope, name).__get__(object())).parameters
    wanted = _names(signature)
    assert list(parameters)[: len(wanted)] == wanted
    assert all(p.default is not inspect.Parameter.empty for p in list(parameters.values())[len(wanted) :])
    defaults = dict(re.findall(r"(\w+)[^,=]*=\s*([^,]+)", signature))
    assert {key: repr(parameters[key].default) for key in defaults} == {k: v.strip() for k, v in defaults.items()}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_is_there_before_the_start(name):
    scope = make_scope()
    assert hasattr(scope, name), name


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_property_is_one(name):
    assert isinstance(inspect.getattr_static(MagScope, name), property)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_startup_splash_timeout_seconds", 600.0),
        ("_camera_health_log_interval_seconds", 60.0),
        ("_last_camera_health_frame_count", 0),
        ("_running", False),
        ("_terminated", False),
        ("_command_registry_initialized", False),
        ("_startup_splash_waiting_for_ui_ready", False),
        ("video_buffer", None),
        ("tracks_buffer", None),
        ("bead_roi_buffer", None),
        ("live_profile_buffer", None),
    ],
)
def test_documented_values(name, value):
    assert getattr(make_scope(), name) == value


def test_documented_locks():
    assert make_scope().lock_names[:4] == ["BeadRoiBuffer", "LiveProfileBuffer", "TracksBuffer", "VideoBuffer"]
