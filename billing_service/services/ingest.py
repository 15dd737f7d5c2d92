"""Keep what stations send: one batch, one transaction, every frame exactly once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from billing_service.domain.frame import NO_BOOT, Frame, SessionEvent
from billing_service.domain.summary import WORTH_FRAMES, summaries_of
from billing_service.services.ports import (
    Clock,
    Mark,
    OpenUnitOfWork,
    Rejected,
    Station,
    UnitOfWork,
)

log = structlog.get_logger(__name__)

DEFAULT_MAX_POWER_W = 22_000
"""A three-phase wallbox; used until a station has told its own rating."""


@dataclass(slots=True)
class News:
    """The last state, info and status heard from one station within a batch."""

    info: dict[str, Any] | None = None
    state: dict[str, Any] | None = None
    online: bool | None = None


@dataclass(slots=True)
class Batch:
    """Messages that are stored together. Already checked against the contract.

    ``alive``: the stations themselves sent this, just now.
    """

    frames: list[Frame] = field(default_factory=list)
    events: list[SessionEvent] = field(default_factory=list)
    news: dict[str, News] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    alive: bool = True

    def __bool__(self) -> bool:
        """Whether there is anything to store."""
        return bool(self.frames or self.events or self.news or self.rejected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a batch added. ``duplicates`` counts frames that were known already."""

    new: tuple[Frame, ...]
    duplicates: int
    events: int
    rejected: int

    @property
    def frames(self) -> int:
        """How many frames were new."""
        return len(self.new)


class Ingest:
    """Stores batches and notes which sessions have to be metered again."""

    def __init__(
        self,
        open_uow: OpenUnitOfWork,
        clock: Clock,
        *,
        time_zone: str,
        accepts: Callable[[str], bool] = lambda _station_id: True,
    ) -> None:
        """Take what it works with.

        ``time_zone`` is that of stations heard for the first time; ``accepts`` says of such a
        one whether it may be used without asking an admin.
        """
        self._accepts = accepts
        self._open_uow = open_uow
        self._clock = clock
        self._time_zone = time_zone

    async def store(self, batch: Batch) -> Stored:
        """Store a batch in one transaction; when this returns it is durable.

        The same batch twice stores nothing the second time.
        """
        now = self._clock()
        async with self._open_uow() as uow:
            frames = await uow.frames.add(batch.frames, now) if batch.frames else []
            events = await uow.events.add(batch.events, now) if batch.events else []
            if batch.rejected:
                await uow.rejected.add(batch.rejected)
            await self._note_stations(uow, batch)
            await _sum_up(uow, frames)
            marks = _marks(frames, events)
            if marks:
                await uow.marks.add(marks)
            await uow.commit()
        return Stored(
            new=tuple(frames),
            duplicates=len(batch.frames) - len(frames),
            events=len(events),
            rejected=len(batch.rejected),
        )

    async def _note_stations(self, uow: UnitOfWork, batch: Batch) -> None:
        now = self._clock()
        heard = dict.fromkeys(
            [f.station_id for f in batch.frames] + [e.station_id for e in batch.events]
        )
        stations = sorted({*heard, *batch.news})
        held = await uow.stations.held(stations) if stations else {}
        seen: list[str] = []
        for station_id in stations:
            known = held.get(station_id)
            station = known or Station(
                id=station_id,
                name=station_id,
                time_zone=self._time_zone,
                max_power_w=DEFAULT_MAX_POWER_W,
                first_seen_at=now,
                accepted=self._accepts(station_id),
            )
            if known is None and not station.accepted:
                log.warning(
                    "station_waits",
                    station_id=station_id,
                    accept=f"solarrally station accept {station_id}",
                )
            news = batch.news.get(station_id, News())
            # A retained message or a last will is no sign of life.
            alive = batch.alive and (station_id in heard or news.online is True)
            station = replace(
                station,
                last_seen_at=now if alive else station.last_seen_at,
                online=station.online if news.online is None else news.online,
                state=news.state or station.state,
            )
            if news.info is not None:
                station = _with_info(station, news.info)
            if known and station == replace(known, last_seen_at=station.last_seen_at):
                # As in most batches: one statement for all of these.
                seen += [station_id] if station != known else []
            else:
                await uow.stations.hear(station)
        if seen:
            await uow.stations.seen(seen, now)


async def _sum_up(uow: UnitOfWork, frames: Sequence[Frame]) -> None:
    """Store summaries where much of a session came at once, as from an SD card."""
    if len(frames) < WORTH_FRAMES:
        return
    of_sessions: dict[tuple[str, str], list[Frame]] = {}
    for frame in frames:
        if frame.session:
            of_sessions.setdefault((frame.station_id, frame.session), []).append(frame)
    for (station_id, session), of in of_sessions.items():
        if len(of) >= WORTH_FRAMES:
            of.sort(key=lambda frame: frame.key)
            await uow.summaries.add(station_id, session, summaries_of(of))


def _with_info(station: Station, info: dict[str, Any]) -> Station:
    """Take a station's own name and rating, unless an admin has named it."""
    name = station.name
    if name == station.id and isinstance(info.get("name"), str):
        name = info["name"]
    return replace(
        station,
        info=info,
        name=name,
        max_power_w=station.max_power_w
        if station.rating_set
        else _rating_w(info) or station.max_power_w,
    )


def _rating_w(info: dict[str, Any]) -> int | None:
    """Return the most power a station can deliver: phases · U · I (IEC 61851-1 rating)."""
    try:
        rating = info["phases"] * info["voltage_v"] * info["max_current_a"]
    except KeyError, TypeError:
        return None
    return round(rating) if isinstance(rating, int | float) and rating > 0 else None


def _marks(frames: Iterable[Frame], events: Iterable[SessionEvent]) -> list[Mark]:
    """Return one mark for each session that got new frames, and one for each with new events."""
    new: dict[tuple[str, str | None], list[Frame]] = {}
    for frame in frames:
        new.setdefault((frame.station_id, frame.session), []).append(frame)
    marks = []
    for (station_id, session), of in new.items():
        boot, seq = min((frame.boot, frame.seq) for frame in of)
        marks.append(
            Mark(
                station_id=station_id,
                session=session,
                boot=boot,
                seq=seq,
                from_ms=min(frame.at_ms for frame in of),
                to_ms=max(frame.at_ms for frame in of),
            )
        )
    of_events = {}
    for event in events:
        of_events[event.station_id, event.session] = Mark(
            station_id=event.station_id,
            session=event.session,
            boot=NO_BOOT,
            seq=0,
            from_ms=event.started_at_ms or event.at_ms,
            to_ms=event.at_ms,
        )
    return [*marks, *of_events.values()]
