"""Insults, slurs, threats and explicit words, by a list of rules: a model repeats the tone that it was shown.

This is a list, not a classifier: it finds words that are hardly ever meant otherwise, and misses what is cruel in plain
words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from postgrad.checks.support.evidence import reasons
from postgrad.checks.support.phrases import count_of, verb
from postgrad.checks.support.record_texts import texts_of
from postgrad.findings import Check, Context, Finding, Repair, check_factory
from postgrad.records import Record, Text

_SLURS = (
    r"nigg(?:a|er)s?|fagg?ots?|kikes?|spics?|wetbacks?|trann(?:y|ies)|gooks?|towelheads?|ragheads?|beaners?|sand"
    r" ?niggers?|(?:you|such a|a fucking|fucking|stupid|these|those|you're) retard(?:s|ed)?"
)
_OBSCENE = (
    r"(?:mother)?fuck(?:s|ed|er|ers|ing|in|face|wit)?|cunts?|cocksuckers?|shit(?:ty|head|heads|bag|face)?|bullshit|assholes?|arseholes?|"
    r"bitch(?:es|y)?|whores?|sluts?|dickheads?|twats?|wankers?|douche ?bags?|dumbass(?:es)?|jackass(?:es)?"
)
_SEXUAL = (
    r"blow ?jobs?|hand ?jobs?|gang ?bang(?:s|ed)?|cum ?shots?|deep ?throat(?:ing)?|jerk(?:ing)?"
    r" off|masturbat(?:e|es|ing)|pussies|pussy|tits|titties|boobs|dildos?|butt ?plugs?|hentai|creampie"
)
_DIRECTED = (
    r"(?:you(?:'re| are|’re)|u r|ur) (?:an? |such an? |so |all |really |just |nothing but an? )*(?:complete |total"
    r" |fucking |absolute |stupid |little )*"
    r"(?:idiots?|morons?|imbeciles?|losers?|scum|trash|garbage|pathetic|worthless|stupid|dumb|ugly|disgusting|pigs?|vermin|filth|parasites?)"
    r"|(?:you|u) (?:stupid|dumb|ugly|fat|worthless|pathetic|filthy|dirty|little)"
    r" (?:idiot|moron|pig|cow|loser|piece|bastard|bitch|scum|animal|brat)"
    r"|shut (?:the \w+ )?up,? (?:you|idiot|moron)|go to hell,? you|piece of (?:shit|crap|trash)"
)
_THREATS = (
    r"i(?:'ll| will|'m going to| am going to|’ll|'m gonna) (?:kill|murder|shoot|stab|strangle|rape|hurt|beat|find and"
    r" kill|hunt down) (?:you|u|him|her|them|your)\b"
    r"(?! (?:at|in|if you don't laugh))|kill (?:yourself|urself|urselves|yourselves)|kys|(?:you|they|he|she) (?:all"
    r" )?(?:deserves?|needs?) to (?:die|be (?:shot|killed|raped|hanged|lynched))"
    r"|(?:go|should|please) die in a|hope (?:you|u|they|he|she) (?:all )?dies?\b|gas the"
    r" (?:jews|blacks|muslims|gays|immigrants)|rape (?:you|her|him)"
)
_KINDS = {"slur": _SLURS, "threat": _THREATS, "sexual": _SEXUAL, "insult": _DIRECTED, "obscene": _OBSCENE}
_FINDERS = {name: re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])") for name, pattern in _KINDS.items()}
# A kind is looked for only where one of its stems stands.
_STEMS: dict[str, tuple[str, ...]] = {
    "slur": ("nigg", "fag", "kike", "spic", "wetback", "trann", "gook", "towelhead", "raghead", "beaner", " retard"),
    "threat": (
        *(
            "kill you",
            "kill u",
            "kill h",
            "kill th",
            "murder ",
            "shoot ",
            "stab ",
            "strangle ",
            "rape ",
            "hurt ",
            "beat ",
            "hunt down",
        ),
        *("kys", "to die", "be shot", "be hanged", "be killed", "be raped", "lynched", "die in a", "hope ", "gas the "),
    ),
    "sexual": (
        *(
            "blow job",
            "blowjob",
            "hand job",
            "handjob",
            "gang bang",
            "gangbang",
            "cum shot",
            "cumshot",
            "deep throat",
            "deepthroat",
        ),
        *(
            "jerk off",
            "jerking off",
            "masturbat",
            "pussies",
            "pussy",
            "tits",
            "titties",
            "boobs",
            "dildo",
            "butt plug",
            "buttplug",
            "hentai",
            "creampie",
        ),
    ),
    "insult": (
        *(
            "idiot",
            "moron",
            "imbecile",
            "loser",
            "scum",
            "trash",
            "garbage",
            "pathetic",
            "worthless",
            "stupid",
            "dumb",
            "ugly",
            "disgusting",
        ),
        *(
            "pig",
            "vermin",
            "filth",
            "parasite",
            "go to hell",
            "piece of",
            "shut up",
            "you fat",
            "you dirty",
            "you little",
        ),
    ),
    "obscene": (
        "fuck",
        "cunt",
        "cocksuck",
        "shit",
        "asshole",
        "arsehole",
        "bitch",
        "whore",
        "slut",
        "dickhead",
        "twat",
        "wanker",
        "douche",
        "dumbass",
        "jackass",
    ),
}
# And its stems only where a word begins with one of these letters: far faster than looking for each stem in the text.
_STARTS = {
    name: frozenset(letters.split())
    for name, letters in {
        "slur": "nigg fag fags fagg kike spic wetb tran gook towe ragh bean reta",
        "threat": "kill murd shoo stab stra rape hurt beat hunt kys die dies shot hang lync gas",
        "sexual": "blow blowj hand gang cum cums deep jerk mast puss tits titt boob dild butt hent crea",
        "insult": (
            "idio moro imbe lose scum tras garb path wort stup dumb ugly disg pig pigs verm filt para hell piec shut"
            " fat dirt litt"
        ),
        "obscene": "fuck moth cunt cock shit bull assh arse bitc whor slut dick twat wank douc dumb jack",
    }.items()
}
_BLANKS = str.maketrans(dict.fromkeys("!\"#%&'()*+,-./:;<=>?@[\\]^_`{|}~“”‘’…—\n", " "))
_LEET = re.compile(r"[@$!013457](?<=[a-z].)[a-z@$!013457]|[@$][a-z]{2}")
_LEET_LETTERS = str.maketrans(
    {"@": "a", "$": "s", "!": "i", "0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t"}
)
_STARRED = re.compile(
    r"(?<![\w*])(?:f\*+c?k(?:ing|er|ed)?|f[*#]{2}k|sh[*#]t|s[*#]{2}t|b[*#]tch|c[*#]nt|n[*#]gg(?:er|a)s?|a\*\*hole)(?![\w*])"
)


@check_factory(
    harm=44,
    advice="Read these and remove what your model should not say.",
)
def toxicity() -> Check:
    """Finds insults, slurs, threats and explicit words; leetspeak (`f4ggot`) and starred forms too. Evidence is masked.

    In answers they are a warning: the model will speak so. In requests alone they are information, because the model
    must stand what people write. Nothing is mended unasked; when asked for, records with toxic answers are dropped.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        answers: dict[int, list[tuple[str, str]]] = {}
        requests: dict[int, list[tuple[str, str]]] = {}
        for index, record in enumerate(records):
            hits = toxic_words("\n".join(texts_of(record)))
            if not hits:
                continue
            spoken = toxic_words(record.answer_text or (record.prompt_text if isinstance(record, Text) else ""))
            if spoken:
                answers[index] = spoken
            else:
                requests[index] = hits
        if answers:
            yield _finding(answers, "answer", "warning")
        if requests:
            yield _finding(requests, "request", "info")

    return check


