"""Learning from a teacher: which formula, of which predictions, and that nothing hangs on how it is cut, killed or
resumed."""

import json

import pytest
import torch

from postgrad.errors import DataError, Interrupted, ModelError, TrainingError
from postgrad.models.adapters.lora import LoraLinear, attach, detach
from postgrad.models.base_models import find_model
from postgrad.models.device import Device
from postgrad.models.language_model import LanguageModel
from postgrad.records import Conversation, Message, Source
from postgrad.training.batching import microbatches
from postgrad.training.distillation.distance import Side, distance
from postgrad.training.distillation.passes import TeacherPasses
from postgrad.training.distillation.teacher import EXAMPLE, Teacher, instructed, refuse_other_tokens
from postgrad.training.forward import Forward, learned
from postgrad.training.methods import Attached
from postgrad.training.objectives import make_objective
from postgrad.training.objectives.base import Start
from postgrad.training.parallel import World
from postgrad.training.trainer import Plan, train
from postgrad.training_run import RunFolder
from tests.conftest import write_model, write_tokenizer
from tests.needs import dev_package
from tests.training.test_dpo import ended
from tests.training.test_training import WAYS, gradients, stir

RULES = "Refunds take 37 days. Order 5 is late. Say yes, no or maybe. " * 3
RECORDS = [
    Conversation(
        messages=(
            Message("user", f"Where is order {i}? " + "please " * (i % 3)),
            Message("assistant", f"Order {i} is late."[: 8 + i]),
        ),
        source=Source("d.jsonl", i + 1),
    )
    for i in range(12)
]


def self_taught(tiny, **changes):
    return Teacher(
        **{
            "name": "the base itself",
            "renderer": tiny.renderer,
            "config": tiny.base.config,
            "dtype": "float32",
            "prompt": RULES,
            **changes,
        }
    )


@pytest.fixture
def other(tmp_path):
    """A larger model with the same tokenizer."""
    folder = write_model(tmp_path / "other", layers=3, hidden=48, seed=7)
    return LanguageModel(find_model(str(folder)), Device("cpu", "test", "float32", {"float32": 1.0}, 1 << 32))


def started(tiny, folder, teacher, way=None, stopped=lambda: False, held=2, budget=300, **options):
    options = {"teacher_prompt": RULES, "answer_tokens": 6, **options}
    objective = make_objective("distill", tiny.renderer, teacher=teacher, **options)
    detach(tiny.module, {n: m for n, m in tiny.module.named_modules() if isinstance(m, LoraLinear)})
    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    stir(layers)
    forward = Forward(tiny)
    examples = objective.prepare(RECORDS).examples
    forward.choose([s for e in examples for s in objective.sequences(e)])
    forward.way = way or forward.way
    start = Start(forward, Attached(lambda: None, layers), World(), RunFolder(folder), {}, budget, 0, stopped)
    ended(objective.begin(start, examples, examples[:held]))
    return objective, forward, examples, layers


def off(layers, on=False):
    for layer in layers.values():
        layer.on = on


def logits(model, example):
    """(N, V) float64 by the model's own code, at the answer's tokens."""
    found = model.module(torch.tensor([example.ids])).logits[0].double()
    return torch.stack([found[t - 1] for t in learned(example)])


def kl(p, q, heat=1.0):
    p, q = (torch.log_softmax(x / heat, -1) for x in (p, q))
    return (p.exp() * (p - q)).sum()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("mode", "heat"), [("logits", 1.0), ("logits", 0.7), ("on_policy", 1.0)])
def test_loss_and_gradient_are_those_of_the_formula_with_the_base_as_teacher(tiny, tmp_path, way, mode, heat):
    objective, forward, examples, layers = started(
        tiny, tmp_path, self_taught(tiny), way, mode=mode, temperature=heat, samples=2 if mode == "on_policy" else 1
    )
    batch = objective.batch(examples[:4], 1)
    value = 0.0
    for part in microbatches(batch, 150):
        loss = objective.loss(forward, part, 1)
        loss.backward()
        value += loss.item()
    ours = gradients(tiny.module)
    tiny.module.zero_grad()
    total = 0.0
    for e in batch:
        off(layers)
        with torch.no_grad():
            wanted = logits(tiny, e.shown)
        off(layers, on=True)
        now = logits(tiny, e)
        total = total + (kl(wanted, now, heat) if mode == "logits" else kl(now, wanted, heat))
        assert tiny.renderer.decode(e.shown.ids).count("Refunds take 37 days.") == 3
        assert "Refunds" not in tiny.renderer.decode(e.ids)
    total.backward()
    theirs = gradients(tiny.module)
    assert value == pytest.approx(total.item(), rel=1e-4) and value > 0.1
    assert ours.norm() > 1e-3 and torch.allclose(ours, theirs, atol=2e-4 * theirs.abs().max().item())


