"""The recorder's CA: its key, its files, its expiry."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterator

from wsproxy.intercept import ca_bundle

from .result import CheckResult
from .setup import CA_CERTIFICATE, CA_KEY, Setup

_SOON = 30 * 86400  # seconds before the expiry
_RENEW = (
    "remove the files mitmproxy-ca* in {folder}: the next recorder creates a CA; trust that one"
)


def check(setup: Setup) -> Iterator[CheckResult]:
    """Check the files in the folder of the CA."""
    renew = _RENEW.format(folder=setup.confdir)
    if not setup.ca_key.exists() and not setup.ca.exists():
        yield CheckResult(
            "CA", "note", f"no CA yet in {setup.confdir}", "the first recorder creates it"
        )
        return
    missing = [path.name for path in (setup.ca_key, setup.ca) if not path.exists()]
    if missing:
        yield CheckResult(
            "CA",
            "problem",
            f"{missing[0]} is missing in {setup.confdir}",
            f"{CA_KEY} signs the certificates that apps get, {CA_CERTIFICATE} is what they trust",
            renew,
        )
        return
    found = [*_readable_key(setup), *_agreement(setup, renew), *_validity(setup, renew)]
    yield from found or [CheckResult("CA", "ok", str(setup.ca))]


def _readable_key(setup: Setup) -> Iterator[CheckResult]:
    if os.name == "posix" and (mode := setup.ca_key.stat().st_mode & 0o777) & 0o077:
        yield CheckResult(
            "CA",
            "problem",
            f"other users of this machine can read {setup.ca_key}, the key of the CA "
            f"(mode {mode:04o})",
            "with it they can read the traffic of everyone who trusts the CA",
            f"chmod 600 {setup.ca_key}",
        )


def _agreement(setup: Setup, renew: str) -> Iterator[CheckResult]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(setup.ca_key)
    except (OSError, ssl.SSLError) as error:
        problem = getattr(error, "reason", None) or error.strerror or str(error)
        what = "its key and its certificate do not match" if "MISMATCH" in problem else problem
        yield CheckResult(
            "CA", "problem", f"{setup.ca_key} cannot be used: {what}", "no TLS is recorded", renew
        )
        return
    try:
        signing, trusted = ca_bundle.read(setup.ca_key), ca_bundle.read(setup.ca)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        yield CheckResult(
            "CA", "problem", f"{setup.ca} cannot be used: {why}", "apps cannot trust it", renew
        )
        return
    if not signing.keys() & trusted.keys():
        yield CheckResult(
            "CA",
            "problem",
            f"{CA_CERTIFICATE} is not the certificate of {CA_KEY}, in {setup.confdir}",
            "one of them was replaced: apps that trust the first reject what the second signs",
            renew,
        )


def _validity(setup: Setup, renew: str) -> Iterator[CheckResult]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(setup.ca)
    except (OSError, ssl.SSLError):
        return  # that is reported already
    if not context.cert_store_stats()["x509_ca"]:
        what = f"{setup.ca} is not the certificate of an authority"
        yield CheckResult("CA", "problem", what, "apps reject what its key signs", renew)
    for each in context.get_ca_certs():
        assert isinstance(each, dict)  # not in binary form
        begin, end = (
            ssl.cert_time_to_seconds(str(each[name])) for name in ("notBefore", "notAfter")
        )
        now = time.time()
        if now > end:
            what = f"the CA has expired ({each['notAfter']})"
            yield CheckResult("CA", "problem", what, "apps reject it", renew)
        elif now < begin:
            yield CheckResult(
                "CA",
                "problem",
                f"the CA is not valid before {each['notBefore']}",
                "apps reject it",
                "set the clock of this machine",
            )
        elif end - now < _SOON:
            what = f"the CA expires soon ({each['notAfter']})"
            yield CheckResult("CA", "warning", what, "then apps reject it", renew)
