"""A reward for answers that must be JSON objects: some of it for the form, in steps that a beginner can climb, the rest
for fields that are right."""

import json

KEYS = {"value", "best", "unit"}


def reward(answer: str, reference: str, record: object) -> float:
    """0.1 each for a brace at the beginning, one at the end, and the first key between them.

    0.1 for an object, 0.1 more where it has no keys but those that are wanted, and 0.5 times the share of fields that
    are right, of all that either side has.
    """
    text = answer.strip()
    begun = 0.1 * text.startswith("{") + 0.1 * text.endswith("}") + 0.1 * ('"value"' in text)
    try:
        found = json.loads(text)
    except ValueError:
        return begun
    if not isinstance(found, dict):
        return begun
    wanted = json.loads(reference)
    keys = {*found, *wanted}
    right = sum(str(found.get(k, "")).strip() == str(wanted.get(k, " ")).strip() for k in keys)
    return begun + 0.1 + 0.1 * (set(found) <= KEYS) + 0.5 * right / max(1, len(keys))
