"""The `wsproxy` command: subcommands are imported when they are asked for."""

from __future__ import annotations

import errno
import importlib
import os
import sys

import click

from wsproxy import __version__
from wsproxy.errors import WsproxyError

from .streams import make_printable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# name: (module, one line for the list of commands)
_COMMANDS = {
    "record": ("wsproxy.cli.record", "Record the sessions of apps that are pointed at this proxy."),
    "run": ("wsproxy.cli.run", "Run a command with its sessions recorded."),
    "list": ("wsproxy.cli.list", "List recorded sessions."),
    "show": ("wsproxy.cli.show", "Show the frames of a trace."),
    "explain": ("wsproxy.cli.explain", "Say why a session failed, with evidence, and what to do."),
    "replay": ("wsproxy.cli.replay", "Replay a trace, as the client or as the server."),
    "mutate": ("wsproxy.cli.mutate", "Make a new trace of another one, with changes."),
    "distill": ("wsproxy.cli.distill", "Make the shortest trace that still fails in the same way."),
    "recover": ("wsproxy.cli.recover", "Make clean traces of those that a crash has left."),
    "scrub": ("wsproxy.cli.scrub", "Make a trace public: the failure stays, words and voices go."),
    "bundle": ("wsproxy.cli.bundle", "Pack scrubbed traces for a bug report."),
    "diff": ("wsproxy.cli.diff", "Compare two traces: the same session, or where they differ."),
    "simulate": ("wsproxy.cli.simulate", "Serve simulated speech APIs, failing on demand."),
    "catalog": ("wsproxy.cli.catalog", "Look up what is known about failures, and add to it."),
    "addon": ("wsproxy.cli.addon", "Say where the addons for a mitmproxy of your own are."),
}
# Not for people: what other processes of wsproxy start.
_HIDDEN = {"proxy-process": "wsproxy.cli.proxy_process"}


class _LazyGroup(click.Group):
    """Imports a subcommand's module when it is used: `wsproxy list` needs no mitmproxy."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _HIDDEN.get(cmd_name) or _COMMANDS.get(cmd_name, ("",))[0]
        if not module:
            return None
        command = importlib.import_module(module).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="wsproxy")
def cli() -> None:
    """Record, explain and replay the WebSocket sessions of apps that use speech APIs.

    \b
    Record what your app does, then ask why it failed:
      wsproxy run -- python app.py
      wsproxy explain recordings/*.wstrace
    """


def main() -> None:
    """Run the command; an error of ours is one line and an exit status."""
    make_printable()
    try:
        cli.main(prog_name="wsproxy", standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except WsproxyError as error:
        from wsproxy.report.text import safe  # noqa: PLC0415  # nothing else needs it here

        # It may name a file, whose name is a stranger's.
        print(f"error: {safe(str(error))}", file=sys.stderr)  # noqa: T201  # stderr of a command
        sys.exit(error.exit_status)
    except BrokenPipeError:
        # `wsproxy show ... | head`: nobody reads on.
        _drop_output()
        sys.exit(0)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        where = error.filename or "the output"
        print(f"error: cannot write {where}: {error.strerror}", file=sys.stderr)  # noqa: T201
        _drop_output()
        sys.exit(1)


def _drop_output() -> None:
    """What is still in the buffer goes nowhere: Python would complain at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
