"""A made speech API: serves the documented endpoints and fails on demand.

server      the Simulator: which API a request is for, and what its session meets
plan        failures and good behaviour, one session after another
connection  one TCP connection: HTTP, handshake, frames, exact endings
api         messages in, actions out: what all simulated APIs have in common
scripted    fails as a condition of the catalog says; moment: when
played      says the server's part of the catalog's dialogue of an API
listen, speak, assemblyai  check what the client does by their documents' rules
"""

from .connection import ConnectionLog
from .limits import ApiQuotas
from .plan import Plan, PlanStep
from .server import RunningSimulator, Simulator, serve_in_thread, simulated_apis
from .trigger import Trigger

__all__ = [
    "ApiQuotas",
    "ConnectionLog",
    "Plan",
    "PlanStep",
    "RunningSimulator",
    "Simulator",
    "Trigger",
    "serve_in_thread",
    "simulated_apis",
]
