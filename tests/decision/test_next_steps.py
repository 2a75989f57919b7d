"""Next steps follow the evidence, in the order of what they bring; no evidence, no step."""

from __future__ import annotations

from postgrad.decision.missing import clearly_worse, examples_missing, kinds_sentence
from postgrad.decision.next_steps import MOST, next_steps
from postgrad.report.advice import CurvePart, DisturbancePart, DisturbancesPart, ForecastPart, KindPart, KindsPart
from postgrad.report.arm_parts import ArmPart, ComparisonPart
from postgrad.report.registration import RegistrationPart
from postgrad.report.run_report import (
    AutomationPart,
    BenchmarkPart,
    DataPart,
    FindingPart,
    ForgettingPart,
    Report,
    SlicePart,
    TaskPart,
    TrainingPart,
    VerdictPart,
)


def report(**parts) -> Report:
    arms = [
        ArmPart(name=n, model="m", score=s, interval=(s - 0.1, s + 0.1), n=100)
        for n, s in (("few_shot", 0.5), ("fine_tuned", 0.7))
    ]
    usual = {
        "arms": arms,
        "comparisons": [
            ComparisonPart(arm="fine_tuned", against="few_shot", difference=0.2, interval=(0.1, 0.3), p_value=0.001)
        ],
        "data": DataPart(read=500, kept=500, train=400, validation=20, test=100, hash="sha256:0"),
        "training": TrainingPart(
            objective="sft",
            method="lora",
            examples=400,
            supervised_tokens=1,
            tokens=1,
            tokens_per_second=1.0,
            peak_memory_bytes=1,
            steps=100,
            best_step=60,
            seconds=1.0,
            validation_loss=[(50, 1.0), (60, 0.9), (100, 0.95)],
        ),
        "verdict": VerdictPart(recommendation="fine_tune", sentence="Fine-tune."),
    }
    task = TaskPart(kind="generation", metric="exact_match", why="")
    return Report(name="x", created="2026-01-01", postgrad_version="0", seed=0, task=task, **{**usual, **parts})


def curve(gain, score=0.7):
    middle = sum(gain) / 2
    forecast = ForecastPart(examples=800, score=score + middle, interval=(score, score + 0.2))
    return CurvePart(points=[(100, 0.4), (200, 0.55), (400, score)], forecast=forecast, gain=gain, sentence="…")


def kind(words="exchange rate", p=0.01, gain=0.06, **parts):
    given = {
        "words": words,
        "train": 12,
        "test": 9,
        "wrong": 5.0,
        "score": 0.44,
        "interval": (0.2, 0.7),
        "rest": 0.9,
        "share": 0.09,
        "gain": gain,
        "p_worse": p,
        "missing": 25,
    }
    return KindPart(**{**given, **parts})


def words(found):
    return [s.step for s in found]


def test_nothing_to_do_is_nothing_said():
    assert next_steps(report()) == []
    assert next_steps(report(arms=[], comparisons=[], training=None)) == []


def test_a_steep_curve_asks_for_examples_and_a_flat_one_for_another_base():
    steep = next_steps(report(learning_curve=curve((0.04, 0.12))))[0]
    assert "400 more examples" in steep.step and "+8" in steep.gain and "4 to 12" in steep.gain
    assert "100: 40" in steep.why and "400: 70" in steep.why
    flat = next_steps(report(learning_curve=curve((-0.01, 0.01))))[0]
    assert "larger base" in flat.step and "hardly help" in flat.gain
    assert next_steps(report(learning_curve=curve((-0.01, 0.01), score=0.97))) == []


def test_examples_that_only_draw_level_with_an_untrained_arm_are_not_asked_for():
    def behind(score):
        arms = [
            ArmPart(name=n, model="m", score=s, interval=(s, s), n=100)
            for n, s in (("few_shot", score), ("fine_tuned", 0.7))
        ]
        return next_steps(report(arms=arms, comparisons=[], learning_curve=curve((0.04, 0.12))))

    assert words(behind(0.5)) and behind(0.95) == []