def test_another_model_teaches_with_its_own_head(tiny, other, tmp_path):
    teacher = self_taught(tiny, model=other, renderer=other.renderer, config=other.base.config, prompt=None)
    objective, forward, examples, _ = started(tiny, tmp_path, teacher, teacher_prompt=None)
    found = objective.loss(forward, examples[:3]).item()
    wanted = sum(kl(logits(other, e), logits(tiny, e)).item() for e in examples[:3])
    assert found == pytest.approx(wanted, rel=1e-4)
    right = sum(int((logits(other, e).argmax(1) == logits(tiny, e).argmax(1)).sum()) for e in examples[:3])
    figures = objective.tally.taken(World())
    assert figures["agreement"] * sum(e.supervised for e in examples[:3]) == pytest.approx(right)
    assert figures["kl"] == pytest.approx(found / sum(e.supervised for e in examples[:3]))


@pytest.mark.parametrize(("divergence", "beta"), [("forward", 0), ("reverse", 1)])
def test_the_distance_and_its_gradient_are_trls(divergence, beta, monkeypatch):
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    dev_package("trl")
    from trl.experimental.gkd import GKDTrainer

    torch.manual_seed(0)
    student, teacher = torch.randn(300, 16, requires_grad=True), torch.randn(300, 24)
    heads = torch.randn(90, 16), torch.randn(90, 24)
    weights = torch.ones(300)
    sides = Side(student, lambda h: h @ heads[0].t()), Side(teacher, lambda h: h @ heads[1].t())
    found = distance(*sides, weights, divergence, 0.8)
    (found.total / 300).backward()
    ours, student.grad = student.grad.clone(), None
    both = (student @ heads[0].t())[None], (teacher @ heads[1].t())[None]
    theirs = GKDTrainer.generalized_jsd_loss(
        *both, labels=torch.zeros(1, 300, dtype=torch.long), beta=beta, temperature=0.8
    )
    theirs.backward()
    assert found.total.item() / 300 == pytest.approx(theirs.item(), rel=1e-5)
    assert torch.allclose(ours, student.grad, atol=1e-6 * 300 * student.grad.abs().max().item())
    assert found.agreed == int((both[0].argmax(-1) == both[1].argmax(-1)).sum())


def test_a_head_that_is_trained_gets_its_gradient_and_padding_of_a_wider_one_is_left_out():
    torch.manual_seed(1)
    head = torch.nn.Linear(16, 40, bias=True)
    student, teacher, weights = torch.randn(200, 16, requires_grad=True), torch.randn(200, 8), torch.rand(200)
    wide = torch.randn(64, 8)
    sides = Side(student, head, list(head.parameters())), Side(teacher, lambda h: h @ wide.t())
    distance(*sides, weights, "reverse").total.backward()
    ours = [student.grad.clone(), head.weight.grad.clone(), head.bias.grad.clone()]
    student.grad, head.weight.grad, head.bias.grad = None, None, None
    p = torch.log_softmax(head(student), 1)
    q = torch.log_softmax((teacher @ wide.t())[:, :40], 1)
    ((p.exp() * (p - q)).sum(1) * weights).sum().backward()
    for mine, theirs in zip(ours, (student.grad, head.weight.grad, head.bias.grad), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-4)


def go(tiny, folder, stopped=lambda: False, teacher=None, **changes):
    plan = Plan(
        **{
            "objective": "distill",
            "rank": 4,
            "alpha": 8,
            "epochs": 3,
            "learning_rate": 1e-2,
            "teacher_prompt": RULES,
            "answer_tokens": 6,
            "token_budget": 160,
            "patience": 9,
            **changes,
        }
    )
    taught = teacher or self_taught(tiny, prompt=plan.options.teacher_prompt, demonstrate=plan.options.demonstrate)
    work = train(tiny, RECORDS[:9], RECORDS[9:], plan, RunFolder(folder), {"data": "x"}, stopped, teacher=taught)
    return ended(work)


