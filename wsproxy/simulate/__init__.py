"""Simulated speech APIs, which serve the documented endpoints and fail on demand.

server         the Simulator: selects the API of a request and the step of its session
plan, trigger  which sessions fail, how and when
connection     one TCP connection: HTTP, opening handshake, frames, exact endings
api            the base of simulated APIs and their limits: messages in, actions out
condition_api  fails as a condition of the catalog describes
dialogue_*     plays the server's part of a dialogue of the catalog: the API, one turn of the
               client, the templates of messages
deepgram_*, assemblyai  validate the client's messages as documented
recognizer     a synthetic speech recognizer
"""

from .api import ApiQuotas
from .connection import ConnectionLog
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
