"""What will be judged is fixed before the first arm is measured, and looks at one test part are counted."""

from postgrad.progress import Said, Stage
from postgrad.recipe import merged
from postgrad.registry.looks import LookBook
from postgrad.workflows.run import run
from postgrad.workflows.run_bases import run_bases
from tests.workflows.jobs import finish, mails, small

UNTRAINED = {"evaluation.arms": ["base", "prompted"], "evaluation.perturb": False}


def test_it_is_written_before_anything_is_measured(tiny_folder, tmp_path):
    work = run(small(tiny_folder, **UNTRAINED), [mails(tmp_path / "mails.jsonl")], tmp_path / "out")
    events = []
    for event in work:
        events.append(event)
        if isinstance(event, Stage) and event.name == "arms":
            break
    work.close()
    said = [e.text for e in events if isinstance(e, Said) and "Fixed before" in e.text]
    assert len(said) == 1 and "2 points are worth having" in said[0]
    report, _ = finish(run(small(tiny_folder, **UNTRAINED), [tmp_path / "mails.jsonl"], tmp_path / "out"))
    part = report.registration
    assert part.sentence == said[0] and part.look == 1, "the run that was broken off had registered it"
    kept = LookBook().register(part.test, part.plan, metric="other", smallest_worth=0.5, rules="other").this
    assert kept.metric == part.metric == report.task.metric and kept.smallest_worth == 0.02
    assert part.test in (tmp_path / "out" / "report.html").read_text()


def test_another_recipe_is_a_further_look_and_the_same_is_not(tiny_folder, tmp_path):
    data, first = mails(tmp_path / "mails.jsonl"), small(tiny_folder, **UNTRAINED)

    def judged(recipe):
        return finish(run(recipe, [data], tmp_path / "out"))[0]

    assert judged(first).registration.look == 1
    again = judged(merged(first, {"name": "other", "texts": False}))
    assert again.registration.look == 1 and not any("Look" in reason for reason in again.verdict.reasons)
    eager = judged(merged(first, {"decision.smallest_worth": 0.0}))
    part = eager.registration
    assert part.look == 2 and part.times == 3 and part.earlier[0].smallest_worth == 0.02
    assert "Earlier looks were judged otherwise" in part.sentence and part.sentence in eager.verdict.reasons
    assert {c.confidence for c in eager.comparisons} == {part.confidence}
    assert "95 % interval" not in eager.verdict.sentence
    page = (tmp_path / "out" / "report.html").read_text()
    assert "98.33 % interval" in page and "Look 2 at this test part" in page
    metric = judged(merged(first, {"evaluation.metric": "chrf"})).registration
    assert metric.look == 3 and [e.metric for e in metric.earlier] == [eager.task.metric] * 2
    assert judged(first).registration.look == 1


def test_bases_of_one_command_are_one_look(tiny_folder, tmp_path):
    twin = tmp_path / "twin"
    twin.symlink_to(tiny_folder)
    recipe = merged(small(tiny_folder, **UNTRAINED), {"base": f"{tiny_folder},{twin}"})
    data = mails(tmp_path / "mails.jsonl")
    report, _ = finish(run_bases(recipe, [data], tmp_path / "out"))
    assert report.registration.look == 1
    alone, _ = finish(run(small(tiny_folder, **UNTRAINED), [data], tmp_path / "alone"))
    assert alone.registration.look == 2
