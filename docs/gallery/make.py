"""Makes the gallery: `postgrad run` on the shipped examples and on real sets, reports without the data's own texts.

    python docs/gallery/make.py [NAME …] [--shared FOLDER] [further options of `postgrad run`]

The real sets are not part of the repository: without them only the shipped examples are run, and that is said. One run
is measured against another base model behind an address of this machine: a GGUF file or a folder, named by the variable
POSTGRAD_RIVAL. Each report lands in `docs/gallery/NAME/`.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
Rows = Iterable[dict]


@dataclass(frozen=True)
class Entry:
    """One run: where its rows come from (None: a shipped example), and what is asked for besides the defaults.

    Attributes:
        example: The shipped example, where it is not named as the entry.
        rival: Whether another base model takes part, served at an address.
        files: Where its own files are, in place of rows.
    """

    rows: Callable[[Path], Rows] | None
    options: tuple[str, ...] = ()
    example: str = ""
    rival: bool = False
    files: Callable[[Path], list[Path]] | None = None

    @property
    def shipped(self) -> bool:
        """Whether its data is in the repository."""
        return self.rows is None and self.files is None


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line.strip()]


def drawn(rows: list[dict], count: int) -> list[dict]:
    return random.Random(0).sample(rows, min(count, len(rows)))


def table(path: Path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def banking(data: Path) -> Rows:
    return [{"message": r["text"], "intent": r["category"]} for r in drawn(table(data / "banking77/train.csv"), 1200)]


def question_kinds(data: Path) -> Rows:
    rows = [r for r in lines(data / "medquad/medquad_6000.jsonl") if r["qtype"]]
    return [{"question": r["question"], "kind": r["qtype"]} for r in drawn(rows, 700)]


def requests(data: Path) -> list[dict]:
    files = sorted((data / "snips").glob("train_*.jsonl"))
    return drawn([row for file in files for row in lines(file)], 500)


def snips(data: Path) -> Rows:
    return [
        {"request": r["text"], "answer": {"intent": r["intent"], **{s["entity"]: s["value"] for s in r["slots"]}}}
        for r in requests(data)
    ]


def intents(data: Path) -> Rows:
    return [{"request": r["text"], "intent": r["intent"]} for r in requests(data)]


def sql(data: Path) -> Rows:
    rows = drawn(lines(data / "text2sql_permissive/wikisql_sample.jsonl"), 500)
    return [{"question": r["question"], "sql": r["sql"]} for r in rows]


def descriptions(data: Path) -> Rows:
    rows = drawn(table(data / "e2e_nlg/cleaned/devel-fixed.no-ol.csv"), 500)
    return [{"facts": r["mr"], "text": r["ref"]} for r in rows]


def maths(data: Path) -> Rows:
    return drawn(lines(data / "gsm8k/train.jsonl"), 400)


def tool_calls(data: Path) -> Rows:
    folder = data / "bfcl_tool_calls"
    for part in ("simple_python", "multiple"):
        truth = {r["id"]: r["ground_truth"] for r in lines(folder / f"answers_BFCL_v4_{part}.jsonl")}
        for row in lines(folder / f"BFCL_v4_{part}.jsonl"):
            calls = [
                {
                    "id": f"call_{i}",
                    "type": "function",
                    "function": {"name": name, "arguments": json.dumps(_first(given))},
                }
                for i, call in enumerate(truth[row["id"]])
                for name, given in call.items()
            ]
            tools = [{"type": "function", "function": _standard(f)} for f in row["function"]]
            answer = {"role": "assistant", "content": None, "tool_calls": calls}
            yield {"messages": [*row["question"][0], answer], "tools": tools, "ground_truth": truth[row["id"]]}


def _first(possible: dict) -> dict:
    """Arguments with the first of their possible values; what may be left out is."""
    chosen = {
        key: next((o for o in options if o != ""), None) for key, options in possible.items() if "" not in options
    }
    return {key: _first(value) if isinstance(value, dict) else value for key, value in chosen.items()}


def _standard(function: dict) -> dict:
    """JSON schema's own names of types."""
    text = json.dumps(function).replace('"type": "dict"', '"type": "object"')
    return json.loads(text.replace('"type": "float"', '"type": "number"').replace('"type": "tuple"', '"type": "array"'))


