"""Letters that the shipped fonts lack, from fonts that are installed on the machine.

Chinese, Japanese, Korean, Indic and other scripts would need fonts of many megabytes. So a bill is
printed with what the machine has, and says so where it has nothing. HarfBuzz joins the letters
where a script wants it. A bill without such letters is the same on every machine; with them, on
each machine that has the same fonts.
"""

import re
import struct
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase.pdfmetrics import (
    getFont,
    registerFont,
    registerFontFamily,
    stringWidth,
)
from reportlab.pdfbase.ttfonts import TTFError, TTFNameBytes, TTFont, TTFontFile

FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path("/Library/Fonts"),
    Path("/System/Library/Fonts"),
)

_OF_A_SCRIPT = ("notosans{}-regular.ttf", "lohit-{}.ttf")
"""Files by the script that the names of Unicode's characters begin with, the best first."""
_OF_MANY = (
    "droidsansfallbackfull.ttf",
    "wqy-microhei.ttc",
    "nanumgothic.ttf",
    "arial unicode.ttf",
    "notosanssymbols2-regular.ttf",
    "notoemoji-regular.ttf",
)
"""Files with letters that need no joining."""
_JOINING = frozenset({"Mn", "Mc", "Cf"})
"""Categories of characters that belong to the letter before them."""
_RIGHT_TO_LEFT = frozenset({"R", "AL"})
_JOINED = "-joined"
"""How the name ends of a font whose letters are shaped."""
_WORDS = re.compile(r"[^\S\xa0]+|[\S\xa0]+")
"""What reportlab takes for words, and what is between them."""

_at_hand: dict[str, TTFont] = {}


def begin() -> None:
    """Begin a document, before its first text.

    Shaping gives a font's nameless glyphs numbers as they come up: one that served another document
    would give this one other bytes.
    """
    for font in _at_hand.values():
        font.unregister()
    _at_hand.clear()
    # Fonts may have come and gone since.
    _installed.cache_clear()
    _file_for.cache_clear()


def styled(text: str, style: ParagraphStyle) -> ParagraphStyle:
    """Return the style to print a text in: another one where letters have to be joined."""
    for name, _ in _runs(text, style.fontName):
        if name.endswith(_JOINED):
            # reportlab shapes no paragraph whose own font may not be shaped.
            return ParagraphStyle(
                name=f"{style.name}{name}", parent=style, fontName=name, shaping=1
            )
    return style


def marked(text: str, font: str, style: ParagraphStyle) -> str:
    """Return text as reportlab's markup, each letter in ``font`` or one that has it."""
    return "".join(
        escape(run, quote=False)
        if name == style.fontName
        else f'<font name="{name}">{escape(run, quote=False)}</font>'
        for name, run in _runs(text, font)
    )


def missing(texts: Iterable[str], font: str) -> bool:
    """Return whether no font at all has some letter."""
    return any(
        not _shipped(each, font) and _file_for(each) is None
        for text in texts
        for each in text
    )


def width(text: str, font: str, size: float) -> float:
    """Return how wide a text is, in points."""
    return sum(stringWidth(run, name, size) for name, run in _runs(text, font))


def _runs(text: str, font: str) -> Iterator[tuple[str, str]]:
    """Yield stretches of text with the font of each."""
    for word in _WORDS.findall(text):
        yield from _of_word(word, font)


def _of_word(word: str, font: str) -> Iterator[tuple[str, str]]:
    files = list(_files_for(word, font))
    script = next((each for each in files if each and _is_of_a_script(each)), None)
    if script is not None and _letters(script).issuperset(map(ord, word)):
        # reportlab shapes a word with one font, so such a word is in one.
        yield _use(script, _JOINED), word
        return
    for file, pairs in groupby(zip(files, word, strict=True), key=lambda pair: pair[0]):
        run = "".join(letter for _, letter in pairs)
        yield (font if file is None else _use(file, "")), run


def _files_for(word: str, font: str) -> Iterator[Path | None]:
    file: Path | None = None
    for letter in word:
        joins = file is not None and unicodedata.category(letter) in _JOINING
        if not joins:
            file = None if _shipped(letter, font) else _file_for(letter)
        yield file


def _shipped(letter: str, font: str) -> bool:
    found = getFont(font)
    assert isinstance(found, TTFont)
    return letter.isspace() or ord(letter) in found.face.charToGlyph


@cache
def _file_for(letter: str) -> Path | None:
    """Return the first of the installed fonts that has a letter."""
    if unicodedata.bidirectional(letter) in _RIGHT_TO_LEFT:
        # They come here in the order they are seen in, which shaping would turn round.
        return None
    script = unicodedata.name(letter, "").partition(" ")[0].lower()
    names = (*(each.format(script) for each in _OF_A_SCRIPT), *_OF_MANY)
    files = (_installed().get(name) for name in names)
    return next(
        (f for f in files if f is not None and ord(letter) in _letters(f)), None
    )


def _is_of_a_script(file: Path) -> bool:
    return file.name.lower() not in _OF_MANY


@cache
def _installed() -> dict[str, Path]:
    """Return the machine's fonts by their names; of two with one name, the same one each time."""
    return {
        file.name.lower(): file
        for folder in reversed(FOLDERS)
        for file in sorted(folder.rglob("*.tt[fc]"), reverse=True)
    }


@cache
def _letters(file: Path) -> frozenset[int]:
    """Return what a font has; nothing when it may not, or cannot, be put into a PDF."""
    try:
        return frozenset(TTFontFile(str(file)).charToGlyph)
    except TTFError, OSError, LookupError, ValueError, struct.error:
        return frozenset()


def _use(file: Path, kind: str) -> str:
    """Have a font there for the document at hand; return its name."""
    name = f"{file.name.replace(' ', '')}{kind}"
    if name not in _at_hand:
        font = (TTFont if kind else AsItIs)(name, str(file))
        # Of two fonts of one face reportlab would take the first for both.
        font.face.name = TTFNameBytes(font.face.name + kind.encode())
        registerFont(font)
        registerFontFamily(name, normal=name, bold=name, italic=name, boldItalic=name)
        _at_hand[name] = font
    return name


class AsItIs(TTFont):
    """A font whose letters stand as they come, also in a paragraph that is shaped."""

    def hbFont(self, fontSize: float = 10) -> Any:  # noqa: N802, N803 - reportlab's names
        """Answer as a font does that cannot be shaped."""
        raise AttributeError
