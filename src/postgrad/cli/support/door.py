"""The door of every command: exit codes, one clear message for foreseen errors, and Ctrl-C.

Progress goes to stderr, results to stdout.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from postgrad.cli.support.display import StopSign, errors, show
from postgrad.cli.support.interrupts import GOES_ON_NOWHERE
from postgrad.errors import Interrupted, PostgradError
from postgrad.storage import DISK_ERRORS

__all__ = ["StopSign", "enter", "errors", "out", "show", "told"]

# typer carries a click of its own; its base of all usage errors is reached through what typer exports
_BAD_USAGE: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def enter(function: Callable[..., object], arguments: Sequence[str]) -> int:
    """Runs a command's function on the arguments (the first is the command's name); returns the exit code."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TQDM_DISABLE", "1")  # one display: ours
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(context_settings={"help_option_names": ["-h", "--help"]})(function)
    try:
        code = app(args=list(arguments[1:]), standalone_mode=False, prog_name=f"postgrad {arguments[0]}")
        if code == 130:  # typer turns Ctrl-C into the exit code that it returns
            raise KeyboardInterrupt
        if isinstance(code, int) and code:  # and so it does with typer.Exit
            return code
    except typer.Exit as done:
        return done.exit_code
    except _BAD_USAGE as error:
        error.show()
        return 2
    except (KeyboardInterrupt, typer.Abort, Interrupted) as error:
        what = error.message if isinstance(error, Interrupted) else "Interrupted; what was finished is kept."
        errors.print(f"\n{what}", markup=False)
        if arguments[0] not in GOES_ON_NOWHERE:
            errors.print(f"To continue: postgrad {shlex.join(arguments)}", markup=False, soft_wrap=True)
        return 130
    except PostgradError as error:
        return told(error)
    except BrokenPipeError:
        return 0
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        errors.print(
            f"postgrad: {error.strerror}: {error.filename or 'while writing'}. No partial file was kept.",
            style="red",
            markup=False,
            soft_wrap=True,
        )
        return 2
    return 0


def told(error: PostgradError) -> int:
    """Prints a foreseen error to stderr; gives its exit code. Of several processes of one training one prints it."""
    if os.environ.get("WORLD_SIZE", "1") != "1" and not _first_to_say(str(error)):
        return error.exit_code
    errors.print(f"postgrad: {error.message}", style="red", markup=False, soft_wrap=True)
    if error.mend:
        errors.print(error.mend, markup=False, soft_wrap=True)
    return error.exit_code


_ONE_ERROR_S = 60
"""Processes of a training that fail alike within so many seconds say it once."""


def _first_to_say(text: str) -> bool:
    """Whether no process of this training on this machine has said it yet."""
    import hashlib
    import tempfile

    named = f"{os.environ.get('TORCHELASTIC_RUN_ID', '')} {os.environ.get('MASTER_PORT', '')} {os.getppid()} {text}"
    mark = Path(tempfile.gettempdir()) / f"postgrad-said-{hashlib.sha256(named.encode()).hexdigest()[:24]}"
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        with contextlib.suppress(OSError):  # another user's, or gone by now
            if time.time() - mark.stat().st_mtime < _ONE_ERROR_S:
                return False
            os.utime(mark)  # of an earlier command
    except OSError:
        pass
    return True


def out(text: str) -> None:
    """A result, to stdout."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
