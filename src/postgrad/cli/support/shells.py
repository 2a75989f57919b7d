"""Completion scripts for bash, zsh and fish, made from the commands themselves: Tab calls nothing of postgrad."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator

import typer
from typer.main import get_command

from postgrad.cli import COMMANDS, file_of

_EVERYWHERE = (
    ("--device", "Compute on cpu, cuda or mps."),
    ("--log-level", "What is said meanwhile: quiet, warning or info."),
    ("--quiet", "Say nothing meanwhile."),
    ("--timestamps", "With the time before each line."),
    ("--help", "All options of this command."),
)


def options_of(command: str) -> Iterator[tuple[str, str]]:
    """(option, its help) of a command, `--help` last."""
    app = typer.Typer(add_completion=False)
    app.command()(importlib.import_module(f"postgrad.cli.{file_of(command)}").command)
    for parameter in get_command(app).params:
        for name in (*parameter.opts, *parameter.secondary_opts):
            if name.startswith("--"):
                yield name, getattr(parameter, "help", None) or ""
    yield from _EVERYWHERE


def bash() -> str:
    """For bash; after a command's options, file names."""
    cases = "\n".join(f"    {name}) words='{' '.join(o for o, _ in options_of(name))}' ;;" for name in COMMANDS)
    return f"""# postgrad: completion for bash
_postgrad() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} words=''
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{" ".join(COMMANDS)} help --help --version' -- "$word"))
    return
  fi
  case ${{COMP_WORDS[1]}} in
    help) COMPREPLY=($(compgen -W '{" ".join(COMMANDS)}' -- "$word")); return ;;
{cases}
  esac
  case $word in -*) COMPREPLY=($(compgen -W "$words" -- "$word")) ;; esac
}}
complete -o default -o bashdefault -F _postgrad postgrad
"""


def zsh() -> str:
    """For zsh."""
    commands = "\n".join(f"    '{name}:{_plain(text)}'" for name, text in COMMANDS.items())
    cases = "\n".join(f"    {name}) options=(\n{_lines(name)}\n    ) ;;" for name in COMMANDS)
    return f"""#compdef postgrad
_postgrad() {{
  local -a commands options
  commands=(
{commands}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case ${{words[2]}} in
    help) _describe command commands; return ;;
{cases}
  esac
  if [[ ${{words[CURRENT]}} == -* ]]; then
    _describe option options
  else
    _files
  fi
}}
compdef _postgrad postgrad
"""


def fish() -> str:
    """For fish."""
    lines = ["# postgrad: completion for fish"]
    first = "__fish_use_subcommand"
    lines += [f"complete -c postgrad -n {first} -f -a {name} -d '{_plain(text)}'" for name, text in COMMANDS.items()]
    for name in COMMANDS:
        inside = f"'__fish_seen_subcommand_from {name}'"
        lines += [f"complete -c postgrad -n {inside} -l {o[2:]} -d '{_plain(text)}'" for o, text in options_of(name)]
    return "\n".join(lines) + "\n"


def _lines(command: str) -> str:
    return "\n".join(f"      '{option}:{_plain(text)}'" for option, text in options_of(command))


def _plain(text: str) -> str:
    """Without what would end a quoted word or a description."""
    return text.replace("'", "").replace(":", " -").replace("\n", " ")


SHELLS: dict[str, Callable[[], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
