"""Tokens a second of a server for 1, 4 and 16 users at once, with different prompts, through the unmodified SDK.

    python bench/serving.py [--users 1,4,16] [--seconds 20] [--tokens 48] [--adapters 16] [--beside vllm] [--out F.json]
    python bench/serving.py --url http://127.0.0.1:8000/v1 --model NAME     # another server, by the same clients

Each user asks again as soon as the answer is there; answers are held to `--tokens` tokens by a bias against the end
mark. Then one request with n = 16; then 16 users of the base beside 16 users of as many adapters on it; then how long a
cold adapter and the second turn of a conversation take. Starts a server of its own on the embedded model, in a process
of its own; random adapters of rank 16 on all linear layers stand for trained ones. `--beside vllm` asks vLLM for CPUs
the same in turn, number of users by number of users, while the other server is idle.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai

sys.path.insert(0, str(Path(__file__).parent.parent))

from own_home import own_home
from tests.serving.running import Process

BASE = "smollm2-135m-instruct"
THINGS = ["sofa", "lamp", "chair", "table", "bed", "shelf", "rug", "desk", "mirror", "stool", "bench", "clock"]
PLACES = ["in the hall", "by the window", "from Lisbon", "with a broken leg", "that squeaks", "in green"]


def question(number: int) -> str:
    """Of about 30 tokens, no two alike."""
    thing, place = THINGS[number % len(THINGS)], PLACES[number // len(THINGS) % len(PLACES)]
    return (
        f"Order {10_000 + 37 * number}: tell me all about the {thing} {place}, and what I should do with it next week."
    )


class Users:
    """Users of one server, and the tokens that they got.

    Args:
        names: Models that they ask in turn.
        ends: Ids of end marks, which are biased against.
    """

    def __init__(self, client: openai.OpenAI, names: list[str], tokens: int, ends: list[int]) -> None:
        self.client, self.names, self.tokens, self.ends = client, names, tokens, ends
        self._asked = 0
        self._one = threading.Lock()

    def ask(self, number: int, said: list[Any] | None = None, n: int = 1) -> tuple[int, float]:
        """(tokens, seconds) of one request."""
        start = time.perf_counter()
        answer = self.client.chat.completions.create(
            model=self.names[number % len(self.names)],
            messages=said or [{"role": "user", "content": question(number)}],
            max_tokens=self.tokens,
            n=n,
            temperature=1.0 if n > 1 else 0.0,
            logit_bias={str(end): -100 for end in self.ends},
        )
        assert answer.usage is not None
        return answer.usage.completion_tokens, time.perf_counter() - start

    def together(self, count: int, seconds: float) -> dict[str, float]:
        """So many users for so long, counted from the first answers on; what is begun is finished, and counts in
        part."""
        got: list[tuple[float, int, float]] = []
        end = time.perf_counter() + seconds

        def user() -> None:
            while time.perf_counter() < end:
                with self._one:
                    number = self._asked = self._asked + 1
                tokens, took = self.ask(number)
                got.append((time.perf_counter(), tokens, took))

        threads = [threading.Thread(target=user) for _ in range(count)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        whole = max(at for at, _, _ in got) - start
        times = sorted(took for _, _, took in got)
        return {
            "tokens_per_second": round(sum(n for _, n, _ in got) / whole, 1),
            "p50_s": round(statistics.median(times), 2),
            "longest_s": round(times[-1], 2),
            "answers": len(got),
        }


def with_adapters(folder: Path, count: int) -> list[str]:
    """Registers adapters of random weights; their names."""
    import torch

    from postgrad.blobs import Blobs
    from postgrad.models.adapters.lora import attach, detach, taken
    from postgrad.models.language_model import load_model
    from postgrad.registry import Catalogue

    model, names = load_model(BASE), []
    layers = attach(model.module, rank=16, alpha=16, seed=1)
    for number in range(count):
        with torch.no_grad():
            for layer in layers.values():
                layer.lora_B.normal_(0, 0.01, generator=torch.Generator().manual_seed(number))
        place = folder / f"a{number}"
        place.mkdir()
        taken(layers, 16).save(place, BASE)
        names.append(f"adapter-{number}")
        Catalogue().add(
            name=names[-1],
            base=BASE,
            base_hash=model.base.hash,
            method="lora",
            blob=Blobs().put_folder(place),
            template=model.renderer.fingerprint,
            data_hash="d",
            report=None,
            details={},
        )
    detach(model.module, layers)
    return names


@contextmanager
def own(adapters: int) -> Iterator[tuple[str, list[str], list[int]]]:
    """A server of our own: (address, names of its adapters, end marks of its base)."""
    with own_home() as fresh:
        os.environ["POSTGRAD_HOME"] = str(fresh)
        names = with_adapters(fresh.parent, adapters)
        from postgrad.models.base_models import find_model
        from postgrad.models.rendering.render import load_renderer

        base = find_model(BASE)
        server = Process(fresh, BASE, threads=os.cpu_count() or 2, dtype=os.environ.get("POSTGRAD_DTYPE", ""))
        server.start()
        try:
            yield server.address, names, sorted(load_renderer(base).end_ids)
        finally:
            server.end()


def conversation(users: Users) -> dict[str, float]:
    """Seconds of the first and second turn of a long conversation, for one token."""
    users = Users(users.client, users.names[:1], 1, users.ends)
    told = " ".join(question(i) for i in range(100, 120))
    said: list[Any] = [{"role": "user", "content": told}]
    first = users.ask(0, said)[1]
    more = [*said, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "And the first of them?"}]
    return {"first_turn_s": round(first, 2), "second_turn_s": round(users.ask(0, more)[1], 2)}


def client_of(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=600)


def measure(
    options: argparse.Namespace,
    url: str,
    names: list[str],
    adapters: list[str],
    ends: list[int],
    peers: dict[str, Users] | None = None,
) -> Any:
    client = client_of(url)
    users = Users(client, names, options.tokens, ends)
    contestants = {"": users, **(peers or {})}
    for one in contestants.values():
        one.ask(0)  # the first loads the model
    found: dict[str, Any] = {}
    for count in map(int, options.users.split(",")):
        for name, one in contestants.items():
            what = f"{count} users{name and f', {name}'}"
            found[what] = one.together(count, options.seconds)
            print(what, found[what], flush=True)
    for name, one in contestants.items():
        tokens, took = one.ask(1, n=16)
        found[f"n = 16{name and f', {name}'}"] = {"tokens_per_second": round(tokens / took, 1)}
        print(f"n = 16{name and f', {name}'}", round(tokens / took, 1), flush=True)
    if adapters:
        cold = [Users(client, [name], 1, ends).ask(0)[1] for name in adapters]
        again = [Users(client, [name], 1, ends).ask(1)[1] for name in adapters]
        found["adapter"] = {"cold_s": round(statistics.median(cold), 3), "warm_s": round(statistics.median(again), 3)}
        print("one token of an adapter", found["adapter"], flush=True)
        mixed = Users(client, adapters, options.tokens, ends).together(len(adapters), options.seconds)
        plain = users.together(len(adapters), options.seconds)
        found[f"{len(adapters)} adapters"] = mixed
        found["same users of the base"] = plain
        share = mixed["tokens_per_second"] / plain["tokens_per_second"]
        print(f"{len(adapters)} adapters", mixed, "the base alone", plain, f"share {share:.2f}", flush=True)
        found["conversation"] = conversation(users)
        print("conversation", found["conversation"], flush=True)
    return found


def main() -> None:
    given = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    given.add_argument("--users", default="1,4,16")
    given.add_argument("--seconds", type=float, default=20)
    given.add_argument("--tokens", type=int, default=48)
    given.add_argument("--adapters", type=int, default=16)
    given.add_argument("--url", help="A server that runs already; with --model.")
    given.add_argument("--model")
    given.add_argument("--ends", type=int, nargs="*", default=[2, 0], help="End marks of its base.")
    given.add_argument("--beside", choices=["vllm"], help="A peer that is installed and asked in turn.")
    given.add_argument("--out", type=Path)
    options = given.parse_args()
    if options.url:
        found = measure(options, options.url, [options.model], [], options.ends)
    else:
        with own(options.adapters) as (url, adapters, ends), contextlib.ExitStack() as stack:
            peers = {}
            if options.beside:
                import peer_vllm

                from postgrad.models.base_models import find_model

                folder = find_model(BASE).folder
                theirs = stack.enter_context(peer_vllm.served(folder, Path(tempfile.gettempdir()) / "peer-vllm.log"))
                peers["vLLM"] = Users(client_of(theirs), [str(folder)], options.tokens, ends)
            found = measure(options, url, [BASE], adapters, ends, peers)
    if options.out:
        options.out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