def test_an_arm_that_does_not_learn_is_instructed():
    kinds = KindsPart(arm="prompted", kinds=[kind()], looked_at=9)
    assert "instruction" in next_steps(report(kinds=kinds, training=None))[0].step


def test_a_curve_that_was_not_made_can_be_made():
    missing = CurvePart(sentence="No learning curve, to stay within 9 minutes.")
    assert words(next_steps(report(learning_curve=missing))) == ["Make the learning curve (--curve)"]


def test_only_kinds_that_chance_does_not_explain_are_asked_for():
    kinds = KindsPart(arm="fine_tuned", kinds=[kind(), kind("opening hours", p=0.4)], looked_at=9)
    found = next_steps(report(kinds=kinds))
    assert len(found) == 1 and "'exchange rate'" in found[0].step and "25 more" in found[0].step
    assert "12 training examples" in found[0].why and "5 of 9 wrong" in found[0].why and "+6 points" in found[0].gain


def test_steps_stand_in_the_order_of_their_gain():
    kinds = KindsPart(arm="fine_tuned", kinds=[kind(gain=0.15)], looked_at=9)
    slices = [SlicePart(slice="with typos", n=20, fine_tuned=0.3, against=0.2, rest=0.8, p_worse=0.001)]
    everything = report(learning_curve=curve((0.02, 0.08)), kinds=kinds, edge_cases=slices)
    first, second, third = words(next_steps(everything))
    assert "exchange rate" in first and "with typos" in second and "same mixture" in third
    dearer = report(learning_curve=curve((0.2, 0.3)), kinds=kinds, edge_cases=slices)
    assert "same mixture" in words(next_steps(dearer))[0]


def test_an_open_verdict_is_settled_by_counted_examples():
    verdict = VerdictPart(recommendation="cannot_tell", sentence="Cannot tell.", examples_needed=400)
    found = next_steps(report(verdict=verdict))
    assert "300 more test examples" in found[0].step and found[0].gain == "settles the verdict"
    settled = VerdictPart(recommendation="fine_tune", sentence="Fine-tune.", examples_needed=None)
    assert next_steps(report(verdict=settled)) == []


def test_forgetting_lost_comes_before_small_gains_and_doubt_after_them():
    def tested(verdict, low, high):
        row = BenchmarkPart(
            name="arc_easy", n=200, base=0.6, tuned=0.55, difference=-0.05, interval=(low, high), verdict=verdict
        )
        return ForgettingPart(margin=0.02, benchmarks=[row])

    small = curve((0.02, 0.06))
    lost = next_steps(report(forgetting=tested("lost", -0.08, -0.03), learning_curve=small))
    assert "training.replay" in lost[0].step and "20 points usable" in lost[0].gain
    taken = VerdictPart(recommendation="fine_tune", sentence="Fine-tune.", examples_needed=None)
    rows = [row.model_copy(update={"kind": "style"}) for row in tested("lost", -0.08, -0.03).benchmarks]
    style = ForgettingPart(margin=0.02, benchmarks=rows)
    behaves = next_steps(report(forgetting=style, learning_curve=small, verdict=taken))
    assert "training.replay" in behaves[-1].step and "outside the task" in behaves[-1].gain
    again = report(forgetting=style, learning_curve=small, verdict=taken)
    assert again.training and "larger share" not in behaves[-1].step
    again.training.replayed = 80
    assert "a larger share of general examples (training.base_replay" in next_steps(again)[-1].step
    unsure = tested("cannot_tell", -0.08, 0.02)
    for change in ({"guessed": True}, {"kind": "languages"}):
        rows = [row.model_copy(update=change) for row in unsure.benchmarks]
        assert next_steps(report(forgetting=unsure.model_copy(update={"benchmarks": rows}))) == []
    doubt = next_steps(report(forgetting=unsure, learning_curve=small))
    assert "items" in doubt[-1].step and len(doubt) == 2
    assert next_steps(report(forgetting=tested("kept", -0.01, 0.01))) == []


