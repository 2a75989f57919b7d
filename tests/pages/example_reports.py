"""Two reports for the tests of the pages: one with everything in it, hostile text too, and the least allowed."""

from __future__ import annotations

from postgrad.report.advice import (
    CurvePart,
    DisturbancePart,
    DisturbancesPart,
    ForecastPart,
    KindPart,
    KindsPart,
    NextStepPart,
)
from postgrad.report.arm_parts import ArmPart, ComparisonPart
from postgrad.report.money_parts import ArmCostPart, BreakEvenPart, CostPart
from postgrad.report.must_pass import FailedCasePart, MustPassPart
from postgrad.report.registration import EarlierLookPart, RegistrationPart
from postgrad.report.run_report import (
    AutomationPart,
    BenchmarkPart,
    DataPart,
    FieldPart,
    FindingPart,
    ForgettingPart,
    ModelPart,
    Report,
    SamplePart,
    SlicePart,
    TaskPart,
    TrainingPart,
    VerdictPart,
)

SCRIPT = '<script>alert("x")</script><img src=http://evil.example/a.png onerror=alert(1)>'


def minimal_report() -> Report:
    """Build the least that the schema allows."""
    return Report(
        name="tiny",
        created="2026-03-01",
        postgrad_version="0.1.0",
        seed=0,
        task=TaskPart(kind="generation", metric="token_f1", why=""),
        data=DataPart(read=0, kept=0, train=0, validation=0, test=0, hash="sha256:0"),
        verdict=VerdictPart(recommendation="cannot_tell", sentence="There is too little data to tell."),
    )