def toxic_words(text: str) -> list[tuple[str, str]]:
    """(kind, word) of everything on the list in a text."""
    low = text.lower()
    found = _look(low)
    if not found and _LEET.search(low):
        spelled = re.sub(
            r"\S*[@$!013457]\S*",
            lambda m: m[0].translate(_LEET_LETTERS) if any(c.isalpha() for c in m[0]) else m[0],
            low,
        )
        found = [] if spelled == low else _look(spelled)
    if not found and "*" in low and (match := _STARRED.search(low)):
        found = [("obscene", match[0])]
    return found


def _look(low: str) -> list[tuple[str, str]]:
    starts = {word[:4] for word in low.translate(_BLANKS).split()}
    present = [
        name
        for name, stems in _STEMS.items()
        if not starts.isdisjoint(_STARTS[name]) and any(map(low.__contains__, stems))
    ]
    return [(name, match[0]) for name in present for match in _FINDERS[name].finditer(low)]


def _finding(found: dict[int, list[tuple[str, str]]], where: str, severity: str) -> Finding:
    counts = Counter(kind for hits in found.values() for kind, _ in hits)
    order = list(_KINDS)
    worst = sorted(found, key=lambda i: (min(order.index(kind) for kind, _ in found[i]), -len(found[i]), i))
    shown = ", ".join(f"{name} {n:,}×" for name, n in counts.most_common())
    many = len(found)
    return Finding(
        check="toxicity",
        severity="warning" if severity == "warning" else "info",
        sentence=(
            f"{count_of(many, where)} {verb(many, 'holds', 'hold')} insults, slurs, threats or explicit words"
            f" ({shown})."
        ),
        indices=tuple(worst),
        evidence=reasons(worst, lambda i: ", ".join(dict.fromkeys(f"{k} {masked(w)}" for k, w in found[i][:5]))),
        repairs=tuple(Repair(i, "drop", safe=False) for i in worst) if severity == "warning" else (),
        details={"where": where, "kinds": dict(counts), "count": many},
    )


def masked(words: str) -> str:
    """The first and last letter of each longer word."""
    return " ".join(w if len(w) < 4 else f"{w[0]}{'•' * (len(w) - 2)}{w[-1]}" for w in words.split())
