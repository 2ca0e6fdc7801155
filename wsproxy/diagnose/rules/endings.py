"""Rules for what an ending itself shows of its cause: a failure's words, pings, a size, a time.

Like `likely_causes`, they are not wrong by themselves: the causes of conditions name them.
"""

from __future__ import annotations

import re

from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.wire import Opcode
from wsproxy.wording import plural

_MAX_WORDS = 500  # characters of a failure that are searched
_LONG = 300.0  # seconds; the shorter limits of gateways are about idle connections
_EXPIRED = re.compile(r"(?i)\bexpired\b|not yet valid")
_NOT_TRUSTED = re.compile(r"(?i)self.?signed|unable to get (?:local )?issuer|unknown ca|untrusted")
_NOT_TLS = re.compile(
    r"(?i)wrong version number|unknown protocol|record layer|not tls|http request"
)
_OTHER_NAME = re.compile(r"(?i)hostname|host name|name mismatch|not valid for")
_REFUSED = re.compile(r"(?i)refused|errno 111|connect call failed")
_TIMED_OUT = re.compile(r"(?i)timed? ?out|errno 110|unreachable|no route")
_WANTS_CREDENTIALS = re.compile(r"\b407\b|(?i:proxy.authentication)")


def certificate_expired(facts: SessionFacts) -> list[Evidence]:
    """The certificate of the server has expired, or the clock is wrong."""
    return _failure_says(facts, _EXPIRED)


def certificate_not_trusted(facts: SessionFacts) -> list[Evidence]:
    """The certificate of the server is signed by nobody whom the recorder trusts."""
    return _failure_says(facts, _NOT_TRUSTED)


def certificate_of_another(facts: SessionFacts) -> list[Evidence]:
    """The certificate of the server is for another name."""
    return _failure_says(facts, _OTHER_NAME)


def not_tls(facts: SessionFacts) -> list[Evidence]:
    """The port of the server does not speak TLS."""
    return _failure_says(facts, _NOT_TLS)


def connection_refused(facts: SessionFacts) -> list[Evidence]:
    """The machine was reached, and nothing listens at the port."""
    return _failure_says(facts, _REFUSED)


def connection_timed_out(facts: SessionFacts) -> list[Evidence]:
    """Nothing answered the attempt to connect."""
    return _failure_says(facts, _TIMED_OUT)


def proxy_wants_credentials(facts: SessionFacts) -> list[Evidence]:
    """The proxy asks for a name and a password."""
    return _failure_says(facts, _WANTS_CREDENTIALS)


def _failure_says(facts: SessionFacts, words: re.Pattern[str]) -> list[Evidence]:
    failure = facts.session.failure
    if failure is None or not words.search(failure.message[:_MAX_WORDS]):
        return []
    return [Evidence(quoted(failure.message, 200), (), failure.t_ns)]


def pongs_came(facts: SessionFacts) -> list[Evidence]:
    """Each ping of the app was answered."""
    pings, pongs = _pings(facts)
    if not pings or pongs < pings:
        return []
    return [Evidence(f"each of {plural(pings, 'ping')} of the app was answered", (), None)]


def pongs_missing(facts: SessionFacts) -> list[Evidence]:
    """A ping of the app was not answered."""
    pings, pongs = _pings(facts)
    if pongs >= pings:
        return []
    missing = float(pings - pongs)
    return [Evidence(f"{pings - pongs} of {plural(pings, 'ping')} had no pong", (), None, missing)]


def _pings(facts: SessionFacts) -> tuple[int, int]:
    traffic = facts.session.traffic
    pings = traffic.totals(Opcode.PING, from_client=True)
    return pings.count, traffic.totals(Opcode.PONG, from_client=False).count


def too_big_for_server(facts: SessionFacts) -> list[Evidence]:
    """The server closed because of the size of a message of the app."""
    return _too_big(facts, "server", "app")


def too_big_for_app(facts: SessionFacts) -> list[Evidence]:
    """The app closed because of the size of a message of the server."""
    return _too_big(facts, "client", "server")


def _too_big(facts: SessionFacts, closed_by: str, sender: str) -> list[Evidence]:
    if facts.session.closed_by != closed_by:
        return []
    largest = facts.session.traffic.data[sender == "app"].largest
    if largest is None:
        return []
    text = f"the largest one of the {sender} has {largest.length} bytes (frame {largest.number})"
    return [Evidence(text, (largest.number,), largest.t_ns, float(largest.length), "bytes")]


def open_for_long(facts: SessionFacts) -> list[Evidence]:
    """The connection had been open for so long that a limit of its duration may have ended it."""
    lasted = seconds(facts.ended_ns - facts.opened_ns)
    if not facts.session.accepted or lasted < _LONG:
        return []
    return [Evidence(f"it had been open for {lasted:.0f} s", (), facts.ended_ns, lasted, "s")]


def text_unspoken(facts: SessionFacts) -> list[Evidence]:
    """A text to speak was sent, and the session broke off before any audio came after it."""
    timeline = facts.session.timeline
    if timeline is None or timeline.last_text is None or not facts.session.failed:
        return []
    frame, t_ns = timeline.last_text
    if (timeline.received.last_ns or 0) > t_ns:
        return []
    since = seconds(facts.ended_ns - t_ns)
    text = (
        f"the text in frame {frame} was sent {since:.2f} s before the end, without audio after it"
    )
    return [Evidence(text, (frame,), t_ns, round(since, 2), "s")]


RULES: tuple[Measure, ...] = (
    certificate_expired,
    certificate_not_trusted,
    certificate_of_another,
    not_tls,
    connection_refused,
    connection_timed_out,
    proxy_wants_credentials,
    pongs_came,
    pongs_missing,
    too_big_for_server,
    too_big_for_app,
    open_for_long,
    text_unspoken,
)
