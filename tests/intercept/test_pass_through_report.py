"""The lines about TLS that was passed through."""

from __future__ import annotations

from wsproxy.intercept import pass_through_report as report
from wsproxy.intercept.pass_through_report import IN_NO_PROXY, REJECTED, PassThroughReport


def test_report_counts_by_server_and_reason() -> None:
    counts = PassThroughReport()
    for port, reason in ((443, REJECTED), (443, REJECTED), (8443, REJECTED), (443, IN_NO_PROXY)):
        counts.add("git.example.com", port, reason, is_speech_api=False, passed=True)
    assert counts.lines() == [
        "passed through: 2 connections to git.example.com: the client does not trust the "
        "recorder's CA",
        "passed through: 1 connection to git.example.com:8443: the client does not trust the "
        "recorder's CA",
        "passed through: 1 connection to git.example.com: NO_PROXY names it",
    ]


def test_report_speech_api_comes_first_with_what_to_do() -> None:
    counts = PassThroughReport()
    counts.add("git.example.com", 443, IN_NO_PROXY, is_speech_api=False, passed=True)
    counts.add("api.deepgram.com", 443, REJECTED, is_speech_api=True, passed=True)
    remedies = {"rejected": "make the client trust it, then record '{host}'"}
    assert counts.lines(remedies)[0] == (
        "warning: not recorded: passed through: 1 connection to api.deepgram.com: the client does "
        "not trust the recorder's CA. To record this speech API: make the client trust it, then "
        "record 'api.deepgram.com'"
    )


def test_report_first_of_its_kind_is_known() -> None:
    counts = PassThroughReport()
    added = [
        counts.add("a.example", 443, reason, is_speech_api=False, passed=True)
        for reason in (REJECTED, REJECTED, IN_NO_PROXY)
    ]
    assert added == [True, False, True]


def test_report_many_servers_are_counted_together() -> None:
    counts = PassThroughReport()
    for n in range(report.MAX_LINES + 3):
        counts.add(f"{n}.example", 443, IN_NO_PROXY, is_speech_api=False, passed=True)
    lines = counts.lines()
    assert len(lines) == report.MAX_LINES + 1
    assert lines[-1] == "passed through: 3 connections to other servers"
