"""Answers that grow together: whatever comes and goes beside a row, it answers as alone, and by its own adapter."""

import random

import pytest
import torch

from postgrad.models.adapters.lora import Adapter
from postgrad.models.fused import stacked
from postgrad.models.fused.decoder import Room, decoder_of
from postgrad.models.fused.low_rank import low_rank_of, mixed
from postgrad.models.generation import live
from postgrad.models.generation.decoding import Decoding, completion_of
from postgrad.models.generation.generate import complete, decode
from postgrad.models.generation.incremental import answer
from postgrad.models.generation.kept_beginnings import KeptBeginnings
from postgrad.models.generation.live import LiveBatch, LiveRow
from postgrad.models.generation.logits import Chooser, Steering
from postgrad.models.generation.pace import Pace

LENGTHS = (1, 5, 40, 130, 300)
NEW = 40


def ids(count, seed):
    chance = random.Random(seed)
    return [chance.randrange(3, 400) for _ in range(count)]


def row(prompt, index=0, adapter=None, of="", decoding=None, **steering):
    decoding = decoding or Decoding(NEW)
    chooser = Chooser(decoding, Steering(**steering), decoding.seed)
    return LiveRow(index, prompt, chooser, decoding=decoding, adapter=adapter, of=of)


def adapters(model, count, rank=4):
    """Different enough that no two answer alike."""
    generator = torch.Generator().manual_seed(7)
    decoder, out = decoder_of(model), []
    assert decoder is not None
    names = {id(m): n for n, m in model.module.named_modules()}
    for _ in range(count):
        tensors = {}
        for group in decoder.groups:
            for base in group.bases:
                a = torch.randn(rank, base.in_features, generator=generator)
                tensors[names[id(base)]] = a, torch.randn(base.out_features, rank, generator=generator) * 0.2
        out.append(Adapter(tensors, rank, 4.0))
    return out


def together(batch, rows, seed=0, dropped=()):
    """Rows that come at moments of chance, until all have ended; those dropped leave when they have a few tokens."""
    chance, coming, steps = random.Random(seed), list(rows), 0
    while any(not r.finish for r in rows):
        if coming and (chance.random() < 0.4 or not (batch.rows or steps)):
            batch.add([coming.pop(0) for _ in range(min(len(coming), chance.choice((1, 1, 3))))])
        batch.step()
        gone = [r for r in dropped if len(r.ids) > 3 and not r.finish]
        if gone:
            batch.drop(gone)
        steps += 1
        assert steps < 20_000


def to_the_end(batch, rows):
    """Rows that are in the batch already."""
    for _ in range(20_000):
        if all(r.finish for r in rows):
            return
        batch.step()
    raise AssertionError("they do not end")


def alone(model, prompt, trained=None, decoding=None):
    """What is answered to one request by the model with its adapter put into the weights."""
    model.use(trained)
    (done,) = [p.done for pieces in answer(model, prompt, decoding or Decoding(NEW)) for p in pieces if p.done]
    model.use(None)
    return done.text


@pytest.mark.parametrize("seed", range(3))
def test_a_row_answers_as_it_would_alone_whatever_comes_and_goes(tiny, seed, monkeypatch):
    monkeypatch.setattr(live, "LONGEST_LANE", 128 if seed % 2 else 2048)  # long rows have a room to themselves
    prompts = [ids(random.Random(seed * 100 + i).choice(LENGTHS), seed * 100 + i) for i in range(20)]
    batch = LiveBatch(tiny, decoder_of(tiny))
    rows = [row(p, i) for i, p in enumerate(prompts)]
    together(batch, rows, seed, dropped=rows[3:6])
    expected = {i: done.text for i, done in complete(tiny, prompts, Decoding(NEW))}
    for i, one in enumerate(rows):
        text = completion_of(tiny, one, 0, one.decoding).text
        assert text == expected[i] or (3 <= i < 6 and expected[i].startswith(text.rstrip("\ufffd")))
    assert not batch.rows


