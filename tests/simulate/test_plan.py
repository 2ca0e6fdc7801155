"""What sessions meet one after another: triggers, plans, chances, and the command."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from conditions import post
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import Condition, load
from wsproxy.errors import UnknownCondition, UsageError
from wsproxy.simulate import ApiQuotas, Plan, PlanStep, Simulator, Trigger, serve_in_thread

LISTEN = "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000"
STREAM = "/v3/ws?sample_rate=16000"
KEY = {"Authorization": "Token good"}
CHUNK = speech(0.1)


def condition(name: str) -> Condition:
    return load().condition(name)


# -- triggers


@pytest.mark.parametrize(
    "text, trigger",
    [
        ("open", Trigger("open")),
        (" Silence ", Trigger("silence")),
        ("5s", Trigger("seconds", 5)),
        ("0.5 s", Trigger("seconds", 0.5)),
        ("20frames", Trigger("frames", 20)),
        ("1frame", Trigger("frames", 1)),
        ("3audio", Trigger("seconds of audio", 3)),
    ],
)
def test_trigger_parse_valid_text_is_read(text: str, trigger: Trigger) -> None:
    assert Trigger.parse(text) == trigger
    assert str(trigger)


@pytest.mark.parametrize("text", ["", "5", "soon", "-1s", "5 minutes", "s"])
def test_trigger_parse_invalid_text_raises(text: str) -> None:
    with pytest.raises(UsageError, match=r"invalid after value .*: expected open, audio"):
        Trigger.parse(text)


def session(url: str, path: str = LISTEN, chunks: int = 10) -> tuple[int | None, int]:
    """Talk; returns the code of the server's Close frame, and how many chunks had been sent."""
    sent = 0
    with connect(url + path, additional_headers=KEY) as ws:
        try:
            for _ in range(chunks):
                ws.send(CHUNK)
                sent += 1
                # Each message is answered before the next: the count shows when it failed.
                ws.ping(ack_on_close=True).wait(10)
            ws.send('{"type": "CloseStream"}' if path == LISTEN else '{"type": "Terminate"}')
            while True:
                ws.recv(timeout=10)
        except ConnectionClosed as closed:
            return (closed.rcvd.code if closed.rcvd else None), sent


@pytest.mark.parametrize(
    "kind, least, most", [("frames", 4, 5), ("seconds of audio", 4, 5), ("audio", 1, 2)]
)
def test_plan_step_failure_occurs_at_its_trigger(kind: str, least: int, most: int) -> None:
    amount = 4 if kind == "frames" else 0.4
    step = PlanStep(condition("deepgram.listen.NET-0000"), trigger=Trigger(kind, amount))
    with serve_in_thread(Plan([step])) as served:
        code, sent = session(served.url)
    assert code == 1011
    assert least <= sent <= most


def test_plan_step_seconds_trigger_needs_no_message() -> None:
    step = PlanStep(condition("deepgram.listen.NET-0000"), trigger=Trigger("seconds", 0.2))
    with (
        serve_in_thread(Plan([step]), limits=ApiQuotas(silence=60)) as served,
        connect(served.url + LISTEN, additional_headers=KEY) as ws,
        pytest.raises(ConnectionClosed) as caught,
    ):
        ws.recv(timeout=20)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.reason == "NET-0000"


# -- plans


def test_plan_step_times_two_fails_twice_then_works() -> None:
    plan = Plan([PlanStep(condition("deepgram.listen.NET-0000"), times=2), PlanStep()])
    with serve_in_thread(plan) as served:
        codes = [session(served.url)[0] for _ in range(4)]
    assert codes == [1011, 1011, 1000, 1000]


def test_plan_steps_of_several_apis_apply_to_their_own() -> None:
    steps = [
        PlanStep(condition("deepgram.listen.NET-0000")),
        PlanStep(condition("deepgram.listen.DATA-0000")),
        PlanStep(condition("assemblyai.streaming.1011-internal")),
        PlanStep(condition("deepgram.speak.no-characters")),
    ]
    with serve_in_thread(Plan(steps, repeat=True)) as served:
        assert [session(served.url)[0] for _ in range(3)] == [1011, 1008, 1011]
        assert session(served.url, STREAM)[0] == 1011
        assert post(served.url, "/v1/speak", b"{}", KEY, None) == 400
        # A condition of plain HTTP alone is met by no upgrade.
        with connect(f"{served.url}/v1/speak", additional_headers=KEY) as ws:
            ws.send('{"type": "Close"}')


def test_plan_step_probability_is_applied_and_seeded() -> None:
    def failures(seed: int) -> int:
        step = PlanStep(condition("deepgram.listen.NET-0000"), probability=0.3)
        plan = Plan([step], chance=random.Random(seed))
        return sum(plan.next("deepgram", "listen").condition is not None for _ in range(1000))

    assert 250 < failures(1) < 350
    assert failures(1) == failures(1)
    step = PlanStep(condition("deepgram.listen.NET-0000"), probability=0)
    assert Plan([step]).next("deepgram", "listen").condition is None


def test_plan_step_client_condition_raises() -> None:
    with pytest.raises(UsageError, match="cannot be simulated: no server causes it"):
        PlanStep(condition("rfc6455.failed.dns"))


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


def test_plan_read_valid_file_has_steps(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    plan = Plan.read(path, load().condition)
    assert plan.repeat
    assert list(plan.steps) == [
        PlanStep(condition("deepgram.listen.NET-0000"), 2, Trigger("seconds", 5), 0.5),
        PlanStep(api="deepgram.listen"),
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
        (PLAN, "", "no [[step]] found"),
    ],
)
def test_plan_read_invalid_file_names_mistake(
    old: str, new: str, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        Plan.read(path, load().condition)
    assert says in str(caught.value)


def test_plan_read_unknown_condition_raises(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN.replace("NET-0000", "NET-9"))
    with pytest.raises(UnknownCondition):
        Plan.read(path, load().condition)


def test_plan_read_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.toml"):
        Plan.read(tmp_path / "absent.toml", load().condition)


def test_simulator_plan_for_unknown_api_raises() -> None:
    with pytest.raises(UsageError, match=r"'deepgram\.lisen' is not a simulated API"):
        Simulator(Plan([PlanStep(api="deepgram.lisen")]))


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
        (["rfc6455.failed.dns"], "cannot be simulated: no server causes it"),
        (["deepgram.listen.NET-0000", "--plan", "x.toml"], "--plan excludes CONDITION"),
        (["--plan", "absent.toml"], "absent.toml"),
        (["--probability", "2"], "probability"),
    ],
)
def test_simulate_command_invalid_arguments_are_one_line_error(
    arguments: list[str], says: str
) -> None:
    done = simulate(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_simulate_command_plan_is_served(tmp_path: Path) -> None:
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
