"""A report made with `texts: false` holds figures alone: no word of a record is in its files."""

from postgrad.recipe import merged
from postgrad.report.redaction import unquoted, without_texts
from postgrad.workflows.run import run
from tests.pages.example_reports import full_report
from tests.workflows.test_main_job import ROWS, finish, mails, recipe  # noqa: F401 - fixtures


def test_no_record_is_quoted(mails, recipe, tmp_path):  # noqa: F811
    chosen = merged(recipe, {"texts": False, "evaluation.general": False})
    report, _ = finish(run(chosen, [mails], tmp_path / "out"))
    told = "".join((tmp_path / "out" / name).read_text("utf-8") for name in ("report.json", "report.html"))
    for row in ROWS:
        assert row["mail"] not in told and str(row["answer"]["order"]) + " " not in told
    assert "damaged" not in told and report.samples == []
    assert report.arms and report.arms[0].n == report.data.test, "the figures stay"


def test_names_of_fields_go():
    quiet = without_texts(full_report()).automation
    assert quiet.fields == [] and quiet.fields_sentence == "" and quiet.sentence


def test_what_sentences_quote_goes():
    assert (
        unquoted("2 records say “my sofa” and 'it's late', the user's own.")
        == "2 records say “…” and “…”, the user's own."
    )
