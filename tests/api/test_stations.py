"""Registering, accepting and looking at stations over the API."""

from typing import Any

import pytest

from tests.api.harness import Api, code

INFO = {"firmware": "1.2.0", "model": "SR-32"}
STATE = {"faults": ["over_temperature"], "mode": "auto"}


async def test_a_station_shows_what_people_ask_about(api: Api) -> None:
    """Firmware, faults and the tariff in force, beside what it said as it said it."""
    await api.station(info=INFO, state=STATE, online=True)
    shown = (await api.request("driver", "GET", "/stations/garage")).json()
    assert (shown["firmware"], shown["faults"]) == ("1.2.0", ["over_temperature"])
    assert shown["tariff"] == {"id": "home", "version": 1, "name": "Home"}
    assert (await api.request("driver", "GET", "/stations/")).json() == [shown]


@pytest.mark.parametrize("said", [{}, {"firmware": 3, "faults": "x"}, {"faults": [1]}])
async def test_a_station_that_says_nonsense_is_still_shown(
    api: Api, said: dict[str, Any]
) -> None:
    """What it says of itself is not checked before it is stored."""
    await api.station(info=said, state=said)
    shown = (await api.request("driver", "GET", "/stations/garage")).json()
    assert (shown["firmware"], shown["faults"]) == (None, [])


async def test_registering_a_station_before_it_speaks(api: Api) -> None:
    """It needs credentials before it can; its first words find it accepted."""
    body = {"id": "barn", "name": "Barn", "max_power_w": 3700, "user_id": "driver"}
    made = await api.request("admin", "POST", "/stations/", json=body)
    assert made.status_code == 201
    shown = made.json()
    assert (shown["accepted"], shown["time_zone"]) == (True, "Europe/Vienna")
    assert (await api.request("driver", "GET", "/stations/barn")).json() == shown
    assert code(await api.request("other", "GET", "/stations/barn")) == (
        404,
        "not_found",
    )
    again = await api.request("admin", "POST", "/stations/", json=body)
    assert code(again) == (409, "conflict")


@pytest.mark.parametrize(
    "body",
    [
        {"id": "Barn"},
        {"id": "barn", "time_zone": "Mars/Base"},
        {"id": "barn", "user_id": "stranger"},
        {"id": "barn", "max_power_w": 0},
        {},
    ],
)
async def test_a_station_that_cannot_be_registered(api: Api, body: Any) -> None:
    """Bad input makes nothing."""
    answer = await api.request("admin", "POST", "/stations/", json=body)
    assert answer.status_code == 422
    assert code(await api.request("admin", "GET", "/stations/barn"))[0] == 404


async def test_a_station_that_waits_is_the_admin_s_alone(api: Api) -> None:
    """Users neither see nor start it; an admin is told to accept it first."""
    await api.station(accepted=False)
    start = {"station_id": "garage"}
    for name, expected in (
        ("driver", (404, "not_found")),
        ("admin", (409, "station_pending")),
    ):
        answer = await api.request(name, "POST", "/sessions/", json=start)
        assert code(answer) == expected
    assert api.commands.sent == []
    listed = await api.request("driver", "GET", "/stations/?pending=true")
    assert code(listed) == (403, "not_allowed")
    assert (await api.request("admin", "GET", "/stations/")).json() == []
    (waiting,) = (await api.request("admin", "GET", "/stations/?pending=true")).json()
    assert (waiting["id"], waiting["accepted"]) == ("garage", False)
    known = await api.request("admin", "POST", "/stations/", json={"id": "garage"})
    assert "accept it" in known.json()["detail"]
    for _ in range(2):
        done = await api.request("admin", "POST", "/stations/garage/accept")
        assert done.json()["accepted"] is True
    assert (await api.request("admin", "GET", "/stations/?pending=true")).json() == []
    assert [each[1] for each in await api.audited()] == ["station.accept"]
    unknown = await api.request("admin", "POST", "/stations/nowhere/accept")
    assert code(unknown) == (404, "not_found")
