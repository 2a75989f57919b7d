"""Which columns are the input and which the output, where the file's shape does not say: by names first, then by
contents.

The guess is always explained in a sentence. Where two readings are equally good it refuses, because a model trained on
the wrong column costs more than a question.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from postgrad.data.shapes.cells import quoted, shorten
from postgrad.data.shapes.profile import ColumnProfile, name_words, plain_name, profile
from postgrad.data.sources.rows import Row
from postgrad.errors import DataError
from postgrad.facts import load_facts

_FACTS = load_facts("columns")
INPUT_NAMES: list[str] = _FACTS["inputs"]
OUTPUT_NAMES: list[str] = _FACTS["outputs"]
_LABEL_NAMES = frozenset(_FACTS["labels"])
_ASIDE = frozenset(_FACTS["aside"])
_SPEAKERS = frozenset(_FACTS["messages"]["speakers"])
_TITLES = frozenset(["title", "subject"])
_COMPANIONS: list[list[str]] = _FACTS["companions"]


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """The columns chosen, with the sentence that says why; `images` are those of the inputs that hold pictures."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    why: str
    images: tuple[str, ...] = ()


def guess(
    rows: Sequence[Row],
    columns: Sequence[str],
    file: str,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
) -> ColumnChoice:
    """Chooses input and output columns.

    Args:
        rows: The rows to judge by.
        columns: All columns.
        file: For messages.
        inputs: Input columns that the user named; only the outputs are guessed then.
        outputs: Output columns that the user named; only the inputs are guessed then.

    Raises:
        DataError: No two columns fit, or several fit equally well; lists the columns with an example of each.
    """
    profiles = {c.name: c for c in profile(rows, columns)}
    given = set(inputs) | set(outputs)
    usable = [
        c
        for c in profiles.values()
        if (c.kind not in ("empty", "id", "date", "image") or (c.kind == "id" and c.name.lower() in OUTPUT_NAMES))
        and not _is_aside(c)
        and c.name not in given
    ]
    taken = [profiles[name] for name in inputs] or _choose_inputs(usable)
    if not taken:
        raise ambiguous(profiles.values(), file, "no column looks like an input text")
    rest = [c for c in usable if c not in taken]
    answers, others = ([profiles[name] for name in outputs], []) if outputs else _choose_outputs(rest, taken)
    if not answers:
        raise ambiguous(profiles.values(), file, "it is not clear which column holds the right answer")
    if not outputs:
        _refuse_no_answer(profiles.values(), answers, file)
    why = _explain(taken, answers, others, given)
    seen = tuple(c.name for c in taken if c.kind == "image")
    unseen = [c.name for c in profiles.values() if c.kind == "image" and c.name not in given]
    if unseen:
        why += (
            f" The pictures of {unseen[0]!r} are not read;"
            f" --input {quoted(','.join([unseen[0], *(c.name for c in taken)]))} takes them."
        )
    return ColumnChoice(tuple(c.name for c in taken), tuple(c.name for c in answers), why, seen)


def ambiguous(columns: Iterable[ColumnProfile], file: str, reason: str, mend: str = "") -> DataError:
    """The refusal that shows every column and how to name the right ones."""
    shown = "\n".join(f"  {c.name}: {'(empty)' if c.example is None else repr(shorten(c.example))}" for c in columns)
    return DataError(
        f"{file}: {reason}. Its columns, with an example of each:\n{shown}",
        mend or "Name them: --input NAME --output NAME (several columns: --output NAME,NAME).",
    )


def _refuse_no_answer(columns: Iterable[ColumnProfile], answers: Sequence[ColumnProfile], file: str) -> None:
    """Refuses to learn, unasked, what is hardly ever an answer: who wrote a text, its title, its number or its date.

    Raises:
        DataError: the only column left for an answer is such a one.
    """
    if len(answers) != 1 or _rank(answers[0], OUTPUT_NAMES) is not None:
        return
    name = answers[0].name
    what = "who wrote it" if plain_name(name) in _SPEAKERS else "a title" if {*name_words(name)} & _TITLES else ""
    what = what or ("a number or a date" if answers[0].kind in ("id", "date") else "")
    if what:
        reason = f"the only column left for the answer is {name!r}, which looks like {what}"
        raise ambiguous(columns, file, reason, f"If that is what is to be learned: --output {quoted(name)}.")


def _is_aside(column: ColumnProfile) -> bool:
    words = name_words(column.name)
    return bool(_ASIDE.intersection(words)) and column.name.lower() not in INPUT_NAMES


