"""Items are asked word for word as the lm-evaluation-harness's own tasks ask them."""

import pytest

from postgrad.evaluation.battery.readers import READERS
from tests.evaluation.battery.rows import ROWS
from tests.evaluation.battery.tasks import local_task
from tests.needs import dev_package


@pytest.fixture
def harness():
    return dev_package("lm_eval")


@pytest.mark.parametrize("name", READERS)
def test_every_request_is_the_harnesss_own(name, harness, tmp_path):
    from postgrad.evaluation.battery.harness import task_manager

    rows = ROWS["mmlu" if name == "mmlu_continuation" else name]
    groups = [[row] for row in rows] if name.startswith("mmlu") else [rows]
    for group in groups:
        (task,) = task_manager().load([str(local_task(tmp_path, name, group))])["tasks"].values()
        task.build_all_requests()
        theirs = [(i.doc_id, *i.args) for i in task.instances]
        items = [READERS[name](row) for row in group]
        ours = [(n, c, choice) for n, i in enumerate(items) for c, choices in i.requests() for choice in choices]
        assert ours == theirs
        gold = [(task.doc_to_text if task.multiple_input else task.doc_to_target)(d) for d in task.test_docs()]
        assert [i.answer for i in items] == [int(g) for g in gold]
        measured = set(task._metric_fn_list)
        assert ("acc_norm" in measured) == READERS[name].by_length
