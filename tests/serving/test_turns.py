"""Turns and adapters: nobody starves, nobody gets another's answer, no model stays for nothing."""

import asyncio
import random
import threading
import time
from collections import Counter
from itertools import pairwise

import httpx
import openai
import pytest
import torch

from postgrad.blobs import Blobs
from postgrad.errors import ModelError
from postgrad.models.adapters.trained_weights import WholeWeights
from postgrad.models.fused.decoder import FusedDecoder
from postgrad.models.generation.generate import Decoding
from postgrad.records import Message
from postgrad.registry import Catalogue
from postgrad.serving.app import make_app
from postgrad.serving.inference.engine import Engine
from postgrad.serving.inference.scheduler import MAX_TOKENS, FullError, Scheduler, Ticket, next_turn
from tests.serving.loopback import ASK, register, running


def ticket(base="b", adapter="", last=0.0, begun=True, asking=True, tokens=10):
    return Ticket(base, adapter, tokens, last, begun, asking)


def test_the_same_adapter_goes_on_until_its_time_is_over():
    mine, other = ticket(adapter="x", last=5), ticket(adapter="y", last=1)
    assert next_turn([mine, other], ("b", "x"), since=0, now=0.5, quantum=1)[0] is mine
    assert next_turn([mine, other], ("b", "x"), since=0, now=1.5, quantum=1)[0] is other
    assert next_turn([mine], ("b", "x"), since=0, now=99, quantum=1)[0] is mine


def test_answers_of_one_adapter_take_turns():
    first, second = ticket(last=2), ticket(last=1)
    assert next_turn([first, second], ("b", ""), 0, 0, 1)[0] is second


def test_the_model_stands_still_a_moment_for_an_answer_that_is_just_being_sent():
    sending, other = ticket(adapter="x", last=1.0, asking=False), ticket(adapter="y", last=0.5)
    assert next_turn([sending, other], ("b", "x"), since=0.9, now=1.01, quantum=1) == (None, True)
    assert next_turn([sending, other], ("b", "x"), since=0.9, now=1.05, quantum=1)[0] is other


def test_another_base_waits_for_answers_that_have_begun_and_newcomers_wait_for_it():
    begun, foreign = ticket(last=1), ticket(base="c", begun=False, last=0.5)
    late = ticket(begun=False, last=0.9)
    assert next_turn([begun, foreign, late], ("b", ""), 0, 2, 1)[0] is begun
    assert next_turn([foreign, late], ("b", ""), 0, 2, 1)[0] is foreign
    assert next_turn([ticket(asking=False, last=1), foreign, late], ("b", ""), 0, 2, 1)[0] is None


def test_answers_that_grow_at_once_fit_into_memory():
    begun, wide = ticket(tokens=MAX_TOKENS - 5, asking=False), ticket(begun=False, tokens=50)
    assert next_turn([begun, wide], ("b", ""), 0, 9, 1)[0] is None
    assert next_turn([wide], ("b", ""), 0, 9, 1)[0] is wide, "one alone always may"


def test_under_any_load_all_get_done_in_time_with_few_changes():
    async def work():
        turns, order = Scheduler(lambda: 0.05, places=40), []

        async def answer(adapter, steps):
            with turns.place("b", adapter, 10) as place:
                for _ in range(steps):
                    async with turns.turn(place):
                        order.append(adapter)
                        await asyncio.sleep(0.001)
                    await asyncio.sleep(0)

        random.seed(1)
        jobs = [answer(random.choice("xyz"), random.randint(1, 30)) for _ in range(30)]
        await asyncio.wait_for(asyncio.gather(*jobs), 20)
        assert turns.inside == 0
        return order

    order = asyncio.run(work())
    changes = sum(a != b for a, b in pairwise(order))
    assert changes < len(order) / 10, (changes, len(order))


