"""Energy: what frames add up to, whatever happened on the way.

Tests that answer a complaint users have of other chargers are named after it.
"""

from copy import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_service.domain.frame import EventType as Type
from billing_service.domain.frame import Frame, Pilot, SessionEvent
from billing_service.domain.metering import Metered, MeteringRules, SessionMeter, meter
from billing_service.domain.period import Source
from billing_service.domain.session import SessionFlag as Flag
from tests.domain.histories import FRAMES, T0, Step, history

SOLAR, GRID, NONE = Source.SOLAR, Source.GRID, Source.NONE
RULES = MeteringRules(max_gap_ms=60_000, max_power_mw=8_000_000)


def frame(second: float, watts: float, source: Source = SOLAR, **more: object) -> Frame:
    """Make a frame ``second`` seconds after T0."""
    at_ms = T0 + round(second * 1000)
    made = Frame(
        "s", 1, round(second), at_ms, 230_000, 10_000, round(watts * 1000), source
    )
    return replace(made, **more)  # type: ignore[arg-type]  # fields by name


def reading(
    second: float,
    solar_wh: int,
    grid_wh: int,
    source: Source = SOLAR,
    watts: float = 3600,
) -> Frame:
    """Make a frame with both registers."""
    return frame(
        second, watts, source, solar_mwh=solar_wh * 1000, grid_mwh=grid_wh * 1000,
        register_mwh=(solar_wh + grid_wh) * 1000,
    )  # fmt: skip


def energies(metered: Metered) -> tuple[Decimal, Decimal]:
    """Return solar and grid Wh."""
    return metered.solar_wh, metered.grid_wh


def sources_and_wh(metered: Metered) -> list[tuple[Source, float]]:
    """Return each period's source and Wh."""
    return [(period.source, float(period.energy_wh)) for period in metered.periods]


def test_power_alone_is_integrated_by_trapezoid() -> None:
    """Without registers, E = Σ P·Δt between neighbours: a ramp counts at its mean."""
    metered = meter([frame(0, 0), frame(60, 3600)], RULES)
    assert energies(metered) == (Decimal(30), Decimal(0))


def test_an_interval_whose_ends_differ_in_source_belongs_to_the_earlier() -> None:
    """At the change of source the earlier power and the earlier source hold until the change."""
    metered = meter(
        [frame(0, 3600), frame(60, 7200, GRID), frame(120, 7200, GRID)], RULES
    )
    assert energies(metered) == (Decimal(60), Decimal(120))
    assert sources_and_wh(metered) == [
        (SOLAR, 60),
        (GRID, 120),
    ]


def test_registers_win_over_power() -> None:
    """What registers say is billed; Σ P·Δt is shown beside it."""
    metered = meter([reading(0, 1000, 500), reading(60, 1061, 500)], RULES)
    assert energies(metered) == (Decimal(61), Decimal(0))
    assert metered.integrated_wh == 60
    assert Flag.ENERGY_MISMATCH not in metered.flags


def test_a_disagreement_beyond_the_tolerance_is_flagged() -> None:
    """Registers that say twice what the power says are billed, and flagged."""
    frames = [reading(s, 1000 + 2 * s, 0, watts=3600) for s in range(0, 121, 10)]
    assert Flag.ENERGY_MISMATCH in meter(frames, RULES).flags


def test_both_registers_may_grow_between_two_frames() -> None:
    """A change of source between two frames gives each source its own Wh."""
    metered = meter(
        [reading(0, 100, 50), reading(10, 107, 53, GRID), reading(20, 107, 63, GRID)],
        RULES,
    )
    assert energies(metered) == (Decimal(7), Decimal(13))
    assert sources_and_wh(metered) == [
        (SOLAR, 7),
        (GRID, 13),
    ]
    assert metered.periods[0].ended_at == metered.periods[1].started_at


def test_lifetime_register_is_not_billed_after_an_offline_start() -> None:
    """citrineos-core PR#1060: a start register of 0 must not bill the odometer."""
    started = SessionEvent(
        station_id="s", type=Type.SESSION_STARTED, at_ms=T0, session="1",
        meter_start_mwh=0, solar_start_mwh=0, grid_start_mwh=0,
    )  # fmt: skip
    frames = [reading(10 + s, 180_000 + s, 70_000) for s in range(0, 61, 10)]
    metered = meter(frames, RULES, started=started)
    assert metered.energy_wh < 100
    assert Flag.REGISTER_RESET in metered.flags


