"""Templates, paraphrases, faithfulness, quality, diversity, spellings, conflicts: found when planted, silent when
not."""

from __future__ import annotations

import random

import pytest

from postgrad.checks import CHECKS, run_checks
from postgrad.checks.balance import balance
from postgrad.checks.contradictions import contradictions
from postgrad.checks.diversity import diversity, effective_number
from postgrad.checks.faithfulness import faithfulness
from postgrad.checks.near_duplicates import near_duplicates
from postgrad.checks.quality import looping, quality
from postgrad.checks.semantic_duplicates import semantic_duplicates
from postgrad.checks.support.conflict import GRAVE, conflict
from postgrad.checks.support.embedding_space import close_pairs, vectors
from postgrad.checks.support.prepare import checking, repaired
from postgrad.checks.support.slots import slots_of
from postgrad.checks.too_little import too_little
from postgrad.findings import Context
from postgrad.records import Conversation, Message, pair
from postgrad.similarity.near_duplicates import near_duplicate_clusters
from postgrad.similarity.templates import differ_in_facts, template_pairs
from tests.checks.test_checks import clean, found
from tests.checks.test_classify_and_label_noise import requests
from tests.needs import real_set


@pytest.mark.parametrize(
    ("first", "second", "template"),
    [
        ("What is the sum of 3 and 4, please?", "What is the sum of 3 and 5, please?", True),
        ("How long is the drive from here to Bern by car?", "How long is the drive from here to Rome by car?", True),
        ("Why is there a fee of €1 on it?", "Why is there a fee of £1 on it?", True),
        ("Where is my order, it is late?", "Where is my oder, it is late?", False),
        ("Where is my order, it is late?", "WHERE IS MY ORDER, IT IS LATE!", False),
        ("I ask for Haven to be sent", "I ask for Havven to be sent", False),
    ],
)
def test_a_number_or_a_name_makes_a_template(first, second, template):
    assert differ_in_facts(first, second) is differ_in_facts(second, first) is template


def test_three_fillings_of_one_frame_are_a_template():
    texts = [
        f"please play the whole album called {name} in the kitchen now" for name in ("thunder", "velvet", "orchid")
    ]
    pairs = [(0, 1, 0.8), (0, 2, 0.8), (1, 2, 0.8)]
    assert template_pairs(texts, pairs) == {(0, 1), (0, 2), (1, 2)}
    assert template_pairs(texts[:2], pairs[:1]) == frozenset()


def test_templates_are_no_repeats_but_stay_together_in_the_split():
    text = "Tell me how many chairs there are in a hall with {} rows of four chairs each"
    records = [*clean(5), *(pair(text.format(n), "many") for n in (7, 8, 9))]
    assert found(near_duplicates(), records) == []
    assert near_duplicate_clusters([r.prompt_text for r in records]) == ((5, 6, 7),)


def test_paraphrases_with_the_same_answer():
    records = [
        *clean(60),
        pair("Is there any way for me to cancel my subscription before the month ends?", "cancel"),
        pair("Before the month ends is there any way to cancel the subscription for me?", "cancel"),
    ]
    (finding,) = found(semantic_duplicates(), records)
    assert finding.indices == (61,) and finding.severity == "info" and finding.repairs == ()


def test_close_pairs_are_met_in_large_sets_too():
    rng = random.Random(0)
    words = [r.prompt_text.split()[8] for r in requests(60)] + [f"word{i}" for i in range(3000)]
    texts = [" ".join(rng.choice(words) for _ in range(12)) for _ in range(6000)]
    twins = [" ".join(reversed(text.split())) for text in texts[:100]]
    near = {(a, b) for a, b, _ in close_pairs(vectors([*texts, *twins]), 0.97)}
    assert sum((i, 6000 + i) in near for i in range(100)) >= 85


@pytest.mark.parametrize(
    "text",
    [
        "name[The Mill], food[Thai]",
        '{"name": "The Mill", "food": "Thai"}',
        "name: The Mill\nfood: Thai",
        "- name: The Mill\n- food: Thai",
    ],
)
def test_structured_requests(text):
    assert slots_of(text) == (("name", "The Mill"), ("food", "Thai"))


def test_prose_is_no_structured_request():
    assert slots_of("Please tell me [now] where the mill is, and: why?") == ()


