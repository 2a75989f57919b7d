"""Answers piece by piece: the same as whole ones; steering, alternatives and what is held back."""

import pytest
import torch

from postgrad.models.generation.generate import Decoding, complete
from postgrad.models.generation.incremental import answer, held_back
from postgrad.models.generation.logits import Steering
from postgrad.records import Message
from tests.models.test_generate import prompts_of, reference


def grown(model, prompt, decoding, steering=None, count=1):
    """(texts, tokens, completions) of all answers, from their pieces."""
    texts, tokens, done = [""] * count, [[] for _ in range(count)], [None] * count
    for pieces in answer(model, prompt, decoding, steering, count):
        for piece in pieces:
            texts[piece.index] += piece.text
            tokens[piece.index] += piece.tokens
            done[piece.index] = piece.done or done[piece.index]
    return texts, tokens, done


def test_pieces_join_to_the_whole_answer(tiny):
    for prompt in prompts_of(tiny):
        whole = next(iter(complete(tiny, [prompt], Decoding(20))))[1]
        (text,), (tokens,), (done,) = grown(tiny, prompt, Decoding(20))
        assert text == whole.text == done.text
        assert (done.finish, done.prompt_tokens, done.completion_tokens) == (
            whole.finish,
            whole.prompt_tokens,
            whole.completion_tokens,
        )
        assert done.logprob == pytest.approx(whole.logprob, abs=1e-4)
        assert tiny.renderer.decode([t.id for t in tokens]) == text


def test_a_stop_text_ends_the_answer_and_is_not_part_of_it(tiny):
    prompt = prompts_of(tiny, 2)[1]
    whole = next(iter(complete(tiny, [prompt], Decoding(20))))[1].text
    stop = whole[4:6]
    (text,), (tokens,), (done,) = grown(tiny, prompt, Decoding(20, stop=(stop, "never")))
    assert text == done.text == whole[: whole.index(stop)]
    assert done.finish == "stop"
    assert tiny.renderer.decode([t.id for t in tokens]).startswith(text)
    assert len(tiny.renderer.decode([t.id for t in tokens[:-1]])) < len(text)


def test_nothing_is_given_out_that_may_become_a_stop_text(tiny):
    prompt = prompts_of(tiny, 2)[1]
    whole = next(iter(complete(tiny, [prompt], Decoding(20))))[1].text
    for begin in range(1, len(whole) - 6, 3):
        stop = whole[begin : begin + 6]
        joined = ""
        for pieces in answer(tiny, prompt, Decoding(20, stop=(stop,))):
            for piece in pieces:
                joined += piece.text
                assert whole.startswith(joined) and stop not in joined
        assert joined == whole[: whole.index(stop)]


def test_what_is_held_back_is_the_longest_beginning_of_a_mark():
    assert held_back("say <tool", ["<tool_call>"]) == 5
    assert held_back("aab", ["aabc", "bx"]) == 3
    assert held_back("done", ["###", ""]) == 0
    assert held_back("x", ["x"]) == 0, "a whole mark is no beginning of one"


def test_several_answers_are_those_of_following_seeds(tiny):
    prompt = prompts_of(tiny, 1)[0]
    together, _, _ = grown(tiny, prompt, Decoding(16, temperature=1.5, top_p=0.95, seed=7), count=3)
    alone = [grown(tiny, prompt, Decoding(16, temperature=1.5, top_p=0.95, seed=7 + i))[0][0] for i in range(3)]
    assert together == alone and len(set(together)) > 1


def test_alternatives_are_the_models_own_likeliest_tokens(tiny):
    prompt = prompts_of(tiny, 1)[0]
    steering = Steering(alternatives=3, bias={5: 50.0})
    _, (tokens,), _ = grown(tiny, prompt, Decoding(4), steering)
    logits = torch.log_softmax(tiny.module(torch.tensor([prompt])).logits[0, -1].detach(), -1)
    assert tokens[0].id == 5, "the bias decides"
    assert tokens[0].logprob == pytest.approx(float(logits[5]), abs=1e-4), "what is kept is the model's own"
    best = logits.topk(3)
    assert [i for i, _ in tokens[0].alternatives] == best.indices.tolist()
    assert [p for _, p in tokens[0].alternatives] == pytest.approx(best.values.tolist(), abs=1e-4)


def test_log_probabilities_sum_to_that_of_the_answer(tiny):
    prompt = prompts_of(tiny, 3)[2]
    _, (tokens,), (done,) = grown(tiny, prompt, Decoding(10))
    ids = [t.id for t in tokens]
    assert sum(t.logprob for t in tokens) == pytest.approx(reference(tiny, prompt, ids), abs=1e-3)
    assert done.finish != "length" or done.logprob == pytest.approx(sum(t.logprob for t in tokens), abs=1e-4)


def test_penalties_drive_repetition_out(tiny):
    prompt = tiny.renderer.prompt_ids([Message("user", "no no no")])

    def repeated(**penalty):
        _, (tokens,), _ = grown(tiny, prompt, Decoding(40), Steering(bias={9: 3.0}, **penalty))
        ids = [t.id for t in tokens]
        return len(ids) - len(set(ids))

    assert repeated(frequency_penalty=2.0, presence_penalty=2.0) <= repeated()
    _, (tokens,), _ = grown(tiny, prompt, Decoding(40), Steering(bias={9: 50.0}, presence_penalty=2.0))
    assert all(t.id == 9 for t in tokens)
    _, (tokens,), _ = grown(tiny, prompt, Decoding(40), Steering(bias={9: 50.0}, frequency_penalty=2.0))
    assert sum(t.id == 9 for t in tokens) < 40, "each repetition costs more"
