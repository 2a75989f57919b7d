"""Mixed chat on several models of one server at once: wrong answers, errors, latency and memory, in figures.

    postgrad serve &
    python bench/load.py --models tickets half strong --seconds 120 --clients 6 --pid $!

Each model is first asked alone; greedy answers under load must be the same to the letter. Half of the requests stream.
"""

from __future__ import annotations

import argparse
import random
import statistics
import threading
import time
from collections import Counter

import openai
import psutil

QUESTIONS = [
    "where is my Haven sofa, FH-20817??",
    "One leg of the table FH-11873 is broken, please send a new one.",
    "I want my money back for the lamp.",
]


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given.add_argument("--url", default="http://127.0.0.1:8000/v1")
    given.add_argument("--key", default="none")
    given.add_argument("--models", nargs="+", required=True)
    given.add_argument("--seconds", type=float, default=120)
    given.add_argument("--clients", type=int, default=6)
    given.add_argument("--max-tokens", type=int, default=24)
    given.add_argument("--pid", type=int, help="The server's process, to watch its memory.")
    options = given.parse_args()
    client = openai.OpenAI(base_url=options.url, api_key=options.key, max_retries=0, timeout=300)

    def ask(model: str, question: str, stream: bool) -> tuple[str, float, float]:
        """(answer, seconds to the first piece, seconds to the end)."""
        start = time.perf_counter()
        wish = {"model": model, "messages": [{"role": "user", "content": question}], "max_tokens": options.max_tokens}
        if not stream:
            text = client.chat.completions.create(**wish).choices[0].message.content
            return text, time.perf_counter() - start, time.perf_counter() - start
        text, first = "", 0.0
        for chunk in client.chat.completions.create(**wish, stream=True):
            piece = chunk.choices[0].delta.content if chunk.choices else ""
            if piece and not first:
                first = time.perf_counter() - start
            text += piece or ""
        return text, first, time.perf_counter() - start

    alone = {(m, q): ask(m, q, False)[0] for m in options.models for q in QUESTIONS}
    for question in QUESTIONS:
        print(f"{len({alone[m, question] for m in options.models})} different answers to {question!r}")
    process = psutil.Process(options.pid) if options.pid else None
    memory = [process.memory_info().rss] if process else []
    outcomes: Counter[str] = Counter()
    firsts: list[float] = []
    totals: list[float] = []
    end = time.monotonic() + options.seconds

    def visitor(seed: int) -> None:
        chance = random.Random(seed)
        while time.monotonic() < end:
            model, question = chance.choice(options.models), chance.choice(QUESTIONS)
            try:
                text, first, total = ask(model, question, chance.random() < 0.5)
            except openai.APIStatusError as error:
                outcomes[f"status {error.status_code}"] += 1
                time.sleep(1)
                continue
            except openai.APITimeoutError:
                outcomes["too late"] += 1
                continue
            outcomes["right" if text == alone[model, question] else "WRONG"] += 1
            firsts.append(first)
            totals.append(total)
            if process:
                memory.append(process.memory_info().rss)

    threads = [threading.Thread(target=visitor, args=(seed,)) for seed in range(options.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(dict(outcomes), f"{sum(outcomes.values()) / options.seconds:.2f} answers/s")
    for name, seconds in (("first piece", firsts), ("whole answer", totals)):
        cuts = statistics.quantiles(seconds, n=100, method="inclusive")
        print(f"{name}: p50 {cuts[49]:.2f} s, p95 {cuts[94]:.2f} s, p99 {cuts[98]:.2f} s, longest {max(seconds):.2f} s")
    if memory:
        print(
            f"memory: {memory[0] / 1e6:.0f} MB before, {max(memory) / 1e6:.0f} MB at most, {memory[-1] / 1e6:.0f} MB after"
        )


if __name__ == "__main__":
    main()