def menus(count: int) -> list:
    rng = random.Random(0)
    made = []
    for _ in range(count):
        name, food, garden = (
            rng.choice(["Ox", "Elk", "Hare", "Wren"]),
            rng.choice(["Thai", "Greek", "Polish"]),
            rng.choice(["yes", "no"]),
        )
        outside = "You can sit outside." if garden == "yes" else "All the tables are indoors."
        made.append(pair(f"name[{name}], food[{food}], garden[{garden}]", f"The {name} cooks {food} dishes. {outside}"))
    return made


def test_values_left_out_and_invented():
    records = menus(200)
    assert found(faithfulness(), records) == []
    records[3] = pair("name[Ox], food[Thai], garden[no]", "The Ox is a place. All the tables are indoors.")
    records[9] = pair("name[Ox], food[Thai]", "The Ox cooks Thai dishes. You can sit outside.")
    records[12] = pair("name[Ox], food[Thai], garden[no]", "The Ox cooks Greek dishes. All the tables are indoors.")
    (finding,) = found(faithfulness(), records)
    shown = dict(zip(finding.indices, finding.evidence, strict=True))
    assert set(shown) == {3, 9, 12} and finding.indices[0] == 12
    assert "missing food “Thai”" in shown[3] and "added garden “yes”" in shown[9] and "added food “Greek”" in shown[12]


def test_faithfulness_on_known_truth():
    from bench.data_truth_sets import measure_e2e_nlg

    result = measure_e2e_nlg(real_set("e2e_nlg").parent)
    assert result["true"] == 1715 and result["precision"] >= 0.65 and result["recall"] >= 0.65


def test_looping_answers():
    records = clean(60)
    records[5] = pair("why", "It is so because " + "it goes on and on " * 6)
    (finding,) = [f for f in found(quality(), records) if f.details["fault"] == "loop"]
    assert finding.indices == (5,) and not finding.repairs[0].safe
    assert looping("1 2 3 4 1 2 3 4 1 2 3 4 1 2 3 4") == "" and looping("ha ha ha ha") == ""


def test_gibberish_among_sentences():
    rng = random.Random(0)
    words = [w for r in requests(200) for w in r.prompt_text.split()] + [
        "every",
        "morning",
        "somebody",
        "answers",
        "these",
        "letters",
        "kindly",
    ]
    vocabulary = sorted(
        {
            *words,
            *(
                f"{a}{b}"
                for a in ("over", "under", "with", "some", "every", "any")
                for b in (
                    "come",
                    "stand",
                    "thing",
                    "where",
                    "time",
                    "how",
                    "body",
                    "one",
                    "day",
                    "side",
                    "hold",
                    "line",
                    "look",
                    "all",
                    "take",
                    "work",
                    "out",
                )
            ),
        }
    )
    records = [pair(f"question {i}", " ".join(rng.choice(vocabulary) for _ in range(14))) for i in range(200)]
    records[8] = pair("question 8", "xqzvk jjwqp zzkvx qqwxj vkzqj wxqzz kjvqx")
    faults = {f.details["fault"]: f.indices for f in found(quality(), records)}
    assert faults.get("gibberish") == (8,)


def test_a_length_unlike_its_kind():
    rng = random.Random(0)
    records = [
        pair(
            r.prompt_text,
            " ".join(rng.choice(["good", "answers", "take", "time"]) for _ in range(rng.randint(30, 60))) + f" {i}",
        )
        for i, r in enumerate(requests(300))
    ]
    records[4] = pair(records[4].prompt_text, "no")
    assert [f.indices for f in found(quality(), records) if f.details["fault"] == "length"] == [(4,)]


def test_surprise_is_compared_among_like_lengths():
    records = clean(200)
    loss = [2.0 + 0.01 * (i % 7) for i in range(200)]
    loss[17], loss[30] = 9.0, float("nan")
    faults = [
        f for f in found(quality(), records, Context(surprise=lambda _: loss)) if f.details["fault"] == "surprise"
    ]
    assert [f.indices for f in faults] == [(17,)]


def test_diversity_counts_kinds():
    one = [pair("Where is my parcel with the red chair", "x")] * 60
    assert found(diversity(), one)[0].details["effective"] == pytest.approx(1, abs=0.01)
    several = found(diversity(), requests(300))[0].details
    assert several["effective"] > 2 and sum(k["records"] for k in several["kinds"]) == 300
    assert effective_number(vectors(["a house", "a quantum field", "ripe bananas"])) == pytest.approx(3, abs=0.7)


