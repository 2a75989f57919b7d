"""Our model under the lm-evaluation-harness: equal to brute force with a tiny model, and item for item with the
embedded one."""

import json
import math
import os
import re
from pathlib import Path

import pytest
import torch

from postgrad.errors import DataError, Interrupted, ModelError, UsageError
from postgrad.evaluation import forgetting
from postgrad.evaluation.battery import check_names
from postgrad.evaluation.battery.readers import READERS
from postgrad.evaluation.forgetting import Benchmark, requests, right_answers
from postgrad.models.generation.likelihood import encode_item, log_likelihoods
from tests.evaluation.battery.rows import ROWS
from tests.evaluation.battery.tasks import local_task
from tests.needs import dev_package

dev_package("lm_eval")
HOME = os.environ.get("POSTGRAD_HOME")  # before each test gets a home of its own


def wrapped(model, **options):
    from postgrad.evaluation.battery.harness_model import HarnessModel

    return HarnessModel(model, **options)


def asked(*arguments, kind="loglikelihood"):
    from lm_eval.api.instance import Instance

    return [Instance(kind, {}, a, i) for i, a in enumerate(arguments)]


def brute(model, context_ids, continuation_ids):
    """Sum of log-probabilities by one plain forward pass, and whether each token is the likeliest."""
    ids = torch.tensor([[*context_ids, *continuation_ids]])
    with torch.inference_mode():
        logits = model.module(ids).logits[0].float().log_softmax(-1)
    places = range(len(context_ids) - 1, ids.shape[1] - 1)
    best = [int(logits[p].argmax()) for p in places]
    return sum(float(logits[p, t]) for p, t in zip(places, continuation_ids, strict=True)), best == list(
        continuation_ids
    )


def test_likelihoods_are_those_of_a_plain_forward_pass(tiny):
    encode = tiny.renderer.encode
    pairs = [("The sofa", " arrived broken."), ("The sofa", " is late"), ("Where ", "is it?"), ("", "yes maybe")]
    found = wrapped(tiny).loglikelihood(asked(*pairs))
    begin = wrapped(tiny)._begin
    expected = [
        brute(tiny, encode("The sofa"), encode("The sofa arrived broken.")[len(encode("The sofa")) :]),
        brute(tiny, encode("The sofa"), encode("The sofa is late")[len(encode("The sofa")) :]),
        brute(tiny, encode("Where"), encode("Where is it?")[len(encode("Where")) :]),
        brute(tiny, begin, encode("yes maybe")),
    ]
    for (value, greedy), (right, likeliest) in zip(found, expected, strict=True):
        assert value == pytest.approx(right, abs=1e-3) and greedy == likeliest


def test_what_greedy_decoding_writes_is_called_greedy(tiny):
    (text,) = wrapped(tiny).generate_until(asked(("Where is", {"until": [], "max_gen_toks": 5}), kind="generate_until"))
    encode = tiny.renderer.encode
    ids = list(encode("Where is"))
    with torch.inference_mode():
        for _ in range(5):
            ids.append(int(tiny.module(torch.tensor([ids])).logits[0, -1].argmax()))
    assert text == tiny.renderer.answer_text(ids[len(encode("Where is")) :])


def test_long_texts_roll_through_the_context(tiny):
    text = "The Haven sofa arrived with a broken leg. " * 200
    ids = tiny.renderer.encode(text)
    assert len(ids) > 2 * tiny.base.context, "the text must not fit"
    (value,) = wrapped(tiny).loglikelihood_rolling(asked((text,), kind="loglikelihood_rolling"))
    assert math.isfinite(value) and value / len(ids) == pytest.approx(-math.log(tiny.renderer.vocabulary), rel=0.3)


