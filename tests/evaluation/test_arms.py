"""Arms, prompts, retrieval, few-shot choice and benchmark items: what is asked, and of whom."""

import json

import pytest

from postgrad.errors import DataError
from postgrad.evaluation import arms
from postgrad.evaluation.few_shot import candidate_sets, choose_examples
from postgrad.evaluation.forgetting import Benchmark, Item, load_benchmarks, right_answers
from postgrad.evaluation.prompting import PromptBuilder, with_passages
from postgrad.evaluation.retrieval import Index, Passage
from postgrad.evaluation.written_prompt import write_system_prompt
from postgrad.models.base_models import find_model
from postgrad.models.rendering.render import load_renderer
from postgrad.records import Conversation, Message, pair

TRAIN = [
    pair(f"my {thing} is {what}", what)
    for thing in ("sofa", "lamp", "desk", "bed")
    for what in ("broken", "late", "lost")
]
TEST = pair("where is my lamp", "late")


@pytest.fixture
def asked_with(tiny_folder):
    """A builder of prompts by instruction and passages."""
    renderer = load_renderer(find_model(str(tiny_folder)))
    return lambda instruction, retrieve=None: PromptBuilder(renderer, instruction, retrieve)


def roles(messages):
    return [m.role for m in messages]


def test_what_each_arm_asks(asked_with):
    assert roles(arms.base().ask(TEST)) == ["user"]
    assert arms.prompted("Sort.").ask(TEST)[0] == Message("system", "Sort.")
    shots = arms.few_shot("Sort.", TRAIN[:2]).ask(TEST)
    assert (
        roles(shots) == ["system", "user", "assistant", "user", "assistant", "user"]
        and shots[-1].content == TEST.prompt_text
    )
    near = arms.rag_examples("Sort.", TRAIN, Index([r.prompt_text for r in TRAIN]), 2).ask(TEST)
    assert "lamp" in near[-3].content, "the nearest example stands last"
    assert roles(arms.fine_tuned(asked_with(None)).ask(TEST)) == ["user"]
    assert roles(arms.fine_tuned(asked_with("Mine.")).ask(TEST)) == ["system", "user"]


def test_no_arm_shows_the_answer(asked_with):
    record = pair("where is my lamp", "SECRET")
    for arm in (
        arms.base(),
        arms.prompted("s"),
        arms.few_shot("s", TRAIN[:2]),
        arms.fine_tuned(asked_with("s")),
        arms.with_documents("rag", False, asked_with("s", lambda q: [Passage("p", "o")])),
    ):
        assert not any("SECRET" in m.content for m in arm.ask(record)), arm.name


def test_a_records_own_instruction_stands_in_place_of_the_written_one():
    own = Conversation(messages=(Message("system", "Mine."), Message("user", "u"), Message("assistant", "a")))
    assert arms.prompted("Written.").ask(own)[0].content == "Mine."
    assert arms.few_shot("Written.", TRAIN[:1]).ask(own)[0].content == "Mine."
    assert roles(arms.base().ask(own)) == ["user"]


def test_passages_are_put_before_the_last_question():
    messages = (Message("user", "first"), Message("assistant", "a"), Message("user", "second"))
    out = with_passages(messages, [Passage("The lamp weighs 2 kg.", "a.md")])
    assert out[0] == messages[0] and "2 kg" in out[2].content and out[2].content.endswith("second")


def test_retrieval_finds_by_words_and_by_meaning():
    texts = [
        "The Haven sofa is 212 cm wide.",
        "Deliveries to islands cost 39 euros.",
        "Our offices are closed on Sunday.",
        "Invoice code QX-7781 is for firms.",
    ]
    index = Index(texts)
    assert index.search("QX-7781?", 1) == [3]
    assert index.search("what is the price of shipping to an island", 1) == [1]
    assert index.search(texts[0], 2, exclude=0)[0] != 0
    assert len(index.search("", 9)) == 4


def test_the_written_instruction_lists_labels_or_keys():
    labels = write_system_prompt(TRAIN, "classification")
    assert all(f"- {label}" in labels for label in ("broken", "late", "lost"))
    objects = [
        pair(str(i), json.dumps({"kind": "ab"[i % 2], "order": None if i % 3 else f"FH-{i}"})) for i in range(40)
    ]
    text = write_system_prompt(objects, "extraction")
    assert '"kind": one of "a", "b"' in text and '"order"' in text and "or null" in text
    assert "few words" in write_system_prompt([pair("q", "212 cm"), pair("r", "Maud")], "generation")
    assert "about 12 words" in write_system_prompt([pair("q", "word " * 12)], "generation")


def test_few_shot_takes_the_set_under_which_validation_is_likeliest():
    sets = candidate_sets(TRAIN, 3, 0)
    assert len(sets) == 3 and all(len(s) == 3 and len({r.prompt_text for r in s}) == 3 for s in sets)
    wanted = sets[1]

    def likelihoods(pairs):
        return [0.0 if messages[0].content == wanted[0].prompt_text else -1.0 for messages, _ in pairs]

    best, values = choose_examples(sets, [TEST], lambda shots, r: (Message("user", shots[0].prompt_text),), likelihoods)
    assert values[1] == 0.0 and sets[best] in (wanted, sets[0]) and max(values) == 0.0


def test_choices_are_normalised_by_their_length():
    benchmark = Benchmark("b", (Item("c", (" yes", " a much longer answer"), 1), Item("c", (" yes", " no"), 0)), "here")
    right = dict(right_answers(benchmark, iter([(0, [-4.0, -10.0]), (1, [-3.0, -1.0])])))
    assert right == {0: 1.0, 1: 0.0}


def test_local_benchmark_files(tmp_path):
    rows = [{"goal": f"g{i}", "sol1": "a", "sol2": "b" * (i + 1), "label": 1} for i in range(50)]
    (tmp_path / "piqa.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    found, note = load_benchmarks(["piqa"], 20, tmp_path)
    again, _ = load_benchmarks(["piqa"], 20, tmp_path)
    assert found == again and len(found[0].items) == 20 and not note
    with pytest.raises(DataError, match=r"no arc_easy\.jsonl"):
        load_benchmarks(["arc_easy"], 20, tmp_path)
