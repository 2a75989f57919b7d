"""The verdict's rules one by one, built from comparisons by hand: this folder needs nothing of evaluation."""

from __future__ import annotations

import pytest

from postgrad.decision.budget import MonthlyBudget
from postgrad.decision.verdict import decide
from postgrad.measures import ArmResult, Comparison, Forgetting, Score
from postgrad.report.run_report import TrainingPart


def arm(name: str, hits: int, n: int = 100, half: float = 0.08, cost: float | None = None) -> ArmResult:
    share = hits / n
    score = Score(share, max(0.0, share - half), min(1.0, share + half), n)
    scores = (1.0,) * hits + (0.0,) * (n - hits)
    return ArmResult(name, scores, ("",) * n, {}, 0, 0, 0, cost, score, name.startswith("fine_tuned"))


def versus(a: ArmResult, b: ArmResult, half: float = 0.1, p: float | None = None) -> Comparison:
    d = a.score.value - b.score.value
    p = p if p is not None else 0.001 if abs(d) > half else 0.3
    return Comparison(a.name, b.name, d, d - half, d + half, p, p, a.score.n)


def all_pairs(*arms: ArmResult, half: float = 0.1) -> list[Comparison]:
    return [versus(a, b, half) for i, a in enumerate(arms) for b in arms[:i]]


def benchmark(verdict: str) -> Forgetting:
    return Forgetting("arc", 400, 0.5, 0.4, -0.1, -0.13, -0.07, verdict)  # type: ignore[arg-type]


BASE, FEW, TUNED = arm("base", 0), arm("few_shot", 23), arm("fine_tuned", 71)


def test_a_clear_gain_is_fine_tune_in_a_managers_words() -> None:
    verdict = decide([BASE, FEW, TUNED], all_pairs(BASE, FEW, TUNED), [benchmark("kept")])
    assert verdict.recommendation == "fine_tune"
    assert (
        verdict.sentence
        == "Fine-tune: the tuned model gets 71 of 100 right where the best alternative, few-shot prompting, gets 23;"
        " the "
        "gain is 48 points (95 % interval 38 to 58), and no general benchmark was lost."
    )
    assert len(verdict.comparisons) == 3 and any("few-shot" in r for r in verdict.reasons)


def test_one_comparison_that_fails_holm_stops_it() -> None:
    pairs = [versus(FEW, BASE), versus(TUNED, FEW), versus(TUNED, BASE, p=0.06)]
    assert decide([BASE, FEW, TUNED], pairs).recommendation == "cannot_tell"


def test_a_straddling_interval_cannot_tell_and_says_how_many_would() -> None:
    few, tuned = arm("few_shot", 9, 20), arm("fine_tuned", 12, 20)
    verdict = decide([few, tuned], [versus(tuned, few, half=0.3)])
    assert verdict.recommendation == "cannot_tell"
    assert verdict.examples_needed == pytest.approx(206, abs=15)  # ((2.33 + 0.84) * 0.68 / 0.15) ** 2
    assert "12 of 20" in verdict.sentence and "there are 20" in verdict.sentence


def test_a_lost_benchmark_is_a_veto_and_an_open_one_is_said() -> None:
    pairs = all_pairs(BASE, FEW, TUNED)
    lost = decide([BASE, FEW, TUNED], pairs, [benchmark("lost")])
    assert lost.recommendation == "few_shot"
    assert "lost general ability (arc)" in lost.sentence
    open_ = decide([BASE, FEW, TUNED], pairs, [benchmark("cannot_tell")])
    assert open_.recommendation == "fine_tune"
    assert "arc had too few items" in open_.sentence and any(r.startswith("arc") for r in open_.reasons)


def test_costs_must_fit() -> None:
    pairs = all_pairs(BASE, FEW, TUNED)
    dear = decide([BASE, FEW, TUNED], pairs, budget=MonthlyBudget({"fine_tuned": 50}, 20))
    assert dear.recommendation == "few_shot" and "50.00 USD a month" in dear.sentence
    assert decide([BASE, FEW, TUNED], pairs, budget=MonthlyBudget({"fine_tuned": 19}, 20)).recommendation == "fine_tune"
    unknown = decide([BASE, FEW, TUNED], pairs, budget=MonthlyBudget({}, 20))
    assert unknown.recommendation == "fine_tune" and any("No price" in r for r in unknown.reasons)