def full_report() -> Report:
    """Build a report with every part filled."""
    return Report(
        name="furniture e-mails",
        created="2026-03-01T14:05:00+00:00",
        postgrad_version="0.1.0",
        seed=7,
        task=TaskPart(
            kind="extraction", metric="object_match", why="Every answer is one JSON object with the same five fields."
        ),
        data=_data(),
        system_prompt="Read the customer's e-mail and answer with one JSON object.\n"
        + "- field: one of a, b, c\n" * 20,
        resolvable_difference=0.081,
        arms=_arms(),
        comparisons=[
            ComparisonPart(
                arm="fine_tuned",
                against=other,
                difference=d,
                interval=(d - 0.08, d + 0.075),
                p_value=p,
                p_adjusted=3 * p,
            )
            for other, d, p in (
                ("rag", 0.31, 0.00002),
                ("few_shot", 0.36, 0.00001),
                ("prompted", 0.62, 0.00001),
                ("base", 0.738, 0.00001),
            )
        ]
        + [
            ComparisonPart(
                arm="rag", against="few_shot", difference=0.05, interval=(-0.03, 0.13), p_value=0.24, p_adjusted=0.24
            )
        ],
        forgetting=ForgettingPart(
            margin=0.02,
            benchmarks=[
                BenchmarkPart(
                    name="hellaswag",
                    n=400,
                    base=0.42,
                    tuned=0.418,
                    difference=-0.002,
                    interval=(-0.015, 0.011),
                    verdict="kept",
                ),
                BenchmarkPart(
                    name="arc_easy",
                    n=400,
                    base=0.55,
                    tuned=0.50,
                    difference=-0.05,
                    interval=(-0.075, -0.025),
                    verdict="lost",
                ),
                BenchmarkPart(
                    name="piqa",
                    n=200,
                    base=0.66,
                    tuned=0.655,
                    difference=-0.005,
                    interval=(-0.035, 0.025),
                    verdict="cannot_tell",
                ),
            ],
        ),
        edge_cases=[
            SlicePart(slice="longest tenth", n=12, fine_tuned=0.75, against=0.4),
            SlicePart(slice="other languages", n=9, fine_tuned=0.56, against=0.33),
        ],
        training=_training(),
        learning_curve=CurvePart(
            points=[(105, 0.61), (210, 0.74), (420, 0.833)],
            forecast=ForecastPart(examples=840, score=0.87, interval=(0.83, 0.9)),
            further=[ForecastPart(examples=1680, score=0.9, interval=(0.84, 0.94))],
            gain=(0.0, 0.07),
            sentence="With 2 times the examples (840) about 87 points are expected (83 to 90).",
        ),
        registration=RegistrationPart(
            test="sha256:ab",
            plan="sha256:cd",
            metric=SCRIPT,
            smallest_worth=0.02,
            rules="0.1.0 (ef)",
            registered="2026-03-01T13:00:00+00:00",
            look=2,
            times=3,
            confidence=1 - 0.05 / 3,
            earlier=[EarlierLookPart(look=1, registered="2026-02-01T13:00:00", metric="chrf", smallest_worth=0.0)],
            sentence=f"Look 2 at this test part, judged by {SCRIPT}.",
        ),
        must_pass=MustPassPart(
            cases=3,
            least=1,
            asked=["fine_tuned", "few_shot"],
            failed=[
                FailedCasePart(
                    arm="few_shot", case=f"{SCRIPT} line 2", prompt=SCRIPT, reference="yes", answer=SCRIPT, score=0
                )
            ],
            sentence="Of 3 must-pass cases (passed from a score of 1 on) fail: few-shot prompting 1.",
        ),
        kinds=KindsPart(
            arm="fine_tuned",
            kinds=[_kind("exchange rate, dollar", 0.003), _kind(SCRIPT, 0.8)],
            looked_at=9,
            sentence="Missing: 12 training examples about 'exchange rate, dollar', 5 of 9 wrong in the test.",
        ),
        disturbances=DisturbancesPart(
            rows=[
                DisturbancePart(
                    arm=arm,
                    kind=kind,
                    n=40,
                    clean=0.8,
                    disturbed=0.7,
                    difference=-0.1,
                    interval=(-0.2, 0.0),
                    changed=0.3,
                    p_value=0.04,
                    p_adjusted=0.16,
                )
                for arm in ("fine_tuned", "rag")
                for kind in ("typos", "letter case")
            ],
            sentence=("Tested with perturbed requests, the tuned model loses nothing that chance could not explain."),
        ),
        automation=AutomationPart(
            arm="fine_tuned",
            target_accuracy=0.95,
            failure=0.1,
            threshold=0.93,
            coverage=0.6,
            coverage_interval=(0.5, 0.68),
            accuracy=0.97,
            calibration=60,
            needed=46,
            curve=[(0.1, 1.0), (0.4, 0.99), (0.6, 0.97), (0.8, 0.9), (1.0, 0.83)],
            fields=[
                FieldPart(name="order", right=0.98, threshold=0.4, coverage=0.95, accuracy=0.99),
                FieldPart(name="priority", right=0.7, threshold=None, coverage=0.0, accuracy=None),
            ],
            fields_sentence="Field by field: order in 95 % of the answers; a person reviews priority (70 % right).",
            sentence="60 % of requests can be answered without human review.",
        ),
        samples=_samples(),
        cost=CostPart(
            training=0.04,
            per_1000={"fine_tuned": 0.021, "few_shot": 0.19, "rag": 0.23},
            monthly_queries=10000,
            break_even_days=1.2,
            break_even=[
                BreakEvenPart(
                    against="rag", saving_per_1000=0.21, queries=191, days=1.2, monthly_saving=2.1, months=0.04
                ),
                BreakEvenPart(against="few_shot", saving_per_1000=0.17, queries=None, days=None, monthly_saving=-48.3),
            ],
            priced="fine_tuned",
            iterations=3,
            once={"data_work": 320.0, "training": 0.12, "evaluation": 0.05, "other": 2000.0},
            monthly={"answers": 0.21, "hosting": 0.0, "maintenance": 50.0, "monitoring": 25.0},
            by_arm=[
                ArmCostPart(arm="fine_tuned", per_answer=0.000021, per_right=0.0091, monthly=75.21, wrong_monthly=17.0),
                ArmCostPart(
                    arm="base", per_answer=0.00019, per_right=None, monthly=26.9, unfit="gets next to nothing right"
                ),
            ],
            labour_saved_monthly=1234.0,
            sensitivity=[("as assumed", 1.2), ("half the traffic", 2.4), ("twice the price of machine time", None)],
            assumptions=[
                "This machine costs $0.096 an hour (2 cores, list price of 2026-01).",
                "Data work is not counted.",
            ],
        ),
        verdict=VerdictPart(
            recommendation="fine_tune",
            sentence="Fine-tune: it gets 83 of 100 e-mails wholly right: 31 points more than rag, the next best.",
            next_steps=[
                NextStepPart(
                    step="Collect about 25 more examples like 'exchange rate, dollar'",
                    gain="up to +6 points (2 to 9)",
                    why="12 training examples, 5 of 9 wrong in the test.",
                ),
                NextStepPart(step=SCRIPT, gain="not measured", why=""),
            ],
            reasons=[
                "fine_tuned beats rag by 31 points (23 to 38), far more than the 2 points that were asked for.",
                "A thousand answers cost $0.02 instead of $0.23.",
                "arc_easy fell by 5 points: look at it before the model is used for anything else.",
            ],
        ),
        model=ModelPart(name="furniture", version=1, base="smollm2-135m-instruct", blob="sha256:9f2b61c0ffee"),
        machine={
            "cpu": "x86_64, 2 cores, avx512_bf16",
            "memory": "30 GB",
            "torch": "2.13.0",
            "dtype": {"train": "bfloat16", "generate": "bfloat16"},
        },
        seconds={"read": 0.8, "check": 3.1, "arms": 212.0, "training": 301.0, "forgetting": 118.0},
    )


