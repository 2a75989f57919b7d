"""The published schemas are current, and what is written follows them."""

import json

import jsonschema
import pytest

from postgrad.cli import main
from postgrad.report.comparison import CompareReport
from postgrad.report.results import ResultLine, read_results, write_results
from postgrad.report.schemas import SCHEMAS, schema_of
from tests.conftest import ROOT
from tests.pages.example_compare import full_compare
from tests.pages.example_reports import full_report, minimal_report


@pytest.mark.parametrize("name", SCHEMAS)
def test_published_schemas_are_current(name):
    published = json.loads((ROOT / "docs" / "schema" / f"{name}.json").read_text("utf-8"))
    assert published == schema_of(name), "refresh them: postgrad report-schema --out docs/schema"


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_valid_and_printed(name, capsys):
    jsonschema.Draft202012Validator.check_schema(schema_of(name))
    assert main(["report-schema", name]) == 0
    assert json.loads(capsys.readouterr().out) == schema_of(name)


def test_an_unknown_schema_is_refused(capsys):
    assert main(["report-schema", "verdict"]) == 2
    assert "report, check, results, compare" in capsys.readouterr().err


@pytest.mark.parametrize("report", [full_report(), minimal_report()], ids=["full", "minimal"])
def test_reports_follow_their_schema(report):
    validator = jsonschema.Draft202012Validator(schema_of("report"))
    raw = json.loads(report.model_dump_json())
    validator.validate(raw)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**raw, "verdikt": {}})


def test_comparisons_follow_their_schema():
    report = full_compare()
    jsonschema.Draft202012Validator(schema_of("compare")).validate(json.loads(report.model_dump_json()))
    assert CompareReport.model_validate_json(report.model_dump_json()) == report


def line(text: str) -> ResultLine:
    return ResultLine(
        hash="00ff",
        prompt=[{"role": "user", "content": text}],
        reference="ja\n\u2028nein",
        arms={"base": {"answer": text, "score": 0.5, "confidence": 0.25, "finish": "stop"}},
    )


def test_results_come_back_as_they_were_written(tmp_path):
    lines = [line(t) for t in ("plain", "two\nlines", "ü 😀 \u2028 \x85", "half \ud83d a character", "")]
    path = write_results(iter(lines), tmp_path / "new")
    assert list(read_results(tmp_path / "new")) == lines == list(read_results(path))
    validator = jsonschema.Draft202012Validator(schema_of("results"))
    for text in path.read_bytes().decode("utf-8", "surrogatepass").split("\n")[:-1]:
        validator.validate(json.loads(text))


def test_an_interrupted_write_leaves_nothing(tmp_path):
    def broken():
        yield line("one")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_results(broken(), tmp_path)
    assert not list(tmp_path.iterdir())
