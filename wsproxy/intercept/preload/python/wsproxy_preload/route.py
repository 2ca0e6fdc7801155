"""Which connections go through the recorder.

- Those of a WebSocket library, to any host and port.
- All others to ports 80 and 443 of a named host that is not this machine: HTTPS and HTTP, and
  WebSocket clients that this module does not know.

The rest is left alone: databases, message queues, services on this machine. So are connections to
hosts in NO_PROXY, and those of a library that goes through a proxy already.
"""

import os
import sys

_WEBSOCKET_LIBRARIES = frozenset(
    ["aiowebsocket", "autobahn", "lomond", "picows", "tornado", "websocket", "websockets", "ws4py"]
)
_WEB_PORTS = (80, 443)
# Callers between a library and its connection: this package, event loops, and what traces calls.
_BETWEEN = frozenset(
    ["asyncio", "ddtrace", "functools", "newrelic", "opentelemetry", "sentry_sdk", "socket",
     "twisted", "wrapt", "wsproxy_preload"]
)


def _proxy_of(url):
    host, _, port = url.partition("://")[2].rstrip("/").rpartition(":")
    return host.strip("[]"), int(port)


PROXY = _proxy_of(os.environ["WSPROXY_PROXY"])


def goes_through(host, port, websocket=None):
    """Whether a connection to this host and port goes through the recorder.

    Args:
        websocket: whether a WebSocket library opens it; None: the callers of this are looked at.
    """
    host = _text(host)
    try:
        port = int(port)
    except (TypeError, ValueError):
        return False  # the name of a service, or nothing
    if not host or (host, port) == PROXY or _is_excluded(host, port):
        return False
    if websocket is None:
        websocket = _is_called_by_websocket_library()
    return websocket or (port in _WEB_PORTS and "." in host and not _is_address(host))


def is_of_websocket_library(factory):
    """Whether a WebSocket library makes this protocol; False if it is not known to."""
    factory = getattr(factory, "func", factory)  # of a partial
    module = getattr(factory, "__module__", None) or type(factory).__module__
    return _package(module) in _WEBSOCKET_LIBRARIES


def _is_called_by_websocket_library():
    """Whether the caller is one, and is not talking to a proxy of its own."""
    frame = sys._getframe(2)
    while frame is not None and _package(frame.f_globals.get("__name__")) in _BETWEEN:
        frame = frame.f_back
    found = False
    while frame is not None and _package(frame.f_globals.get("__name__")) in _WEBSOCKET_LIBRARIES:
        if "proxy" in frame.f_code.co_name:
            return False
        found = True
        frame = frame.f_back
    return found


def _is_excluded(host, port):
    """Whether NO_PROXY names the host, itself or as a part of a domain or a network."""
    rules = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    host = host.lower().rstrip(".")
    return any(_matches(rule.lower(), host, port) for rule in rules.replace(",", " ").split())


def _matches(rule, host, port):
    if rule == "*":
        return True
    if "/" in rule:
        return _is_in_network(host, rule)
    name, colon, number = rule.rpartition(":")
    if colon and number.isdigit() and (":" not in name or name.endswith("]")):
        if int(number) != port:
            return False
        rule = name
    rule = rule.strip("[]").lstrip("*").lstrip(".")
    return host == rule or (host.endswith("." + rule) and not _is_address(host))


def _is_in_network(host, network):
    import ipaddress

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _is_address(host):
    return ":" in host or host.replace(".", "").isdigit()


def _package(module):
    return (module or "").partition(".")[0]


def _text(host):
    return host.decode("ascii", "replace") if isinstance(host, bytes) else host
