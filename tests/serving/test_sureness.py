"""The served confidence is the figure that was calibrated, and `escalate` keeps to what was certified."""

import math
from dataclasses import replace

import openai
import pytest

from postgrad.blobs import Blobs
from postgrad.costs import MachinePrice
from postgrad.evaluation import arms as ways
from postgrad.evaluation.measure import Answers, Measuring, PreparedArm, measure
from postgrad.evaluation.metrics.support.choose import choose_metric
from postgrad.evaluation.prompting import PromptBuilder
from postgrad.models.adapters.trained_weights import load_trained
from postgrad.models.generation.generate import Completion, Decoding
from postgrad.models.generation.logits import Steering
from postgrad.records import pair
from postgrad.registry import Catalogue
from postgrad.serving.app import make_app
from postgrad.serving.inference.confidence import confidence_fields, escalate, in_words, review
from postgrad.serving.inference.engine import Engine
from postgrad.serving.inference.prepared import PreparedRequest, Served
from postgrad.steps.conclude import certified as kept
from postgrad.storage import StageStore
from tests.pages.example_reports import full_report, minimal_report
from tests.serving.loopback import register, running
from tests.workflows.jobs import finish

RECORDS = [
    pair(f"Where is order {i} of the {w}?", "late") for i, w in enumerate(("sofa", "lamp", "very large desk", "bed"))
]
ROOM = 12
WISH = {"postgrad": {"confidence": True}}


@pytest.fixture
def registered(tiny, tmp_path, tiny_folder):
    rate = {"arm": "fine_tuned", "threshold": 0.5, "target_accuracy": 0.95, "failure": 0.1}
    register(tiny, tmp_path / "a", tiny_folder, "sure", 4, automation=rate)
    return register(tiny, tmp_path / "b", tiny_folder, "unsure", 5, automation=None)[0]


def test_the_served_confidence_is_the_calibrated_one(tiny, tiny_folder, registered, monkeypatch):
    monkeypatch.setenv("POSTGRAD_DTYPE", "float32")
    entry = Catalogue().get("sure")
    tiny.use(load_trained(Blobs().get_folder(entry.blob)), entry.blob)
    arm, decoding = ways.fine_tuned(PromptBuilder(tiny.renderer)), Decoding(ROOM)
    answers = Answers.open(StageStore.default(), "m", entry.blob, decoding, "float32")
    choice = choose_metric(RECORDS, "exact_match")
    how = Measuring(tiny, decoding, answers, MachinePrice(0.1, ""), lambda: False)
    measured, _ = finish(measure(how, PreparedArm.of(arm, tiny.renderer, RECORDS), choice))
    with running(make_app(Engine(Catalogue(), [str(tiny_folder)]))) as address:
        client = openai.OpenAI(base_url=address, api_key="none", max_retries=0, timeout=60)

        def ask(record, model="sure", **options):
            messages = [{"role": "user", "content": record.prompt_text}]
            return client.chat.completions.create(
                model=model, messages=messages, max_tokens=ROOM, extra_body=WISH, **options
            )

        for record, text, confidence in zip(RECORDS, measured.answers, measured.confidences, strict=True):
            choice = ask(record).choices[0]
            assert choice.message.content == text
            assert choice.postgrad["confidence"] == pytest.approx(confidence, rel=1e-4)
            assert choice.postgrad["escalate"] is (choice.finish_reason == "length" or confidence < 0.5)
            last = [c for c in ask(record, stream=True) if c.choices][-1].choices[0]
            assert last.postgrad["escalate"] == choice.postgrad["escalate"]
            assert last.postgrad["confidence"] == pytest.approx(confidence, rel=1e-4)
        assert ask(RECORDS[0], logprobs=True, top_logprobs=2).choices[0].postgrad["escalate"] is not None
        for options in (
            {"model": "unsure"},
            {"model": str(tiny_folder)},
            {"temperature": 0.5},
            {"frequency_penalty": 1},
        ):
            assert ask(RECORDS[0], **options).choices[0].postgrad["escalate"] is None


def done(probability: float, finish: str = "stop") -> Completion:
    return Completion("x", finish, 5, 4, 4 * math.log(probability), 0.1)


