"""Mutated model files: weights (safetensors, GGUF), configurations and tokenizers, each read as a base model or refused
with one clear error, within seconds and little memory.

    python bench/fuzz_models.py [--count 5000] [--seed 0] [--seconds 60]

Lengths, offsets, shapes, types and numbers of tensors are changed on purpose, and bytes at random. Each try is a
process of its own with limits of memory (8 GB of addresses) and time. Prints a summary as JSON; exit code 1 where a
file was neither read nor refused.
"""

from __future__ import annotations

import argparse
import collections
import importlib
import json
import multiprocessing
import os
import random
import resource
import select
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

ADDRESSES = 8 << 30
ODD = [0, -1, 1, 2**31, 2**32 + 1, 2**63 - 1, 10**18, 1e308, "x", None, [], {}, True, "\ud800", "a" * 100_000]
LENGTHS = [0, 1, 2**16, 2**31 - 1, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1]


def changed_json(value: Any, draw: random.Random) -> Any:
    """One part of a JSON value replaced, taken out, or doubled."""
    places: list[tuple[Any, Any]] = []

    def walk(part: Any) -> None:
        for key in part if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ():
            places.append((part, key))
            if len(places) < 5000:
                walk(part[key])

    copy = json.loads(json.dumps(value))
    walk(copy)
    part, key = draw.choice(places)
    if draw.random() < 0.2:
        del part[key]
    else:
        part[key] = draw.choice(ODD)
    return copy


def bytes_changed(data: bytes, draw: random.Random, head: int = 4096) -> bytes:
    """Bits flipped, cut, numbers put in; mostly in the head."""
    out = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 8])):
        at = draw.randrange(min(len(out), head) if draw.random() < 0.9 else len(out))
        what = draw.randrange(4)
        if what == 0:
            out[at] ^= 1 << draw.randrange(8)
        elif what == 1:
            del out[at:]
        elif what == 2:
            out[at : at + 8] = struct.pack("<Q", draw.choice(LENGTHS))
        else:
            out[at : at + 4] = struct.pack("<I", draw.choice(LENGTHS) & 0xFFFFFFFF)
        if not out:
            break
    return bytes(out)


def weights_changed(data: bytes, draw: random.Random) -> bytes:
    """safetensors with another header."""
    if draw.random() < 0.3:
        return bytes_changed(data, draw)
    (length,) = struct.unpack("<Q", data[:8])
    header, rest = json.loads(data[8 : 8 + length]), data[8 + length :]
    names = [n for n in header if n != "__metadata__"]
    name = draw.choice(names)
    what = draw.randrange(6)
    if what == 0:
        header[name]["shape"] = draw.choice([[2**40], [2**32, 2**32], [-1], [0], [3, 5], [], "x", [2**63]])
    elif what == 1:
        header[name]["data_offsets"] = draw.choice(
            [[0, 2**62], [-8, 8], [8, 0], [0, 0], header[draw.choice(names)]["data_offsets"], [0]]
        )
    elif what == 2:
        header[name]["dtype"] = draw.choice(["F64", "I8", "BOOL", "F8_E4M3", "nothing", 3])
    elif what == 3:
        for n in range(20_000):
            header[f"x{n}"] = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    elif what == 4:
        header = changed_json(header, draw)
    else:
        del header[name]
    text = json.dumps(header).encode()
    return struct.pack("<Q", draw.choice([len(text)] * 5 + LENGTHS)) + text + rest


def tiny_gguf(target: Path, model: Path) -> Path:
    """A Llama of a few kilobytes in GGUF, with the tokenizer of a tiny model."""
    import gguf
    import numpy as np

    vocabulary = json.loads((model / "tokenizer.json").read_text())["model"]
    tokens = [t for t, _ in sorted(vocabulary["vocab"].items(), key=lambda pair: pair[1])][:400]
    writer = gguf.GGUFWriter(str(target), "llama")
    width, heads, inner = 32, 4, 64
    writer.add_context_length(256)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_rope_dimension_count(width // heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * len(tokens))
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in vocabulary["merges"]][:50])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    shapes = {
        "token_embd": (len(tokens), width),
        "output_norm": (width,),
        "output": (len(tokens), width),
        "blk.0.attn_norm": (width,),
        "blk.0.ffn_norm": (width,),
        **{f"blk.0.attn_{n}": (width, width) for n in ("q", "k", "v", "output")},
        "blk.0.ffn_gate": (inner, width),
        "blk.0.ffn_up": (inner, width),
        "blk.0.ffn_down": (width, inner),
    }
    draw = np.random.default_rng(0)
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", draw.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def write_seeds(model: Path, gguf_file: Path) -> None:
    from tests.conftest import write_model

    write_model(model)
    tiny_gguf(gguf_file, model)