def test_an_untrained_arm_that_is_too_dear_is_no_choice_and_not_in_the_way() -> None:
    remote, tuned = arm("remote", 74), arm("fine_tuned", 71)
    pairs = all_pairs(BASE, FEW, remote, tuned)
    assert decide([BASE, FEW, remote, tuned], pairs).recommendation != "fine_tune"
    found = decide([BASE, FEW, remote, tuned], pairs, budget=MonthlyBudget({"remote": 900.0, "fine_tuned": 5.0}, 20))
    assert found.recommendation == "fine_tune"
    assert any(r.startswith("The remote model is not recommended: it costs 900.00 USD") for r in found.reasons)


def test_where_only_a_dear_arm_works_nothing_is_recommended() -> None:
    found = decide(
        [BASE, arm("remote", 74)], all_pairs(BASE, arm("remote", 74)), budget=MonthlyBudget({"remote": 900.0}, 20)
    )
    assert found.recommendation != "remote"
    alone = decide([arm("remote", 74)], (), budget=MonthlyBudget({"remote": 900.0}, 20))
    assert alone.recommendation == "cannot_tell" and "within the budget" in alone.sentence


def test_a_veto_with_no_other_arm_that_works() -> None:
    base = arm("base", 0, half=0.03)
    assert decide([base, TUNED], [versus(TUNED, base)], [benchmark("lost")]).recommendation == "cannot_tell"


def test_a_gain_below_what_is_worth_having_is_not_enough() -> None:
    base, tuned = arm("base", 500, 1000), arm("fine_tuned", 515, 1000)
    small = [versus(tuned, base, half=0.004, p=0.001)]
    assert decide([base, tuned], small).recommendation == "base"
    assert decide([base, tuned], small, smallest_worth=0.01).recommendation == "fine_tune"
    assert decide([base, tuned], [versus(tuned, base, half=0.01, p=0.001)]).recommendation == "cannot_tell"


def of_a_thousand(name: str, hits: int, cost: float | None = None) -> ArmResult:
    return arm(name, hits, 1000, cost=cost)


@pytest.mark.parametrize(
    ("prompted", "few", "chosen"),
    [
        ((595, 0.004), (600, 0.012), "prompted"),
        ((595, 0.012), (600, 0.004), "few_shot"),
        ((595, None), (600, 0.004), "few_shot"),
        ((595, 0.004), (600, None), "few_shot"),
        ((600, 0.012), (600, 0.004), "few_shot"),
        ((600, 0.004), (600, 0.012), "prompted"),
        ((585, 0.004), (600, 0.012), "few_shot"),  # 1.5 points and an interval to 2.5: a loss worth having is possible
    ],
)
def test_the_best_untrained_arm_is_replaced_only_by_one_that_is_no_worse_and_cheaper_as_measured(
    prompted, few, chosen
) -> None:
    arms = [of_a_thousand("prompted", *prompted), of_a_thousand("few_shot", *few), of_a_thousand("fine_tuned", 300)]
    pairs = all_pairs(*arms, half=0.01)
    verdict = decide(arms, pairs)
    assert verdict.recommendation == chosen and verdict.sentence.startswith("Do not fine-tune")
    assert decide(arms[:2], pairs[:1]).recommendation == chosen
    told = [r for r in verdict.reasons if "cheaper" in r]
    if chosen == "prompted" and few[0] == prompted[0] + 5:
        assert told == [
            "Few-shot prompting is not better by 2 points than a prompt with instructions (0.5 points, 95 % interval"
            " -0.5 to 1.5), which is cheaper (0.004 USD for 1,000 answers, few-shot prompting 0.01)."
        ]
    else:
        assert not told, "nothing is called cheaper that is not"


def test_what_is_not_clearly_worse_for_want_of_examples_is_not_taken() -> None:
    base, few = arm("base", 0, 10, 0.2, cost=0.001), arm("few_shot", 5, 10, 0.3, cost=0.009)
    assert decide([base, few], [versus(few, base, half=0.6, p=0.06)]).recommendation == "few_shot"
    tuned = arm("fine_tuned", 2, 10, 0.3)
    lost = [versus(few, base, half=0.6, p=0.06), versus(tuned, few, half=0.3), versus(tuned, base, half=0.4)]
    assert decide([base, few, tuned], lost).recommendation == "few_shot"


