"""`peft`: the adapter alone, in PEFT's files, with a base that resolves.

A base of the hub is named with its revision. Any other base is written beside the adapter, for it has no name that
somebody else could resolve; so is one that was packed to a few bits for the training, as it was trained on.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from postgrad.errors import UsageError
from postgrad.export.engines.adapter_reading import AdapterReading
from postgrad.export.engines.hf import TransformersModel
from postgrad.export.files import write_generation, write_tokenizer
from postgrad.export.formats.merged import save_module
from postgrad.export.leaving import Leaving, Written
from postgrad.export.parity.contestant import Contestant
from postgrad.export.parity.gate import Check
from postgrad.export.weights import base_module, stored_dtype
from postgrad.models.adapters.lora import load_adapter
from postgrad.storage import sha256_file

BASE = "base"
"""The folder of a base that is written beside its adapter."""
BASE_MODEL = "base_model.json"
"""Which base it is, with the hash of each file of its weights."""
_REVISION = re.compile(r"snapshots/([0-9a-f]{40})")

_LOADER = '''"""Loads the model of this folder: its base, checked by its hash, with the adapter on it.

    python load.py "a question"
"""

import hashlib
import json
import sys
from pathlib import Path

from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

HERE = Path(__file__).resolve().parent


def base_place(config):
    """The folder beside this one, or the hub's id and revision."""
    if (HERE / "base").is_dir():
        return str(HERE / "base"), None
    return config["base_model_name_or_path"], config.get("revision")


def check():
    """Refuses another base than the one that the adapter was trained on."""
    base = json.loads((HERE / "base_model.json").read_text("utf-8"))
    for name, wanted in base["files"].items():
        digest = hashlib.sha256()
        with open(HERE / "base" / name, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        if digest.hexdigest() != wanted:
            sys.exit(f"base/{name} is not the file that the adapter was trained on: SHA-256 {digest.hexdigest()}")


def load():
    """(model, tokenizer)"""
    config = json.loads((HERE / "adapter_config.json").read_text("utf-8"))
    check()
    place, revision = base_place(config)
    base = AutoModelForCausalLM.from_pretrained(place, revision=revision or "main")
    return PeftModel.from_pretrained(base, str(HERE)).eval(), AutoTokenizer.from_pretrained(str(HERE))


if __name__ == "__main__":
    model, tokenizer = load()
    asked = [{"role": "user", "content": " ".join(sys.argv[1:])}]
    ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    how = GenerationConfig.from_pretrained(str(HERE))  # not the base's own
    how.max_new_tokens = 256
    out = model.generate(**ids, generation_config=how, tokenizer=tokenizer)
    print(tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True))
'''


def write(leaving: Leaving, folder: Path, wanted: str | None = None) -> Written:
    """Writes the folder.

    Args:
        leaving: The model.
        folder: Empty.
        wanted: None: an adapter leaves as it was trained.

    Raises:
        UsageError: all weights were trained, so there is no adapter; or a precision is asked for.
    """
    if leaving.adapter is None:
        raise UsageError(
            f"{leaving.name} was trained in full: it has no adapter.", "Export its weights: --to safetensors."
        )
    if wanted:
        raise UsageError(
            "An adapter leaves as it was trained.", "Leave --quantize out, or take --to safetensors or gguf."
        )
    hub = hub_id(leaving)
    leaving.trained.save(folder, hub[0] if hub else BASE)
    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    config.pop("postgrad_bits", None)  # the base beside it is as it was trained on
    about = {"name": leaving.base_name, "hash": leaving.base.hash, "files": {}}
    if hub:
        config["revision"] = hub[1]
    else:
        about["files"] = _write_base(leaving, folder / BASE)
    # in a file of its own: PEFT warns of keys that it does not know
    (folder / BASE_MODEL).write_text(json.dumps(about, indent=1), "utf-8")
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1), "utf-8")
    (folder / "load.py").write_text(_LOADER, "utf-8")
    write_tokenizer(leaving, folder)
    write_generation(leaving, folder)
    start = {"PEFT": 'python load.py "…"'}
    if hub:
        start["vLLM"] = f"vllm serve {hub[0]} --revision {hub[1]} --enable-lora --lora-modules NAME=FOLDER"
    else:
        start["vLLM"] = (
            "vllm serve FOLDER/base --enable-lora --max-lora-rank"
            f" {max(8, leaving.adapter.rank)} --lora-modules NAME=FOLDER --chat-template FOLDER/chat_template.jinja"
        )
    where = (
        f"Its base is {hub[0]} at revision {hub[1]}."
        if hub
        else "Its base lies in `base/`, with its hashes in `base_model.json`."
    )
    return Written(start, (where,))


def precision(leaving: Leaving, wanted: str | None) -> str:
    """Of its base."""
    return str(stored_dtype(leaving.base)).removeprefix("torch.")


def contestants(leaving: Leaving, folder: Path) -> Iterator[Callable[[], Contestant]]:
    """The folder in PEFT, where that is installed; else read back by us."""
    hub = hub_id(leaving)
    if importlib.util.find_spec("peft") is not None:
        place, revision = hub or (str(folder / BASE), None)
        yield lambda: TransformersModel(folder, place, revision)
    else:
        yield lambda: AdapterReading(folder, leaving.base.folder if hub else folder / BASE)


def checks(leaving: Leaving, folder: Path) -> list[Check]:
    """The adapter in the files is the trained one."""
    found = load_adapter(folder)
    ours = leaving.adapter
    assert ours is not None
    if not found.tensors or not any(bool(b.any()) for _, b in found.tensors.values()):
        return [
            Check("files", False, "The adapter in the folder is empty.", "the adapter is empty, or trained nothing")
        ]
    same = set(found.tensors) == set(ours.tensors) and all(
        torch.equal(a, ours.tensors[n][0]) and torch.equal(b, ours.tensors[n][1]) for n, (a, b) in found.tensors.items()
    )
    if same and found.scale != ours.scale:
        told = f"The adapter's config scales it by {found.scale:g}, and it was trained with {ours.scale:g}."
        share = found.scale / ours.scale
        return [Check("files", False, told, f"the adapter is scaled wrong: {share:.2g} times of it is applied")]
    if not same:
        return [Check("files", False, "The adapter in the folder is another than the trained one.", "a stale file")]
    return [Check("files", True, f"{len(found.tensors)} layers, the trained ones.")]


def hub_id(leaving: Leaving) -> tuple[str, str] | None:
    """(id, revision) of a base that everybody can have: one that came from the hub, and was not packed."""
    found = _REVISION.search(leaving.base.folder.resolve().as_posix()) or _REVISION.search(
        leaving.base.folder.as_posix()
    )
    packed = leaving.adapter is not None and leaving.adapter.bits
    if found is None or packed or leaving.base.name.removesuffix("+thinking").count("/") != 1:
        return None
    return leaving.base.name.removesuffix("+thinking"), found.group(1)


def _write_base(leaving: Leaving, folder: Path) -> dict[str, str]:
    """The base as it was trained on; gives the hashes of its weights."""
    folder.mkdir()
    save_module(base_module(leaving, stored_dtype(leaving.base)), folder)
    write_tokenizer(leaving, folder)
    write_generation(leaving, folder)
    return {p.name: sha256_file(p).removeprefix("sha256:") for p in sorted(folder.glob("*.safetensors"))}
