"""What sessions meet one after another: moments, plans, chances, and the command."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from conditions import post
from wsproxy.catalog import Condition, load
from wsproxy.errors import UnknownCondition, UsageError
from wsproxy.simulate import Limits, Moment, Plan, Simulator, Step, serve_in_thread
from wsproxy.simulate.speech import speech

LISTEN = "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000"
STREAM = "/v3/ws?sample_rate=16000"
KEY = {"Authorization": "Token good"}
CHUNK = speech(0.1)


def condition(name: str) -> Condition:
    return load().condition(name)


# -- moments


@pytest.mark.parametrize(
    "text, moment",
    [
        ("open", Moment("open")),
        (" Silence ", Moment("silence")),
        ("5s", Moment("seconds", 5)),
        ("0.5 s", Moment("seconds", 0.5)),
        ("20frames", Moment("frames", 20)),
        ("1frame", Moment("frames", 1)),
        ("3audio", Moment("seconds of audio", 3)),
    ],
)
def test_moment(text: str, moment: Moment) -> None:
    assert Moment.parse(text) == moment
    assert str(moment)


@pytest.mark.parametrize("text", ["", "5", "soon", "-1s", "5 minutes", "s"])
def test_no_moment(text: str) -> None:
    with pytest.raises(UsageError, match=r"invalid after value .*: expected open, audio"):
        Moment.parse(text)


def session(url: str, path: str = LISTEN, chunks: int = 10) -> tuple[int | None, int]:
    """Talk; returns the code of the server's Close frame, and how many chunks had been sent."""
    sent = 0
    with connect(url + path, additional_headers=KEY) as ws:
        try:
            for _ in range(chunks):
                ws.send(CHUNK)
                sent += 1
                # What is sent is heard before the next: the count tells when it failed.
                ws.ping(ack_on_close=True).wait(10)
            ws.send('{"type": "CloseStream"}' if path == LISTEN else '{"type": "Terminate"}')
            while True:
                ws.recv(timeout=10)
        except ConnectionClosed as closed:
            return (closed.rcvd.code if closed.rcvd else None), sent


@pytest.mark.parametrize(
    "moment, least, most", [("frames", 4, 5), ("seconds of audio", 4, 5), ("audio", 1, 2)]
)
def test_a_failure_comes_at_its_moment(moment: str, least: int, most: int) -> None:
    amount = 4 if moment == "frames" else 0.4
    step = Step(condition("deepgram.listen.NET-0000"), moment=Moment(moment, amount))
    with serve_in_thread(Plan([step])) as served:
        code, sent = session(served.url)
    assert code == 1011
    assert least <= sent <= most


def test_a_failure_after_seconds_comes_without_a_message_too() -> None:
    step = Step(condition("deepgram.listen.NET-0000"), moment=Moment("seconds", 0.2))
    with (
        serve_in_thread(Plan([step]), limits=Limits(silence=60)) as served,
        connect(served.url + LISTEN, additional_headers=KEY) as ws,
        pytest.raises(ConnectionClosed) as caught,
    ):
        ws.recv(timeout=20)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.reason == "NET-0000"


# -- plans


def test_fails_twice_then_works() -> None:
    plan = Plan([Step(condition("deepgram.listen.NET-0000"), times=2), Step()])
    with serve_in_thread(plan) as served:
        codes = [session(served.url)[0] for _ in range(4)]
    assert codes == [1011, 1011, 1000, 1000]


def test_several_at_once_on_their_own_apis() -> None:
    steps = [
        Step(condition("deepgram.listen.NET-0000")),
        Step(condition("deepgram.listen.DATA-0000")),
        Step(condition("assemblyai.streaming.1011-internal")),
        Step(condition("deepgram.speak.no-characters")),
    ]
    with serve_in_thread(Plan(steps, repeat=True)) as served:
        assert [session(served.url)[0] for _ in range(3)] == [1011, 1008, 1011]
        assert session(served.url, STREAM)[0] == 1011
        assert post(served.url, "/v1/speak", b"{}", KEY, None) == 400
        # A condition of plain HTTP alone is met by no upgrade.
        with connect(f"{served.url}/v1/speak", additional_headers=KEY) as ws:
            ws.send('{"type": "Close"}')


def test_probability() -> None:
    def failures(seed: int) -> int:
        step = Step(condition("deepgram.listen.NET-0000"), probability=0.3)
        plan = Plan([step], chance=random.Random(seed))
        return sum(plan.next("deepgram", "listen").condition is not None for _ in range(1000))

    assert 250 < failures(1) < 350
    assert failures(1) == failures(1)
    step = Step(condition("deepgram.listen.NET-0000"), probability=0)
    assert Plan([step]).next("deepgram", "listen").condition is None


def test_a_condition_that_no_server_brings_about() -> None:
    with pytest.raises(UsageError, match="not something that a server brings about"):
        Step(condition("rfc6455.failed.dns"))


PLAN = """
repeat = true
[[step]]
condition = "deepgram.listen.NET-0000"
times = 2
after = "5s"
probability = 0.5
[[step]]
api = "deepgram.listen"
"""


def test_a_plan_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    plan = Plan.read(path, load().condition)
    assert plan.repeat
    assert list(plan.steps) == [
        Step(condition("deepgram.listen.NET-0000"), 2, Moment("seconds", 5), 0.5),
        Step(api="deepgram.listen"),
    ]


@pytest.mark.parametrize(
    "old, new, says",
    [
        ("times = 2", "times = 0", "step[1].times: 0 is less than 1"),
        ("times = 2", "tims = 2", "step[1].tims: is not a key"),
        ("probability = 0.5", "probability = 1.5", "step[1].probability: 1.5 is more than 1"),
        ('after = "5s"', 'after = "soon"', "value 'soon': expected open, audio"),
        ("repeat = true", "repeat = 1", "repeat: is not true or false"),
        ("[[step]]", "[[step", "plan.toml"),
        (PLAN, "", "there is no [[step]] in it"),
    ],
)
def test_a_mistake_in_a_plan_file(old: str, new: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        Plan.read(path, load().condition)
    assert says in str(caught.value)


def test_a_plan_with_a_condition_that_does_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN.replace("NET-0000", "NET-9"))
    with pytest.raises(UnknownCondition):
        Plan.read(path, load().condition)


def test_a_plan_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.toml"):
        Plan.read(tmp_path / "absent.toml", load().condition)


def test_a_plan_for_an_api_that_is_not_simulated() -> None:
    with pytest.raises(UsageError, match=r"'deepgram\.lisen' is no simulated API"):
        Simulator(Plan([Step(api="deepgram.lisen")]))


# -- the command


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wsproxy", "simulate", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["deepgram.listen.NET-0000", "--after", "soon"], "value 'soon': expected open, audio"),
        (["rfc6455.failed.dns"], "not something that a server brings about"),
        (["deepgram.listen.NET-0000", "--plan", "x.toml"], "--plan excludes CONDITION"),
        (["--plan", "absent.toml"], "absent.toml"),
        (["--probability", "2"], "probability"),
    ],
)
def test_bad_arguments_get_one_line(arguments: list[str], says: str) -> None:
    done = simulate(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_serves_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text('[[step]]\ncondition = "deepgram.upgrade.INVALID_AUTH"\n[[step]]\n')
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "wsproxy", "simulate", "--plan", str(path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[2]
        with pytest.raises(InvalidStatus), connect(url + LISTEN, additional_headers=KEY):
            pass
        assert session(url)[0] == 1000
    finally:
        process.terminate()
        process.communicate(timeout=20)
