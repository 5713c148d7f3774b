"""State that a launcher saves at the end of a session and takes up in a later one."""

import io
import logging
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Number
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from opticstream.core.errors import BadFile, BadInput, WriteFailed
from opticstream.rig.session_state.document import Document, find_state, is_document, namespace, with_state
from opticstream.rig.session_state.store import FILE_NAME, SessionStateStore
from opticstream.rig.session_state.values import Unreadable, Unwritable, decode, encode

_log = logging.getLogger(__name__)

NEVER_PERSISTENT = frozenset(
    [
        "params",
        "parameters",
        "original_input_params",
        "original_param_file",
        "param_file",
        "rig_config",
        "rig_config_path",
        "session_uuid",
        "output_session_folder",
        "session_folder",
        "subject_id",
        "user_id",
        "start_time",
        "stop_time",
        "stdout_data",
        "stderr_data",
        "platform_info",
        "process",
        "engine",
        "matlab_engine",
        "logger",
        "log",
    ]
)
"""What belongs to one run or one computer; a later session has its own."""

_HANDLES = (ModuleType, logging.Logger, subprocess.Popen, threading.Thread, io.IOBase)
_HANDLERS = "_state_handlers"


@dataclass(frozen=True, slots=True)
class _Handler:
    serializer: Callable[[Any], Any] | None
    deserializer: Callable[[Any], Any] | None