@pytest.mark.parametrize("targets", [4, 1])
def test_each_row_answers_by_its_own_adapter(tiny, targets):
    trained = adapters(tiny, 5)
    if targets == 1:  # one of the layers that share an input alone
        trained = [Adapter({n: t for n, t in a.tensors.items() if "v_proj" in n}, a.rank, 40.0) for a in trained]
    decoder = decoder_of(tiny)
    laid = [low_rank_of(a, tiny.module, decoder.groups) for a in trained]
    assert all(laid)
    prompt, chance, said = ids(30, 1), random.Random(5), []
    for one in [None, *trained]:
        tiny.use(one)
        said.append(row(prompt))
        for _ in decode(tiny, [said[-1]], None, 0, Decoding(NEW)):
            pass
    tiny.use(None)
    assert len({tuple(r.ids) for r in said}) == 6
    which = [chance.randrange(6) for _ in range(40)]
    rows = [row(prompt, i, ([None, *laid])[w], of=w) for i, w in enumerate(which)]
    together(LiveBatch(tiny, decoder), rows, 3)
    assert [r.ids for r in rows] == [said[w].ids for w in which]


def test_an_adapter_that_is_more_than_products_on_the_layers_is_not_mixed(tiny):
    (trained,) = adapters(tiny, 1)
    groups = decoder_of(tiny).groups
    name, (a, b) = next(iter(trained.tensors.items()))
    for other in (
        Adapter(trained.tensors, 4, 4.0, magnitudes={name: torch.ones(len(b))}),
        Adapter(trained.tensors, 4, 4.0, bits=4),
        Adapter({"lm_head": (torch.ones(4, 32), torch.ones(420, 4))}, 4, 4.0),
        Adapter({name.replace("layers.0", "layers.9"): (a, b)}, 4, 4.0),
        Adapter({name: (a[:, :-1], b)}, 4, 4.0),
    ):
        assert low_rank_of(other, tiny.module, groups) is None


def test_a_long_prompt_is_read_in_parts_and_halts_nobody(tiny):
    short, long = row(ids(5, 1)), row(ids(300, 2))
    batch = LiveBatch(tiny, decoder_of(tiny), Pace(most=32))
    batch.add([short])
    batch.step()
    batch.add([long])
    while not long.ids:
        before = len(short.ids)
        batch.step()
        batch.step()
        assert len(short.ids) > before or short.finish
    to_the_end(batch, [short, long])
    assert completion_of(tiny, long, 0, long.decoding).text == alone(tiny, ids(300, 2))


def test_rows_that_outgrow_the_memory_wait_and_go_on_where_they_were(tiny, monkeypatch):
    decoder = decoder_of(tiny)
    monkeypatch.setattr(live, "HELD_BYTES", 150 * decoder.token_bytes)
    monkeypatch.setattr(live, "RESERVE", 0)
    batch, waited = LiveBatch(tiny, decoder), []
    prompts = [ids(20, i) for i in range(6)]
    rows = [row(p, i) for i, p in enumerate(prompts)]
    batch.add(rows)
    while any(not r.finish for r in rows):
        batch.step()
        assert sum(len(r.whole) for r in batch.rows) <= 150 + len(batch.rows) or len(batch.rows) == 1
        waited += [r for r in rows if r.ids and r not in batch.rows and not r.finish]
    assert waited, "nobody was made to wait, so nothing was tested"
    assert [completion_of(tiny, r, 0, r.decoding).text for r in rows] == [alone(tiny, p) for p in prompts]


def test_the_next_turn_of_a_conversation_reads_what_is_new(tiny):
    batch, first = LiveBatch(tiny, decoder_of(tiny)), row(ids(60, 1), of="me")
    together(batch, [first])
    prompt = [*first.whole, *ids(10, 2)]
    again = row(prompt, of="me")
    together(batch, [again])
    assert again.recalled == len(first.whole) - 1  # the last token was taken, and not read
    assert completion_of(tiny, again, 0, again.decoding).text == alone(tiny, prompt)


def test_what_one_owner_or_adapter_has_read_is_not_known_to_another(tiny):
    batch, prompt = LiveBatch(tiny, decoder_of(tiny)), ids(60, 1)
    together(batch, [row(prompt, of=("x", "me"))])
    for of in (("x", "you"), ("y", "me")):
        other = row(prompt, of=of)
        together(batch, [other])
        assert other.recalled == 0
    mine = row(prompt, of=("x", "me"))
    together(batch, [mine])
    assert mine.recalled == len(prompt) - 1


def test_answers_to_one_prompt_read_it_once(tiny):
    prompt, batch = ids(100, 3), LiveBatch(tiny, decoder_of(tiny))
    rows = [row(prompt, i, decoding=Decoding(12, temperature=1.0, seed=i)) for i in range(8)]
    batch.add(rows)
    to_the_end(batch, rows)
    assert [r.recalled for r in rows] == [0] + [len(prompt) - 1] * 7
    for one in rows:
        assert completion_of(tiny, one, 0, one.decoding).text == alone(tiny, prompt, None, one.decoding)