def test_whole_register_is_not_billed_after_a_restart() -> None:
    """evcc#29654: a register that falls to 0 and climbs back bills only what was used."""
    before = [reading(s, 5000 + s, 0) for s in range(0, 60, 10)]
    after = [reading(60 + s, s, 0) for s in range(0, 60, 10)]
    metered = meter([*before, *after], RULES)
    assert Flag.REGISTER_RESET in metered.flags
    # 50 Wh before, 50 Wh after, and 10 Wh by power between the two.
    assert metered.solar_wh == 110


def test_an_absurd_reading_is_left_out() -> None:
    """evcc#14241: one reading out of this world changes nothing and is flagged."""
    frames = [reading(s, 1000 + s, 0) for s in range(0, 61, 10)]
    spiked = [*frames]
    spiked[3] = replace(spiked[3], solar_mwh=9_999_999_999)
    metered = meter(spiked, RULES)
    assert metered.solar_wh == meter(frames, RULES).solar_wh == 60
    assert Flag.REGISTER_OUTLIER in metered.flags


def test_meter_stop_below_meter_start_is_never_negative() -> None:
    """SteVe#1297, OCPP.Core#33: an end register below the start bills nothing negative."""
    ended = SessionEvent(
        station_id="s", type=Type.SESSION_ENDED, at_ms=T0 + 70_000, session="1",
        started_at_ms=T0, meter_start_mwh=1_000_000, meter_stop_mwh=10_000, reason="unplugged",
    )  # fmt: skip
    frames = [reading(s, 1000 + s, 0) for s in range(0, 61, 10)]
    metered = meter(frames, RULES, ended=ended)
    assert metered.solar_wh == 60
    assert metered.meter_stop_wh == 1060


def test_a_plug_that_was_off_for_hours_adds_no_energy() -> None:
    """Power is not integrated across a gap, and the gap is recorded."""
    metered = meter([frame(0, 3600), frame(7200, 3600), frame(7210, 3600)], RULES)
    assert metered.solar_wh == 10
    assert Flag.GAP in metered.flags


def test_energy_across_a_gap_comes_from_the_registers_as_an_estimate() -> None:
    """Registers on both sides of a gap are billed, split by source and marked estimated."""
    metered = meter(
        [
            reading(0, 100, 0),
            reading(3600, 1100, 500, GRID),
            reading(3610, 1100, 510, GRID),
        ],
        RULES,
    )
    assert energies(metered) == (Decimal(1000), Decimal(510))
    assert metered.estimated_wh == 1500
    assert {Flag.GAP, Flag.ESTIMATED_SPLIT} <= metered.flags
    assert [p.estimated for p in metered.periods] == [True, True, False]


def test_thirty_kwh_in_three_minutes_is_not_believed() -> None:
    """evcc#29099: a register that leaps beyond the station's rating is not billed."""
    frames = [reading(s, 1000 + s, 0) for s in range(0, 61, 10)]
    frames += [reading(60 + s, 37_900 + s, 0) for s in range(10, 61, 10)]
    assert meter(frames, RULES).solar_wh < 200


def test_energy_does_not_creep_after_the_stop() -> None:
    """ocpp#1069: frames without power add nothing."""
    charging = [reading(s, 1000 + s, 0) for s in range(0, 61, 10)]
    idle = [
        replace(reading(60 + s, 1060, 0, NONE, 0), pilot=Pilot.B)
        for s in range(10, 600, 10)
    ]
    metered = meter([*charging, *idle], RULES)
    assert metered.solar_wh == 60
    assert [p.charging for p in metered.periods] == [True, False]


