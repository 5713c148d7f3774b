"""The few things of ``matlab.engine`` that are used, as they are there from release to release."""

import logging
from contextlib import suppress
from typing import Any

from opticstream.rig.engine.matlab_call import FunctionCall

_log = logging.getLogger("opticstream.rig")


class MatlabSession:
    """One shared MATLAB, connected or not.

    Everything goes through futures, so that nothing here ever waits.

    Args:
        module: ``matlab.engine``.
        name: of the shared engine.
    """

    def __init__(self, module: Any, name: str) -> None:
        self._module, self.name = module, name
        self._engine: Any = None

    @property
    def engine_error(self) -> type[BaseException]:
        """What connecting raises while there is no such engine."""
        kind = getattr(self._module, "EngineError", None)
        return kind if isinstance(kind, type) and issubclass(kind, BaseException) else RuntimeError

    def names(self) -> tuple[str, ...]:
        """Return the names of the engines that are shared on this machine."""
        try:
            return tuple(self._module.find_matlab())
        except Exception as error:
            _log.debug("The shared engines cannot be listed: %s", error)
            return ()

    def connect(self) -> Any:
        """Begin to connect; give the future's result to `connected`."""
        return _in_background(self._module.connect_matlab, self.name)

    def connected(self, engine: Any) -> None:
        """Take note of the engine."""
        self._engine = engine

    def call(self, call: FunctionCall, **streams: Any) -> Any:
        """Begin a call and return its future."""
        return _in_background(self._engine.feval, call.function, *call.arguments, nargout=call.nargout, **streams)

    def leave(self, *, alive: bool) -> None:
        """Let go of the engine.

        Args:
            alive: leave MATLAB running: not even `quit` is called, the handle is dropped. Otherwise MATLAB exits.
        """
        engine, self._engine = self._engine, None
        if engine is None or alive:
            return
        for end in (lambda: engine.feval("exit", nargout=0), engine.quit):
            with suppress(Exception):  # it answers by being gone
                end()


def _in_background(function: Any, *arguments: Any, **options: Any) -> Any:
    """Call with ``background=True``; releases before that word call it ``async``."""
    try:
        return function(*arguments, background=True, **options)
    except (TypeError, SyntaxError):
        return function(*arguments, **options, **{"async": True})
