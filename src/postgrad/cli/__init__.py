"""The command line: one file a command, loaded only when it is called, so that `--help` is quick."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from postgrad.cli.support.interrupts import watch

COMMANDS = {
    "demo": "The main job on shipped data and the embedded model.",
    "run": "Examples in, verdict out: check, measure, train, compare, register.",
    "train": "Train a model on examples or raw text, and register it.",
    "evaluate": "Measure registered, base and remote models on your examples; nothing is trained.",
    "compare": "Compare two runs, or two models on the same examples, with significance.",
    "check": "Find every fault in the data.",
    "review": "Go through what check found, record by record: keep, mend, answer anew or drop.",
    "convert": "Convert data to another shape: OpenAI, TRL, Alpaca, ShareGPT, Bedrock, CSV …",
    "augment": "Generate more training examples: noise, paraphrases, new ones by a teacher.",
    "estimate": "Tokens, memory, time and money, before anything is spent.",
    "prices": "The prices that estimates and reports use, with date and source; refresh them.",
    "bases": "Open base models by what this machine can do with them: size, memory, licence.",
    "models": "List, show, promote, roll back and delete registered models.",
    "export": "Write a model for another engine: PEFT, safetensors, GGUF, Ollama …; refused unless it answers alike.",
    "parity": "Whether an export or a deployment answers as the model was trained.",
    "push": "Send a model to the hub or an object store, with its card.",
    "card": "A model card, as the hub reads it.",
    "sign": "Sign an export with a key of your own.",
    "verify": "Whether a signed export is what was signed.",
    "migrate": "Repeat a model on another base, compare, and say: move or stay.",
    "merge": "Join several adapters of one base into one model.",
    "forget-record": "Which models were trained on given records, and how they are removed.",
    "restore": "Put a dated copy of the catalogue in the place of a damaged one.",
    "chat": "Talk to a model.",
    "serve": "An OpenAI-compatible HTTP server for base and tuned models.",
    "import": "Migrate from OpenAI: fine-tuning jobs, retrained on an open base.",
    "keys": "API keys of the server: create, list, revoke, audit.",
    "recipe": "Every setting of a recipe, with its default and what it means.",
    "completion": "Completion of commands and options by the Tab key, for bash, zsh and fish.",
    "report-schema": "The JSON schema of report.json, check.json, results.jsonl or compare.json.",
    "doctor": "What this machine can do, and what is missing.",
}

_FILES = {"import": "import_openai"}
"""Files of commands whose own name is a word of Python's."""

_USAGE = (
    "Usage: postgrad COMMAND [OPTIONS]\n\nBring examples; leave with a specialised model that is proven better, or with"
    " proof that you do not need one.\n"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `postgrad`; returns the exit code."""
    watch()
    try:
        return _main(arguments)
    except KeyboardInterrupt:  # while a command was being loaded; later ones are seen in its door
        print("\nInterrupted before anything was begun.", file=sys.stderr)
        return 130


def _main(arguments: Sequence[str] | None) -> int:
    given = _without_global(list(sys.argv[1:] if arguments is None else arguments))
    if os.environ.get("POSTGRAD_LOG_LEVEL", "info") not in _LOG_LEVELS:
        print("postgrad: --log-level is quiet, warning or info.", file=sys.stderr)
        return 2
    if given[:1] == ["help"] and given[1:]:
        given = [given[1], "--help"]
    if not given or given[0] in ("-h", "--help", "help"):
        width = max(len(c) for c in COMMANDS)
        print(_USAGE + "\nCommands:\n" + "\n".join(f"  {c:<{width}}  {text}" for c, text in COMMANDS.items()))
        print("\nEvery command takes --device cpu, cuda or mps instead of the one that it finds; --log-level quiet")
        print("(or --quiet), warning or info; and --timestamps.")
        print("`postgrad COMMAND --help` lists the options. Start with `postgrad demo`.")
        return 0
    if given[0] in ("-V", "--version", "version"):
        from postgrad.version import __version__

        print(f"postgrad {__version__}")
        return 0
    if given[0] not in COMMANDS:
        import difflib

        flag = given[0].startswith("-")
        near = difflib.get_close_matches(given[0], ("--help", "--version", "--device") if flag else COMMANDS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        kind = "option" if flag else "command"
        print(f"postgrad: there is no {kind} {given[0]!r}.{hint} Commands: {', '.join(COMMANDS)}.", file=sys.stderr)
        return 2
    _let_go_of_cores(given[0])
    from postgrad.cli.support.door import enter, told
    from postgrad.errors import PostgradError

    try:
        module = importlib.import_module(f"postgrad.cli.{file_of(given[0])}")
    except PostgradError as error:  # its help names what other packages offer, and one of them is broken
        return told(error)
    return enter(module.command, given)


def file_of(command: str) -> str:
    """The module in `postgrad.cli` that holds a command."""
    return _FILES.get(command, command.replace("-", "_"))


_GLOBAL = {"--device": "POSTGRAD_DEVICE", "--log-level": "POSTGRAD_LOG_LEVEL"}
_FLAGS = {"--quiet": ("POSTGRAD_LOG_LEVEL", "quiet"), "--timestamps": ("POSTGRAD_TIMESTAMPS", "1")}
"""Options of every command: they go as variables to whatever is done, here and in processes that this one starts."""
_LOG_LEVELS = ("quiet", "warning", "info")
"""Nothing is said meanwhile, what asks for attention, everything."""


def _without_global(given: list[str]) -> list[str]:
    """The arguments without the options that every command has."""
    rest: list[str] = []
    place = 0
    while place < len(given):
        name, equals, value = given[place].partition("=")
        if name == "--":
            return [*rest, *given[place:]]
        if name in _GLOBAL and (equals or place + 1 < len(given)):
            place += not equals
            os.environ[_GLOBAL[name]] = value if equals else given[place]
        elif given[place] in _FLAGS:
            variable, value = _FLAGS[given[place]]
            os.environ[variable] = value
        else:
            rest.append(given[place])
        place += 1
    return rest


def _let_go_of_cores(command: str) -> None:
    """Threads that wait for one another let go of their cores soon, so that two trainings do not hold up each other.

    GNU OpenMP spins for 300,000 turns as it comes: fastest alone, and up to fifteen times slower where somebody else
    computes too (design/0002). A server, which shares the cores with the trainings that it starts, does not spin at
    all. Read when torch is loaded, here and in processes that this one starts; whoever has set a policy keeps it.
    """
    if "OMP_WAIT_POLICY" in os.environ or "GOMP_SPINCOUNT" in os.environ:
        return
    if command == "serve":
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    else:
        os.environ["GOMP_SPINCOUNT"] = "3000"


def entry() -> None:
    """For `python -m postgrad`."""
    sys.exit(main())
