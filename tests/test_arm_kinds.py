"""What an arm is stands in one table: nothing guesses it from a name, and no second list of names is kept."""

import ast

import pytest

from postgrad.arm_kinds import (
    ARM_KINDS,
    is_trained,
    kind_of,
    meaning,
    plain_name,
    recommended_arm,
    retrieves,
)
from postgrad.recipe import EvaluationSection
from tests.parsing import parsed
from tests.test_walls import FILES, SOURCE

WORDS = {*ARM_KINDS, *(kind.recommended_as for kind in ARM_KINDS.values() if kind.recommended_as)}
PARTS = ("fine_tun", "few_shot", "prompted", "optimised_prompt", "rag", "remote:", "remote: ", "remote", "+rag")
APART = {
    "arm_kinds.py",  # the table
}


def guesses(source: str) -> list[str]:
    """Where code asks an arm's name what the arm is, or lists names itself."""
    found: list[str] = []
    for node in ast.walk(parsed(source)):
        said = ""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            tests = node.func.attr in ("startswith", "endswith", "removeprefix", "removesuffix")
            said = "its name's letters" if tests and any(_part(a) for a in node.args) else ""
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            said = "its name compared" if any(_word(s) for s in sides) else ""
        elif isinstance(node, ast.Tuple | ast.List | ast.Set):
            said = "a list of names" if sum(map(_word, node.elts)) > 1 else ""
        elif isinstance(node, ast.Dict):
            said = "a table of names" if sum(_word(k) for k in node.keys if k) > 1 else ""
        if said:
            found.append(f"{node.lineno}: {said}")
    return found


def _word(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in WORDS


def _part(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(PARTS)


@pytest.mark.parametrize(
    "guess",
    [
        'arm.startswith("fine_tune")',
        'name.startswith("remote:")',
        '"rag" in name.split("+")',
        'name = "fine_tuned" if said == "fine_tune" else said',
        'ARMS = ("base", "prompted")',
        'NAMES = {"rag": "retrieval", "few_shot": "examples"}',
        'arms: list[Literal["base", "rag"]]',
    ],
)
def test_a_guess_is_seen(guess):
    assert guesses(guess)


def test_nothing_guesses_what_an_arm_is():
    wrong = {
        name: found
        for path in FILES
        if (name := str(path.relative_to(SOURCE))) not in APART and (found := guesses(path.read_text("utf-8")))
    }
    assert not wrong


def test_names_of_reports_are_understood():
    assert is_trained("fine_tune") and is_trained("fine_tuned+rag") and is_trained("fine_tuned @ small")
    assert retrieves("rag") and retrieves("fine_tuned+rag") and not retrieves("storage")
    assert kind_of("remote:gpt") is kind_of("remote: gpt") is ARM_KINDS["remote"]
    assert kind_of("mails@1") is None and kind_of("base:x") is None and plain_name("mails@1") == "mails@1"
    assert plain_name("base @ small") == "the unmodified small" and plain_name("rag @ m") == "retrieval (RAG) on m"
    assert plain_name("remote:gpt") == plain_name("remote: gpt") == "the remote model gpt"
    assert meaning("fine_tuned+rag") == "trained on your examples, given retrieved passages"
    assert meaning("mails@1+rag") == "given retrieved passages" and meaning("mails@1") == ""
    assert recommended_arm("fine_tune") == "fine_tuned" and recommended_arm("cannot_tell") == "cannot_tell"


def test_the_recipe_takes_the_tables_arms_and_no_other():
    assert EvaluationSection().arms == list(ARM_KINDS)
    with pytest.raises(ValueError, match="there is no arm 'fewshot'; arms are majority, echo"):
        EvaluationSection(arms=["fewshot"])


def test_every_maker_is_there():
    from postgrad.steps.arms.arm_makers import _maker

    assert all(callable(_maker("", kind)) for kind in ARM_KINDS.values() if kind.maker)
    assert [name for name, kind in ARM_KINDS.items() if not kind.maker] == ["remote", "good_answers"]
