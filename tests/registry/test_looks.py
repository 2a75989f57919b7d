"""Looks at test parts: what is registered stays, the same recipe is the same look, and none is counted unjudged."""

import threading

import pytest

from postgrad.registry.looks import LookBook


def register(plan: str, test: str = "sha256:t", **changes):
    fields = {"metric": "exact_match", "smallest_worth": 0.02, "rules": "1", **changes}
    return LookBook().register(test, plan, **fields)


def test_a_different_recipe_is_a_further_look_and_the_same_one_is_not():
    assert register("a").this.number == 1
    assert LookBook().judge("sha256:t", "a").this.number == 1
    assert register("b", metric="chrf").this.number == 2
    found = LookBook().judge("sha256:t", "b")
    assert found.this.number == 2 and [(e.number, e.metric) for e in found.earlier] == [(1, "exact_match")]
    assert LookBook().judge("sha256:t", "a").this.number == 1 and not register("a").earlier
    assert register("c").this.number == 3
    assert register("a", test="sha256:other").this.number == 1


def test_what_never_came_to_a_verdict_is_no_look():
    for plan in "abc":
        register(plan)
    assert register("d").this.number == 1
    with pytest.raises(KeyError, match="not registered"):
        LookBook().judge("sha256:t", "e")


def test_what_was_registered_first_stays():
    first = register("a")
    again = register("a", smallest_worth=0.0, rules="2")
    assert again == first and again.this.smallest_worth == 0.02 and again.this.registered.tzinfo is not None


def test_recipes_judged_at_once_get_different_numbers():
    plans, got = "abcdef", []
    for plan in plans:
        register(plan)

    def judge(plan: str) -> None:
        got.append(LookBook().judge("sha256:t", plan).this.number)

    threads = [threading.Thread(target=judge, args=(plan,)) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [1, 2, 3, 4, 5, 6]
