"""How long a stream stands still beside a long prompt: gaps between the pieces of one answer, alone and while another
client's prompt of `--tokens` tokens is read.

    python bench/long_prompt.py [--tokens 7500] [--base smollm2-135m-instruct] [--times 3] [--alone]

Starts a server of its own. Prints the median and the longest gap of each, and how long the long prompt took. With
`--alone` the stream's own model is one whose weights cannot be shared with other requests: a full fine-tuning of the
base, made here from the base's weights.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import openai

sys.path.insert(0, str(Path(__file__).parent.parent))

from own_home import full_model, own_home
from tests.serving.running import Process

WORDS = [
    "the",
    "parcel",
    "with",
    "the",
    "green",
    "lamp",
    "was",
    "sent",
    "to",
    "the",
    "wrong",
    "address",
    "again",
    "and",
    "nobody",
    "knows",
    "why",
]


def gaps(client: openai.OpenAI, model: str, tokens: int, seen: list[float], over: threading.Event) -> None:
    """One stream; the time of each of its pieces is put into `seen`."""
    stream = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Tell me a very long story about a lamp."}],
        max_tokens=tokens,
        stream=True,
        logprobs=True,  # a piece for each token, also where its text is not certain yet
        temperature=0,
        logit_bias={"2": -100, "0": -100},
    )
    for chunk in stream:
        if chunk.choices and (chunk.choices[0].delta.content or chunk.choices[0].logprobs):
            seen.append(time.perf_counter())
        if over.is_set():
            stream.close()
            return


def measure(client: openai.OpenAI, streamed: str, asked: str, tokens: int, number: int) -> dict[str, float]:
    seen: list[float] = []
    over = threading.Event()
    reader = threading.Thread(target=gaps, args=(client, streamed, 7000, seen, over))
    reader.start()
    while len(seen) < 40:
        time.sleep(0.01)
    alone = [b - a for a, b in pairwise(seen[10:])]
    begin = time.perf_counter()
    text = f"{number}. " + " ".join(WORDS[(i * (number + 3)) % len(WORDS)] for i in range(tokens - 60))
    answer = client.chat.completions.create(
        model=asked, messages=[{"role": "user", "content": text}], max_tokens=1, temperature=0
    )
    end = time.perf_counter()
    while seen[-1] < end + 0.5:
        time.sleep(0.01)
    over.set()
    reader.join()
    beside = [b - a for a, b in pairwise(seen) if b > begin and a < end]
    worst = next(a for a, b in pairwise(seen) if b - a == max(beside))
    assert answer.usage is not None
    return {
        "prompt tokens": answer.usage.prompt_tokens,
        "prompt s": round(end - begin, 1),
        "pieces meanwhile": len(beside),
        "alone, median ms": round(1000 * statistics.median(alone)),
        "beside, median ms": round(1000 * statistics.median(beside)),
        "beside, 99 % ms": round(1000 * statistics.quantiles(beside, n=100)[98]),
        "beside, longest ms": round(1000 * max(beside)),
        "that one, s after the prompt came": round(worst - begin, 2),
    }


def main() -> None:
    given = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    given.add_argument("--tokens", type=int, default=7500)
    given.add_argument("--base", default="smollm2-135m-instruct")
    given.add_argument("--times", type=int, default=3)
    given.add_argument("--alone", action="store_true")
    options = given.parse_args()
    with own_home() as fresh:
        os.environ["POSTGRAD_HOME"] = str(fresh)
        model = full_model(options.base) if options.alone else options.base
        server = Process(fresh, options.base, threads=os.cpu_count() or 2, dtype=os.environ.get("POSTGRAD_DTYPE", ""))
        server.start()
        try:
            client = openai.OpenAI(base_url=server.address, api_key="none", max_retries=0, timeout=900)
            client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=2)
            for number in range(options.times):
                print(measure(client, model, model, options.tokens, number), flush=True)
        finally:
            server.end()


if __name__ == "__main__":
    main()
