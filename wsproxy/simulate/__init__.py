"""A made speech API: serves the documented endpoints and fails on demand."""

from .connection import Seen
from .limits import Limits
from .server import APIS, Served, Simulator, serve_in_thread

__all__ = ["APIS", "Limits", "Seen", "Served", "Simulator", "serve_in_thread"]
