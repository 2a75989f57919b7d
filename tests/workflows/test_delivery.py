"""What a model goes through after its training: promotion through a gate, lineage, card, push, signature, merge, and
the way to another base."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch
import yaml

from postgrad.blobs import Blobs
from postgrad.cli import main
from postgrad.errors import GateError, StorageError, UsageError
from postgrad.models.adapters.trained_weights import load_trained
from postgrad.progress import finished
from postgrad.registry import Catalogue
from postgrad.steps.delivery.kept_scores import paired_with
from postgrad.steps.delivery.lineage import lineage_of
from postgrad.workflows.promote import promote
from tests.export.models import register, stirred_adapter
from tests.workflows.test_main_job import ROWS


def scored(name: str, rights: list[int], base: Path, drawn: int, **more):
    """A registered model with these scores on as many examples."""
    blobs, catalogue = Blobs(), Catalogue()
    plain = register(base, stirred_adapter(base, seed=drawn), name="plain")
    kept = {
        "metric": "exact_match",
        "examples": [f"sha256:{i}" for i in range(len(rights))],
        "groups": None,
        "scores": {"fine_tuned": [float(r) for r in rights]},
    }
    details = {
        **plain.details,
        "scores": blobs.put_bytes(json.dumps(kept).encode()),
        "recommendation": "fine_tune",
        **more,
    }
    return catalogue.add(
        name=name,
        base=plain.base,
        base_hash=plain.base_hash,
        method="lora",
        blob=plain.blob,
        template=plain.template,
        data_hash=f"sha256:{drawn}",
        report=None,
        details=details,
    )


def names(done):
    return {c.name: c.held for c in done.conditions}


def test_the_gate_lets_the_better_version_through(tiny_folder):
    scored("desk", [1, 0] * 60, tiny_folder, 1)
    first = finished(promote("desk"))
    assert first.before is None and names(first) == {
        "recommended": True,
        "nothing_lost": True,
        "must_pass": True,
        "parity": True,
    }
    scored("desk", [1, 0] * 60, tiny_folder, 2)
    with pytest.raises(GateError, match="not promoted") as told:
        finished(promote("desk@2"))
    assert "--force" in told.value.mend and Catalogue().serving("desk").version == 1
    scored("desk", [1] * 110 + [0] * 10, tiny_folder, 3)
    done = finished(promote("desk"))
    assert done.entry.version == 3 and done.before.version == 1
    move = Catalogue().history("desk")[-1]
    assert "better" in move.reason and move.evidence["conditions"]
    with pytest.raises(UsageError, match="already"):
        finished(promote("desk@3"))


def test_a_version_that_its_verdict_does_not_recommend_needs_a_reason(tiny_folder):
    scored("desk", [1, 0] * 20, tiny_folder, 1, recommendation="few_shot")
    with pytest.raises(GateError, match="few_shot"):
        finished(promote("desk"))
    finished(promote("desk", force="a demonstration on Monday"))
    move = Catalogue().history("desk")[-1]
    assert "a demonstration on Monday" in move.reason and move.evidence["forced"] == "a demonstration on Monday"


def test_versions_without_common_examples_are_measured_on_what_is_given(tiny_folder, tmp_path):
    scored("desk", [1, 0] * 20, tiny_folder, 1)
    finished(promote("desk"))
    register(tiny_folder, stirred_adapter(tiny_folder, seed=5), name="desk")
    with pytest.raises(GateError, match="same examples") as told:
        finished(promote("desk@2"))
    assert "--data FILE" in told.value.mend
    rows = [{"prompt": f"order number {n} please", "completion": ["no", "yes", "later"][n % 3]} for n in range(14)]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(GateError, match=r"desk@2"):
        finished(promote("desk@2", data=[tmp_path / "d.jsonl"]))


def test_a_model_that_is_not_served_as_trained_is_not_promoted(tiny_folder, monkeypatch):
    from postgrad.steps.delivery import served_parity

    scored("desk", [1, 0] * 20, tiny_folder, 1)
    real = served_parity.LanguageModel.use
    monkeypatch.setattr(served_parity.LanguageModel, "use", lambda self, trained, key=None: real(self, None))
    with pytest.raises(GateError, match="not promoted"):
        finished(promote("desk"))


def test_other_aliases_have_no_gate(tiny_folder):
    scored("desk", [0] * 20, tiny_folder, 1, recommendation="base")
    assert finished(promote("desk", "candidate")).conditions == ()


def test_paired_scores_need_the_same_metric(tiny_folder):
    blobs = Blobs()
    a, b = scored("a", [1, 0] * 10, tiny_folder, 1), scored("b", [1, 1] * 10, tiny_folder, 2)
    found = paired_with(blobs, b, a)
    assert found is not None and found.difference == 0.5 and found.n == 20


def test_the_lineage_tells_where_a_model_comes_from_and_went(tiny_folder, tmp_path, capsys):
    entry = scored("desk", [1, 0] * 20, tiny_folder, 1, files=["/data/a.csv"], seed=7)
    child = scored("desk", [1] * 40, tiny_folder, 2, trained_from="desk@1")
    finished(promote("desk@1"))
    assert main(["export", "desk@1", "--to", "peft", "--out", str(tmp_path / "left")]) == 0
    found = lineage_of(Catalogue(), Blobs(), entry)
    assert found.children == (child.id,) and found.data["files"] == ["/data/a.csv"]
    assert lineage_of(Catalogue(), Blobs(), child).parent == "desk@1"
    capsys.readouterr()
    assert main(["models", "lineage", "desk@1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["exports"][0]["format"] == "peft" and told["promotions"][0]["standing"]
    assert main(["models", "show", "desk@1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) != told
    assert main(["models", "lineage", "desk@1", "--svg", str(tmp_path / "l.svg")]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("Child     desk@2", "Exported", "is production", "/data/a.csv", "seed 7"))
    drawn = ElementTree.fromstring((tmp_path / "l.svg").read_text())
    assert len([e for e in drawn.iter() if e.tag.endswith("rect")]) >= 5


def test_the_table_is_for_people(tiny_folder, capsys):
    scored("desk", [1, 0] * 20, tiny_folder, 1, metric="exact_match", score=0.5, interval=[0.4, 0.6])
    Catalogue().promote("desk@1")
    for step in (3, 6):
        register(tiny_folder, stirred_adapter(tiny_folder), name=f"desk:ckpt-step-{step}")
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("desk@1"))
    assert "(+2 checkpoints)" in row and "50.0 % (40 to 60)" in row and "production" in row and "fine_tune" in row
    assert not [line for line in lines if "ckpt-step" in line]


def test_a_card_that_the_hub_reads(tiny_folder, tmp_path):
    entry = scored("desk", [1, 0] * 20, tiny_folder, 1)
    assert main(["card", entry.id, "--out", str(tmp_path / "card.md"), "--data-licence", "our own"]) == 0
    text = (tmp_path / "card.md").read_text()
    _, head, body = text.split("---\n", 2)
    assert yaml.safe_load(head)["library_name"] == "peft" and "our own" in body and "## Limits" in body
    from huggingface_hub import ModelCard

    assert ModelCard(text).data.to_dict()["pipeline_tag"] == "text-generation"


def test_push_to_a_store(tiny_folder, tmp_path):
    from postgrad.workflows.push import push

    entry = scored("desk", [1, 0] * 20, tiny_folder, 1)
    address = finished(push(entry.id, f"file://{tmp_path / 'there'}", "safetensors"))
    there = Path(address.removeprefix("file://"))
    assert (there / "model.safetensors").exists() and (there / "README.md").read_text().startswith("---\n")
    assert lineage_of(Catalogue(), Blobs(), entry).exports[-1].place == address


def test_push_without_token_network_or_place(tiny_folder, monkeypatch):
    from postgrad.workflows.push import push

    entry = scored("desk", [1, 0] * 20, tiny_folder, 1)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(UsageError, match="no token"):
        finished(push(entry.id, "someone/desk"))
    with pytest.raises(UsageError, match="neither a repository"):
        finished(push(entry.id, "./here"))
    with pytest.raises(UsageError, match="cannot be written to"):
        finished(push(entry.id, "nonsense://x/y"))
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_x")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StorageError, match="hub could not be reached"):
        finished(push(entry.id, "someone/desk"))


def test_signatures(tiny_folder, tmp_path, capsys):
    entry = scored("desk", [1, 0] * 20, tiny_folder, 1)
    left, key = tmp_path / "left", tmp_path / "key.pem"
    assert main(["export", entry.id, "--to", "peft", "--out", str(left)]) == 0
    assert main(["sign", str(left), "--new-key", str(key), "--attest"]) == 0
    assert key.stat().st_mode & 0o077 == 0
    assert main(["verify", str(left), "--key", f"{key}.pub"]) == 0
    assert main(["sign", "--new-key", str(key)]) == 2, "a key is never written over"
    statement = json.loads((left / "attestation.json").read_text())
    assert statement["payloadType"] == "application/vnd.in-toto+json"
    assert main(["sign", "--new-key", str(tmp_path / "other.pem")]) == 0
    assert main(["verify", str(left), "--key", str(tmp_path / "other.pem.pub")]) == 1
    (left / "generation_config.json").write_text("{}")
    capsys.readouterr()
    assert main(["verify", str(left), "--key", f"{key}.pub"]) == 1
    assert "generation_config.json is changed" in capsys.readouterr().out
    assert main(["sign", str(left), "--key", str(key)]) == 1, "what changed since the export is not signed"
    assert main(["verify", str(left), "--key", str(left / "README.md")]) == 2


@pytest.mark.parametrize("method", ["linear", "ties", "dare"])
def test_adapters_are_merged(method, tiny_folder):
    from postgrad.workflows.merge import merge

    a = register(tiny_folder, stirred_adapter(tiny_folder, seed=1), name="a")
    b = register(tiny_folder, stirred_adapter(tiny_folder, seed=2), name="b")
    done = finished(merge([a.id, b.id], "both", method=method, weights=[1.0, 1.0]))
    blobs = Blobs()
    joint, one, two = (load_trained(blobs.get_folder(e.blob)) for e in (done.entry, a, b))
    for name, (a_RI, b_OR) in joint.tensors.items():
        update = (b_OR @ a_RI) * joint.scale
        parts = [(t.tensors[name][1] @ t.tensors[name][0]) * t.scale for t in (one, two)]
        if method == "linear":
            assert torch.allclose(update, parts[0] + parts[1], atol=1e-5)
        else:
            assert torch.isfinite(update).all() and float(update.norm()) > 0
    assert done.entry.details["merged"]["of"] == [a.id, b.id]
    assert (done.missed > 0) == (method != "linear")


def test_what_cannot_be_merged(tiny_folder, tmp_path):
    from postgrad.workflows.merge import merge
    from tests.conftest import write_model
    from tests.export.models import whole_weights

    a = register(tiny_folder, stirred_adapter(tiny_folder), name="a")
    other = write_model(tmp_path / "other", seed=5)
    b = register(other, stirred_adapter(other), name="b")
    c = register(tiny_folder, whole_weights(tiny_folder), name="c")
    d = register(tiny_folder, stirred_adapter(tiny_folder, seed=4), name="d", instruction="Another one.")
    e = register(tiny_folder, stirred_adapter(tiny_folder, seed=4, dora=True), name="e")
    for others, why in (([b], "several bases"), ([c], "in full"), ([d], "different instructions"), ([a], "One model")):
        with pytest.raises(UsageError, match=why):
            finished(merge([a.id, *(o.id for o in others)], "both"))
    with pytest.raises(UsageError, match="DoRA"):
        finished(merge([a.id, e.id], "both"))
    with pytest.raises(UsageError, match="one for each"):
        finished(merge([a.id, d.id], "both", weights=[1.0]))


def test_which_models_were_trained_on_a_record(tiny_folder, tmp_path, capsys):
    rows = [{"prompt": f"where is order {n} of mine now", "completion": f"answer {n}"} for n in range(40)]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "one.jsonl").write_text(json.dumps(rows[3]))
    (tmp_path / "stranger.jsonl").write_text(json.dumps({"prompt": "a quite different thing", "completion": "x"}))
    train = [
        "train",
        str(tmp_path / "d.jsonl"),
        "--base",
        str(tiny_folder),
        "--name",
        "desk",
        "--set",
        "max_steps=2",
    ]
    assert main(train) == 0
    register(tiny_folder, stirred_adapter(tiny_folder), name="unknown")
    capsys.readouterr()
    assert main(["forget-record", str(tmp_path / "one.jsonl"), "--json"]) == 0
    found = {m["model"]: m for m in json.loads(capsys.readouterr().out)["models"]}
    assert found["desk@1"]["exact"] == 1 and not found["unknown@1"]["known"]
    assert main(["forget-record", str(tmp_path / "one.jsonl")]) == 0
    assert re.search(r"postgrad models delete desk@1\n  postgrad models clean", capsys.readouterr().out)
    assert main(["forget-record", str(tmp_path / "stranger.jsonl")]) == 0
    assert "No other of the 2" in capsys.readouterr().out


def test_a_model_goes_to_another_base(tiny_folder, tmp_path, capsys):
    from tests.conftest import write_model

    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    other = write_model(tmp_path / "new", seed=11)
    run = ["run", str(tmp_path / "d.jsonl"), "--base", str(tiny_folder), "--name", "desk", "--no-general"]
    assert main([*run, "--out", str(tmp_path / "r"), "--set", "training.epochs=1"]) == 0
    capsys.readouterr()
    assert main(["migrate", "desk", "--base", str(other), "--out", str(tmp_path / "m"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["old"] == "desk@1" and told["new"] == "desk@2" and told["sentence"].startswith(("Move:", "Stay:"))
    assert Catalogue().get("desk@2").base == str(other)
    (tmp_path / "d.jsonl").unlink()
    assert main(["migrate", "desk@1", "--base", str(other), "--out", str(tmp_path / "m")]) == 2
    assert "is gone" in capsys.readouterr().err
