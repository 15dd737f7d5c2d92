"""Folds of running sessions, to be gone on with after a restart."""

import json
import zlib
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, delete, literal, select, tuple_

from billing_service import domain
from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import session_checkpoints
from billing_service.services.ports import Checkpoint

_key = tuple_(session_checkpoints.c.boot, session_checkpoints.c.seq)


class CheckpointRepository(Repository):
    """The ``Checkpoints`` port."""

    async def last(
        self, session_id: str, basis: str, *, before: tuple[int, int] | None = None
    ) -> Checkpoint | None:
        """Return the newest that rests on ``basis`` and ended before that frame."""
        query = select(session_checkpoints).where(
            session_checkpoints.c.session_id == session_id,
            session_checkpoints.c.basis == basis,
            session_checkpoints.c.made_by == _code(),
        )
        if before is not None:
            query = query.where(_key < _literal(before))
        result = await self._connection.execute(
            query.order_by(
                session_checkpoints.c.boot.desc(), session_checkpoints.c.seq.desc()
            ).limit(1)
        )
        row = result.first()
        if row is None:
            return None
        return Checkpoint(
            key=(row.boot, row.seq),
            frames=row.frames,
            basis=row.basis,
            state=json.loads(zlib.decompress(row.state)),
        )

    async def add(self, session_id: str, checkpoint: Checkpoint) -> None:
        """Store one, in place of one that ended with the same frame."""
        boot, seq = checkpoint.key
        state = json.dumps(checkpoint.state, separators=(",", ":"))
        values = {
            "frames": checkpoint.frames,
            "basis": checkpoint.basis,
            "made_by": _code(),
            "state": zlib.compress(state.encode()),
        }
        statement = self._insert(session_checkpoints).values(
            session_id=session_id, boot=boot, seq=seq, **values
        )
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["session_id", "boot", "seq"], set_=values
            )
        )

    async def drop(
        self, session_id: str, *, after: tuple[int, int] | None = None
    ) -> None:
        """Remove those that ended after that frame."""
        gone = delete(session_checkpoints).where(
            session_checkpoints.c.session_id == session_id
        )
        if after is not None:
            gone = gone.where(_key > _literal(after))
        await self._connection.execute(gone)


def _literal(key: tuple[int, int]) -> ColumnElement[Any]:
    return tuple_(*(literal(each) for each in key))


@cache
def _code() -> str:
    """Return which code folds here: what other code has folded is not gone on with."""
    digest = sha256()
    for file in sorted(Path(domain.__path__[0]).glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
