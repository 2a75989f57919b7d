"""Raw text divided and asked about: what is trained on, and passages that nobody trained on as questions."""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.data.documents.raw_texts import hold_out
from postgrad.data.split.split import Split, SplitName
from postgrad.errors import DataError
from postgrad.evaluation.texts.passages import DOCUMENT, WHOLE, Passages, passages_of, size_for, spread_over
from postgrad.models.rendering.render import Renderer
from postgrad.progress import Said, Working
from postgrad.recipe import DataSection
from postgrad.records import Record, Text
from postgrad.steps.divide import divide
from postgrad.steps.examples import Examples, Material

MANY = 20
"""From so many documents on whole ones are kept aside; of fewer the end of each is."""
LARGEST_TEST = 200
"""Passages that test, where the recipe names no number: each is four times as long as a usual example."""
FEWEST_PASSAGES = 10


def divide_texts(
    data: DataSection,
    seed: int,
    records: Sequence[Record],
    held: Sequence[tuple[SplitName, Sequence[Record]]],
    room: int,
) -> Working[Split]:
    """Documents in three parts: whole ones where there are many or the user says which, else the end of each for the
    test and what stands before it for validation.

    Args:
        data: The recipe's section.
        seed: The recipe's seed.
        records: The documents.
        held: Those of the user's own validation and test files.
        room: Passages that there is time to measure.

    Raises:
        UsageError, DataError: See `divide`.
    """
    given = {part: [r for r in texts if isinstance(r, Text)] for part, texts in held}
    train = [r for r in records if isinstance(r, Text)]
    if len(train) >= MANY or data.group or data.split in ("time", "given"):
        return (yield from divide(data, seed, train, held, room=room))
    most = (data.max_test or min(room, LARGEST_TEST)) * WHOLE
    test = given.get("test")
    if test is None:
        train, test = hold_out(train, data.test, most)
        yield Said("The end of each document tests: nobody trains on it or chooses by it.")
    validation = given.get("validation")
    if validation is None:
        train, validation = hold_out(train, data.validation)
        yield Said("What stands before that validates." if "test" not in given else "The end of each validates.")
    return Split(tuple(train), tuple(validation), tuple(test), ((), (), ()))


def text_examples(data: DataSection, parts: Split, room: int, renderer: Renderer) -> Working[Examples]:
    """The parts as passages to go on from, with the documents that are trained on beside them.

    Args:
        data: The recipe's section.
        parts: From `divide_texts`.
        room: Passages that there is time to measure.
        renderer: Counts tokens: a passage must have room in the model's context.

    Raises:
        DataError: the texts are too short for passages.
    """
    texts = [[r for r in part if isinstance(r, Text)] for part in (parts.train, parts.validation, parts.test)]
    size = size_for(renderer, texts[0])
    train, validation, test = (passages_of(part, size) for part in texts)
    _refuse_few(train, "train on")
    _refuse_few(test, "test on")
    asked = spread_over(test.questions, data.max_test or min(room, LARGEST_TEST))
    documents = {q.meta[DOCUMENT] for q in asked}
    whole = not documents & {q.meta[DOCUMENT] for q in train.questions}
    yield Said(
        f"{len(asked)} passages test"
        + (f" of {len(test.questions)}" if len(asked) < len(test.questions) else "")
        + f": each is about {size} characters, of which the model reads the beginning and foretells the rest."
        + (f" {test.short} test documents are too short for one." if test.short else "")
    )
    groups = tuple(q.meta[DOCUMENT] for q in asked) if whole and len(documents) > 1 else None
    choosing = spread_over(validation.questions, data.max_validation)
    examples = Examples(train.questions, tuple(choosing), tuple(asked), groups)
    return examples.learning(Material(tuple(texts[0]), tuple(texts[1])))


def asked_of(data: DataSection, records: Sequence[Record], renderer: Renderer) -> list[Record]:
    """Passages of documents all of which test.

    Raises:
        DataError: they are too short for passages.
    """
    texts = [r for r in records if isinstance(r, Text)]
    found = passages_of(texts, size_for(renderer, texts))
    _refuse_few(found, "test on")
    return [*spread_over(found.questions, data.max_test or LARGEST_TEST)]


def _refuse_few(part: Passages, use: str) -> None:
    if len(part.questions) < FEWEST_PASSAGES:
        raise DataError(
            f"The texts are too short: {len(part.questions)} passages to {use}; at least {FEWEST_PASSAGES} of"
            f" {part.size} characters are needed.",
            "Give more text, or another share (data.test); to train without a verdict: postgrad train --objective"
            " pretrain.",
        )
