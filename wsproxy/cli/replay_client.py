"""`wsproxy replay client`: replay a trace as the client, against a server."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import click

from wsproxy.errors import UsageError, WsproxyError
from wsproxy.replayer import ClientOptions, ClientReplay, Pace, Verdict, judge_result, play_once
from wsproxy.replayer.recording import ReplayRecording

from .catalog_option import catalog_option
from .replay_load import load_of, load_options, replay_load
from .replay_options import records_of, replay_options, shown, target_of, target_options
from .replay_screen import INTERRUPTED, Interrupted, Screen, counted, leave, leave_bisecting
from .tolerance_options import rules_of

_UNTIL = 100  # sessions at most, where nothing else is said


@click.command(name="client")
@catalog_option
@click.argument("trace", type=click.Path(path_type=Path, dir_okay=False))
@target_options
@click.option(
    "--repeat",
    type=click.IntRange(min=1, max=1_000_000),
    metavar="N",
    help=f"Replay it so many times, one after another (with --until: at most, {_UNTIL} if not "
    "said).",
)
@click.option(
    "--bisect",
    is_flag=True,
    help="Exit as `git bisect run` takes it to find the commit that brought the failure: 1 where "
    "it is reproduced, 0 where it is not, 125 (skip) where neither is known.",
)
@load_options
@replay_options
def command(
    *,
    trace: Path,
    repeat: int | None,
    bisect: bool,
    sessions: int | None,
    ramp: float | None,
    workers: int | None,
    keep: str | None,
    pace: str,
    timeout: float,
    strict: bool,
    max_wer: float | None,
    audio_tolerance: float | None,
    same_as: tuple[Path, ...],
    until: str | None,
    keep_ids: bool,
    out: Path | None,
    no_record: bool,
    as_json: bool,
    **target: Any,
) -> None:
    """Replay TRACE as the client, against the server at a URL.

    The handshake, every frame with its fragments, and the way the connection ended are
    sent as the recorded client sent them; then the server is given its time to end the
    session as it did. Refused upgrades and failed HTTP requests replay as well.

    Credentials were taken out of the trace when it was recorded. Your own are taken from
    --header, --query, --subprotocol or --field, or from the environment variable of the
    provider (such as DEEPGRAM_API_KEY), and go to the server that you name and nowhere
    else. For a server on this machine a missing one is made up.

    \b
      wsproxy replay client call.wstrace --to wss://api.deepgram.com
      wsproxy replay client call.wstrace --to ws://127.0.0.1:9000 --pace fast
      wsproxy replay client call.wstrace --to wss://staging.example.com/v1/listen \\
          --header 'Authorization: Token ...' --query model=nova-3 --json
    \b
    A failure that does not come every time; and the commit since which it comes:
      wsproxy replay client call.wstrace --to ws://127.0.0.1:9000 --until reproduced --repeat 20
      git bisect run wsproxy replay client call.wstrace --to ws://127.0.0.1:9000 --bisect
    \b
    A failure that comes with load: 200 sessions, begun over 20 seconds:
      wsproxy replay client call.wstrace --to ws://127.0.0.1:9000 --sessions 200 --ramp 20
    """
    options = replace(
        target_of(**target),
        pace=Pace.parse(pace),
        timeout=timeout,
        keep_ids=keep_ids or strict,
        rules=rules_of(
            trace,
            strict=strict,
            max_wer=max_wer,
            audio_tolerance=audio_tolerance,
            same_as=same_as,
        ),
    )
    screen = Screen(as_json=as_json)
    alone = {"--repeat": repeat, "--until": until, "--bisect": bisect}
    load = load_of(sessions, ramp, workers, keep, alone=alone)
    screen.say(f"replaying {trace} as the client against {shown(options.to)} (pace: {pace})")
    if no_record and keep is not None:
        raise UsageError("--no-record excludes --keep")
    with records_of(out, no_record=no_record, warn=screen.warn) as records:
        if load is not None:
            replay_load(trace, options, load, records, as_json=as_json)
        _one_by_one(trace, options, records, screen, repeat=repeat, until=until, bisect=bisect)


def _one_by_one(
    trace: Path,
    options: ClientOptions,
    records: ReplayRecording,
    screen: Screen,
    *,
    repeat: int | None,
    until: str | None,
    bisect: bool,
) -> NoReturn:
    """Replay one session after another, and exit with the status that they come to."""
    many = repeat or (_UNTIL if until else 1)
    verdicts: list[Verdict] = []

    def known() -> str:
        return counted(verdicts, many) if verdicts else "no verdict; what came is in the trace"

    failed = 0
    try:
        with screen.interruptible(known):
            call = ClientReplay(trace, options)
            records.check()
            for _ in range(many):
                played = screen.run(lambda: play_once(call, records), known)
                verdicts.append(judge_result(played, options.rules))
                screen.verdict(verdicts[-1])
                if verdicts[-1].verdict == until:
                    break
    except Interrupted:
        sys.exit(INTERRUPTED)
    except WsproxyError as error:
        if not verdicts and not bisect:
            raise
        screen.warn(f"stopped at session {len(verdicts) + 1} of {many}: {error}")
        failed = error.exit_status
    screen.counts(verdicts)
    if bisect:
        leave_bisecting(verdicts, whole=not failed)
    if failed:
        sys.exit(failed)  # what was asked for is not done, whatever came before
    leave(verdicts, until)
