"""Where the steps of a trace begin: at the lines that begin with a mark, such as "Step 2:"."""

import re

from spex.inputs.segmentation import trimmed
from spex.inputs.sentences.blocks import blocks, outside
from spex.inputs.sentences.lines import HEADING, Span, line_spans

# "Step" in languages that put a number after it, and numbers as words.
_WORDS = (
    "step|schritt|[ée]tape|paso|passo|stap|steg|trin|skritt|krok|lépés|vaihe|ad[ıi]m|b[ưu]ớc"
    "|langkah|шаг|крок|βήμα|चरण|الخطوة|خطوة|步骤|步驟|ステップ|단계"
)
_NUMBERS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eins|zwei|drei|vier|fünf|sechs|un|une|deux"
    "|trois|quatre|cinq|six|uno|dos|tres|cuatro|cinco|seis|due|tre|quattro|cinque"
)
_FIRST = (
    "first(?:ly)?|second(?:ly)?|third(?:ly)?|fourth(?:ly)?|fifth(?:ly)?|sixth(?:ly)?|next|finally"
    "|lastly|erstens|zweitens|drittens|viertens|schließlich|premièrement|deuxièmement"
    "|troisièmement|enfin|primero|segundo|tercero|finalmente|por último"
)
_MARK = re.compile(
    rf"""[ \t]*[*_>\#]{{0,6}}[ \t]*(?:
    (?:{_WORDS})\s*\#?(?:\d+|(?:[IVX]+|[A-Z])\s?[:.)]|(?:{_NUMBERS})\b|[一二三四五六七八九十]+)
    | (?:{_WORDS})\s+[^\W\d]+\s?[:：]                    # "Step eleven:"
    | 第\s?[\d一二三四五六七八九十百]+\s?(?:步|步驟|段階)
    | \d+\s?(?:단계|つ目|、)
    | [一二三四五六七八九十]+、
    | [（(]\s?[\d一二三四五六七八九十]+\s?[）)]
    | \(?(?:\d{{1,3}}|[A-Za-z])\)\s
    | \d{{1,3}}(?:\.\d{{1,3}})*\.(?:\s|\*)
    | [\u2460-\u2473]
    | (?:{_FIRST}),
    | (?:首先|其次|再次|然后|接着|接下来|最后)[，,]
    | (?:まず|次に|最後に)[、,]
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_BULLET = re.compile(r"\s*[-*+\u2022\u2013]\s+\S")


def step_spans(text: str) -> list[Span]:
    """The steps of a trace; what stands before the first mark is one, too.

    No mark counts inside code between fences, or inside a formula that stands on lines of its own.
    """
    return trimmed(text, _step_starts(text))


def has_steps(text: str) -> bool:
    """Whether any line begins with a mark."""
    return bool(_step_starts(text))


def _step_starts(text: str) -> list[int]:
    whole = [block for block in blocks(text) if block.stands_alone]
    starts = []
    for start, stop in line_spans(text):
        line = text[start:stop]
        if _MARK.match(line) or _BULLET.match(line) or HEADING.fullmatch(line):
            starts.append(start)
    return outside(starts, whole)
