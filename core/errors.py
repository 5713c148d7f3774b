"""Every error a user can meet, with one shape: where, found, expected, what to do.

OpticstreamError
├── BadInput            a parameter, option or file content the user can mend (exit code 2)
│   └── BadFile         a data file that is not what it should be
├── WriteFailed         the disk is full or may not be written to
├── StateError          the project state refuses
│   ├── ProjectNotFound no such project; run setup
│   ├── StoreUnavailable the store's server cannot be reached, or refuses
│   ├── SchemaMismatch  the database belongs to another version
│   ├── ClaimRefused    the unit is taken, done, failed or backing off
│   └── ClaimLost       another worker took over; stop and write nothing
├── NotSent             a notification could not be delivered
├── NoAnswer        (in core.operator) the operator was not there, or did not answer in time
├── SyncFailed          the computers of a session did not agree on its name
└── ServerUnavailable   the Prefect API cannot be reached or started
"""


class OpticstreamError(Exception):
    """Base of all errors opticstream raises on purpose.

    Catch it to handle any of them: ``except OpticstreamError as error: print(error)``.

    Args:
        where: the file, field, option or unit the error is about.
        found: what was there.
        expected: what should have been there.
        action: what the user can do about it.
    """

    def __init__(self, where: str, *, found: str = "", expected: str = "", action: str = "") -> None:
        self.where, self.found, self.expected, self.action = where, found, expected, action
        middle = "; ".join(
            part for part in (f"found {found}" if found else "", f"expected {expected}" if expected else "") if part
        )
        text = f"{where}: {middle}" if middle else where
        super().__init__(f"{text}. {action}" if action else text)

    def __reduce__(self) -> tuple[object, ...]:
        """Cross process boundaries with every field."""
        return (_rebuild, (type(self), self.where, self.found, self.expected, self.action))


def _rebuild(kind: type[OpticstreamError], where: str, found: str, expected: str, action: str) -> OpticstreamError:
    return kind(where, found=found, expected=expected, action=action)


class BadInput(OpticstreamError):
    """Raised when a parameter, option or configuration value cannot be used."""


class BadFile(BadInput):
    """Raised when a data file is missing, truncated or not in the format it should have."""


class WriteFailed(OpticstreamError):
    """Raised when a file cannot be written; nothing is under its final name."""


class StateError(OpticstreamError):
    """Raised when the project state refuses an operation."""


class ProjectNotFound(StateError):
    """Raised when a project has not been set up."""


class StoreUnavailable(StateError):
    """Raised when the state store's server cannot be reached, refuses, or cut an operation off; nothing was written."""


class SchemaMismatch(StateError):
    """Raised when the state database was written by a newer or unmigrated version."""


class ClaimRefused(StateError):
    """Raised when a unit's stage cannot be claimed now; ``reason`` says why in one word."""

    reason: str = "refused"


class ClaimLost(StateError):
    """Raised when a claim's token is no longer the current one: another worker took over."""


class NotSent(OpticstreamError):
    """Raised when a notification could not be delivered; its text holds no secret."""


class ServerUnavailable(OpticstreamError):
    """Raised when the Prefect API cannot be reached or started."""


class SyncFailed(OpticstreamError):
    """Raised when session sync ends without an agreed name; nothing may be written under any name."""