def test_a_template_is_named():
    records = [*clean(60), *(pair(f"Tell me what {i} times {i + 3} makes, please", str(i)) for i in range(40))]
    (finding,) = [f for f in found(diversity(), records) if f.details["fault"] == "template"]
    assert finding.details["template"] == "Tell me what … times … makes, please" and finding.count == 40


def test_spellings_of_one_label():
    records = [pair(f"question {i}", ["Refund", "Refund", "status", "pass"][i % 4]) for i in range(80)]
    records += [pair(f"and {i}", label) for i, label in enumerate(["refund", "refunds", "Refund."] * 2)]
    (finding,) = [f for f in found(balance(), records) if f.details["fault"] == "spelling"]
    assert set(finding.indices) == set(range(80, 86)) and finding.details["variants"]["refunds"] == "Refund"


@pytest.mark.parametrize(
    ("first", "second", "grave"),
    [
        ("Yes, it is covered.", "No, it is not.", True),
        ("It takes 3 days to arrive there.", "It takes 5 days to arrive there.", True),
        ("You can return it.", "You can not return it.", True),
        ("Non-contributory", "Noncontributory.", False),
        ("You can send it back to us by post", "You may send it back by post", False),
    ],
)
def test_conflicts_of_free_text(first, second, grave):
    assert (conflict(first, second) >= GRAVE) is (conflict(second, first) >= GRAVE) is grave


def test_the_gravest_conflict_stands_first():
    records = [
        *clean(20),
        pair("Same?", "It may be sent back by post"),
        pair("Same?", "It may be sent back to us by post"),
    ]
    assert found(contradictions(), records)[0].severity == "info"
    records += [pair("Is it?", "Yes, surely it is."), pair("Is it?", "No, that is never so.")]
    finding = found(contradictions(), records)[0]
    assert finding.indices == (22, 23, 20, 21) and finding.severity == "warning" and finding.details["conflicting"] == 1


def test_another_instruction_is_another_request():
    def told(system: str, answer: str) -> Conversation:
        return Conversation(
            messages=(Message("system", system), Message("user", "Hello?"), Message("assistant", answer))
        )

    assert found(contradictions(), [*clean(20), told("Be brief.", "Yes."), told("Be rude.", "No.")]) == []


def test_other_tools_are_another_request():
    def offered(names: str, called: str) -> Conversation:
        call = {"type": "function", "function": {"name": called, "arguments": "{}"}}
        answer = Message("assistant", "", tool_calls=(call,))
        tools = tuple({"type": "function", "function": {"name": name}} for name in names)
        return Conversation(messages=(Message("user", "How much is it?"), answer), tools=tools)

    assert found(contradictions(), [*clean(20), offered("ab", "a"), offered("bc", "b")]) == []
    finding = found(contradictions(), [*clean(20), offered("ab", "a"), offered("ba", "b")])[0]
    assert finding.indices == (20, 21)


def test_labels_with_few_examples_each():
    records = [pair(f"question {i}", f"label {i % 16}") for i in range(90)]
    (finding,) = found(too_little(), records)
    assert finding.severity == "info" and finding.details["median_per_label"] < 8


def test_running_yields_each_check_and_concludes_alike():
    records = [*clean(30), clean(30)[3], pair("asked", "")]
    checks = {name: CHECKS[name]() for name in ("structure", "duplicates", "near_duplicates")}
    steps = list(checking(records, Context(), checks))
    assert [name for name, _, _ in steps] == list(checks)
    whole, found_in = run_checks(records), {f.check for _, fs, _ in steps for f in fs}
    assert found_in == {f.check for f in whole.findings} & set(checks)
    assert repaired(records, [f for _, fs, _ in steps for f in fs]).kept == whole.kept


def test_planted_near_duplicates_and_contradictions():
    from bench.data_truth_sets import clean_banking77, measure_planted_contradictions, measure_planted_near_duplicates

    base = clean_banking77(1500, real_set("banking77").parent)
    near = measure_planted_near_duplicates(base, share=0.05)
    assert near["recall"] >= 0.8 and near["precision"] >= 0.9
    against = measure_planted_contradictions(base, share=0.05)
    assert against["recall"] >= 0.7 and against["precision"] >= 0.9