def test_what_is_kept_stays_within_its_memory(tiny):
    decoder = decoder_of(tiny)
    kept, room = KeptBeginnings(most=100 * decoder.token_bytes), Room(decoder, 1, 40)
    texts = [ids(37 + i, i) for i in range(4)]
    for text in texts:
        with torch.inference_mode():
            decoder.prefill([text], [(room, 0)])
            kept.keep("me", text, room.row(0))
        room.lengths[0] = 0
    assert [kept.find("me", [*t, 1]) is not None for t in texts] == [False, False, True, True]


@pytest.mark.parametrize("parts", [(50,), (20, 30), (1, 48, 1), (10, 10, 10, 20)])
def test_a_prompt_read_in_parts_has_the_same_states(tiny, parts):
    decoder, text = decoder_of(tiny), ids(50, 4)
    whole, pieced = Room(decoder, 1, 50), Room(decoder, 1, 64)
    with torch.inference_mode():
        expected = decoder.prefill([text], [(whole, 0)])
        at = 0
        for count in parts:
            found = decoder.prefill([text[at : at + count]], [(pieced, 0)])
            at += count
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    for mine, theirs in zip(pieced.row(0), whole.row(0), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_stacked_adapters_add_what_each_adds_alone(tiny, seed, monkeypatch):
    monkeypatch.setattr(stacked, "SLOTS", 8)
    decoder, chance = decoder_of(tiny), random.Random(seed)
    laid = [low_rank_of(a, tiny.module, decoder.groups) for a in adapters(tiny, 12)]
    odd = low_rank_of(adapters(tiny, 1, rank=2)[0], tiny.module, decoder.groups)
    stack, kinds = stacked.Stack(), set()
    for _ in range(30):
        some = chance.sample(laid, chance.randrange(1, 10)) + [None] + ([odd] if chance.random() < 0.2 else [])
        rows = [chance.choice(some) for _ in range(chance.randrange(1, 24))]
        mine, theirs = stack.mix(rows), mixed(rows)
        kinds.add(type(mine).__name__)
        for group in decoder.groups[:5]:
            x = torch.randn(len(rows), group.bases[0].in_features)
            ours, expected = (torch.zeros(len(rows), sum(group.widths)) for _ in range(2))
            for mix, out in ((mine, ours), (theirs, expected)):
                if mix is not None:
                    mix.add(group.bases[0], x, out.split(group.widths, 1))
            torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
    assert kinds >= {"Mix", "StackedMix"}


def test_a_row_that_fails_fails_alone(tiny):
    prompts = [ids(20 + i, i) for i in range(4)]
    rows = [row(p, i) for i, p in enumerate(prompts)]
    good = rows[2].choose
    rows[2].choose = lambda logits: good(logits) if len(rows[2].ids) < 5 else 1 / 0
    batch = LiveBatch(tiny, decoder_of(tiny))
    batch.add(rows)
    to_the_end(batch, rows)
    assert isinstance(rows[2].fault, ZeroDivisionError) and len(rows[2].ids) == 5 and not batch.rows
    for i in (0, 1, 3):
        assert completion_of(tiny, rows[i], 0, rows[i].decoding).text == alone(tiny, prompts[i])


def test_a_short_prompt_does_not_wait_for_the_end_of_a_long_one(tiny):
    long, short = row(ids(400, 1)), row(ids(10, 2))
    batch = LiveBatch(tiny, decoder_of(tiny), Pace(most=32))
    batch.add([long])
    batch.step()
    batch.add([short])
    while not long.ids:
        batch.step()
    assert len(short.ids) > 10


def test_who_has_the_fewest_rows_in_work_begins_next(tiny, monkeypatch):
    monkeypatch.setattr(live, "MOST_ROWS", 4)
    batch, many = LiveBatch(tiny, decoder_of(tiny)), [row(ids(20, i), i, of="many") for i in range(12)]
    batch.add(many)
    for _ in range(6):
        batch.step()
    one = row(ids(20, 99), of="one")
    batch.add([one])
    to_the_end(batch, [one])
    assert sum(bool(r.finish) for r in many) <= 8, "it began when the first of the others had ended"
    to_the_end(batch, many)
