"""Passwords that everyone tries first.

``list.txt`` has those of five and more characters of the list that Django ships (its licence is
beside it), in lower case. What people add to satisfy a rule of length, digits or signs at either
end or the same again, is taken off before looking.
"""

import re
from functools import cache
from pathlib import Path

_ENDS = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_AGAIN = re.compile(r"(.+?)\1+")


def is_common(password: str) -> bool:
    """Tell whether a password is one of them, or one with little added to it."""
    folded = password.casefold().strip()
    candidates = {folded, _ENDS.sub("", folded)}
    candidates |= {again[1] for each in candidates if (again := _AGAIN.fullmatch(each))}
    return not candidates.isdisjoint(_known() | {""})


@cache
def _known() -> frozenset[str]:
    text = Path(__file__).with_name("list.txt").read_text("utf-8")
    return frozenset(text.splitlines())
