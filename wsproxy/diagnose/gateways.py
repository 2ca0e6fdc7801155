"""Servers and proxies that answer in place of an API, by the names in their headers and pages."""

from __future__ import annotations

import re

from wsproxy.session import Session

_HEADERS = ("server", "via", "x-cache", "x-squid-error", "proxy-agent", "x-amz-cf-id", "cf-ray")
_MAX_BODY = 16 << 10  # bytes of a page that are searched
_NAMES = (
    "nginx", "Cloudflare", "Envoy", "AWS ELB", "Akamai", "Varnish", "HAProxy", "Traefik", "Squid",
    "CloudFront", "BIG-IP", "Zscaler", "Istio", "Caddy", "OpenResty", "FortiGate", "FortiGuard",
    "Blue Coat", "Netskope", "Palo Alto", "McAfee", "Forcepoint", "Websense", "Sophos",
    "Check Point", "Cisco Umbrella", "Barracuda", "Kong", "Apache", "Azure Front Door",
    "Microsoft-Azure-Application-Gateway", "Imperva", "Incapsula", "ngrok", "Heroku", "Vercel",
    "Fastly", "Google Frontend",
)  # fmt: skip
_SPELLINGS = (re.escape(name).replace(r"\ ", "[ _-]?").replace(r"\-", "-?") for name in _NAMES)
_GATEWAY = re.compile("(?i)" + "|".join(_SPELLINGS))
_BY_LETTERS = {re.sub(r"[^a-z]", "", name.lower()): name for name in _NAMES}


def gateway_name(session: Session) -> str:
    """The name of the gateway that sent a page, "" if nothing names it."""
    response = session.response
    if response is None:
        return ""
    page = (response.body or b"")[:_MAX_BODY].decode("utf-8", "replace")
    # The page itself first: a header may name another server on the way.
    for text in (page, *(session.response_header(name) or "" for name in _HEADERS)):
        if found := _GATEWAY.search(text):
            return _BY_LETTERS.get(re.sub(r"[^a-z]", "", found[0].lower()), found[0])
    return ""