def test_a_register_tick_while_nothing_is_connected_belongs_to_its_source() -> None:
    """A Wh that shows up between sources goes to the neighbouring period of its source."""
    frames = [
        reading(0, 100, 0), reading(10, 110, 0, NONE, 0), reading(20, 111, 0, NONE, 0),
        reading(30, 111, 0, GRID), reading(40, 111, 10, GRID),
    ]  # fmt: skip
    metered = meter(frames, RULES)
    assert energies(metered) == (Decimal(11), Decimal(10))
    assert sources_and_wh(metered) == [
        (SOLAR, 11), (NONE, 0), (GRID, 10),
    ]  # fmt: skip


def test_a_clock_set_back_loses_no_energy() -> None:
    """Counters say what came first; time stands still until the clock has caught up."""
    frames = [reading(s, 1000 + s, 0) for s in range(0, 121, 10)]
    stepped = [
        replace(f, at_ms=f.at_ms - (45_000 if f.seq > 60 else 0)) for f in frames
    ]
    metered = meter(stepped, RULES)
    assert metered.solar_wh == 120
    assert Flag.CLOCK_ESTIMATED in metered.flags
    ends = [p.ended_at for p in metered.periods]
    assert ends == sorted(ends)


@pytest.mark.parametrize(
    ("start_s", "end_s", "flagged"),
    [
        (0, 60, False),
        (0, 59.94, False),
        (0.05, 60, False),
        (0, -10, True),
        (80, 60, True),
    ],
)
def test_a_plug_that_was_pulled_before_the_last_reading_says_nothing_of_the_clock(
    start_s: float, end_s: float, flagged: bool
) -> None:
    """Meters settle after the unplugging that the event tells of; hours apart is a wrong clock."""
    started = SessionEvent(
        station_id="s", type=Type.SESSION_STARTED, at_ms=T0 + round(start_s * 1000),
        session="1", meter_start_mwh=1_000_000, solar_start_mwh=1_000_000, grid_start_mwh=0,
    )  # fmt: skip
    ended = SessionEvent(
        station_id="s", type=Type.SESSION_ENDED, at_ms=T0 + round(end_s * 1000),
        session="1", meter_stop_mwh=1_061_000, reason="unplugged",
    )  # fmt: skip
    frames = [reading(s, 1000 + s, 0) for s in range(0, 61, 10)]
    metered = meter(frames, RULES, started=started, ended=ended)
    assert metered.energy_wh == 61
    assert (Flag.CLOCK_ESTIMATED in metered.flags) is flagged


def test_a_reboot_on_a_set_clock_is_no_estimate() -> None:
    """A power cut in mid-session, all frames synced: a gap at most, and no word of the clock."""
    frames = [reading(s, 1000 + s, 0) for s in range(0, 121, 10)]
    cut = [replace(f, boot=2, seq=i) for i, f in enumerate(frames[7:])]
    flags = meter([*frames[:6], *cut], RULES).flags
    assert Flag.CLOCK_ESTIMATED not in flags
    estimated = replace(cut[0], clock_synced=False)
    flags = meter([*frames[:6], estimated, *cut[1:]], RULES).flags
    assert Flag.CLOCK_ESTIMATED in flags


def test_periods_are_cut_at_price_boundaries() -> None:
    """A stretch across a boundary is shared by time; nothing is lost."""
    rules = replace(
        RULES,
        next_boundary=lambda at: next((b for b in (T0 + 15_000,) if b > at), None),
    )
    metered = meter([reading(0, 0, 0), reading(10, 10, 0), reading(20, 20, 0)], rules)
    assert [p.energy_wh for p in metered.periods] == [15, 5]


def silent(*frames: Frame) -> list[Frame]:
    """Take the registers out of frames."""
    return [
        replace(f, register_mwh=None, solar_mwh=None, grid_mwh=None) for f in frames
    ]


@pytest.mark.parametrize("watts", [0, 1000, 3600, 7200])
@pytest.mark.parametrize("missing", [(1, 2), (1, 4), (3, 4), (2, 5)])
def test_a_frame_without_its_register_changes_no_total(
    watts: float, missing: tuple[int, int]
) -> None:
    """What flows past frames without a register is the register's difference, not Σ P·Δt."""
    frames = [reading(s, 1000 + s, 500, watts=watts) for s in range(0, 61, 10)]
    frames[slice(*missing)] = silent(*frames[slice(*missing)])
    session = SessionMeter(RULES)
    for each in frames:
        session.add(each)
        assert session.result() == session.result()
    assert energies(session.result()) == (Decimal(60), Decimal(0))
    assert sources_and_wh(session.result()) == [(SOLAR, 60)]


