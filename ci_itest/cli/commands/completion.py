"""`ci-itest completion`: the script that completes commands and options in a shell."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print the script that completes ci-itest in a shell.

    For bash, in ~/.bashrc: eval "$(ci-itest completion bash)". For zsh the same in ~/.zshrc. For fish:
    ci-itest completion fish > ~/.config/fish/completions/ci-itest.fish
    """
    from click.shell_completion import get_completion_class

    from ci_itest.cli.main import group

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(group, {}, "ci-itest", "_CI_ITEST_COMPLETE").source())
    return 0
