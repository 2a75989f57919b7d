"""A tokenizer as GGUF holds it: tokens with their types and scores, merges, and the name of the splitting before them.

llama.cpp knows a splitting by its name alone. A tokenizer whose splitting is none of those known here is refused: it
would cut texts otherwise than it was trained on.
"""

from __future__ import annotations

import json
from pathlib import Path

from postgrad.errors import ModelError, UsageError
from postgrad.export.foreign import Writer
from postgrad.export.leaving import Leaving
from postgrad.json_types import JsonMapping, JsonObject

QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
_LLAMA3 = QWEN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
SPLITTINGS = {
    json.dumps(["bytes"]): "gpt-2",
    json.dumps(["digits", "bytes"]): "smollm",
    json.dumps([QWEN, "plain bytes"]): "qwen2",
    json.dumps([_LLAMA3, "plain bytes"]): "llama-bpe",
}
"""By what `_splitting` finds, the name in llama.cpp."""


def write_vocabulary(writer: Writer, leaving: Leaving, size: int, template: str) -> None:
    """Tokens, special tokens and template.

    Args:
        writer: Of the file.
        leaving: The model.
        size: Rows of the embedding: tokens beyond the tokenizer's own fill it up.
        template: The chat template.

    Raises:
        UsageError: llama.cpp has no such tokenizer.
    """
    import gguf

    raw = _tokenizer(leaving.base.folder)
    model = raw["model"]
    vocabulary: dict[str, int] = dict(model["vocab"])
    added = {token["id"]: token for token in raw.get("added_tokens", [])}
    vocabulary |= {token["content"]: place for place, token in added.items()}
    if (most := max(vocabulary.values())) >= size:
        raise ModelError(
            f"The tokenizer has a token {most}, and the model's embedding {size} rows: an added token is missing.",
            "Add the token to the model before the training.",
        )
    by_id = {place: text for text, place in vocabulary.items()}
    texts = [by_id.get(i, f"[PAD{i}]") for i in range(size)]
    pieces = bool(model.get("byte_fallback"))

    def kind(place: int) -> int:
        if place not in by_id:
            return gguf.TokenType.UNUSED
        if place in added:
            return gguf.TokenType.CONTROL if added[place]["special"] else gguf.TokenType.USER_DEFINED
        if pieces and texts[place] == model.get("unk_token"):
            return gguf.TokenType.UNKNOWN
        if pieces and len(texts[place]) == 6 and texts[place].startswith("<0x"):
            return gguf.TokenType.BYTE
        return gguf.TokenType.NORMAL

    if pieces:
        writer.add_tokenizer_model("llama")
        writer.add_token_list(texts)
        writer.add_token_scores([-float(i) for i in range(size)])  # pieces lie in the order of their scores
        writer.add_add_space_prefix(_space_first(raw))
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(_splitting_name(raw))
        writer.add_token_list(texts)
        writer.add_token_merges([" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]])
    writer.add_token_types([kind(i) for i in range(size)])
    _special(writer, leaving, vocabulary)
    writer.add_chat_template(template)


def _special(writer: Writer, leaving: Leaving, vocabulary: dict[str, int]) -> None:
    """What begins and ends a text. Nothing is put before a prompt: what its template writes is all there is."""
    tokens = leaving.renderer.template.tokens
    ends = leaving.renderer.end_ids
    named = {name: vocabulary.get(tokens.get(f"{name}_token", "")) for name in ("bos", "eos", "pad", "unk")}
    eos = named["eos"] if named["eos"] is not None else min(ends)
    writer.add_eos_token_id(eos)
    if more := sorted(ends - {eos}):
        writer.add_eot_token_id(more[0])
    for name in ("bos", "pad", "unk"):
        if (place := named[name]) is not None:
            getattr(writer, f"add_{name}_token_id")(place)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)


def _tokenizer(folder: Path) -> JsonObject:
    raw = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    kind = raw["model"].get("type", "BPE")
    if kind != "BPE":
        raise UsageError(f"A tokenizer of the kind {kind!r} is not written as GGUF.", "Take --to safetensors.")
    return raw


def _splitting_name(raw: JsonMapping) -> str:
    found = json.dumps(_splitting(raw.get("pre_tokenizer")))
    normal = raw.get("normalizer")
    if found not in SPLITTINGS or (normal is not None and normal.get("type") != "NFC"):
        raise UsageError(
            f"llama.cpp is not known to split texts as this tokenizer does ({found[:120]}).",
            "Take --to safetensors; llama.cpp's own convert_hf_to_gguf.py may know it.",
        )
    return SPLITTINGS[found]


def _splitting(step: JsonMapping | None) -> list[str]:
    """The steps of a pre-tokenizer, in short."""
    if step is None:
        return []
    kind = step["type"]
    if kind == "Sequence":
        return [one for inner in step["pretokenizers"] for one in _splitting(inner)]
    if kind == "ByteLevel":
        first = "spaced " if step.get("add_prefix_space") else ""
        return [f"{first}bytes" if step.get("use_regex", True) else f"{first}plain bytes"]
    if kind == "Digits":
        return ["digits" if step.get("individual_digits") else "numbers"]
    if kind == "Split" and "Regex" in step["pattern"] and step.get("behavior") == "Isolated":
        return [step["pattern"]["Regex"]]
    return [json.dumps(step)]


def _space_first(raw: JsonMapping) -> bool:
    """Whether a space is put before a text."""
    text = json.dumps([raw.get("normalizer"), raw.get("pre_tokenizer")])
    return '"Prepend"' in text or '"prepend_scheme": "first"' in text or '"prepend_scheme": "always"' in text