def _rank(column: ColumnProfile, names: Sequence[str]) -> float | None:
    """Place of the column's name in a list of names: a whole match before the match of one of its words."""
    lowered = column.name.strip().lower()
    if lowered in names:
        return names.index(lowered)
    places = [names.index(word) for word in name_words(column.name) if word in names]
    return 1_000 + min(places) if places else None


def _choose_inputs(usable: Sequence[ColumnProfile]) -> list[ColumnProfile]:
    """The text with the best name, with its usual companion; without names, the longest text."""
    texts = [c for c in usable if c.kind == "text"]
    if all(c.name.lower() in OUTPUT_NAMES for c in texts):  # short requests that recur, under a name that says input
        texts += [c for c in usable if c.kind in ("label", "number") and c.name.lower() in INPUT_NAMES]
    named = sorted((r, c.name) for c in texts if (r := _input_rank(c)) is not None)
    by_name = {c.name: c for c in texts}
    if not named:
        free = [c for c in texts if _rank(c, OUTPUT_NAMES) is None] or texts
        if not free or (len(texts) < 2 and len(usable) < 2):
            return []
        return [max(free, key=lambda c: c.words)]
    first = by_name[named[0][1]]
    by_lower = {c.name.lower(): c for c in usable if c.kind in ("text", "object")}
    for pair in _COMPANIONS:
        if first.name.lower() in pair and all(name in by_lower for name in pair):
            return [by_lower[name] for name in pair]
    return [first]


def _input_rank(column: ColumnProfile) -> float | None:
    """A name that says output more clearly than input is no input (`long_answer`, `target_text`)."""
    wanted, other = _rank(column, INPUT_NAMES), _rank(column, OUTPUT_NAMES)
    if wanted is None or other is None:
        return wanted
    return wanted if wanted < 1_000 <= other else None


def _choose_outputs(
    rest: Sequence[ColumnProfile], inputs: Sequence[ColumnProfile]
) -> tuple[list[ColumnProfile], list[ColumnProfile]]:
    """The output columns and those that could have been taken instead."""
    derived = [c for c in rest if c.kind == "object" and _rank(c, OUTPUT_NAMES) is not None]
    labels = [c for c in rest if c.name.lower() in _LABEL_NAMES and c.kind != "object"]
    if derived:
        chosen = {c.name for c in (*derived, *labels)}
        return [c for c in rest if c.name in chosen], []
    ranked = sorted(((r, c) for c in rest if (r := _rank(c, OUTPUT_NAMES)) is not None), key=lambda pair: pair[0])
    if ranked:
        best = [c for r, c in ranked if r == ranked[0][0]]
        return (best, [c for _, c in ranked[1:]]) if len(best) == 1 else ([], best)
    for kind in ("text", "object", "label", "number"):
        fresh = [c for c in rest if c.kind == kind and not _shares_name(c, inputs)]
        if len(fresh) == 1:
            return fresh, []
        if len(fresh) > 1:
            return [], fresh
    return [], []


def _shares_name(column: ColumnProfile, inputs: Sequence[ColumnProfile]) -> bool:
    """`orig_mr` beside the input `mr` is another form of the input, not an answer."""
    mine = set(name_words(column.name))
    return any(mine > set(name_words(c.name)) for c in inputs)


def _explain(
    inputs: Sequence[ColumnProfile],
    outputs: Sequence[ColumnProfile],
    alternatives: Sequence[ColumnProfile],
    given: set[str],
) -> str:
    shown_in = " and ".join(repr(c.name) for c in inputs)
    shown_out = " and ".join(repr(c.name) for c in outputs)
    if len(outputs) > 1:
        reason = "as specified" if outputs[0].name in given else "they describe the input in a structured way"
        answer = f"output is a JSON object of {shown_out} ({reason})"
    else:
        answer = f"output is {shown_out} ({_describe(outputs[0], OUTPUT_NAMES, given)})"
    whole = replace(inputs[0], words=sum(c.words for c in inputs))
    text = f"Input is {shown_in} ({_describe(whole, INPUT_NAMES, given)}); {answer}."
    if alternatives:
        names = " or ".join(repr(c.name) for c in alternatives[:3])
        text += f" To learn {names} instead: --output {quoted(alternatives[0].name)}."
    return text


def _describe(column: ColumnProfile, names: Sequence[str], given: set[str]) -> str:
    words = f"about {column.words:.0f} words" if column.words >= 1.5 else "a word"
    once = "the same value everywhere" if column.distinct == 1 else f"{column.distinct} different short values"
    kinds = {
        "label": once,
        "object": "structured values",
        "number": "numbers",
        "image": "pictures",
        "text": f"text of {words}",
    }
    named = "chosen by name" if _rank(column, names) is not None else "chosen by contents"
    return f"{'as specified' if column.name in given else named}; {kinds.get(column.kind, column.kind)}"