class SessionStateMixin:
    """Saves and restores the public attributes of a launcher; none of its methods raises for what is in a file.

    Saved are public instance attributes: None, bool, int, float, str, list, dict, tuple, set, bytes, date and time,
    Path, Enum, numpy scalars and small arrays, nested as one likes; and those with a handler.
    """

    never_persistent: ClassVar[frozenset[str]] = NEVER_PERSISTENT
    """Names that are neither saved nor restored, whatever else is said."""

    def register_state_handler(
        self,
        attribute: str,
        serializer: Callable[[Any], Any] | None = None,
        deserializer: Callable[[Any], Any] | None = None,
    ) -> None:
        """Say how one attribute is saved and restored; a private one is saved only with a handler.

        Args:
            attribute: its name.
            serializer: turns its value into what can be saved; None: it can be as it is.
            deserializer: turns that into a value again, of whatever type; None: it is the value.

        Raises:
            BadInput: ``attribute`` can never be saved, or a function cannot be called.
        """
        if not self._is_free(attribute):
            raise BadInput("register_state_handler", found=repr(attribute), expected="an attribute that may be saved")
        for name, function in (("serializer", serializer), ("deserializer", deserializer)):
            if function is not None and not callable(function):
                raise BadInput(f"{name} of {attribute}", found=repr(function), expected="a function of one argument")
        vars(self).setdefault(_HANDLERS, {})[attribute] = _Handler(serializer, deserializer)

    def get_persistent_attributes(self) -> dict[str, Any]:
        """Return what to save, as name → value; extend it to leave out or add something."""
        handlers = self._handlers()
        return {
            name: value
            for name, value in vars(self).items()
            if name not in self.never_persistent
            and (name in handlers or not (name.startswith("_") or callable(value) or isinstance(value, _HANDLES)))
        }

    def set_persistent_attributes(self, attrs: dict[str, Any]) -> None:
        """Take over what was saved; extend it to treat some of it differently.

        A value of another type than the current one is left out and logged: None goes with everything, numbers with
        each other, and a deserializer decides for itself.
        """
        handlers = self._handlers()
        for name, value in attrs.items():
            reason = "" if name in handlers and self._is_free(name) else self._why_not(name, value)
            if reason:
                _log.warning("%s keeps its %s: %s", type(self).__name__, name, reason)
                continue
            try:
                setattr(self, name, value)
            except Exception as error:
                _log.warning("%s keeps its %s: it cannot be set (%s)", type(self).__name__, name, error)

    def save_session_state(self, directory: str | Path, *, file_name: str = FILE_NAME) -> bool:
        """Save the state beside what others saved in the folder.

        Returns:
            Whether the file was written. What cannot be saved is left out with a warning that names it.
        """
        attributes = self._encoded()
        if attributes is None:
            return False
        try:
            SessionStateStore(directory, file_name).put(type(self), attributes)
        except (BadFile, WriteFailed) as error:
            _log.error("session state not saved: %s", error)
            return False
        return True

    def load_session_state(self, directory: str | Path, *, file_name: str = FILE_NAME) -> bool:
        """Restore the state that this class, or one of its name, saved in the folder.

        Returns:
            Whether something was restored. Else nothing has changed.
        """
        try:
            document = SessionStateStore(directory, file_name).read()
        except BadFile as error:
            _log.warning("session state not restored: %s", error)
            return False
        return document is not None and self.import_session_state(document)

    def export_session_state(self) -> Document | None:
        """Return the state as the document that the file would hold, None when it cannot be had."""
        attributes = self._encoded()
        return None if attributes is None else with_state(None, type(self), attributes)

    def import_session_state(self, document: Document) -> bool:
        """Restore the state from a document; return whether something was restored, else nothing has changed."""
        found = find_state(document, type(self)) if is_document(document) else None
        if found is None:
            _log.info("no session state of %s", type(self).__name__)
            return False
        name, attributes = found
        if name != namespace(type(self)):
            _log.info("%s takes over the session state of %s", namespace(type(self)), name)
        values = self._decoded(attributes)
        before = dict(vars(self))
        try:
            self.set_persistent_attributes(values)
        except Exception:
            vars(self).clear()
            vars(self).update(before)
            _log.exception("session state not restored: %s refused it", type(self).__name__)
            return False
        return True

    def get_session_state_info(self, directory: str | Path, *, file_name: str = FILE_NAME) -> dict[str, Any] | None:
        """Return what the folder's state file holds, without the values; None if it is absent or broken."""
        try:
            return SessionStateStore(directory, file_name).describe()
        except BadFile as error:
            _log.warning("%s", error)
            return None

    def clear_session_state(self, directory: str | Path, *, file_name: str = FILE_NAME) -> bool:
        """Remove this class's state from the folder, and the file when nobody else's is in it.

        Returns:
            Whether there is none of this class now.
        """
        try:
            SessionStateStore(directory, file_name).remove(namespace(type(self)))
        except (BadFile, WriteFailed) as error:
            _log.warning("session state not cleared: %s", error)
            return False
        return True

    def _handlers(self) -> dict[str, _Handler]:
        handlers: dict[str, _Handler] = vars(self).get(_HANDLERS, {})
        return handlers

    def _encoded(self) -> dict[str, Any] | None:
        """Return the attributes as JSON data, None when they cannot be had at all."""
        try:
            attributes = dict(self.get_persistent_attributes())
        except Exception:
            _log.exception("session state not saved: %s does not say what to save", type(self).__name__)
            return None
        handlers, encoded = self._handlers(), {}
        for name, value in attributes.items():
            if not isinstance(name, str) or name in self.never_persistent:
                _log.warning("not saved: %r, which is no attribute that may be saved", name)
                continue
            handler = handlers.get(name)
            try:
                encoded[name] = encode(handler.serializer(value) if handler and handler.serializer else value)
            except Unwritable as error:
                _log.warning("not saved: %s of %s: %s has no form in the file", name, type(self).__name__, error)
            except Exception as error:
                _log.warning("not saved: %s of %s: %s", name, type(self).__name__, error)
        return encoded

    def _decoded(self, attributes: dict[str, Any]) -> dict[str, Any]:
        """Return all values that can be had, before the first of them is set."""
        handlers, decoded = self._handlers(), {}
        for name, data in attributes.items():
            handler = handlers.get(name)
            try:
                value = decode(data)
                decoded[name] = handler.deserializer(value) if handler and handler.deserializer else value
            except Unreadable as error:
                _log.warning("%s keeps its %s: the file has %s", type(self).__name__, name, error)
            except Exception as error:
                _log.warning("%s keeps its %s: its deserializer says %s", type(self).__name__, name, error)
        return decoded

    def _is_free(self, name: str) -> bool:
        """Return whether a name may be set at all: no method, property or other thing of the class."""
        found = getattr(type(self), name, None)
        if hasattr(SessionStateMixin, name) or name == _HANDLERS:
            return False  # a file does not decide what is saved
        return (
            name.isidentifier()
            and not _is_dunder(name)
            and name not in self.never_persistent
            and not callable(found)
            and not isinstance(found, property)
        )

    def _why_not(self, name: str, value: object) -> str:
        if name.startswith("_") or not self._is_free(name):
            return "it is not restored from files"
        current = vars(self).get(name, getattr(type(self), name, None))
        if current is None or value is None or (isinstance(current, Number) and isinstance(value, Number)):
            return ""
        if isinstance(value, type(current)) or isinstance(current, type(value)):
            return ""
        return f"the file has a {type(value).__name__}, it is a {type(current).__name__}"


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
