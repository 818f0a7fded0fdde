"""`dcign completion SHELL`: the lines that make a shell complete commands, options and files."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")


@click.command(name="completion", context_settings={"show_default": True})
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print what makes SHELL complete the commands and options of dcign when Tab is pressed.

    Load it from the file that SHELL reads when it starts: ~/.bashrc, ~/.zshrc, or ~/.config/fish/config.fish. Python
    starts at each press of Tab, which takes a moment.

    \b
    Examples:
      eval "$(dcign completion bash)"
      eval "$(dcign completion zsh)"
      dcign completion fish | source
    """
    from click.shell_completion import get_completion_class

    completion = get_completion_class(shell)
    assert completion is not None
    click.echo(completion(ctx.find_root().command, {}, "dcign", "_DCIGN_COMPLETE").source())
