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
_SPELLINGS = (
    re.escape(name.lower()).replace(r"\ ", "[ _-]?").replace(r"\-", "-?") for name in _NAMES
)
# Searched in lower-case text: `re` skips to the first letters of alternatives only if their case
# counts, which is many times faster.
_GATEWAY = re.compile("|".join(_SPELLINGS))
_NOT_LETTERS = re.compile("[^a-z]")
_BY_LETTERS = {_NOT_LETTERS.sub("", name.lower()): name for name in _NAMES}


def gateway_name(session: Session) -> str:
    """The name of the gateway that sent a page, "" if nothing names it."""
    response = session.response
    if response is None:
        return ""
    page = (response.body or b"")[:_MAX_BODY].decode("utf-8", "replace")
    # The page itself first: a header may name another server on the way.
    for text in (page, *(session.response_header(name) or "" for name in _HEADERS)):
        if found := _GATEWAY.search(text.lower()):
            return _BY_LETTERS[_NOT_LETTERS.sub("", found[0])]
    return ""