def test_the_figures_of_a_verdict_against_tuning_do_not_speak_for_it() -> None:
    """The arm that is named is one over which a gain worth having is excluded."""
    base, few, tuned = (
        of_a_thousand("base", 740, 0.001),
        of_a_thousand("few_shot", 800, 0.01),
        of_a_thousand("fine_tuned", 800),
    )
    pairs = [versus(few, base, half=0.07, p=0.3), versus(tuned, few, half=0.015), versus(tuned, base, half=0.07, p=0.3)]
    verdict = decide([base, few, tuned], pairs)
    assert (
        verdict.recommendation == "few_shot"
        and "gets 800 of 1000 right and the tuned model gets 800" in verdict.sentence
    )
    near, best, tuned = (
        of_a_thousand("prompted", 785, 0.001),
        of_a_thousand("few_shot", 800, 0.01),
        of_a_thousand("fine_tuned", 805),
    )
    pairs = [versus(best, near, half=0.004), versus(tuned, best, half=0.014), versus(tuned, near, half=0.014)]
    assert decide([near, best], pairs[:1]).recommendation == "prompted"
    assert decide([near, best, tuned], pairs).recommendation == "few_shot", "tuning may gain 3 points over the cheaper"


def test_where_a_large_gain_is_not_likely_the_untrained_arm_stays() -> None:
    few, tuned = arm("few_shot", 280, 400, 0.05), arm("fine_tuned", 282, 400, 0.05)
    pairs = [versus(tuned, few, half=0.06)]
    verdict = decide([few, tuned], pairs)
    assert verdict.recommendation == "few_shot" and verdict.examples_needed and not verdict.meanwhile
    assert verdict.sentence.startswith(
        "Stay with few-shot prompting for now: it gets 280 of 400 right and the tuned model gets 282, a difference of"
        " 0.5 points (95 % interval -5.5 to 6.5); a gain of the tuned model above 6.5 points is excluded at 95 %, above"
        " 3.1 at 80 %, and about"
    )
    assert decide([few, tuned], pairs, accepted_miss=0.03).recommendation == "cannot_tell"
    assert decide([few, tuned], pairs, unfinished="its training was cut short").recommendation == "cannot_tell"
    ahead = arm("fine_tuned", 292, 400, 0.05)
    assert decide([few, ahead], [versus(ahead, few, half=0.025, p=0.03)]).meanwhile == "few_shot", "it is clearly ahead"
    nothing = [arm("base", 0, 60, 0.06), arm("fine_tuned", 3, 60, 0.06)]
    found = decide(nothing, [versus(nothing[1], nothing[0], half=0.07)])
    assert found.recommendation == "cannot_tell" and "Nothing untrained is of use meanwhile" in found.sentence


def test_cannot_tell_says_what_to_use_meanwhile_and_what_is_risked() -> None:
    base, few, tuned = arm("base", 40, cost=0.02), arm("few_shot", 50, cost=0.01), arm("fine_tuned", 54)
    verdict = decide([base, few, tuned], all_pairs(base, few, tuned))
    assert verdict.recommendation == "cannot_tell"
    assert verdict.sentence.endswith(
        "Use few-shot prompting meanwhile: a gain of the tuned model above 14 points is excluded at 95 %, above 8.3 at"
        " 80 %."
    )
    poor = decide([base, few, tuned], all_pairs(base, few, tuned), budget=MonthlyBudget({"base": 9, "few_shot": 9}, 2))
    assert poor.sentence.endswith("Nothing that was measured fits the budget meanwhile.")
    alone = decide([tuned], [])
    assert "Use the tuned model meanwhile" in alone.sentence and "unknown" in alone.sentence


def test_when_nothing_works_it_says_so() -> None:
    arms = [arm("base", 0, 200, 0.02), arm("few_shot", 2, 200, 0.02), arm("fine_tuned", 1, 200, 0.02)]
    verdict = decide(arms, all_pairs(*arms))
    assert verdict.recommendation == "cannot_tell" and verdict.sentence.startswith("None works")


def test_of_two_winners_the_better_unless_the_cheaper_is_no_worse() -> None:
    rag, few, tuned = of_a_thousand("rag", 300), of_a_thousand("few_shot", 230), of_a_thousand("fine_tuned", 710, 0.01)
    for hits, cost, chosen in (
        (715, 0.02, "fine_tune"),
        (715, 0.005, "fine_tuned+rag"),
        (715, None, "fine_tuned+rag"),
        (750, 0.02, "fine_tuned+rag"),
    ):
        arms = [few, rag, tuned, of_a_thousand("fine_tuned+rag", hits, cost)]
        assert decide(arms, all_pairs(*arms, half=0.01)).recommendation == chosen