def test_a_register_difference_follows_the_power_of_the_frames_without_it() -> None:
    """Sources that change while registers are silent get their own energy, at their time."""
    frames = [
        reading(0, 0, 0), *silent(reading(10, 10, 0), reading(20, 20, 0, GRID),
        reading(30, 20, 12, GRID)), reading(40, 22, 24, GRID),
    ]  # fmt: skip
    metered = meter(frames, RULES)
    assert energies(metered) == (Decimal(22), Decimal(24))
    assert sources_and_wh(metered) == [(SOLAR, 22), (GRID, 24)]
    assert metered.periods[0].ended_at == frames[2].at


def test_a_total_alone_is_split_by_the_power_of_the_frames_without_it() -> None:
    """One register for both sources: each gets its share of it by Σ P·Δt."""
    frames = [
        frame(0, 3600, register_mwh=7_000_000), frame(10, 3600), frame(20, 3600, GRID),
        frame(30, 3600, GRID), frame(40, 3600, GRID, register_mwh=7_044_000),
    ]  # fmt: skip
    assert energies(meter(frames, RULES)) == (Decimal(22), Decimal(22))


@pytest.mark.parametrize("gap_at", [1, 2, 3])
def test_nothing_is_lost_in_a_gap_beside_a_frame_without_its_register(
    gap_at: int,
) -> None:
    """Σ P·Δt is billed where it was seen, and what it does not explain belongs to the gap."""
    frames = [reading(0, 0, 0), *silent(reading(10, 10, 0)),
              *silent(reading(20, 20, 0)), reading(30, 30, 0)]  # fmt: skip
    late = [
        replace(
            f,
            at_ms=f.at_ms + 3_600_000,
            solar_mwh=f.solar_mwh and f.solar_mwh + 500_000,
            grid_mwh=f.grid_mwh and 80_000,
            register_mwh=f.register_mwh and f.register_mwh + 580_000,
        )
        for f in frames[gap_at:]
    ]
    late[-1] = replace(late[-1], grid_mwh=80_000)
    metered = meter([*frames[:gap_at], *late], RULES)
    assert energies(metered) == (Decimal(530), Decimal(80))
    assert metered.estimated_wh == 590
    assert {Flag.GAP, Flag.ESTIMATED_SPLIT} <= metered.flags
    assert sum(p.energy_wh for p in metered.periods if p.estimated) == 590


def with_total(second: float, wh: int, source: Source, watts: float = 3600) -> Frame:
    """Make a frame with the sum of the registers only, as when one meter has no power."""
    return frame(second, watts, source, register_mwh=wh * 1000)


def test_what_a_meter_had_counted_before_its_line_went_dark_is_its_own() -> None:
    """The solar meter dies with the sun, 3 Wh after it last spoke; they are solar's, not grid's."""
    metered = meter(
        [
            reading(0, 1000, 500),
            reading(60, 1060, 500),
            with_total(63, 1560, GRID),
            with_total(123, 1620, GRID),
            reading(126, 1063, 562, GRID),
            reading(186, 1063, 622, GRID),
        ],
        RULES,
    )
    assert energies(metered) == (Decimal(63), Decimal(122))
    assert not metered.flags - {Flag.ESTIMATED_SPLIT}


def test_a_total_alone_that_was_billed_to_the_wrong_source_is_not_billed_twice() -> (
    None
):
    """The solar meter spoke last of all, for the grid: the total stands, and the split with it."""
    metered = meter(
        [
            reading(0, 1000, 500),
            with_total(60, 1560, GRID),
            reading(120, 1060, 560, GRID),
            reading(180, 1060, 620, GRID),
        ],
        RULES,
    )
    assert energies(metered) == (Decimal(60), Decimal(120))


def test_a_total_alone_booked_too_much_to_one_source() -> None:
    """What the meters say when both are back cannot undo it; the sum is still the sum."""
    metered = meter(
        [
            reading(0, 1000, 500, GRID),
            with_total(60, 1560, GRID),
            reading(120, 1040, 580, GRID),
            reading(180, 1040, 640, GRID),
        ],
        RULES,
    )
    assert sum(energies(metered)) == 180
    assert Flag.REGISTER_OUTLIER not in metered.flags


