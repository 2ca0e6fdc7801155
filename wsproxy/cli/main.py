"""The `wsproxy` command: subcommands are imported when they are asked for."""

from __future__ import annotations

import errno
import os
import sys

import click

from wsproxy import __version__
from wsproxy.errors import WsproxyError

from .group import LazyGroup
from .streams import make_printable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# name: (module, one line for the list of commands)
_COMMANDS = {
    "record": ("wsproxy.cli.record", "Record the sessions of apps that use this proxy."),
    "run": ("wsproxy.cli.run", "Run a command and record its sessions."),
    "doctor": ("wsproxy.cli.doctor", "Check whether an app can be recorded here."),
    "list": ("wsproxy.cli.list", "List recorded sessions."),
    "show": ("wsproxy.cli.show", "Show the frames of a trace."),
    "explain": ("wsproxy.cli.explain", "Explain why a session failed, with evidence and fixes."),
    "follow": ("wsproxy.cli.follow", "Show sessions and their transcripts while they run."),
    "play": ("wsproxy.cli.play", "Play the audio of a trace."),
    "report": ("wsproxy.cli.report", "Write a session as an HTML file, to look at and listen to."),
    "view": ("wsproxy.cli.view", "Show sessions in the browser, as they are recorded."),
    "replay": ("wsproxy.cli.replay", "Replay a trace, as the client or as the server."),
    "load": ("wsproxy.cli.load", "Replay a trace in many sessions at once."),
    "mutate": ("wsproxy.cli.mutate", "Create an edited copy of a trace."),
    "distill": ("wsproxy.cli.distill", "Find the shortest trace that fails in the same way."),
    "recover": ("wsproxy.cli.recover", "Repair traces after a crash."),
    "scrub": ("wsproxy.cli.scrub", "Anonymize traces for sharing; the failure is preserved."),
    "bundle": ("wsproxy.cli.bundle", "Pack anonymized traces for a bug report."),
    "diff": ("wsproxy.cli.diff", "Compare two traces and show where they differ."),
    "simulate": ("wsproxy.cli.simulate", "Serve simulated speech APIs that fail on demand."),
    "catalog": ("wsproxy.cli.catalog", "Look up known failures, and check your own catalog."),
    "addon": ("wsproxy.cli.addon", "Print where the addons for mitmproxy are."),
    "completion": ("wsproxy.cli.completion", "Print a script for shell completion."),
}
# For other processes of wsproxy, not for people.
_HIDDEN = {
    "proxy-process": "wsproxy.cli.proxy_process",
    "view-process": "wsproxy.cli.view_process",
}
_WITHOUT_DEFAULTS = ("addon", "completion")


@click.group(
    cls=LazyGroup,
    listed=_COMMANDS,
    hidden=_HIDDEN,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, "-V", "--version", prog_name="wsproxy")
@click.option(
    "-v",
    "--verbose",
    count=True,
    help="Show log messages on stderr, with the names of their loggers; -vv: debug messages too.",
)
@click.option(
    "--config",
    envvar="WSPROXY_CONFIG",
    metavar="FILE",
    help="Read default values of options from this file; '' for none.  [default: the nearest "
    "wsproxy.toml, or pyproject.toml with [tool.wsproxy]]",
)
@click.pass_context
def cli(ctx: click.Context, verbose: int, config: str | None) -> None:
    """Record, explain and replay the WebSocket sessions of apps that use speech APIs.

    \b
    Record what your app does, then ask why it failed:
      wsproxy run -- python app.py
      wsproxy explain recordings

    Default values of options can be set in a file, by command: `out = "traces"` below
    `[record]` in wsproxy.toml, or below `[tool.wsproxy.record]` in pyproject.toml. The file
    nearest to the working directory, or above it, is used. docs/configuration.md lists the
    options that it can set.
    """
    if ctx.invoked_subcommand in _HIDDEN:
        return
    from .logs import logging_on_stderr  # noqa: PLC0415  # not for --version and --help

    ctx.with_resource(logging_on_stderr(verbose))
    if ctx.invoked_subcommand not in _WITHOUT_DEFAULTS:
        from .defaults import load_defaults  # noqa: PLC0415  # likewise

        assert isinstance(ctx.command, click.Group)
        ctx.default_map = load_defaults(ctx.command, ctx, config)


def main() -> None:
    """Run the command; an error of ours is one line and an exit status."""
    make_printable()
    try:
        cli.main(prog_name="wsproxy", standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        from .hints import usage_message  # noqa: PLC0415  # for errors only

        _fail(usage_message(error), error.exit_code)
    except click.Abort:
        sys.exit(130)
    except WsproxyError as error:
        from .hints import message  # noqa: PLC0415  # for errors only

        _fail(message(error), error.exit_status)
    except BrokenPipeError:
        # `wsproxy show ... | head`: the reader has gone.
        _drop_output()
        sys.exit(0)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        where = error.filename or "the output"
        print(f"error: cannot write {where}: {error.strerror}", file=sys.stderr)  # noqa: T201
        _drop_output()
        sys.exit(1)


def _fail(text: str, status: int) -> None:
    print(f"error: {text}", file=sys.stderr)  # noqa: T201  # stderr of a command
    sys.exit(status)


def _drop_output() -> None:
    """Discard what is still in the buffer: Python would complain at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
