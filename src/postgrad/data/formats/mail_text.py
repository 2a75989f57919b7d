"""The text of a mail, taken apart: what its writer wrote, what was quoted below or between, and the signature."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SIGNATURE = re.compile(r"^(?:-- ?|—|__+)$")
_SENT_FROM = re.compile(
    r"^(?:sent from my |get outlook for |gesendet von mein|von meinem .{1,30} gesendet|envoyé de mon |enviado desde mi"
    r" |diese nachricht wurde von meinem )",
    re.IGNORECASE,
)
_WROTE = re.compile(
    r"^(?:>\s*)?(?:(?:on|am|le|el|il|op|em|den|dnia)\b.{4,200}|.{0,80}<?[\w.+-]+@[\w.-]+>?.{0,60})"
    r"(?:wrote|schrieb|a écrit|escribió|ha scritto|schreef|escreveu|skrev|napisał\(a\))[^:\n]{0,80}:\s*$",
    re.IGNORECASE | re.DOTALL,
)
_DIVIDER = re.compile(
    r"^[\s>]*(?:-{2,}\s*(?:original message|ursprüngliche nachricht|message d'origine|mensaje original|forwarded"
    r" message|"
    r"weitergeleitete nachricht|original appointment)\s*-{2,}|_{20,})\s*$",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"^[\s>*]*(from|sent|to|subject|date|cc|von|gesendet|an|betreff|datum|de|envoyé|à|objet|enviado|para|asunto)\*?\s?:\*?\s.+$",
    re.IGNORECASE,
)
_FIRST_HEADERS = {"from", "von", "de"}


@dataclass(frozen=True, slots=True)
class MailParts:
    """A mail's text: what is new in it, what it quotes (without the `>`), and the signature."""

    own: str
    quoted: str
    signature: str


def split_mail(text: str) -> MailParts:
    """Parts a mail's text; where nothing but a quote is left, the quote is not the writer's own."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    own: list[str] = []
    quoted: list[str] = []
    signature: list[str] = []
    into = own
    position = 0
    while position < len(lines):
        line = lines[position]
        if line.startswith(">"):
            quoted.append(line)
        elif into is not quoted and (taken := _attribution(lines, position)):
            position += taken
            if not _quote_follows(lines, position):
                into = quoted  # the rest is quoted without marks
            continue
        elif into is own and (_SIGNATURE.match(line) or _SENT_FROM.match(line)) and any(part.strip() for part in own):
            into = signature
            if _SENT_FROM.match(line):
                signature.append(line)
        else:
            into.append(line)
        position += 1
    return MailParts(_tidy(own), _tidy(_unmark(quoted)), _tidy(signature))


def plain_subject(subject: str) -> str:
    """A subject without `Re:`, `Fwd:`, `AW:` and tags of ticket systems in brackets at its front, lower case."""
    return (
        re.sub(
            r"^(?:\s*(?:re|fwd?|aw|wg|antw|sv|vs|tr|rv|ref)\s*(?:\[\d+\])?\s*:\s*|\s*\[[^\]]{1,40}\]\s*)+",
            "",
            subject,
            flags=re.IGNORECASE,
        )
        .strip()
        .lower()
    )


def _attribution(lines: list[str], at: int) -> int:
    """How many lines introduce a quote here: `On …, X wrote:` (also broken over lines), a divider, or a block of
    headers."""
    line = lines[at]
    if _DIVIDER.match(line):
        return 1 + _headers(lines, at + 1)
    for count in (1, 2, 3):
        joined = " ".join(part.strip() for part in lines[at : at + count])
        if _WROTE.match(joined) and "" not in lines[at : at + count]:
            return count
    first = _HEADER.match(line)
    if first and first[1].lower() in _FIRST_HEADERS and (count := _headers(lines, at)) >= 3:
        return count
    return 0


def _headers(lines: list[str], at: int) -> int:
    count = 0
    while at + count < len(lines) and _HEADER.match(lines[at + count]):
        count += 1
    return count


def _quote_follows(lines: list[str], at: int) -> bool:
    """Whether the quote is marked with `>`: then text after it is the writer's own again."""
    following = next((line for line in lines[at : at + 4] if line.strip()), "")
    return following.startswith(">")


def _unmark(lines: list[str]) -> list[str]:
    return [re.sub(r"^(?:> ?)+", "", line) for line in lines]


def _tidy(lines: list[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip()
