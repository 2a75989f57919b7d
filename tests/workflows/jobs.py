"""Small jobs with the tiny model, for the tests of evaluating and comparing."""

import json
from pathlib import Path

from postgrad.progress import finished
from postgrad.recipe import Recipe, merged

THINGS = ["sofa", "lamp", "desk", "bed", "shelf"]


def mails(path: Path, start: int = 0, count: int = 60) -> Path:
    """Requests with a JSON object as answer; none is nearly another."""
    names = [
        "Avery",
        "Blake",
        "Corin",
        "Dana",
        "Ellis",
        "Fynn",
        "Greer",
        "Harper",
        "Imogen",
        "Jules",
        "Kit",
        "Lane",
        "Max",
    ]
    rows = []
    for i in range(start, start + count):
        words = [
            names[i % 13],
            THINGS[i % 5],
            ["is broken", "never came", "is too big"][i % 3],
            names[(7 * i + 3) % 13],
        ]
        request = f"{words[0]} says the {words[1]} of order {1000 + 37 * i} {words[2]}, asks {words[3]} in {1900 + i}."
        rows.append(
            {"mail": request, "answer": {"intent": ["damaged", "status", "return"][i % 3], "order": 1000 + 37 * i}}
        )
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def small(base: Path, **changes) -> Recipe:
    """A recipe that takes seconds."""
    return merged(
        Recipe(),
        {
            "base": str(base),
            "evaluation.general": False,
            "evaluation.arms": ["base", "prompted", "fine_tuned"],
            "training.epochs": 1,
            **changes,
        },
    )


def finish(work):
    """(result, events) of long work."""
    events = []
    return finished(work, events.append), events
