"""Made-up rows in the shape of each public benchmark, with what bites: marks, lone letters, trailing spaces, other
scripts."""

from __future__ import annotations

LETTERS = ["A", "B", "C", "D"]
ROWS = {
    "arc_easy": [
        {
            "question": "Which of these is hot? ",
            "choices": {"text": ["ice", "a fire", "the moon", "snow"], "label": LETTERS},
            "answerKey": "B",
        },
        {
            "question": "Ce qui est rouge ?",
            "choices": {"text": ["l'herbe", "une tomate"], "label": ["1", "2"]},
            "answerKey": "2",
        },
    ],
    "mmlu": [
        {
            "question": " What is 2 + 2? ",
            "subject": "elementary_mathematics",
            "choices": ["3", "4", "5", "22"],
            "answer": 1,
        },
        {
            "question": "A cell is",
            "subject": "college_biology",
            "choices": ["alive", "a stone", "a song", "a colour"],
            "answer": 0,
        },
    ],
    "openbookqa": [
        {
            "question_stem": "A plant needs",
            "choices": {"text": ["light", "paint", "a car", "wool"], "label": LETTERS},
            "answerKey": "A",
        },
    ],
    "hellaswag": [
        {
            "activity_label": "Cooking soup",
            "ctx_a": "[header] How to cook [title] Take a pot.",
            "ctx_b": "a woman",
            "endings": ["stirs  the soup.", "[step] flies away.", "sings.", "reads [substeps] a map."],
            "label": "0",
        },
        {
            "activity_label": "Swimming",
            "ctx_a": "A man jumps into the pool.",
            "ctx_b": "",
            "endings": ["He swims.", "He sleeps.", "It rains.", "He eats."],
            "label": "0",
        },
    ],
    "piqa": [{"goal": "Open a jar", "sol1": "Turn the lid.", "sol2": "Turn the table.", "label": 0}],
    "winogrande": [
        {
            "sentence": "The cup did not fit into the box because _ was too big.",
            "option1": "the cup",
            "option2": "the box",
            "answer": "1",
        },
        {"sentence": "_ thanked Ben, since he had helped Tom.", "option1": "Tom", "option2": "Ben", "answer": "1"},
    ],
    "boolq": [{"passage": "Tea is made from leaves.", "question": "is tea made from leaves", "label": 1}],
    "sciq": [
        {
            "support": " Iron rusts.",
            "question": "What rusts?",
            "distractor1": "gold",
            "distractor2": "glass",
            "distractor3": "wool",
            "correct_answer": "iron",
        },
        {
            "support": "",
            "question": "What do cows eat?",
            "distractor1": "iron",
            "distractor2": "glass",
            "distractor3": "sand",
            "correct_answer": "grass",
        },
    ],
}
ROWS["arc_challenge"] = ROWS["arc_easy"]
