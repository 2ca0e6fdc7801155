"""wsproxy records, explains and replays WebSocket sessions with speech APIs."""

__version__ = "0.1.0"
