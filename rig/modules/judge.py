"""Whether what a module returned is success."""

from opticstream.rig.modules.contract import ModuleResult


def judge(returned: object) -> ModuleResult:
    """Return what a module's return value means: 0, None, True and a successful result succeed, all else fails.

    In Python ``1 == True`` and ``0 == False``; here 1 and False are failures.
    """
    if isinstance(returned, ModuleResult):
        return returned
    zero = isinstance(returned, int) and not isinstance(returned, bool) and returned == 0
    if returned is None or returned is True or zero:
        return ModuleResult()
    text = repr(returned)
    return ModuleResult(success=False, message=f"returned {text if len(text) <= 100 else text[:97] + '...'}")