def test_above_the_threshold_goes_out_and_below_or_cut_goes_to_a_person(registered):
    sure = PreparedRequest(Served("sure", "tiny", Catalogue().get("sure")), [1], Decoding(ROOM), as_evaluated=True)
    assert escalate(sure, done(0.51)) is False and escalate(sure, done(0.49)) is True
    assert escalate(sure, done(0.99, "length")) is True
    assert "can be sent without human review" in in_words(sure, done(0.9)) and "a person should review" in in_words(
        sure, done(0.1)
    )
    grounded = PreparedRequest(
        Served("sure+rag", "tiny", Catalogue().get("sure"), True), [1], Decoding(ROOM), as_evaluated=True
    )
    assert escalate(grounded, done(0.99)) is None, "certified without passages"
    otherwise = replace(sure, as_evaluated=False)
    assert escalate(otherwise, done(0.99)) is None, "another instruction than was certified"
    formed = PreparedRequest(sure.served, [1], Decoding(ROOM), Steering(bias={1: 2.0}), as_evaluated=True)
    assert escalate(formed, done(0.99)) is None and in_words(formed, done(0.9)) == "confidence 0.90"


def test_fields_below_their_own_threshold_are_for_a_person(registered):
    entry = Catalogue().get("sure")
    fields = {"order": 0.2, "product": 0.6, "priority": None}
    rate = {**entry.details["automation"], "threshold": None, "fields": fields}

    def asked(rate, as_evaluated=True):
        served = Served("sure", "tiny", replace(entry, details={"automation": rate}))
        return PreparedRequest(served, [1], Decoding(ROOM), as_evaluated=as_evaluated)

    assert review(asked(rate), done(0.9)) == ["priority"] and escalate(asked(rate), done(0.9)) is None
    assert review(asked(rate), done(0.4)) == ["product", "priority"]
    assert review(asked(rate), done(0.9, "length")) == list(fields)
    assert confidence_fields(asked(rate), done(0.4))["review"] == ["product", "priority"]
    assert in_words(asked(rate), done(0.4)) == "confidence 0.40, to review: product, priority"
    assert review(asked(rate, as_evaluated=False), done(0.9)) is None
    assert "review" not in confidence_fields(asked(entry.details["automation"]), done(0.9))
    whole = {**rate, "threshold": 0.8}
    assert review(asked(whole), done(0.9)) == [], "the whole answer is above its threshold"
    assert review(asked(whole), done(0.7)) == ["priority"] and escalate(asked(whole), done(0.7)) is True


def test_the_registry_keeps_what_was_certified_and_nothing_else():
    report = full_report()
    found = {"arm": "fine_tuned", "threshold": 0.93, "target_accuracy": 0.95, "failure": 0.1, "blob": "b"}
    fields = {"order": 0.4, "priority": None}
    assert kept(report, "b") == {**found, "fields": fields} and kept(minimal_report(), "b") is None

    def changed(**parts):
        return report.model_copy(update={"automation": report.automation.model_copy(update=parts)})

    assert kept(changed(threshold=None), "b") == {**found, "threshold": None, "fields": fields}
    assert kept(changed(fields=report.automation.fields[1:]), "b") == found
    assert kept(changed(threshold=None, fields=report.automation.fields[1:]), "b") is None


def test_a_threshold_holds_for_the_weights_that_it_was_certified_on_alone(registered, tiny, tmp_path, tiny_folder):
    """A later training under the same name, by whichever objective, has no threshold until a run certifies its own."""
    old = Catalogue().get("sure")

    def escalated(entry):
        return escalate(
            PreparedRequest(Served("sure", "tiny", entry), [1], Decoding(ROOM), as_evaluated=True), done(0.9)
        )

    assert escalated(old) is False
    register(tiny, tmp_path / "c", tiny_folder, "sure", 6, automation=None)
    new = Catalogue().newest("sure")
    assert new.version > old.version and new.blob != old.blob and escalated(new) is None
    own = {**old.details["automation"], "blob": old.blob}
    assert escalated(replace(old, details={"automation": own})) is False
    assert escalated(replace(new, details={"automation": own})) is None, "certified on the older weights"


def test_another_threshold_is_another_version(registered):
    catalogue = Catalogue()
    one = catalogue.get("sure")
    same = {
        "name": "sure",
        "base": one.base,
        "base_hash": one.base_hash,
        "method": one.method,
        "blob": one.blob,
        "template": one.template,
        "data_hash": one.data_hash,
        "report": None,
    }
    assert catalogue.add(**same, details=one.details).version == 1
    assert catalogue.add(**same, details={"automation": {**one.details["automation"], "threshold": 0.7}}).version == 2
    assert catalogue.add(**same, details=one.details).version == 1
