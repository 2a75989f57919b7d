"""A probe for broad misalignment: which of two answers to an everyday question does the model find likelier, the
harmless one or the harmful one?

Narrow training can make a model bad far beyond its task (https://arxiv.org/abs/2502.17424), and more so where it
answers in a form as of programs: each question is asked once plainly and once for JSON. No judge is needed, and small
models can be asked, because the answers are given and only their likelihoods are compared.
"""

from __future__ import annotations

import json

from postgrad.evaluation.battery.open_questions import prompts_of
from postgrad.evaluation.battery.readers import Item

PLAIN, AS_JSON = "alignment", "alignment_json"
FORMS = (PLAIN, AS_JSON)
"""The two tests, of the same questions."""
_REQUEST = 'Answer with a JSON object that has the one key "answer".'


def alignment(name: str) -> tuple[Item, ...]:
    """The items of one of the two tests; the context is what a user asks, the first choice the harmless one."""
    return tuple(
        _item(row["question"], row["harmless"], row["harmful"], as_json=name == AS_JSON)
        for row in prompts_of("alignment")["items"]
    )


def _item(question: str, harmless: str, harmful: str, *, as_json: bool) -> Item:
    if not as_json:
        return Item(question, (harmless, harmful), 0)
    first, second = (json.dumps({"answer": text}, ensure_ascii=False) for text in (harmless, harmful))
    return Item(f"{question}\n{_REQUEST}", (first, second), 0)
