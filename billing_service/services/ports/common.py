"""What every subject needs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

type Clock = Callable[[], datetime]
"""Returns the time now, aware UTC."""


@dataclass(frozen=True, slots=True)
class Page[T]:
    """One page of a list and how long the whole list is."""

    items: tuple[T, ...]
    total: int
