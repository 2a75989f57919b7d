"""Content parts of a message: text is joined; images, sound and files are kept as OpenAI spells them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from postgrad.data.shapes.cells import to_json
from postgrad.data.shapes.row_errors import TurnError
from postgrad.json_types import JsonMapping
from postgrad.records import Message

ContentPart: TypeAlias = JsonMapping
_TEXTS = frozenset(["text", "input_text", "output_text", "refusal", "reasoning"])
_OTHER_MEDIA = frozenset(["input_audio", "audio", "audio_url", "video", "video_url", "file", "input_file", "document"])
_EMPTY_IMAGE = {"type": "image"}
_MARK = "<image>"
_PICTURES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}


def read_content(raw: object, number: int) -> tuple[str, tuple[ContentPart, ...], tuple[ContentPart, ...]]:
    """(text, tool calls that stand among the parts, all parts where some are no text) of a message's content.

    Raises:
        TurnError: The content is neither text nor a list of known parts.
    """
    if isinstance(raw, str):
        return raw, (), ()
    if raw is None:
        return "", (), ()
    if isinstance(raw, dict):
        return to_json(raw), (), ()
    if not isinstance(raw, list):
        raise TurnError(f"message {number} has {type(raw).__name__} as content, not text")
    texts: list[str] = []
    calls: list[ContentPart] = []
    parts: list[ContentPart] = []
    for part in raw:
        kind = _kind(part)
        if kind in _TEXTS:
            text = _text(part, kind)
            texts.append(text)
            parts.append({"type": "text", "text": text})
        elif kind == "tool_call":
            value = str(part.get("value", part.get("text", "")))
            found = read_calls(value, number)
            if not found:
                raise TurnError(f"message {number} has a tool call that is not JSON ({value[:40]!r})")
            calls += found
        else:
            parts.append(_media(part, kind, number))
    plain = all(part["type"] == "text" for part in parts)
    return "".join(texts), tuple(calls), () if plain else tuple(parts)


def read_calls(text: str, number: int) -> list[ContentPart]:
    """`{"name": …, "arguments": …}`, or a list of such, as OpenAI's calls; empty where the text is something else."""
    try:
        value = json.loads(text)
    except ValueError:
        return []
    items = value if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, dict) and "name" in item for item in items):
        return []
    names = [f"call_{number}"] if len(items) == 1 else [f"call_{number}_{i}" for i in range(1, len(items) + 1)]
    return [_call(item, name) for item, name in zip(items, names, strict=True)]


def attach_images(messages: tuple[Message, ...], images: object) -> tuple[Message, ...]:
    """Puts the images of a column beside the conversation where the messages mark their places.

    Marks are `<image>` in a text, or parts of type `image` without an image. Without any mark the images stand before
    the first request.

    Raises:
        TurnError: There are more or fewer images than marks.
    """
    urls = [image_url(image) for image in (images if isinstance(images, list) else [images] if images else [])]
    marked = sum(m.content.count(_MARK) if not m.parts else m.parts.count(_EMPTY_IMAGE) for m in messages)
    if not urls and not any(_EMPTY_IMAGE in m.parts for m in messages):
        return messages
    if not marked:
        first = next((i for i, m in enumerate(messages) if m.role == "user"), None)
        if first is None:
            raise TurnError(f"there are {len(urls)} images, but no request that they could belong to")
        parts = (*map(_image_part, urls), *_as_parts(messages[first]))
        return (*messages[:first], replace(messages[first], parts=parts), *messages[first + 1 :])
    if marked != len(urls):
        raise TurnError(f"there are {len(urls)} images, but {marked} places for them")
    queue = iter(urls)
    return tuple(_filled(message, queue) for message in messages)


def image_url(image: object) -> str:
    """The path or URL of an image; bytes become a data URL.

    Raises:
        TurnError: It is none of these.
    """
    if isinstance(image, str):
        return image
    if isinstance(image, Mapping):
        raw, path = image.get("bytes"), image.get("path") or image.get("url")
        if isinstance(raw, bytes):
            kind = next((name for magic, name in _PICTURES.items() if raw.startswith(magic)), "png")
            return f"data:image/{kind};base64,{base64.b64encode(raw).decode()}"
        if isinstance(path, str):
            return path
    raise TurnError(f"an image is given as {type(image).__name__}, not as a path, URL or bytes")


def _kind(part: object) -> str:
    if isinstance(part, str):
        return "text"
    if not isinstance(part, dict):
        return type(part).__name__
    named = part.get("type")
    if named is not None:
        return str(named)
    return "text" if "text" in part else next(iter(part), "nothing")  # Bedrock: {"text": …}, {"image": …}


def _text(part: Any, kind: str) -> str:
    if isinstance(part, str):
        return part
    value = next((part[key] for key in ("text", "value", "refusal") if part.get(key) is not None), "")
    return f"<think>{value}</think>" if kind == "reasoning" else str(value)


def _media(part: Any, kind: str, number: int) -> ContentPart:
    if kind in _OTHER_MEDIA:
        return {key: value for key, value in part.items() if value is not None}
    if kind not in ("image", "image_url", "input_image"):
        raise TurnError(f"message {number} holds a part of type {kind!r}; known are text, images, sound and files")
    given = next((part[key] for key in ("image_url", "image", "url", "value") if part.get(key)), None)
    if given is None and kind == "image":
        return _EMPTY_IMAGE
    if isinstance(given, dict) and "source" in given:
        return _image_part(_bedrock_url(given))
    if isinstance(given, dict) and isinstance(given.get("url"), str):
        detail = {"detail": given["detail"]} if given.get("detail") else {}
        return {"type": "image_url", "image_url": {"url": given["url"], **detail}}
    if given is None:
        raise TurnError(f"message {number} holds a part of type {kind!r} without a path or URL")
    return _image_part(image_url(given))


def _bedrock_url(image: JsonMapping) -> str:
    source = image["source"]
    if isinstance(source.get("bytes"), str):
        return f"data:image/{image.get('format', 'png')};base64,{source['bytes']}"
    return image_url(source.get("s3Location", {}).get("uri"))


def _image_part(url: str) -> ContentPart:
    return {"type": "image_url", "image_url": {"url": url}}


def _as_parts(message: Message) -> tuple[ContentPart, ...]:
    return message.parts or (({"type": "text", "text": message.content},) if message.content else ())


def _filled(message: Message, queue: Iterator[str]) -> Message:
    """The message with the next images in its places."""
    if message.parts:
        return replace(
            message, parts=tuple(_image_part(next(queue)) if p == _EMPTY_IMAGE else p for p in message.parts)
        )
    if _MARK not in message.content:
        return message
    parts: list[ContentPart] = []
    pieces: Sequence[str] = message.content.split(_MARK)
    for position, piece in enumerate(pieces):
        if position:
            parts.append(_image_part(next(queue)))
        if piece:
            parts.append({"type": "text", "text": piece})
    return replace(message, content="".join(pieces), parts=tuple(parts))


def _call(item: JsonMapping, name: str) -> ContentPart:
    arguments = item.get("arguments", {})
    spelled = arguments if isinstance(arguments, str) else to_json(arguments)
    return {"id": name, "type": "function", "function": {"name": item["name"], "arguments": spelled}}
