"""What an earlier run has left is gone before a new one can fail."""

from pathlib import Path

import pytest

from scripts.rig.broker import Broker
from scripts.rig.place import PLACES
from scripts.rig.process import RigError
from scripts.rig.site import Site

pytestmark = pytest.mark.asyncio


async def _broken(_: Broker) -> None:
    raise RigError("the broker does not start")


async def test_a_run_that_fails_leaves_no_results_of_an_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bill that stands beside a failure would seem to be its bill; another run's is left alone."""
    frames, bill = tmp_path / "frames.jsonl", tmp_path / "bill.json"
    monkeypatch.setattr(Broker, "start", _broken)

    def site() -> Site:
        return Site(tmp_path / "site", frames, PLACES[0], lambda _: None, stale=[bill])

    for file in (frames, bill):
        file.write_text("of an earlier run")
    first = site()
    with pytest.raises(RigError, match="does not start"):
        await first.start()
    assert not frames.exists()
    assert not bill.exists()

    bill.write_text("of the first, which still has the folder")
    with pytest.raises(RigError, match="another demo is running"):
        await site().start()
    assert bill.exists()
    await first.stop()