def test_one_who_leaves_while_waiting_or_computing_holds_nobody_up():
    async def work():
        turns = Scheduler(lambda: 0.05)

        async def endless(adapter):
            with turns.place("b", adapter, 10) as place:
                while True:
                    async with turns.turn(place):
                        await asyncio.sleep(0.001)

        tasks = [asyncio.ensure_future(endless(a)) for a in "xyxy"]
        for task in tasks:
            await asyncio.sleep(random.random() / 50)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with turns.place("b", "z", 10) as place:
            async with asyncio.timeout(2), turns.turn(place):
                return turns.inside

    assert asyncio.run(work()) == 1


def test_a_full_house_says_when_to_come_back():
    turns = Scheduler(places=1)

    async def work():
        with turns.place("b", "", 1), pytest.raises(FullError) as caught, turns.place("b", "", 1):
            pass
        return caught.value.retry_after

    assert asyncio.run(work()) >= 1


@pytest.fixture
def three(tiny, tiny_folder, tmp_path, monkeypatch):
    """Three adapters, and the base, in float32: in bfloat16 random weights have ties, which rows beside them decide."""
    monkeypatch.setenv("POSTGRAD_DTYPE", "float32")
    for seed, name in enumerate("abc", start=1):
        register(tiny, tmp_path / name, tiny_folder, name, seed)
    return ["a", "b", "c", str(tiny_folder)]