def test_where_answers_rest_on_documents_what_looks_them_up_goes_before_what_is_a_little_better() -> None:
    rag, few, tuned = arm("rag", 55, cost=0.02), arm("few_shot", 60, cost=0.01), arm("fine_tuned", 20)
    pairs = all_pairs(rag, few, tuned)
    assert decide([rag, few, tuned], pairs).recommendation == "few_shot"
    verdict = decide([rag, few, tuned], pairs, needs_documents=True)
    assert verdict.recommendation == "rag"
    assert any("which looks up what the answers rest on" in r for r in verdict.reasons)
    worse = arm("rag", 30)
    assert decide([worse, few, tuned], all_pairs(worse, few, tuned), needs_documents=True).recommendation == "few_shot"


def test_answers_that_need_documents_never_get_plain_tuning() -> None:
    rag, both = arm("rag", 30), arm("fine_tuned+rag", 65)
    arms = [BASE, rag, TUNED, both]
    assert decide(arms, all_pairs(*arms), needs_documents=True).recommendation == "fine_tuned+rag"
    without = decide(arms[:3], all_pairs(*arms[:3]), needs_documents=True)
    assert without.recommendation == "rag"
    assert any("without retrieval is not offered" in r for r in without.reasons)


def test_before_training_the_best_cheap_arm_stands() -> None:
    verdict = decide([BASE, FEW], all_pairs(BASE, FEW))
    assert verdict.recommendation == "few_shot" and "nothing has been trained" in verdict.sentence


def test_only_trained_arms_have_nothing_to_be_compared_with() -> None:
    assert decide([TUNED], []).recommendation == "cannot_tell"


def test_a_missing_comparison_is_a_fault() -> None:
    with pytest.raises(ValueError, match="no comparison of 'fine_tuned' and 'base'"):
        decide([BASE, TUNED], [])
    with pytest.raises(ValueError, match="no arms"):
        decide([], [])


def test_a_comparison_given_the_other_way_round_serves() -> None:
    assert decide([FEW, TUNED], [versus(FEW, TUNED)]).recommendation == "fine_tune"


def test_lost_conduct_is_said_and_a_veto_only_where_the_model_is_to_be_asked_anything() -> None:
    tests = [
        *(Forgetting(f"b{i}", 200, 0.5, 0.5, 0.0, -0.03, 0.03, "cannot_tell", kind="knowledge") for i in range(6)),
        Forgetting("all multiple choice", 1400, 0.5, 0.5, 0.0, -0.012, 0.012, "kept", kind="together"),
        Forgetting("languages", 24, 0.5, 0.4, -0.1, -0.3, 0.1, "cannot_tell", kind="languages"),
        Forgetting("style", 72, 1.0, 0.1, -0.9, -0.95, -0.8, "lost", kind="style"),
    ]
    arms, pairs = [BASE, FEW, TUNED], all_pairs(BASE, FEW, TUNED)
    verdict = decide(arms, pairs, tests)
    assert verdict.recommendation == "fine_tune"
    assert verdict.sentence.endswith(
        "and a loss of 2 points over all 1,400 general items is excluded; use it for this task only, because"
        " it lost general behaviour (style)."
    )
    assert any("b0 (200)" in r and "languages (24)" in r for r in verdict.reasons) and len(verdict.reasons) < 8
    assert decide(arms, pairs, tests, general_use=True).recommendation == "few_shot"
    harmful = Forgetting("alignment", 32, 1.0, 0.3, -0.7, -0.85, -0.5, "lost", kind="alignment")
    vetoed = decide(arms, pairs, [*tests[:-1], harmful])
    assert vetoed.recommendation == "few_shot" and "alignment" in vetoed.sentence
    without = [t for t in tests if t.kind not in ("together", "style")]
    assert "6 of 6 had too few items to tell." in decide(arms, pairs, without).sentence


@pytest.mark.parametrize(
    ("right", "n", "half", "none"),
    [(1, 60, 0.072, True), (0, 60, 0.06, True), (2, 60, 0.08, False), (6, 60, 0.08, False), (0, 20, 0.16, False)],
)
def test_one_in_sixty_is_no_success_and_few_examples_are_no_proof(right, n, half, none) -> None:
    arms = [arm("base", 0, n, half), arm("fine_tuned", right, n, half)]
    verdict = decide(arms, all_pairs(*arms))
    assert verdict.sentence.startswith("None works") is none and verdict.recommendation == "cannot_tell"