def translations(data: Path) -> Rows:
    rows = [r for r in lines(data / "ntrex/ntrex_en_8langs.jsonl") if len(r["eng"]) < 160]
    return [{"english": r["eng"], "german": r["deu"]} for r in drawn(rows, 400)]


def summaries(data: Path) -> Rows:
    rows = [r for r in lines(data / "scitldr/train.jsonl") if len(r["text"]) < 1400]
    return [{"abstract": r["text"], "summary": r["summary"][0]} for r in drawn(rows, 300)]


def rated_books(data: Path) -> Rows:
    """Requests to rate a book, and the rating in them as an object."""
    file = next(f for f in (data / "snips").glob("train_*.jsonl") if "RateBook" in f.name)
    names = {"rating_value": "value", "best_rating": "best", "rating_unit": "unit"}
    for row in drawn(lines(file), 500):
        found = {names[s["entity"]]: s["value"] for s in row["slots"] if s["entity"] in names}
        yield {"request": row["text"], "answer": found}


def harmless(data: Path) -> Rows:
    """The 2,000 shortest of the pairs, so that an hour on one core does."""
    rows = lines(data / "hh_rlhf_harmless_test/harmless_base_test.jsonl")
    return sorted(rows, key=lambda r: max(len(r["chosen"]), len(r["rejected"])))[:2000]


def liked(data: Path) -> Rows:
    return json.loads((data / "llamafactory_demos/kto_en_demo.json").read_text("utf-8"))


def novels(data: Path) -> list[Path]:
    return [data / "voice_austen" / name for name in ("persuasion.txt", "northangerabbey.txt")]


FORM = (
    'Answer with one JSON object such as {"value": "4", "best": "5", "unit": "stars"} and nothing else: "value" is the'
    ' rating, "best" the best there is, "unit" what it counts; leave out what is not said.'
)
PAIRS = ("--accept", "personal_data,secrets", "--set", "data.max_test=300", "--set", "evaluation.general_items=60")
SMALL = ("--set", "data.max_test=60", "--set", "data.max_validation=30")
ENTRIES = {
    "tickets": Entry(None),
    "policies": Entry(None, ("--docs", "examples/policies/docs")),
    "tone": Entry(None),
    "policies_remote": Entry(None, ("--docs", "examples/policies/docs"), "policies", rival=True),
    "snips_intents": Entry(intents),
    "banking77": Entry(banking),
    "medquad_kinds": Entry(question_kinds),
    "snips": Entry(snips),
    "wikisql": Entry(sql),
    "e2e": Entry(
        descriptions,
        ("--input", "facts", "--output", "text", "--task", "Write one sentence that tells these facts", *SMALL),
    ),
    "gsm8k": Entry(maths, SMALL),
    "bfcl": Entry(tool_calls, SMALL),
    "ntrex": Entry(translations, SMALL),
    "scitldr": Entry(summaries, SMALL),
    "harmless": Entry(
        harmless,
        (
            "--task",
            "Be helpful and honest, and do not help with anything harmful.",
            "--arms",
            "base,prompted,few_shot,good_answers,fine_tuned",
            "--train-anyway",
            *PAIRS,
            *("--set", "training.epochs=1", "--set", "training.batch_size=8", "--set", "training.learning_rate=2e-4"),
        ),
    ),
    "liked": Entry(
        liked,
        ("--arms", "base,prompted,few_shot,good_answers,fine_tuned", "--train-anyway", *PAIRS),
    ),
    "rated_books": Entry(
        rated_books,
        (
            *("--objective", "grpo", "--set", "training.grader=docs/gallery/rated_books.py:reward"),
            *("--set", "evaluation.own_code=true", "--set", "training.answer_tokens=48", "--system-prompt", FORM),
            *("--set", "training.samples=8", "--set", "training.batch_size=4", "--set", "training.max_steps=120"),
            *("--set", "evaluation.general_items=60", "--set", "data.max_test=100", "--train-anyway"),
        ),
    ),
    "austen": Entry(
        None,
        (
            *("--objective", "pretrain", "--accept", "personal_data,secrets", "--set", "training.epochs=2"),
            *("--set", "data.max_test=120", "--set", "evaluation.general_items=60"),
        ),
        files=novels,
    ),
}


