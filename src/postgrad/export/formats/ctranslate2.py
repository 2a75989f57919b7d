"""`ctranslate2`: CTranslate2's own files, written by its converter from merged weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from postgrad.errors import UsageError
from postgrad.export.engines import ctranslate2
from postgrad.export.engines.optional import need
from postgrad.export.formats import merged
from postgrad.export.leaving import Leaving, Written
from postgrad.export.parity.contestant import Contestant
from postgrad.export.parity.gate import Check

PRECISIONS = ("float32", "float16", "bfloat16", "int8")


def write(leaving: Leaving, folder: Path, wanted: str | None = None) -> Written:
    """Writes the folder.

    Args:
        leaving: The model.
        folder: Empty.
        wanted: `float32` (None), `float16`, `bfloat16` or `int8`.

    Raises:
        UsageError: ctranslate2 is not installed or does not take the model.
    """
    need("ctranslate2", "ctranslate2", "ctranslate2")
    kind = precision(leaving, wanted)
    merged.through_merged(leaving, folder, lambda plain, made: ctranslate2.converted(plain, made, kind))
    return Written(
        {
            "CTranslate2": "import ctranslate2, transformers\n"
            'generator = ctranslate2.Generator("FOLDER")\n'
            'tokens = transformers.AutoTokenizer.from_pretrained("FOLDER")\n'
            'asked = [{"role": "user", "content": "…"}]\n'
            "text = tokens.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)\n"
            "ids = tokens(text, add_special_tokens=False).input_ids\n"
            "out = generator.generate_batch([tokens.convert_ids_to_tokens(ids)], sampling_topk=1,"
            " include_prompt_in_result=False)\n"
            "print(tokens.decode(out[0].sequences_ids[0]))"
        }
    )


def precision(leaving: Leaving, wanted: str | None) -> str:
    """Of the weights.

    Raises:
        UsageError: there is none of that name.
    """
    name = wanted or "float32"
    if name not in PRECISIONS:
        raise UsageError(f"There is no precision {wanted!r} of CTranslate2.", f"Take {', '.join(PRECISIONS)}.")
    return name


def contestants(leaving: Leaving, folder: Path) -> Iterator[Callable[[], Contestant]]:
    """The folder in CTranslate2."""
    yield lambda: ctranslate2.CTranslate2Model(folder)


def checks(leaving: Leaving, folder: Path) -> list[Check]:
    """Nothing besides."""
    return []