def test_a_local_task_is_measured_item_by_item(tiny, tmp_path):
    from postgrad.evaluation.battery.harness import task_scores

    found = task_scores(tiny, str(local_task(tmp_path, "arc_easy", ROWS["arc_easy"] * 6)), 10)
    assert found.metric == "acc_norm" and len(found.scores) == 10 and set(found.scores) <= {0.0, 1.0}


def test_the_task_in_the_docs_runs(tiny, tmp_path):
    from postgrad.evaluation.battery.harness import task_scores

    text = (Path(__file__).parents[3] / "docs" / "forgetting.md").read_text("utf-8")
    block = next(b for b in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if b.startswith("task:"))
    rows = [{"question": f"What is {i} + 1?", "choices": ["0", str(i + 1)], "answer": 1} for i in range(8)]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "mine.yaml").write_text(block.replace("/data/questions.jsonl", str(tmp_path / "questions.jsonl")))
    found = task_scores(tiny, str(tmp_path / "mine.yaml"), 20)
    assert found.metric == "acc" and len(found.scores) == 8


def test_what_cannot_be_measured_says_so(tiny, tmp_path):
    from postgrad.evaluation.battery.harness import task_scores

    with pytest.raises(UsageError, match="cannot load the task 'no_such_task'"):
        task_scores(tiny, "no_such_task", 10)
    with pytest.raises(Interrupted):
        task_scores(tiny, str(local_task(tmp_path, "piqa", ROWS["piqa"])), 10, lambda: True)
    missing = local_task(tmp_path, "piqa", ROWS["piqa"])
    (tmp_path / "piqa.jsonl").unlink()
    with pytest.raises(DataError, match="cannot be had"):
        task_scores(tiny, str(missing), 10)
    with pytest.raises(UsageError, match="did you mean 'hellaswag'"):
        check_names(["helaswag"])


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    from postgrad.models.base_models import find_model
    from postgrad.models.device import Device
    from postgrad.models.language_model import LanguageModel

    patch = pytest.MonkeyPatch()
    patch.setenv("POSTGRAD_HOME", HOME or str(tmp_path_factory.mktemp("agreement")))
    try:
        yield LanguageModel(
            find_model("smollm2-135m-instruct"), Device("cpu", "test", "float32", {"float32": 1.0}, 1 << 32)
        )
    except ModelError as error:
        pytest.skip(f"the embedded model is not at hand: {error.message}")
    finally:
        patch.undo()


@pytest.mark.parametrize("name", ["arc_easy", "arc_challenge", "piqa", "hellaswag"])
def test_item_decisions_are_those_of_the_harness(name, embedded, tmp_path):
    """The 25 shortest items of each: the harness's task, rules and `hf` model against ours."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM

    from postgrad.evaluation.battery.harness import task_manager

    items, rows = shortest(name, 25)
    benchmark = Benchmark(name, tuple(items), "", READERS[name].by_length)
    encoded = [encode_item(embedded, context, choices) for context, choices in requests(benchmark)]
    ours = dict(right_answers(benchmark, log_likelihoods(embedded, encoded)))
    theirs = HFLM(pretrained=embedded.module, tokenizer=str(embedded.base.folder), batch_size=32)
    found = simple_evaluate(
        theirs,
        tasks=[str(local_task(tmp_path, name, rows))],
        bootstrap_iters=0,
        log_samples=True,
        task_manager=task_manager(),
    )
    (samples,) = found["samples"].values()
    decisions = {s["doc_id"]: s["acc_norm"] for s in samples}
    assert len(decisions) == 25
    assert [i for i in range(25) if ours[i] != decisions[i]] == []


def shortest(name, count):
    """The benchmark's shortest items, and the rows that they were read from."""
    rows, why = forgetting._rows(name, None)
    if rows is None:
        pytest.skip(f"the rows of {name} are not at hand: {why}")
    pairs = sorted(((READERS[name](row), n) for n, row in enumerate(rows)), key=lambda p: (p[0].length, p[1]))[:count]
    return [item for item, _ in pairs], [rows[n] for _, n in pairs]