@pytest.mark.parametrize("method", ["lora", "qlora", "dora", "full"])
def test_the_student_comes_nearer_to_its_teacher_with_every_method(tiny, tmp_path, method):
    result = go(tiny, tmp_path, method=method, learning_rate=3e-3 if method == "full" else 1e-2, epochs=8)
    part = result.part
    before = json.loads((tmp_path / "run.json").read_text())["distance_before"]
    assert part.validation_loss[-1][1] < 0.7 * before["kl"]
    assert dict(part.metrics["eval_kl"])[part.best_step] == pytest.approx(dict(part.validation_loss)[part.best_step])
    said = f"on validation went from {before['kl']:.3f} to {dict(part.validation_loss)[part.best_step]:.3f} nats"
    assert (
        said in part.in_words
        and "Each request saves" in part.in_words
        and "USD for a million requests" in part.in_words
    )
    assert not (tmp_path / "teacher").exists(), "what the teacher said is not kept beyond the training"


def test_on_policy_the_student_comes_nearer_too(tiny, tmp_path):
    part = go(tiny, tmp_path, mode="on_policy", samples=4, epochs=12).part
    before = json.loads((tmp_path / "run.json").read_text())["distance_before"]
    assert part.validation_loss == [] and dict(part.metrics["eval_kl"])[part.best_step] < 0.8 * before["kl"]
    assert "nats a token" in part.in_words


@pytest.mark.parametrize("mode", ["logits", "on_policy"])
def test_what_is_never_nearer_than_the_start_is_not_kept(tiny, tmp_path, mode):
    result = go(tiny, tmp_path, mode=mode, learning_rate=30.0, epochs=1, patience=1)
    before = json.loads((tmp_path / "run.json").read_text())["distance_before"]["kl"]
    assert f"Nothing was learned: validation was {before:.3f} before the first step" in result.part.in_words
    assert all(not pair[1].any() for pair in result.trained.tensors.values()), "the adapters' second matrices are zero"


@pytest.mark.parametrize("changes", [{}, {"mode": "on_policy"}, {"mode": "text"}, {"demonstrate": True}])
def test_killed_before_and_in_the_training_it_ends_with_the_same_weights(tiny, tmp_path, changes):
    changes = {"epochs": 8, **changes}
    whole = go(tiny, tmp_path / "whole", **changes).trained.tensors
    for stops in (1, 3, 6, 12):
        asked = iter([False] * stops + [True] * 1000)
        with pytest.raises(Interrupted):
            go(tiny, tmp_path / "parts", lambda asked=asked: next(asked), **changes)
    parts = go(tiny, tmp_path / "parts", **changes).trained.tensors
    assert all(torch.equal(x, y) for n in whole for x, y in zip(whole[n], parts[n], strict=True))


def test_a_stopped_teacher_goes_on_where_it_was_and_not_with_what_another_training_left(tiny, tmp_path, monkeypatch):
    asked = iter([False, False, True])
    with pytest.raises(Interrupted, match="what it said is kept"):
        started(tiny, tmp_path, self_taught(tiny), stopped=lambda: next(asked), budget=40)
    done = sorted(p.name for p in (tmp_path / "teacher").glob("*.safetensors"))
    assert len(done) == 2
    times = {name: (tmp_path / "teacher" / name).stat().st_mtime_ns for name in done}
    objective, *_ = started(tiny, tmp_path, self_taught(tiny), budget=40)
    assert {name: (tmp_path / "teacher" / name).stat().st_mtime_ns for name in done} == times
    (tmp_path / "teacher" / "of").write_text("another")
    again, *_ = started(tiny, tmp_path, self_taught(tiny), budget=40)
    assert (tmp_path / "teacher" / done[0]).stat().st_mtime_ns != times[done[0]]
    both = zip(objective.learning.kept.values(), again.learning.kept.values(), strict=True)
    assert all(torch.equal(a, b) for a, b in both)


def test_where_there_is_no_room_the_teacher_is_asked_in_each_step(tiny, tmp_path, monkeypatch):
    kept, forward, examples, _ = started(tiny, tmp_path / "a", self_taught(tiny))
    value = kept.loss(forward, examples[:4]).item()
    monkeypatch.setattr("postgrad.training.distillation.passes.MOST_BYTES", 1000)
    asked, forward, examples, _ = started(tiny, tmp_path / "b", self_taught(tiny))
    assert kept.learning.kept and not asked.learning.kept
    assert asked.loss(forward, examples[:4]).item() == pytest.approx(value, rel=1e-5)
    with pytest.raises(TrainingError, match="fine-tuning overwrites the teacher"):
        go(tiny, tmp_path / "c", method="full")


