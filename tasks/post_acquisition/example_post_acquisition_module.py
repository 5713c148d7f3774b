"""An example to copy for the time after the acquisition: it says how that ended.

Plain return values do as well: 0, ``None`` and ``True`` are success, everything else is failure.
"""

from opticstream.rig.modules import ModuleContext


def run(context: ModuleContext) -> int:
    """Log how long the acquisition took."""
    if context.stop_time is None:
        context.log.info("there was no acquisition")
        return 0
    seconds = (context.stop_time - context.start_time).total_seconds()
    context.log.info("%s after %.0f s", context.outcome, seconds)
    return 0
