"""The log of rejected messages stays short, and says how many there were."""

from structlog.testing import capture_logs

from billing_service.adapters.mqtt.rejections import (
    KINDS_AT_MOST,
    SUMMARY_EVERY_S,
    RejectionLog,
)


def test_a_noisy_station_is_told_once_and_then_counted() -> None:
    """The first of a kind at once, the rest once a minute, each kind by itself."""
    now = 0.0
    rejections = RejectionLog(lambda: now)
    with capture_logs() as logged:
        for _ in range(100):
            rejections.note("garage", "not_json", "ev/garage/telemetry", "torn")
        rejections.note("carport", "not_json", "ev/carport/telemetry", "torn")
        now = SUMMARY_EVERY_S
        rejections.note("garage", "not_json", "ev/garage/telemetry", "torn")
        rejections.summarise(at_once=True)
    assert [
        (entry["event"], entry.get("topic"), entry.get("count")) for entry in logged
    ] == [
        ("message_rejected", "ev/garage/telemetry", None),
        ("message_rejected", "ev/carport/telemetry", None),
        ("messages_rejected", None, 99),
        ("messages_rejected", None, 1),
    ]


def test_what_had_stopped_is_told_when_it_comes_back() -> None:
    """After a minute without it, it is news again."""
    now = 0.0
    rejections = RejectionLog(lambda: now)
    with capture_logs() as logged:
        for now in (0.0, SUMMARY_EVERY_S):  # noqa: B007 - the clock reads it
            rejections.note("garage", "not_json", "ev/garage/telemetry", "torn")
    assert [entry["event"] for entry in logged] == ["message_rejected"] * 2


def test_names_that_are_made_up_are_counted_together() -> None:
    """Neither the log nor the memory grows with them."""
    rejections = RejectionLog(lambda: 0.0)
    with capture_logs() as logged:
        for number in range(KINDS_AT_MOST + 50):
            rejections.note(f"s{number}", "bad_value", "ev/x/state", "no")
        rejections.summarise(at_once=True)
    assert len(logged) == KINDS_AT_MOST + 1
    assert (logged[-1]["station"], logged[-1]["count"]) == ("others", 50)
