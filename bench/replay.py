"""Task score and conduct with and without replay of the base's own answers, each a whole run of the same data.

Usage: python bench/replay.py [DATA] [--shares 0,0.1] [--targets 0,0.05] [--steps N] [--test N] [--rate R]
(prints a Markdown table; N counts steps on your examples, replay adds its own. DATA: examples/tickets by default)
"""

import argparse
import itertools
import tempfile
from pathlib import Path

from postgrad.progress import finished
from postgrad.recipe import Recipe, merged
from postgrad.workflows.run import run

CONDUCT = ["instructions", "refuses_harmful", "answers_harmless", "languages", "style"]
TICKETS = Path(__file__).parent.parent / "examples" / "tickets" / "tickets.jsonl"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("data", nargs="?", type=Path, default=TICKETS)
    asked.add_argument("--shares", default="0,0.1")
    asked.add_argument("--targets", default="0.05", help="nats a token that the divergence is held to; 0: weight 1")
    asked.add_argument("--steps", type=int)
    asked.add_argument("--test", type=int, default=80)
    asked.add_argument("--rate", type=float)
    given = asked.parse_args()
    figures = ["KL general", "KL task", "last weight", "kept step", "seconds"]
    print("| " + " | ".join(["replay", "target", "task score", *CONDUCT, *figures]) + " |")
    print("|---" * (len(CONDUCT) + 8) + "|")
    asked_for = itertools.product(map(float, given.shares.split(",")), map(float, given.targets.split(",")))
    for share, target in asked_for:
        changes = {
            "training.base_replay": share,
            "training.replay_kl_target": target,
            "training.max_steps": given.steps,
            "training.learning_rate": given.rate,
            "evaluation.arms": ["fine_tuned"],
            "evaluation.curve": [],
            "evaluation.perturb": False,
            "evaluation.benchmarks": CONDUCT,
            "decision.stop_early": False,
            "data.max_test": given.test,
            "max_minutes": 600,
        }
        with tempfile.TemporaryDirectory() as out:
            report = finished(run(merged(Recipe(), changes), [given.data], Path(out)))
        training, rows = report.training, {b.name: b for b in report.forgetting.benchmarks}
        far = [dict(training.metrics.get(f"eval_kl_{k}", [])).get(training.best_step) for k in ("general", "task")]
        cells = [
            f"{100 * share:g} %",
            f"{target:g}" if share else "",
            f"{100 * report.arms[0].score:.1f}",
            *(
                f"{100 * rows[n].base:.0f} → {100 * rows[n].tuned:.0f} ({rows[n].verdict})"
                for n in CONDUCT
                if n in rows
            ),
            *("not measured" if f is None else f"{f:.3f}" for f in far),
            f"{training.metrics['replay_weight'][-1][1]:.1f}" if share else "",
            str(training.best_step),
            f"{training.seconds:.0f}",
        ]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
