"""What to do about each check's findings: one sentence, for the summary and the page; what harms most stands first.

The docs page of each check says more.
"""

from __future__ import annotations

ADVICE: dict[str, str] = {
    "too_little": (
        "Collect more examples before judging by the result, or let `postgrad run` tell whether prompting is enough."
    ),
    "structure": "Mend or remove these records: nothing, or the wrong thing, would be learned from them.",
    "secrets": "Revoke these keys and redact them (--repair secrets): a model can repeat what it was trained on.",
    "leakage": "Take these records out of training: a test that was learned by heart proves nothing.",
    "injection": "Find out where these records come from before training on them.",
    "contradictions": "Decide which answer is right and mend the others: the model can learn only one.",
    "label_noise": "Look at these labels first and correct those that are wrong; do not drop them unseen.",
    "faithfulness": "Correct the answers that say what the request does not, or leave out what it says.",
    "personal_data": (
        "Redact it (--repair personal_data keeps a consistent placeholder): a model can repeat what it was trained on."
    ),
    "cut_off": "Export the answers again without a length limit; drop those that cannot be had whole.",
    "length": "Choose a model with a longer context, or shorten these records; nothing is cut silently.",
    "encoding": "Read the file again in its true encoding, or let --fix mend what can be mended without loss.",
    "balance": "Add examples of the rare answers, or measure by macro-F1, which counts every class alike.",
    "skew": "Add examples like the requests listed, which production has and the training data lacks.",
    "toxicity": "Read these and remove what your model should not say.",
    "boilerplate": "Replace refusals and stock phrases by real answers; the model learns to give them.",
    "outdated": "Bring these answers up to date, or drop the older of two that disagree.",
    "language": "Check that this mixture is wanted; otherwise separate the languages or remove the strays.",
    "quality": "Read these: unusually long, short, repetitive or surprising answers are often mistakes of an export.",
    "duplicates": "Keep one of each; exact repeats are taken out unless you --accept duplicates.",
    "near_duplicates": (
        "Keep one of each cluster unless the repetition is how often users ask; the split keeps clusters together."
    ),
    "semantic_duplicates": "Look whether these say the same in other words; then keep the better one.",
    "diversity": "Collect examples for the thin regions, where the model will have little to go by.",
}
