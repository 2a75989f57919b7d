"""A comparison with every part filled, hostile text too."""

from postgrad.report.comparison import ChangedPart, CommonPart, CompareReport, DifferencePart, ExamplePart, SidePart
from tests.pages.example_reports import SCRIPT


def full_compare() -> CompareReport:
    """Builds it."""
    parts = [
        DifferencePart(
            name=name,
            n=n,
            a=a,
            b=b,
            difference=b - a,
            interval=(b - a - 0.11, b - a + 0.1),
            p_value=p,
            p_adjusted=min(1.0, 3 * p),
        )
        for name, n, a, b, p in (
            ("longest requests", 12, 0.75, 0.42, 0.004),
            ("answer: refund", 30, 0.6, 0.9, 0.02),
            (SCRIPT, 9, 0.3, 0.3, 1.0),
        )
    ]
    examples = [
        ExamplePart(
            hash=f"{i:064x}",
            file="tickets.csv",
            line=i,
            prompt=text,
            reference='{"intent": "refund"}',
            a_answer='{"intent": "refund"}',
            b_answer="I am sorry. " * 9,
            a_score=1.0,
            b_score=0.0,
        )
        for i, text in enumerate((SCRIPT, "My sofa arrived with a broken leg.", "A long e-mail. " * 120))
    ]
    return CompareReport(
        created="2026-03-01T14:05:00+00:00",
        postgrad_version="0.1.0",
        a=SidePart(
            name="last-week",
            folder="runs/last-week",
            arm="fine_tuned",
            model="smollm2-135m-instruct + adapter",
            score=0.71,
            interval=(0.62, 0.78),
            own_score=0.7,
            own_n=130,
            created="2026-02-21T09:00:00+00:00",
            cost_per_1000=0.021,
            latency_ms_p50=210.0,
            prompt_tokens_mean=66.0,
            completion_tokens_mean=37.9,
        ),
        b=SidePart(
            name="today",
            folder="runs/today",
            arm="fine_tuned",
            model="smollm2-135m-instruct + adapter",
            score=0.63,
            interval=(0.54, 0.71),
            own_score=0.64,
            own_n=125,
            created="2026-03-01T09:00:00+00:00",
            cost_per_1000=0.019,
            latency_ms_p50=190.0,
            prompt_tokens_mean=66.0,
            completion_tokens_mean=36.1,
        ),
        metric="json_match",
        common=CommonPart(n=120, only_a=10, only_b=5, better=9, worse=19, same=92),
        difference=-0.083,
        interval=(-0.167, -0.004),
        p_value=0.045,
        margin=0.02,
        verdict="worse",
        passed=False,
        sentence=(
            "today is worse than last-week by 8.3 points (95 % interval -17 to -0.4; p = 0.045; 120 common examples)."
        ),
        arms=parts[:1],
        slices=parts,
        improved=examples[:1],
        worsened=examples,
        changes=[
            ChangedPart(kind="settings", name="training.rank", a=16, b=4),
            ChangedPart(kind="data", name="hash", a="sha256:4be1a0c44d", b="sha256:9f00"),
            ChangedPart(kind="model", name="instruction", a=None, b=SCRIPT),
            ChangedPart(kind="settings", name="data.input", a=[], b=["mail", "subject"]),
            ChangedPart(kind="data", name="findings", a={"near_duplicate": 9}, b={}),
        ],
        notes=["14 of the 120 common examples are, or nearly are, in the training data of tickets@3."],
    )
