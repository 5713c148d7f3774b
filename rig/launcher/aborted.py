"""When a session ends because somebody or some rule wants it to."""

from opticstream.core.errors import OpticstreamError


class Aborted(OpticstreamError):
    """Raised when a module's policy or the operator ends the session before it is done."""