def test_spoilt_data_is_counted():
    findings = [
        FindingPart(check="contradictions", severity="error", count=12, sentence="12 answers contradict."),
        FindingPart(check="length", severity="warning", count=3, sentence="3 are long."),
        FindingPart(check="label_noise", severity="info", count=9, sentence="9 labels."),
        FindingPart(check="cut_off", severity="warning", count=1, sentence="1 is cut off."),
    ]
    data = DataPart(read=500, kept=500, train=400, validation=20, test=100, hash="sha256:0", findings=findings)
    found = next_steps(report(data=data))
    assert (
        len(found) == 1
        and "contradictory answers" in found[0].step
        and "12 found" in found[0].step
        and "2.4 %" in found[0].gain
    )


def test_a_fragile_model_is_told_how_to_mend_it():
    def row(kind, difference, p):
        return DisturbancePart(
            arm="fine_tuned",
            kind=kind,
            n=40,
            clean=0.8,
            disturbed=0.8 + difference,
            difference=difference,
            interval=(difference - 0.1, difference + 0.1),
            changed=0.3,
            p_value=p,
            p_adjusted=p,
        )

    found = next_steps(report(disturbances=DisturbancesPart(rows=[row("typos", -0.2, 0.01), row("case", -0.1, 0.3)])))
    assert len(found) == 1 and "'typos'" in found[0].step and "augment" in found[0].step and "case" not in found[0].why
    assert next_steps(report(disturbances=DisturbancesPart(rows=[row("typos", 0.1, 0.01)]))) == []


def test_a_useless_base_and_a_training_cut_short_are_said():
    arms = [ArmPart(name="base", model="m", score=0.01, interval=(0, 0.04), n=100)]
    assert "larger base" in words(next_steps(report(arms=arms, comparisons=[], training=None)))[0]
    short = report()
    training = short.training.model_copy(update={"best_step": 100, "validation_loss": [(50, 1.0), (100, 0.8)]})
    assert "Train longer" in words(next_steps(short.model_copy(update={"training": training})))[0]


def test_too_few_test_examples_for_a_promise():
    rate = AutomationPart(
        arm="fine_tuned",
        target_accuracy=0.95,
        failure=0.1,
        threshold=None,
        coverage=0.0,
        coverage_interval=(0, 0.1),
        accuracy=None,
        calibration=20,
        needed=46,
        sentence="…",
    )
    assert words(next_steps(report(automation=rate)))[0].startswith("Test on about 46 examples")
    advised = rate.model_copy(update={"calibration": 60, "advised": 310})
    assert words(next_steps(report(automation=advised)))[0].startswith("Test on about 310 examples")
    assert next_steps(report(automation=rate.model_copy(update={"calibration": 60}))) == []


def test_a_person_is_not_given_a_long_list():
    kinds = KindsPart(arm="fine_tuned", kinds=[kind(f"topic {n}") for n in range(20)], looked_at=20)
    assert len(next_steps(report(kinds=kinds))) == MOST


def test_the_sentence_on_kinds_counts():
    said = kinds_sentence([kind(), kind("other", p=0.9)], 12)
    assert "12 training examples about 'exchange rate', 5 of 9 wrong in the test" in said and "other" not in said
    assert "12 kinds looked at" in kinds_sentence([kind(p=0.2)], 12)
    assert clearly_worse([kind(gain=0.01), kind("b", gain=0.05)])[0].words == "b"


def test_a_rare_kind_needs_more_and_production_counts():
    assert examples_missing(12, [12, 40, 60]) == 28
    assert examples_missing(80, [12, 40, 80]) == 80, "as many again"
    assert examples_missing(10, [10, 45, 45], share=0.5) == 40, "its due share of the whole"
    assert examples_missing(0, [0, 0, 0]) > 0


def test_fresh_test_examples_are_asked_for_after_five_looks():
    def at(look: int) -> list[str]:
        seen = RegistrationPart(
            test="t", plan="p", metric="m", smallest_worth=0.02, rules="1", registered="2026-01-01", look=look
        )
        return [s.step for s in next_steps(report(registration=seen))]

    fresh = "Label fresh test examples (--test FILE)"
    assert fresh in at(5) and fresh in at(9) and fresh not in at(4)