def test_three_adapters_under_load_never_mix(three, tiny_folder):
    engine = Engine(Catalogue(), [str(tiny_folder)])
    app = make_app(engine)
    with running(app) as address:
        client = openai.OpenAI(base_url=address, api_key="none", max_retries=2, timeout=60)

        def ask(name, stream=False):
            options = {"model": name, "messages": ASK, "max_tokens": 12}
            if not stream:
                return client.chat.completions.create(**options).choices[0].message.content
            return "".join(
                c.choices[0].delta.content or "" for c in client.chat.completions.create(**options, stream=True)
            )

        expected = {name: ask(name) for name in three}
        assert len(set(expected.values())) == 4
        got: list[tuple[str, str]] = []

        def visitor(seed):
            chance = random.Random(seed)
            for _ in range(8):
                name = chance.choice(three)
                got.append((name, ask(name, chance.random() < 0.5)))

        threads = [threading.Thread(target=visitor, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 64
        assert [(name, text) for name, text in got if text != expected[name]] == []
        assert engine.computing.loaded.swaps < 64, Counter(name for name, _ in got)


def test_a_model_that_no_longer_answers_as_at_first_is_read_again(three, tiny_folder):
    engine = Engine(Catalogue(), [str(tiny_folder)])
    served = engine.find("a")
    request = engine.prepare(served, [Message("user", "Where?")], Decoding(8))
    before = [p.text for p in engine.stream(request)]
    list(engine.stream(engine.prepare(engine.find("b"), [Message("user", "Where?")], Decoding(2))))
    model = engine.use(served)
    with torch.no_grad():  # a bit flips in the untouched weights that the swap restores from
        next(iter(model._pristine.values())).mul_(1.5)
    engine.use(engine.find("b"))
    assert [p.text for p in engine.stream(request)] == before
    assert engine.use(served) is not model


def test_a_model_that_cannot_be_mended_is_refused(three, tiny_folder):
    engine = Engine(Catalogue(), [str(tiny_folder)])
    served = engine.find("a")
    engine.use(served)
    for probes in engine.computing.loaded._canaries.values():
        probes.add_(1.0)
    engine.use(engine.find(str(tiny_folder)))
    with pytest.raises(ModelError, match="no longer answers"):
        engine.use(served)


def test_an_idle_model_leaves_memory_and_comes_back(three, tiny_folder):
    engine = Engine(Catalogue(), [str(tiny_folder)])
    with running(make_app(engine, idle_seconds=0.4)) as address:
        client = openai.OpenAI(base_url=address, api_key="none", max_retries=0)
        options = {"model": "a", "messages": ASK, "max_tokens": 6}
        before = client.chat.completions.create(**options).choices[0].message.content
        start = time.monotonic()
        while httpx.get(address.replace("/v1", "/health")).json()["model"] is not None:
            assert time.monotonic() - start < 10
            time.sleep(0.05)
        assert client.chat.completions.create(**options).choices[0].message.content == before


def test_too_many_at_once_are_told_to_come_back(three, tiny_folder):
    engine = Engine(Catalogue(), [str(tiny_folder)])
    with running(make_app(engine, places=2)) as address:
        client = openai.OpenAI(base_url=address, api_key="none", max_retries=0, timeout=60)
        options = {"model": "a", "messages": ASK, "max_tokens": 300, "logit_bias": {"2": -100}, "stream": True}
        streams = [client.chat.completions.create(**options) for _ in range(2)]
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(**options)
        assert caught.value.code == "engine_overloaded" and int(caught.value.response.headers["retry-after"]) >= 1
        for stream in streams:
            stream.close()
        patient = openai.OpenAI(base_url=address, api_key="none", max_retries=5)
        assert patient.chat.completions.create(**{**options, "stream": False, "max_tokens": 2}).choices


def test_the_next_turn_of_a_conversation_says_what_was_not_read_again(three, tiny_folder):
    said = [{"role": "user", "content": "Where is my Haven sofa, order FH-12345? " * 3}]
    with running(make_app(Engine(Catalogue(), [str(tiny_folder)]))) as address:
        client = openai.OpenAI(base_url=address, api_key="none", max_retries=0)

        def ask(name, messages):
            return client.chat.completions.create(model=name, messages=messages, max_tokens=12).usage

        first = ask("a", said)
        more = [*said, {"role": "assistant", "content": "On its way."}, {"role": "user", "content": "Where?"}]
        second, other = ask("a", more), ask("b", more)
        assert first.prompt_tokens_details.cached_tokens == 0 == other.prompt_tokens_details.cached_tokens
        assert first.prompt_tokens - 8 < second.prompt_tokens_details.cached_tokens < second.prompt_tokens


def test_a_fault_in_a_step_is_told_to_all_and_the_next_request_is_answered(three, tiny_folder, monkeypatch):
    engine = Engine(Catalogue(), [str(tiny_folder)])
    ask = engine.prepare(engine.find("a"), [Message("user", "Where?")], Decoding(8))
    expected = "".join(p.text for p in engine.stream(ask))
    first, second = (
        engine.begin(ask),
        engine.begin(engine.prepare(engine.find("b"), [Message("user", "x")], Decoding(8))),
    )
    for steps in (first, second):
        engine.compute.submit(steps.next).result()
    with monkeypatch.context() as broken:
        broken.setattr(FusedDecoder, "step", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            while True:
                engine.compute.submit(first.next).result()
    with pytest.raises(ModelError, match="Ask again"):
        while True:
            engine.compute.submit(second.next).result()
    assert "".join(p.text for p in engine.stream(ask)) == expected


def test_whole_weights_and_adapters_beside_each_other_each_answer_as_alone(three, tiny, tiny_folder, tmp_path):
    """What cannot be mixed takes turns with what can."""
    weights = {n: p.detach() * 1.5 for n, p in tiny.module.named_parameters() if "down_proj" in n}
    folder = tmp_path / "whole"
    folder.mkdir()
    WholeWeights(weights).save(folder, str(tiny_folder))
    Catalogue().add(
        name="whole",
        base=str(tiny_folder),
        base_hash="h",
        method="full",
        blob=Blobs().put_folder(folder),
        template=tiny.renderer.fingerprint,
        data_hash="d",
        report=None,
        details={},
        production="for a test",
    )
    names, engine = [*three, "whole"], Engine(Catalogue(), [str(tiny_folder)])
    asked = {n: engine.prepare(engine.find(n), [Message("user", "Where?")], Decoding(10)) for n in names}
    alone = {n: "".join(p.text for p in engine.stream(a)) for n, a in asked.items()}
    assert len(set(alone.values())) == 5
    together = {n: engine.begin(a) for n, a in asked.items()}
    texts, going = dict.fromkeys(names, ""), set(names)
    while going:
        for name in sorted(going):
            pieces = engine.compute.submit(together[name].next).result()
            if pieces is None:
                going.remove(name)
            texts[name] += "".join(p.text for p in pieces or ())
    assert texts == alone