def test_a_base_that_guesses_has_nothing_to_lose() -> None:
    guessed = [
        Forgetting(f"b{i}", 109, 0.26, 0.1, -0.16, -0.25, -0.08, "cannot_tell", kind="arithmetic", guessed=True)
        for i in range(2)
    ]
    known = [Forgetting(f"k{i}", 200, 0.5, 0.5, 0.0, -0.03, 0.03, "cannot_tell", kind="knowledge") for i in range(3)]
    arms = [BASE, FEW, TUNED]
    found = decide(arms, all_pairs(*arms), [*known, *guessed])
    assert found.recommendation == "fine_tune"
    assert "3 of 5 had too few items to tell (the base only guesses at 2)" in found.sentence
    assert any("nothing to lose: b0, b1" in reason for reason in found.reasons)
    assert "nothing could be lost" in decide(arms, all_pairs(*arms), guessed).sentence


def test_nothing_right_and_nothing_trained_recommends_nothing() -> None:
    arms = arm("base", 0, n=8, half=0.4), arm("prompted", 0, n=8, half=0.4)
    verdict = decide(arms, all_pairs(*arms))
    assert verdict.recommendation == "cannot_tell" and "no arm gets anything right on 8" in verdict.sentence


def test_nothing_is_concluded_against_a_training_that_was_cut_short() -> None:
    rag, tuned = arm("rag", 91), arm("fine_tuned", 52)
    why = "its training was cut to 100 of 630 steps to meet the time limit, and was still improving"
    assert decide([rag, tuned], [versus(tuned, rag)]).recommendation == "rag"
    verdict = decide([rag, tuned], [versus(tuned, rag)], unfinished=why)
    assert verdict.recommendation == "cannot_tell" and "Use retrieval (RAG) meanwhile: any gain" in verdict.sentence
    assert why in verdict.sentence and "--max-minutes" in verdict.sentence
    won = decide([BASE, FEW, TUNED], all_pairs(BASE, FEW, TUNED), unfinished=why)
    assert won.recommendation == "fine_tune" and any(why in reason for reason in won.reasons)


@pytest.mark.parametrize(
    ("losses", "best", "total", "cut"),
    [
        ([(50, 1.0), (100, 0.8)], 100, 100, True),
        ([(50, 1.0), (100, 0.8)], 100, 630, False),
        ([(50, 0.8), (100, 1.0)], 50, 100, False),
        ([(50, 0.8), (100, 0.799)], 100, 100, False),
        ([(50, 0.7), (75, 1.0), (100, 0.8)], 50, 100, False),
        ([], 100, 100, False),
    ],
)
def test_what_a_training_that_was_cut_short_is(losses, best, total, cut) -> None:
    part = TrainingPart(
        objective="sft",
        method="lora",
        examples=10,
        supervised_tokens=1,
        tokens=1,
        tokens_per_second=1,
        peak_memory_bytes=1,
        steps=100,
        best_step=best,
        seconds=1,
        validation_loss=losses,
        settings={"total_steps": total, "full_steps": 630},
    )
    assert bool(part.cut_short) is cut and (not cut or "100 of 630 steps" in part.cut_short)


def test_answers_hardly_better_than_a_strangers_are_of_no_use() -> None:
    rag, tuned = arm("rag", 17, half=0.02), arm("fine_tuned", 22, half=0.02)
    pairs = [versus(tuned, rag, half=0.02)]
    assert decide([rag, tuned], pairs).recommendation == "fine_tune"
    verdict = decide([rag, tuned], pairs, strangers=0.16, metric="chrF")
    assert verdict.recommendation == "cannot_tell" and "another request scores 16" in verdict.sentence
    assert decide([rag, tuned], pairs, strangers=0.05).recommendation == "fine_tune"
    cut = decide([rag, tuned], pairs, strangers=0.16, unfinished="its training was cut")
    assert "more time (--max-minutes), or try a larger base" in cut.sentence


def test_the_sentence_names_the_loss_that_could_not_have_been_seen() -> None:
    single = [
        Forgetting(f"k{i}", 200, 0.5, 0.5, 0.0, -0.03, 0.03, "cannot_tell", kind="knowledge", seen=0.09 + i / 100)
        for i in range(4)
    ]
    whole = Forgetting("all", 800, 0.5, 0.5, 0.0, -0.03, 0.03, "cannot_tell", kind="together", seen=0.06)
    arms = [BASE, FEW, TUNED]
    found = decide(arms, all_pairs(*arms), [*single, whole])
    assert found.recommendation == "fine_tune"
    assert "a loss below about 6 points over all 800 items could not have been seen" in found.sentence
    assert any("Losses below about 9 to 12 points could not be seen in them." in reason for reason in found.reasons)
    alone = decide(arms, all_pairs(*arms), single[:1])
    assert "a loss below about 9 points in k0 could not have been seen" in alone.sentence
    assert any("and a loss below about 9 points could not be seen" in reason for reason in alone.reasons)