def test_the_teacher_of_a_full_training_stays_what_it_was_its_head_too(tiny, tmp_path):
    tiny.module.get_output_embeddings().weight.requires_grad_(True)
    start = Start(Forward(tiny), Attached(lambda: None, {}), World(), RunFolder(tmp_path), {}, 300, 0, lambda: False)
    passes = TeacherPasses(start, self_taught(tiny))
    state = torch.randn(3, 32)
    before = passes.head(state)
    with torch.no_grad():
        tiny.module.get_output_embeddings().weight.mul_(1.5)
    assert torch.equal(passes.head(state), before) and not torch.allclose(tiny.head(state), before)
    tiny.read_again()
    part = go(tiny, tmp_path, method="full", embeddings=True, learning_rate=3e-3, epochs=8).part
    assert part.validation_loss[-1][1] < part.validation_loss[0][1] / 2
    with pytest.raises(TrainingError, match="full fine-tuning overwrites it"):
        go(tiny, tmp_path / "b", method="full", mode="on_policy")


def test_the_teacher_is_shown_the_answer_and_told_to_use_its_own_words(tiny):
    teacher = self_taught(tiny, prompt=None, demonstrate=True)
    (asked,) = teacher.asked(RECORDS[3])
    assert asked.content == EXAMPLE.format(request=RECORDS[3].prompt_text, answer=RECORDS[3].answer_text)
    with pytest.raises(DataError, match="no answer that the teacher could be shown"):
        teacher.asked(Conversation(messages=RECORDS[3].prompt))


def test_the_long_instruction_stands_before_the_records_own():
    own = (Message("system", "Be short."), Message("user", "Hi"))
    assert [m.content for m in instructed(own, "Rules.")] == ["Rules.\n\nBe short.", "Hi"]
    assert [m.content for m in instructed(own, "Rules. Be short.")] == ["Rules. Be short.", "Hi"]
    assert [m.role for m in instructed(own[1:], "Rules.")] == ["system", "user"] and instructed(own, None) == own


def test_what_cannot_be_compared_is_refused(tiny, tmp_path):
    from postgrad.models.rendering.render import Renderer

    folder = write_model(tmp_path / "ends")
    text = (folder / "tokenizer_config.json").read_text()
    (folder / "tokenizer_config.json").write_text(
        text.replace("['content'] + '<|im_end|>", "['content'] + '<|endoftext|>")
    )
    with pytest.raises(ModelError, match=r"ends its answers with '<\|endoftext\|>', the base with '<\|im_end\|>'"):
        refuse_other_tokens("x", Renderer(folder, 512), tiny.renderer)
    write_tokenizer(folder, None, ["</s>"], None, "</s>")
    with pytest.raises(ModelError, match=r"another tokenizer than the base: \d+ of 4\d\d tokens differ.*\n.*mode=text"):
        refuse_other_tokens("x", Renderer(folder, 512), tiny.renderer)
    refuse_other_tokens("x", tiny.renderer, tiny.renderer)


def test_records_without_a_request_are_all_named(tiny):
    silent = [Conversation(messages=(Message("assistant", "Hello."),), source=Source("d.jsonl", n)) for n in (3, 8)]
    objective = make_objective("distill", tiny.renderer, teacher=self_taught(tiny), teacher_prompt=RULES)
    with pytest.raises(DataError, match=r"2 of 4 examples(.|\n)*d\.jsonl:3: there is no request(.|\n)*d\.jsonl:8"):
        objective.prepare([*RECORDS[:2], *silent])
    long = self_taught(tiny, prompt=RULES * 20)
    with pytest.raises(DataError, match=r"has \d+ tokens, more than the 512 of the base itself"):
        make_objective("distill", tiny.renderer, teacher=long, teacher_prompt=RULES).prepare(RECORDS)
    for mode in ("logits", "on_policy"):
        short = make_objective("distill", tiny.renderer, teacher=long, too_long="drop", mode=mode, teacher_prompt=RULES)
        assert short.prepare(RECORDS).dropped == len(RECORDS)
    with pytest.raises(TrainingError, match="requires a teacher"):
        make_objective("distill", tiny.renderer, teacher_prompt=RULES)
