"""How long threads wait on a core is set before torch is loaded, by the command, and never over what the user has
set."""

import json
import os
import subprocess
import sys

import pytest

SAY = "import json, os, sys; from postgrad.cli import main; main(sys.argv[1:]); print(json.dumps(dict(os.environ)))"


@pytest.mark.parametrize(
    ("command", "own", "policy", "turns"),
    [
        (["models", "--help"], {}, None, "3000"),
        (["serve", "--help"], {}, "PASSIVE", None),
        (["models", "--help"], {"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE", None),
        (["serve", "--help"], {"GOMP_SPINCOUNT": "7"}, None, "7"),
    ],
)
def test_what_waiting_threads_do(command, own, policy, turns):
    known = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    asked = subprocess.run(
        [sys.executable, "-c", SAY, *command], env={**known, **own}, capture_output=True, text=True, check=True
    )
    found = json.loads(asked.stdout.splitlines()[-1])
    assert (found.get("OMP_WAIT_POLICY"), found.get("GOMP_SPINCOUNT")) == (policy, turns)
