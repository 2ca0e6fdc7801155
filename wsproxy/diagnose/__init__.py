"""Why a session ended as it did: the catalog's conditions with evidence from the traffic.

evidence        a fact with its figure and its frames
call            sessions that a telephone service opens
session_facts   a session with derived facts, each computed once
measurements    functions that measure one thing each
rules           functions that detect one problem each, whether or not the session failed
parameters      parameters of the request that a sentence names
scripts         in which letters languages are written
languages       which language a text in Latin letters is in
error_classes   the kind of error that a server's sentence describes
gateways        servers and proxies that answer in place of an API
headline        the server's sentence as the headline of a failure
wav_header      the sizes in a WAV header, against its other fields
signal_faults   what is wrong with the samples of the session's audio
outcome         the outcome of a session with its findings
finding         a condition or a fault with its evidence
carrier_cause   a failure because of the form in which audio was sent
credential_cause  a refusal because of where a credential was sent, or of its form
rule_advice     what to do about a cause that a rule shows
request_cause   a rejected request, with what of it the API does not take
protocol_findings  broken rules of the protocol, and what a trace lacks
findings        the findings of one session
summary         how a session ended, in one sentence
annotation      what a recorder writes of them at the end of a trace
session_groups  findings that only several sessions show together
"""

from .evidence import Evidence
from .finding import Finding
from .findings import diagnose
from .measurements import CHECKS
from .rules import RULES
from .session_facts import Measure, SessionFacts
from .summary import summary

__all__ = [
    "CHECKS",
    "RULES",
    "Evidence",
    "Finding",
    "Measure",
    "SessionFacts",
    "diagnose",
    "summary",
]
