"""Raw text as a model sees it in continued pretraining: windows of tokens. No torch: `estimate` counts with it.

A document is framed as in the model's own pretraining (see `Renderer.frame_ids`). Its windows follow each other without
overlap, but each after the first begins with the last token of the one before, so that every token is predicted once.
"""

from __future__ import annotations

from postgrad.models.rendering.render import Rendered, Renderer
from postgrad.records import Text

WINDOW = 1024
"""Tokens in a window if nothing else is asked for."""


def windows(renderer: Renderer, text: Text, length: int | None = None) -> list[Rendered]:
    """The windows of a document; every token but the first of each is learned."""
    size = min(length or WINDOW, renderer.context)
    begin, end = renderer.frame_ids
    ids = [*begin, *renderer.encode(text.text), *end]
    parts = [tuple(ids[at : at + size]) for at in range(0, len(ids) - 1, size - 1)]
    return [Rendered(p, (0.0, *[1.0] * (len(p) - 1)), origin=str(text.source)) for p in parts]
