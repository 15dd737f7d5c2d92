"""What marks say: which sessions have something new, and from where on."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from billing_service.domain.frame import NO_BOOT
from billing_service.services.ports import Mark


@dataclass(frozen=True, slots=True)
class New:
    """What has come of a session: its lowest (boot, seq) and the time it covers, ms.

    ``frames`` is the lowest of a frame, None when only events have come.
    """

    lowest: tuple[int, int]
    from_ms: int
    to_ms: int
    frames: tuple[int, int] | None

    @classmethod
    def of(cls, mark: Mark) -> New:
        """Take it from a mark."""
        key = (mark.boot, mark.seq)
        return cls(key, mark.from_ms, mark.to_ms, None if mark.of_event else key)

    def joined(self, other: New) -> New:
        """Return both in one."""
        return New(
            min(self.lowest, other.lowest),
            min(self.from_ms, other.from_ms),
            max(self.to_ms, other.to_ms),
            min(
                (each.frames for each in (self, other) if each.frames is not None),
                default=None,
            ),
        )


def news_of(marks: Iterable[Mark]) -> dict[str, New]:
    """Return what is new of each session that has a name."""
    named: dict[str, New] = {}
    for mark in marks:
        if mark.session:
            new = New.of(mark)
            before = named.get(mark.session)
            named[mark.session] = new if before is None else before.joined(new)
    return named


def merged(marks: Iterable[Mark]) -> list[Mark]:
    """Return one mark for each session's frames and one for its events."""
    found: dict[tuple[str | None, bool], Mark] = {}
    for mark in marks:
        of = (mark.session, mark.of_event)
        known = found.get(of, mark)
        boot, seq = min((known.boot, known.seq), (mark.boot, mark.seq))
        found[of] = replace(
            known,
            boot=boot,
            seq=seq,
            from_ms=min(known.from_ms, mark.from_ms),
            to_ms=max(known.to_ms, mark.to_ms),
        )
    return list(found.values())


def mark_of_unnamed(station_id: str, late: tuple[int, int]) -> Mark:
    """Return the mark of frames that name no session."""
    from_ms, to_ms = late
    return Mark(
        station_id=station_id,
        session=None,
        boot=NO_BOOT,
        seq=0,
        from_ms=from_ms,
        to_ms=to_ms,
    )
