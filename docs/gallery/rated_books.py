"""A reward for answers that must be JSON objects: some of it for the form, the rest for fields that are right."""

import json


def reward(answer: str, reference: str, record: object) -> float:
    """0.2 for an object, 0.2 more where it has no keys but those that are wanted, and 0.6 times the share of fields
    that are right, of all that either side has."""
    try:
        found = json.loads(answer)
    except ValueError:
        return 0.0
    if not isinstance(found, dict):
        return 0.0
    wanted = json.loads(reference)
    keys = {*found, *wanted}
    right = sum(str(found.get(k, "")).strip() == str(wanted.get(k, " ")).strip() for k in keys)
    return 0.2 + 0.2 * (set(found) <= {"value", "best", "unit"}) + 0.6 * right / max(1, len(keys))
