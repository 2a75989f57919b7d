"""`ollama`: a merged GGUF file with a Modelfile. Newer Ollama refuses Modelfiles with ADAPTER, so there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from postgrad.errors import UsageError
from postgrad.export.formats import gguf
from postgrad.export.go_template import go_template, rendered
from postgrad.export.leaving import Leaving, Written, main_file
from postgrad.export.parity.contestant import CannotSayError, Contestant, Said
from postgrad.export.parity.gate import Check
from postgrad.models.rendering.render import Renderer
from postgrad.records import Message, ToolDefinition

MODELFILE = "Modelfile"


def write(leaving: Leaving, folder: Path, wanted: str | None = None) -> Written:
    """Writes the GGUF file and the Modelfile.

    Args:
        leaving: The model.
        folder: Empty.
        wanted: As of `gguf`; None for 16 bits.

    Raises:
        UsageError: as `gguf`; or the chat template cannot be written in Go's language.
    """
    template = go_template(leaving.renderer.template)
    written = gguf.write(leaving, folder, wanted)
    name = main_file(folder, ".gguf").name
    lines = [f"FROM ./{name}", f"TEMPLATE {_quoted(template)}"]
    if leaving.instruction:
        lines.append(f"SYSTEM {_quoted(leaving.instruction)}")
    ends = [leaving.renderer.decode([i], special=True) for i in sorted(leaving.renderer.end_ids)]
    lines += [f"PARAMETER stop {_quoted(text)}" for text in (*ends, *leaving.renderer.stops) if text]
    lines += ["PARAMETER temperature 0", f"PARAMETER num_ctx {min(leaving.renderer.context, 8192)}"]
    (folder / MODELFILE).write_text("\n".join(lines) + "\n", "utf-8")
    return Written({"Ollama": "cd FOLDER && ollama create NAME -f Modelfile && ollama run NAME"}, written.notes)


def precision(leaving: Leaving, wanted: str | None) -> str:
    """As of `gguf`."""
    return gguf.precision(leaving, wanted)


def contestants(leaving: Leaving, folder: Path) -> Iterator[Callable[[], Contestant]]:
    """The engines of the GGUF file, asked through the Modelfile's template."""
    for made in gguf.contestants(leaving, folder):
        yield lambda made=made: ThroughModelfile(made(), folder, leaving.renderer)


def checks(leaving: Leaving, folder: Path) -> list[Check]:
    """Those of the GGUF file."""
    return gguf.checks(leaving, folder)


class ThroughModelfile:
    """An engine whose prompts are made as Ollama makes them.

    Args:
        engine: Has the GGUF file.
        folder: With the Modelfile.
        renderer: Of the base.
    """

    def __init__(self, engine: Contestant, folder: Path, renderer: Renderer) -> None:
        self.name = f"{engine.name}, asked by the Modelfile"
        self._engine, self._renderer = engine, renderer
        self._template, self._system = modelfile_value(folder, "TEMPLATE"), modelfile_value(folder, "SYSTEM")

    def prompt(self, messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> Sequence[int]:
        if tools:
            raise CannotSayError("the Modelfile's template offers no tools")
        asked = list(messages)
        if self._system and asked[0].role != "system":
            asked.insert(0, Message("system", self._system))
        return self._renderer.encode(rendered(self._template, asked))

    def logprobs(self, ids: Sequence[int], begin: int) -> Sequence[float]:
        return self._engine.logprobs(ids, begin)

    def answer(self, messages: Sequence[Message], tools: Sequence[ToolDefinition], most: int) -> Said:
        if tools:
            raise CannotSayError("the Modelfile's template offers no tools")
        return self._engine.answer(messages, tools, most)


def _quoted(text: str) -> str:
    if '"""' in text or text.endswith('"'):
        raise UsageError('A Modelfile cannot hold a text with """ in it, or with " at its end.', "Take --to gguf.")
    return f'"""{text}"""'


def modelfile_value(folder: Path, name: str) -> str:
    """What a Modelfile says of a name; empty where it says nothing."""
    text = (folder / MODELFILE).read_text("utf-8")
    _, found, rest = text.partition(f'{name} """')
    return rest.partition('"""')[0] if found else ""
