"""`wsproxy replay client`: replay a trace as the client, against a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from wsproxy.errors import WsproxyError
from wsproxy.replayer import ClientOptions, ClientReplay, Verdict, judge_result, play_once
from wsproxy.replayer.replay_trace import ReplayRecording
from wsproxy.system.address import public_url

from .catalog_option import catalog_option
from .replay_options import (
    client_options_of,
    records_of,
    replay_options,
    target_options,
    until_option,
)
from .replay_screen import INTERRUPTED, Interrupted, Screen, counted, leave, leave_bisecting
from .tolerance_options import tolerance_options

_UNTIL = 100  # sessions at most with --until-verdict, without --repeat


@click.command(name="client")
@catalog_option
@click.argument("trace", type=click.Path(path_type=Path, dir_okay=False))
@target_options
@click.option(
    "--repeat",
    type=click.IntRange(min=1, max=1_000_000),
    metavar="N",
    help=f"Replay N times, one after another.  [default: 1; with --until-verdict at most {_UNTIL}]",
)
@click.option(
    "--bisect",
    is_flag=True,
    help="Set the exit status for `git bisect run`, to find the commit that introduced the "
    "failure: 1 reproduced, 0 not reproduced, 125 (skip) unknown.",
)
@until_option
@replay_options
@tolerance_options
@click.option("--json", "as_json", is_flag=True, help="Print verdicts as JSON, one a line.")
def command(
    *,
    trace: Path,
    repeat: int | None,
    bisect: bool,
    until: str | None,
    pace: str,
    out: Path | None,
    no_record: bool,
    as_json: bool,
    **client: Any,
) -> None:
    """Replay TRACE as the client, against the server at a URL.

    Send the opening handshake, every frame and fragment, and the end of the connection as
    the recorded client did. Then wait for the server to end the session as it did. Refused
    upgrades and failed HTTP requests can be replayed too.

    Traces contain no credentials. Give your own with --header, --query, --subprotocol or
    --field, or in the environment variable of the provider (such as DEEPGRAM_API_KEY). They
    are sent to the server in --to and nowhere else. A server on this machine gets a synthetic
    key if you give none.

    \b
      wsproxy replay client call.wstrace --to wss://api.deepgram.com
      wsproxy replay client call.wstrace --to ws://127.0.0.1:9000 --pace fast
      wsproxy replay client call.wstrace --to wss://staging.example.com/v1/listen \\
          --header 'Authorization: Token ...' --query model=nova-3 --json
    \b
    To reproduce an intermittent failure, and to find the commit that introduced it:
      wsproxy replay client call.wstrace --to ws://127.0.0.1:9000 --repeat 20 \\
        --until-verdict reproduced
      git bisect run wsproxy replay client call.wstrace --to ws://127.0.0.1:9000 --bisect
    \b
    To replay it in many sessions at once:
      wsproxy load call.wstrace --to ws://127.0.0.1:9000 --sessions 200
    """
    options = client_options_of(trace, pace=pace, **client)
    screen = Screen(as_json=as_json)
    screen.say(f"replaying {trace} as the client against {public_url(options.to)} (pace: {pace})")
    with records_of(out, no_record=no_record, warn=screen.warn) as records:
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
    """Replay one session after another, and exit with the status for their verdicts."""
    many = repeat or (_UNTIL if until else 1)
    verdicts: list[Verdict] = []

    def known() -> str:
        return (
            counted(verdicts, many) if verdicts else "no verdict; what was received is in the trace"
        )

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
        leave_bisecting(verdicts, complete=not failed)
    if failed:
        sys.exit(failed)  # the request was not completed, whatever the verdicts so far
    leave(verdicts, until)
