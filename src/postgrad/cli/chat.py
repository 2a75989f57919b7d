"""`postgrad chat`: talk to a model in the terminal."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from postgrad.cli.support.door import errors, out
from postgrad.cli.support.options import read_text

USUAL_TOKENS = 512


def command(
    model: Annotated[str, typer.Argument(help="A registered model (NAME, NAME@VERSION) or a base model.")],
    message: Annotated[str | None, typer.Option("--message", "-m", help="Send this one message and exit.")] = None,
    system_prompt: Annotated[str | None, typer.Option(help="Instruction, or @file.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Longest answer; by default 512, or what the context has room for.")
    ] = None,
    temperature: Annotated[float, typer.Option(help="0 is greedy, as evaluated.")] = 0.0,
) -> None:
    """Answers as the server would: same renderer, same instruction, same decoding. An empty line or Ctrl-D ends."""
    from postgrad.models.generation.generate import Decoding
    from postgrad.records import Message
    from postgrad.registry import Catalogue
    from postgrad.serving.inference.confidence import in_words
    from postgrad.serving.inference.engine import Engine

    engine = Engine(Catalogue(), [model] if "/" in model or model.endswith(".gguf") else ())
    served = engine.find(model)
    start = [Message("system", text)] if (text := read_text(system_prompt)) else []

    def turn(messages: list[Message]) -> str:
        answer, thought = "", False
        taken = len(engine.prepare(served, messages, Decoding(1)).prompt) if max_tokens is None else 0
        room = max(1, min(USUAL_TOKENS, engine.room(served) - taken))
        decoding = Decoding(room if max_tokens is None else max_tokens, temperature)
        prepared, done = engine.prepare(served, messages, decoding), None
        for piece in engine.stream(prepared):
            if piece.thought:
                errors.print(piece.thought, end="", style="dim italic", markup=False, soft_wrap=True)
                thought = True
            if piece.text and thought:
                errors.print()
                thought = False
            answer += piece.text
            done = piece.done or done
            sys.stdout.write(piece.text)
            sys.stdout.flush()
        out("")
        if done is not None:
            errors.print(in_words(prepared, done), style="dim", markup=False, soft_wrap=True)
        return answer

    if message is not None:
        turn([*start, Message("user", message)])
        return
    messages = start
    while True:
        errors.print("> ", end="")
        line = sys.stdin.readline()
        if not line.strip():
            return
        messages = [*messages, Message("user", line.strip())]
        messages = [*messages, Message("assistant", turn(messages))]
