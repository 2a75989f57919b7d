"""Ctrl-C while Python imports: the interpreter may swallow an exception there ("Exception ignored in …"), and the
command would go on. So it ends at once instead; nothing is under way while modules are read."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from types import FrameType

_IMPORTING = "<frozen importlib._bootstrap>"
GOES_ON_NOWHERE = ("serve", "chat")
"""Commands that Ctrl-C ends as it should: there is nothing to continue."""


def interrupt(number: int, frame: FrameType | None) -> None:
    """Ends the process with 130 inside an import.

    Raises:
        KeyboardInterrupt: everywhere else.
    """
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTING:
            os.write(2, _last_words(sys.argv[1:]).encode("utf-8", "replace"))
            os._exit(130)
        frame = frame.f_back
    raise KeyboardInterrupt


def watch() -> None:
    """Has Ctrl-C seen by `interrupt`, unless somebody else sees it already."""
    mine = threading.current_thread() is threading.main_thread()
    if mine and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)


def _last_words(arguments: list[str]) -> str:
    again = (
        "" if arguments[:1] and arguments[0] in GOES_ON_NOWHERE else f"To continue: postgrad {shlex.join(arguments)}\n"
    )
    return f"\nInterrupted; what was finished is kept.\n{again}"