def _kind(words: str, p: float) -> KindPart:
    return KindPart(
        words=words,
        train=12,
        test=9,
        wrong=5.0,
        score=0.44,
        interval=(0.19, 0.73),
        rest=0.88,
        share=0.075,
        production=0.11,
        gain=0.06,
        p_worse=p,
        missing=25,
    )


def _data() -> DataPart:
    return DataPart(
        read=600,
        kept=588,
        train=420,
        validation=48,
        test=120,
        hash="sha256:4be1a0c44d",
        shape="input-output pairs",
        explanation="Columns: “email” is the input and “answer” the output, because every answer is a JSON object.",
        notes=["Two files were read.", "Encoding of old.csv: Latin-1."],
        dropped={"exact_duplicate": 7, "empty_answer": 3, "cut_off": 2},
        token_histogram=[(64, 31), (128, 182), (192, 214), (256, 96), (384, 44), (512, 16), (768, 5)],
        findings=[
            FindingPart(
                check="personal_data",
                severity="info",
                count=14,
                sentence="14 e-mails hold a telephone number.",
                examples=[("emails.csv", line) for line in range(3, 17)],
            ),
            FindingPart(
                check="contradiction",
                severity="error",
                count=2,
                sentence="The same e-mail has two different answers.",
                examples=[("emails.csv", 17), ("emails.csv", 203)],
                evidence=["17: return", "203: complaint " + SCRIPT],
            ),
            FindingPart(
                check="near_duplicate",
                severity="warning",
                count=9,
                sentence="Nine e-mails differ in a word or two; each group was kept on one side.",
                examples=[("emails.csv", 40)],
            ),
        ],
    )


def _arms() -> list[ArmPart]:
    rows = [
        ("base", 0.0, (0.0, 0.031), 61.0, 88.2, 640.0, 0.11),
        ("prompted", 0.213, (0.148, 0.293), 182.0, 41.0, 420.0, 0.13),
        ("few_shot", 0.473, (0.38, 0.56), 1012.0, 38.0, 450.0, 0.19),
        ("rag", 0.523, (0.43, 0.61), 1210.0, 38.4, 510.0, 0.23),
        ("fine_tuned", 0.833, (0.757, 0.889), 66.0, 37.9, 210.0, 0.021),
    ]
    return [
        ArmPart(
            name=name,
            model="smollm2-135m-instruct",
            score=score,
            interval=interval,
            n=120,
            prompt_tokens_mean=tokens_in,
            completion_tokens_mean=tokens_out,
            latency_ms_p50=latency,
            cost_per_1000=price,
            metrics={"json_valid": min(1.0, score + 0.2), "field_match": min(1.0, score + 0.1)},
            note="four examples, chosen on validation" if name == "few_shot" else "",
        )
        for name, score, interval, tokens_in, tokens_out, latency, price in rows
    ]


def _training() -> TrainingPart:
    return TrainingPart(
        objective="sft",
        method="lora",
        examples=420,
        supervised_tokens=31000,
        tokens=120000,
        tokens_per_second=312.4,
        peak_memory_bytes=3_912_000_000,
        steps=780,
        best_step=600,
        seconds=301.0,
        train_loss=[
            (step, 0.18 + 2.1 / (1 + step / 25) + 0.05 * ((step * 7919) % 13 - 6) / 6) for step in range(1, 781)
        ],
        validation_loss=[(s, 0.3 + 1.6 / (1 + s / 40) + max(0, s - 600) * 0.0006) for s in range(60, 781, 60)],
        truncated=2,
        stopped_because="validation loss no longer fell",
        in_words="The loss fell until step 600 and then rose a little: the model of step 600 was kept.",
        settings={"rank": 16, "learning_rate": 0.001, "targets": ["q_proj", "v_proj"], "schedule": {"kind": "cosine"}},
        device="cpu",
        dtype="bfloat16",
    )


def _samples() -> list[SamplePart]:
    names = [arm.name for arm in _arms()]
    good = '{"intent": "return", "priority": "high", "product": "oak table", "order": null, "action": "send label"}'
    prompts = [
        "Hello, the oak table you sent has a crack along one leg. I want to send it back, today if possible!!",
        "注文したテーブルの脚にひびが入っています。返品できますか。",
        "الطاولة التي وصلتني مكسورة. أريد إعادتها من فضلك.",
        SCRIPT,
        "A very long e-mail. " * 200,
        "Short.",
        "One more.",
    ]
    return [
        SamplePart(
            prompt=prompt,
            reference=good,
            answers={
                name: good if name == "fine_tuned" else "I am sorry to hear that! " * (12 * place)
                for place, name in enumerate(names)
            },
            scores={name: {"fine_tuned": 1.0, "rag": 0.4}.get(name, 0.0) for name in names},
        )
        for prompt in prompts
    ]