def test_a_reset_behind_frames_without_a_register_is_bridged_by_power() -> None:
    """A register that comes back from zero bills what it counted, and Σ P·Δt before."""
    frames = [reading(0, 5000, 0), *silent(reading(10, 0, 0), reading(20, 0, 0)),
              reading(30, 0, 0), reading(40, 11, 0), reading(50, 21, 0)]  # fmt: skip
    metered = meter(frames, RULES)
    assert metered.solar_wh == 30 + 21
    assert Flag.REGISTER_RESET in metered.flags


def test_registers_that_never_come_back_leave_what_power_says() -> None:
    """A meter that falls silent for good is stood in for by Σ P·Δt to the end."""
    frames = [reading(0, 0, 0), reading(10, 11, 0),
              *silent(reading(20, 0, 0), reading(30, 0, 0))]  # fmt: skip
    assert meter(frames, RULES).solar_wh == 31


@given(FRAMES, st.lists(st.integers(0, 5_400_000), max_size=5))
def test_periods_add_up_to_the_session(steps: list[Step], cuts: list[int]) -> None:
    """Σ over periods = session total per source; nothing negative; no hole and no overlap."""
    bounds = sorted(T0 + cut for cut in cuts)
    rules = replace(
        RULES, next_boundary=lambda at: next((b for b in bounds if b > at), None)
    )
    frames = history(steps)
    metered = meter(frames, rules)
    for source, total in (
        (SOLAR, metered.solar_wh),
        (GRID, metered.grid_wh),
        (NONE, 0),
    ):
        assert sum(p.energy_wh for p in metered.periods if p.source is source) == total
    assert all(p.energy_wh >= 0 and p.ended_at >= p.started_at for p in metered.periods)
    for one, two in zip(metered.periods, metered.periods[1:], strict=False):
        assert one.ended_at == two.started_at
    assert energies(metered) == energies(meter(frames, RULES))
    used = (
        (frames[-1].register_mwh or 0) - (frames[0].register_mwh or 0) if frames else 0
    )
    if frames and all(f.register_mwh is not None for f in frames):
        assert metered.energy_wh * 1000 == used


@given(FRAMES, st.data())
def test_registers_tell_the_same_however_often_they_are_read(
    steps: list[Step], data: st.DataObject
) -> None:
    """Whichever frames between lack their registers, each source's total is its difference."""
    frames = history([(*step[:4], "both") for step in steps])
    for at in range(1, len(frames) - 1):
        if data.draw(st.booleans()):
            frames[at : at + 1] = silent(frames[at])
    metered = meter(frames, RULES)
    assert metered.solar_wh * 1000 == (
        (frames[-1].solar_mwh or 0) - (frames[0].solar_mwh or 0) if frames else 0
    )
    assert metered.grid_wh * 1000 == (
        (frames[-1].grid_mwh or 0) - (frames[0].grid_mwh or 0) if frames else 0
    )
    assert sum(p.energy_wh for p in metered.periods) == metered.energy_wh
    assert all(p.energy_wh >= 0 and p.ended_at >= p.started_at for p in metered.periods)
    for one, two in zip(metered.periods, metered.periods[1:], strict=False):
        assert one.ended_at == two.started_at


@given(FRAMES, st.randoms())
def test_order_and_repetition_do_not_matter(steps: list[Step], random: object) -> None:
    """Frames that came shuffled and twice, once sorted and made unique, meter the same."""
    frames = history(steps)
    arrived = [*frames, *frames[::2]]
    random.shuffle(arrived)  # type: ignore[attr-defined]  # hypothesis's Random
    kept = {(f.boot, f.seq): f for f in arrived}
    assert meter([kept[key] for key in sorted(kept)], RULES) == meter(frames, RULES)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_frames_use_no_energy(count: int) -> None:
    """No frame or a single one is a session without energy, not an error."""
    metered = meter([reading(0, 100, 100)][:count], RULES)
    assert energies(metered) == (Decimal(0), Decimal(0))
    assert metered.frames == count
