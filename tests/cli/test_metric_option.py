"""The spelling of a metric on the command line reaches its options, and what cannot be is refused before a model is
loaded."""

from __future__ import annotations

import json

from tests.cli.test_bad_input import csv, postgrad


def test_options_reach_the_metric_and_wrong_ones_are_refused(tmp_path, tiny_folder) -> None:
    csv(tmp_path / "data.csv")
    common = ["run", "data.csv", "--base", tiny_folder, "--arms", "base", "--no-general", "--json"]
    done = postgrad(*common, "--metric", "format_rules(min_characters=0, max_characters=100000)", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["task"]["metric"] == "format_rules" and report["arms"][0]["score"] == 1.0
    for metric, said in {"mine.py:always": "switch it on", "numeric(tolerence=1)": "tolerence: no such option"}.items():
        refused = postgrad(*common, "--metric", metric, cwd=tmp_path)
        assert refused.returncode == 2 and said in refused.stderr and "Traceback" not in refused.stderr, refused.stderr
