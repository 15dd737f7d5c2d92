"""What a station has still to say, in order. Pure: no broker, no clock."""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice

# A frame takes about half a kilobyte: fifty megabytes, or 27 hours at one frame a second.
MAX_WAITING_FRAMES = 100_000
MAX_WAITING_NOTES = 10_000
BACKLOG_CHUNK = 100


class Kind(Enum):
    """How a message is treated when it could not be delivered."""

    FRAME = auto()  # kept; goes as backlog
    NOTE = auto()  # events and results: kept; go again as they are
    STATE = auto()  # dropped; the connection starts with the newest


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """One message to publish at QoS 1. `topic` is the kind of topic, as in Topics.of."""

    kind: Kind
    topic: str
    payload: str
    retain: bool = False


class Outbox:
    """Keeps every frame and note until the broker has acknowledged it.

    Live messages leave in the order in which they were put in. Frames that could not be
    delivered wait as backlog, oldest first, and leave in chunks. Both are bounded: when full,
    the oldest are given up and counted in `lost`.
    """

    def __init__(self, max_frames: int = MAX_WAITING_FRAMES) -> None:
        self._max_frames = max_frames
        self._live: deque[Message] = deque()
        self._flying: dict[Message, None] = {}
        self._backlog: deque[str] = deque()
        self._chunk = 0
        self.online = False
        self.lost = 0

    @property
    def waiting_frames(self) -> int:
        """Frames that wait as backlog."""
        return len(self._backlog)

    @property
    def live(self) -> int:
        """Live messages that are not yet acknowledged."""
        return len(self._live) + len(self._flying)

    @property
    def empty(self) -> bool:
        """Whether all was said and acknowledged."""
        return not (self._live or self._flying or self._backlog)

    def put(self, message: Message, *, first: bool = False) -> None:
        """Say `message`: next when `first`, else in its turn."""
        if self.online:
            if first:
                self._live.appendleft(message)
            else:
                self._live.append(message)
        else:
            self._keep(message)

    def _keep(self, message: Message) -> None:
        match message.kind:
            case Kind.FRAME:
                self._backlog.append(message.payload)
                if len(self._backlog) > self._max_frames:
                    self._backlog.popleft()
                    self.lost += 1
            case Kind.NOTE:
                self._live.append(message)
                if len(self._live) > MAX_WAITING_NOTES:
                    self._live.popleft()
                    self.lost += 1
            case Kind.STATE:
                pass

    def take(self) -> Message | None:
        """The next live message, which stays in the outbox until `acknowledge`."""
        if not self._live:
            return None
        message = self._live.popleft()
        self._flying[message] = None
        return message

    def acknowledge(self, message: Message) -> None:
        """The broker has `message`."""
        del self._flying[message]

    def take_chunk(self) -> list[str]:
        """The oldest waiting frames, at most a chunk; they stay until `acknowledge_chunk`."""
        self._chunk = min(BACKLOG_CHUNK, len(self._backlog))
        return list(islice(self._backlog, self._chunk))

    def acknowledge_chunk(self) -> None:
        """The broker has the chunk that was taken last."""
        for _ in range(self._chunk):
            self._backlog.popleft()
        self._chunk = 0

    def connected(self) -> None:
        """From now on messages go out live."""
        self.online = True

    def disconnected(self) -> None:
        """Whatever was not acknowledged has to be said again."""
        self.online = False
        self._chunk = 0
        unsaid = [*self._flying, *self._live]
        self._flying.clear()
        self._live.clear()
        for message in unsaid:
            self._keep(message)
