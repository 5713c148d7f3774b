"""What processes share, under the module name that the documented API gives it."""

from opticstream.scope.manager_process import ManagerProcessBase
from opticstream.scope.memory.interprocess_values import InterprocessValues

__all__ = ["InterprocessValues", "ManagerProcessBase"]
