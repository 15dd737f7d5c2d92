"""Which tariff a session gets."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from billing_service.domain.tariff_choice import Assignment, in_order

T0 = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def assigned(name: str, **more: Any) -> Assignment:
    """Return an assignment whose tariff is called as it is."""
    return Assignment(id=name, tariff_id=name, **more)


EVERY = [
    assigned("user here", user_id="dana", station_id="garage"),
    assigned("user", user_id="dana"),
    assigned("group here", group="staff", station_id="garage"),
    assigned("group", group="staff"),
    assigned("here", station_id="garage"),
    assigned("everyone"),
]


def order(assignments: list[Assignment], at: datetime = T0, **who: Any) -> list[str]:
    """Return what is tried for a session, in order."""
    session = {"user_id": None, "group": None, "station_id": "garage"} | who
    return [each.tariff_id for each in in_order(assignments, at, **session)]


def test_the_person_comes_before_the_place() -> None:
    """In the order that the rule names, however they are stored."""
    expected = [each.tariff_id for each in EVERY]
    for stored in permutations(EVERY):
        assert order([*stored], user_id="dana", group="staff") == expected


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ({}, ["here", "everyone"]),
        ({"station_id": "other"}, ["everyone"]),
        ({"user_id": "eve"}, ["here", "everyone"]),
        (
            {"user_id": "eve", "group": "staff", "station_id": "x"},
            ["group", "everyone"],
        ),
        ({"user_id": "dana", "station_id": "x"}, ["user", "everyone"]),
    ],
)
def test_what_does_not_fit_is_not_tried(
    who: dict[str, Any], expected: list[str]
) -> None:
    """Another's, another group's, another station's."""
    assert order(EVERY, **who) == expected


def test_an_assignment_holds_from_its_beginning_until_before_its_end() -> None:
    """By the start of the session, whenever it is asked."""
    one = [assigned("a", from_at=T0, until_at=T0 + HOUR)]
    assert order(one, T0 - timedelta(microseconds=1)) == []
    assert order(one, T0) == ["a"]
    assert order(one, T0 + HOUR) == []


def test_of_equals_the_last_begun_comes_first() -> None:
    """An open beginning is the earliest."""
    several = [
        assigned("always"),
        assigned("later", from_at=T0),
        assigned("earlier", from_at=T0 - HOUR),
    ]
    assert order(several) == ["later", "earlier", "always"]


def test_one_that_never_holds_covers_nobody() -> None:
    """It only keeps its tariff from covering everyone."""
    never = assigned("a", from_at=T0, until_at=T0)
    assert never.never
    assert order([never]) == []
