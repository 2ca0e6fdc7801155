"""Groups of commands that are imported when they are used, and that know near names."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from wsproxy.errors import did_you_mean

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class NearGroup(click.Group):
    """A group that answers an unknown command with the nearest one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first argument names.

        Raises:
            click.UsageError: there is none.
        """
        name = args[0]
        if name.startswith("-") or ctx.resilient_parsing or self.get_command(ctx, name):
            return super().resolve_command(ctx, args)
        near = did_you_mean(name, self.list_commands(ctx))
        raise click.UsageError(f"unknown command {name!r}{near}", ctx)


class LazyGroup(NearGroup):
    """A group that imports a command when it is used: `wsproxy list` needs no mitmproxy.

    Each module has its command as `command`.

    Args:
        listed: (module, one line for the list of commands) by the name of the command.
        hidden: module by the name of the command, of commands that are not listed.
    """

    def __init__(
        self,
        *args: Any,
        listed: Mapping[str, tuple[str, str]],
        hidden: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._listed = listed
        self._hidden = hidden or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._listed)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = self._hidden.get(cmd_name) or self._listed.get(cmd_name, ("",))[0]
        if not module:
            return None
        command = importlib.import_module(module).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._listed.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem  # noqa: PLC0415  # for a shell only

        commands = [
            CompletionItem(name, help=text)
            for name, (_, text) in self._listed.items()
            if name.startswith(incomplete)
        ]
        # Without the commands, which would be imported, all of them, for their first lines.
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]
