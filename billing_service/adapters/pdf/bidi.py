"""Text that runs from right to left: letters joined, words in the order they are seen in.

A PDF shows letters where it is told to. Arabic letters take the form that their neighbours ask for
(arabic-reshaper); the order on paper follows the Unicode Bidirectional Algorithm (UAX #9,
python-bidi), line by line, once it is known where lines end.
"""

import unicodedata
from collections.abc import Callable

from arabic_reshaper import arabic_reshaper
from bidi import get_display
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import simpleSplit
from reportlab.platypus import Paragraph

from billing_service.adapters.pdf import fallback

_RIGHT_TO_LEFT = frozenset({"R", "AL"})
_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"), ("<", ">"), ("«", "»"))
_reshape: Callable[[str], str] = arabic_reshaper.reshape


def is_bidi(text: str) -> bool:
    """Return whether anything in a text runs from right to left."""
    return any(unicodedata.bidirectional(each) in _RIGHT_TO_LEFT for each in text)


def visual(text: str) -> str:
    """Return one line as it is seen, from left to right."""
    return _seen(_reshape(text), _direction(text)) if is_bidi(text) else text


class BidiParagraph(Paragraph):
    """A paragraph of plain text with words in both directions."""

    def __init__(self, text: str, style: ParagraphStyle) -> None:
        """Take text in the order it is read in."""
        self._text = _reshape(text)
        self._direction = _direction(text)
        self._font = style.fontName
        look = fallback.styled(self._text, style)
        super().__init__(self._markup(self._text, look), look)

    def wrap(self, availWidth: float, availHeight: float) -> tuple[float, float]:  # noqa: N803
        """Break the text as it is read, then order each line as it is seen."""
        style = self.style
        lines = simpleSplit(self._text, self._font, style.fontSize, availWidth)
        markup = "<br/>".join(self._markup(line, style) for line in lines)
        Paragraph.__init__(self, markup, style)
        size: tuple[float, float] = super().wrap(availWidth, availHeight)
        return size

    def _markup(self, line: str, style: ParagraphStyle) -> str:
        return fallback.marked(_seen(line, self._direction), self._font, style)


def _direction(text: str) -> str:
    """Return the direction of the first letter that has one (UAX #9, P2 and P3)."""
    for each in text:
        kind = unicodedata.bidirectional(each)
        if kind in _RIGHT_TO_LEFT:
            return "R"
        if kind == "L":
            return "L"
    return "L"


def _seen(line: str, direction: str) -> str:
    return _mirrored(str(get_display(line, base_dir=direction)))


def _mirrored(seen: str) -> str:
    """Turn brackets that came to stand the wrong way round (UAX #9, L4).

    python-bidi reorders them but leaves the characters: a pair that is seen closed before it is
    opened stands in text from right to left.
    """
    signs = list(seen)
    for opening, closing in _BRACKETS:
        wrong: list[int] = []
        opened = 0
        for place, sign in enumerate(signs):
            if sign == opening and wrong:
                signs[wrong.pop()], signs[place] = opening, closing
            elif sign == opening:
                opened += 1
            elif sign == closing and opened:
                opened -= 1
            elif sign == closing:
                wrong.append(place)
    return "".join(signs)
