"""`wsproxy completion`: completion of commands and options by the shell."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

_VARIABLE = "_WSPROXY_COMPLETE"  # how click is asked for completions


@click.command(name="completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands, options and their values in SHELL.

    \b
    bash 4.4 or later, in ~/.bashrc:
      eval "$(wsproxy completion bash)"
    \b
    zsh, in ~/.zshrc, after compinit:
      eval "$(wsproxy completion zsh)"
    \b
    fish:
      wsproxy completion fish > ~/.config/fish/completions/wsproxy.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    completer = found(ctx.find_root().command, {}, "wsproxy", _VARIABLE)
    # Not bash's own `source`, which runs bash to see its version.
    click.echo(ShellComplete.source(completer), nl=False)
