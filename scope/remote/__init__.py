"""A running scope, from outside."""

from opticstream.scope.remote.client import ScopeClient, running_scopes
from opticstream.scope.remote.server import ScopeServer

__all__ = ["ScopeClient", "ScopeServer", "running_scopes"]
