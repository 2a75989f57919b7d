"""`postgrad completion`: what a shell needs to complete commands and options."""

from __future__ import annotations

from typing import Annotated

import typer

from postgrad.cli.support.door import out
from postgrad.errors import UsageError

_HOW = {
    "bash": "postgrad completion bash > ~/.local/share/bash-completion/completions/postgrad",
    "zsh": "postgrad completion zsh > ~/.zfunc/_postgrad   (with `fpath+=~/.zfunc; autoload -Uz compinit; compinit`)",
    "fish": "postgrad completion fish > ~/.config/fish/completions/postgrad.fish",
}


def command(shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")]) -> None:
    """Prints the completion of a shell; made from this version's commands, so print it anew after an upgrade."""
    from postgrad.cli.support.shells import SHELLS

    if shell not in SHELLS:
        raise UsageError(f"There is no completion for {shell!r}.", "; ".join(_HOW.values()))
    out(SHELLS[shell]())