def mutated(folder: Path, model: Path, gguf_file: Path, draw: random.Random) -> str:
    """Puts a mutated model into the folder; what `--base` takes."""
    kind = draw.choice(
        ["gguf", "gguf", "safetensors", "safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"]
    )
    if kind == "gguf":
        target = folder / "m.gguf"
        target.write_bytes(bytes_changed(gguf_file.read_bytes(), draw, 9000))
        return str(target)
    shutil.copytree(model, folder / "m")
    name = "model.safetensors" if kind == "safetensors" else kind
    path = folder / "m" / name
    data = path.read_bytes()
    if kind == "safetensors":
        path.write_bytes(weights_changed(data, draw))
    elif draw.random() < 0.3:
        path.write_bytes(bytes_changed(data, draw, len(data)))
    else:
        path.write_text(json.dumps(changed_json(json.loads(data), draw)))
    return str(folder / "m")


def attempt(base: str, say: int) -> None:
    """The child: the model is found, loaded, and asked."""
    from postgrad.errors import PostgradError
    from postgrad.models.generation.generate import Decoding, complete
    from postgrad.models.language_model import load_model
    from postgrad.records import Message

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    try:
        model = load_model(base)
        prompt = model.renderer.prompt_ids([Message("user", "Where is it?")])
        list(complete(model, [prompt], Decoding(max_new_tokens=2)))
        told = "read"
    except PostgradError as error:
        told = f"refused {error.message[:200]}"
    except BaseException:  # noqa: BLE001 - whatever it is, it is told
        told = "fault " + traceback.format_exc()[-1800:]
    os.write(say, told.encode(errors="replace"))


def tried(base: str, seconds: float) -> tuple[str, float]:
    """(what became of it, seconds)."""
    ours, theirs = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        attempt(base, theirs)
        os._exit(0)
    os.close(theirs)
    ready, _, _ = select.select([ours], [], [], seconds)
    told = os.read(ours, 4096).decode(errors="replace") if ready else "fault: no end within the time"
    os.close(ours)
    if not ready:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return told or f"fault: ended by {status}", time.monotonic() - began


def main() -> int:
    given = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    given.add_argument("--count", type=int, default=5000)
    given.add_argument("--seed", type=int, default=0)
    given.add_argument("--seconds", type=float, default=60)
    given.add_argument("--keep", type=Path, help="Folder for what was at fault.")
    options = given.parse_args()
    for once in ("modeling_gguf_pytorch_utils", "models.llama.modeling_llama", "models.auto.tokenization_auto"):
        importlib.import_module(f"transformers.{once}")  # for all tries
    for once in ("gguf", "jinja2.ext", "postgrad.models.language_model", "postgrad.models.generation.incremental"):
        importlib.import_module(once)

    counts, faults, longest = collections.Counter[str](), list[str](), 0.0
    with tempfile.TemporaryDirectory(prefix="postgrad-fuzz-") as scratch:
        root = Path(scratch)
        os.environ["POSTGRAD_HOME"] = str(root / "home")
        model, gguf_file = root / "tiny", root / "tiny.gguf"
        seeds = multiprocessing.get_context("spawn").Process(target=write_seeds, args=(model, gguf_file))
        seeds.start()  # in a process of its own: once torch has computed, its threads do not survive a fork
        seeds.join()
        for base in (str(model), str(gguf_file)):
            told, _ = tried(base, 120)
            assert told == "read", told
        for number in range(options.count):
            draw = random.Random(f"{options.seed} {number}")
            folder = root / "try"
            folder.mkdir()
            base = mutated(folder, model, gguf_file, draw)
            told, seconds = tried(base, options.seconds)
            longest = max(longest, seconds)
            counts[told.split(" ")[0].rstrip(":")] += 1
            if told.startswith("fault"):
                faults.append(f"{number}: {told[-1500:]}")
                if options.keep:
                    shutil.copytree(folder, options.keep / str(number), dirs_exist_ok=True)
            if number % 20 == 19:
                print(f"{number + 1}: {dict(counts)}", file=sys.stderr, flush=True)
            shutil.rmtree(folder)
            shutil.rmtree(root / "home", ignore_errors=True)
    print(json.dumps({**counts, "longest_s": round(longest, 1), "faults": faults[:12]}, indent=1))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