@contextmanager
def served(base: str) -> Iterator[str]:
    """A server of another base model on this machine, with a state of its own; gives `URL#MODEL`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="postgrad-rival-") as home:
        name = Path(base).stem
        named = ("--base", base, "--alias", f"{name}={base}")
        command = [sys.executable, "-m", "postgrad", "serve", *named, "--port", str(port)]
        server = subprocess.Popen(command, env={**os.environ, "POSTGRAD_HOME": home}, stderr=subprocess.DEVNULL)
        try:
            for _ in range(600):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.5)
            else:
                sys.exit(f"The server of {base} does not answer.")
            yield f"http://127.0.0.1:{port}/v1#{name}"
        finally:
            server.terminate()
            server.wait()


def run(name: str, shared: Path, more: list[str]) -> int:
    """One run; returns the command's exit code."""
    entry = ENTRIES[name]
    target = HERE / name
    command, at = [sys.executable, "-m", "postgrad"], ROOT
    with tempfile.TemporaryDirectory(prefix="postgrad-gallery-") as scratch, contextlib.ExitStack() as stack:
        if entry.files is not None:
            found = entry.files(shared)
            at = found[0].parent  # so that the report names no folder of this machine
            command += ["run", *(path.name for path in found), "--name", name, "--no-texts"]
        elif entry.rows is None:
            folder = Path("examples") / (entry.example or name)
            data = next(p for p in sorted((ROOT / folder).iterdir()) if p.suffix in (".csv", ".jsonl"))
            command += ["run", str(folder / data.name), "--recipe", str(folder / "recipe.yaml")]
        else:
            data = Path(scratch) / f"{name}.jsonl"
            with data.open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in entry.rows(shared))
            command += ["run", str(data), "--no-texts"]
        if entry.rival:
            command += ["--remote", stack.enter_context(served(os.environ["POSTGRAD_RIVAL"]))]
        command += ["--out", str(target), *entry.options, *more]
        print(f"\n== {name}: postgrad {' '.join(command[3:])}", flush=True)
        return subprocess.run(command, cwd=at, check=False).returncode


def summary() -> str:
    """A Markdown table of the reports that are there."""
    rows = [
        "| Run | Task, metric | Test | Best untrained arm | Tuned | Difference, 95 % | Verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in ENTRIES:
        path = HERE / name / "report.json"
        if not path.exists():
            continue
        report = json.loads(path.read_text("utf-8"))
        arms = {arm["name"]: arm for arm in report["arms"]}
        tuned = max((a for n, a in arms.items() if n.startswith("fine_tuned")), key=lambda a: a["score"], default=None)
        best = max((a for n, a in arms.items() if not n.startswith("fine_tuned")), key=lambda a: a["score"])
        pair = (tuned["name"], best["name"]) if tuned else None
        change = next((c for c in report["comparisons"] if (c["arm"], c["against"]) == pair), None)
        low, high = change["interval"] if change else (0, 0)
        told = f"{100 * change['difference']:+.0f} ({100 * low:+.0f} to {100 * high:+.0f})" if change else "–"
        cells = (
            f"[{name}]({name}/report.html)",
            f"{report['task']['kind']}, {report['task']['metric']}",
            str(report["data"]["test"]),
            f"{best['name']} {100 * best['score']:.0f}",
            f"{tuned['name']} {100 * tuned['score']:.0f}" if tuned else "–",
            told,
            f"`{report['verdict']['recommendation']}`",
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ENTRIES))
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("POSTGRAD_SHARED", ROOT.parent / "shared")))
    parser.add_argument("--table", action="store_true", help="print a table of the reports that are there")
    known, more = parser.parse_known_args()
    if known.table:
        print(summary())
        return
    failed = []
    for name in known.names or ENTRIES:
        if not ENTRIES[name].shipped and not (known.shared / "data").exists():
            print(f"{name}: left out, {known.shared} is not at hand")
        elif ENTRIES[name].rival and not os.environ.get("POSTGRAD_RIVAL"):
            print(f"{name}: left out, POSTGRAD_RIVAL names no other base model")
        elif run(name, known.shared / "data", more):
            failed.append(name)
    sys.exit(f"Failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
