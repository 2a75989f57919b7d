"""The lm-evaluation-harness's own tasks over local rows: only where the rows come from is changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILES = {
    "arc_easy": "arc/arc_easy.yaml",
    "arc_challenge": "arc/arc_challenge.yaml",
    "openbookqa": "openbookqa/openbookqa.yaml",
    "hellaswag": "hellaswag/hellaswag.yaml",
    "piqa": "piqa/piqa.yaml",
    "winogrande": "winogrande/default.yaml",
    "boolq": "super_glue/boolq/default.yaml",
    "sciq": "sciq/sciq.yaml",
    "mmlu": "mmlu/default/mmlu_{subject}.yaml",
    "mmlu_continuation": "mmlu/continuation/mmlu_{subject}.yaml",
}


def local_task(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    """A YAML file that includes the harness's own and reads these rows."""
    import lm_eval.tasks
    import yaml

    own = Path(lm_eval.tasks.__file__).parent / FILES[name].format(subject=rows[0].get("subject"))
    data = folder / f"{name}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    changed = {
        "include": str(own),
        "task": f"{name}_local",
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "training_split": None,
        "validation_split": None,
        "fewshot_split": None,
        "test_split": "test",
        "tag": [],
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(changed))
    return path
