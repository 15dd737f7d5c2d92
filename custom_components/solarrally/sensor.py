"""What a station measures and tells."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import override

from homeassistant.components.sensor import (
    RestoreSensor,
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    PERCENTAGE,
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfPower,
    UnitOfTime,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import StationEntity, StationEntityDescription, async_add_as_shown
from .messages import Clock, Pilot, SdCard, Source
from .session import Session
from .site import SolarRallyConfigEntry
from .station import Feature, Station

# The entities only read what was pushed.
PARALLEL_UPDATES = 0

# The letters of IEC 61851-1 in words. They stand in the recorder and in
# automations, so they stay.
PILOT_STATES = {
    Pilot.NO_VEHICLE: "no_vehicle",
    Pilot.CONNECTED: "connected",
    Pilot.CHARGING: "charging",
    Pilot.VENTILATION: "charging_ventilated",
    Pilot.ERROR: "error",
    Pilot.FAULT: "fault",
}

type SensorValue = str | float | datetime | None


@dataclass(frozen=True, kw_only=True)
class StationSensorDescription(StationEntityDescription, SensorEntityDescription):
    """Describe a sensor of a station."""

    value_fn: Callable[[Station], SensorValue]


@dataclass(frozen=True, kw_only=True)
class SessionSensorDescription(StationEntityDescription, SensorEntityDescription):
    """Describe a sensor of the session that is under way, else of the last one."""

    needs: frozenset[Feature] = frozenset({Feature.SESSION})
    value_fn: Callable[[Session], SensorValue]


def _duration_s(session: Session) -> float:
    # Whole minutes while it runs: a value that changes with each frame would
    # fill the recorder and tell nobody more.
    seconds = round(session.duration.total_seconds())
    return seconds if session.ended else seconds // 60 * 60


STATION_SENSORS: tuple[StationSensorDescription, ...] = (
    StationSensorDescription(
        key="power",
        needs=frozenset({Feature.FRAME}),
        device_class=SensorDeviceClass.POWER,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfPower.WATT,
        suggested_display_precision=0,
        value_fn=lambda it: it.frame.power_w if it.frame else None,
    ),
    StationSensorDescription(
        key="solar_power",
        translation_key="solar_power",
        needs=frozenset({Feature.SOLAR_METER}),
        device_class=SensorDeviceClass.POWER,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfPower.WATT,
        suggested_display_precision=0,
        value_fn=lambda it: it.solar_meter.power_w if it.solar_meter else None,
    ),
    StationSensorDescription(
        key="grid_power",
        translation_key="grid_power",
        needs=frozenset({Feature.GRID_METER}),
        device_class=SensorDeviceClass.POWER,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfPower.WATT,
        suggested_display_precision=0,
        value_fn=lambda it: it.grid_meter.power_w if it.grid_meter else None,
    ),
    StationSensorDescription(
        key="voltage",
        needs=frozenset({Feature.FRAME}),
        device_class=SensorDeviceClass.VOLTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfElectricPotential.VOLT,
        suggested_display_precision=1,
        value_fn=lambda it: it.frame.voltage_v if it.frame else None,
    ),
    StationSensorDescription(
        key="current",
        needs=frozenset({Feature.FRAME}),
        device_class=SensorDeviceClass.CURRENT,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        suggested_display_precision=1,
        value_fn=lambda it: it.frame.current_a if it.frame else None,
    ),
    StationSensorDescription(
        key="energy",
        needs=frozenset({Feature.REGISTER}),
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
        value_fn=lambda it: it.total.energy_wh,
    ),
    StationSensorDescription(
        key="solar_energy",
        translation_key="solar_energy",
        needs=frozenset({Feature.SOLAR_REGISTER}),
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
        value_fn=lambda it: it.solar.energy_wh,
    ),
    StationSensorDescription(
        key="grid_energy",
        translation_key="grid_energy",
        needs=frozenset({Feature.GRID_REGISTER}),
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
        value_fn=lambda it: it.grid.energy_wh,
    ),
    StationSensorDescription(
        key="source",
        translation_key="source",
        needs=frozenset({Feature.KNOWN}),
        device_class=SensorDeviceClass.ENUM,
        options=[it.value for it in Source],
        value_fn=lambda it: it.source,
    ),
    StationSensorDescription(
        key="pilot",
        translation_key="pilot",
        needs=frozenset({Feature.PILOT}),
        device_class=SensorDeviceClass.ENUM,
        options=list(PILOT_STATES.values()),
        value_fn=lambda it: PILOT_STATES[it.pilot] if it.pilot else None,
    ),
    StationSensorDescription(
        key="solar_voltage",
        translation_key="solar_voltage",
        needs=frozenset({Feature.SOLAR_METER}),
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.VOLTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfElectricPotential.VOLT,
        suggested_display_precision=1,
        value_fn=lambda it: it.solar_meter.voltage_v if it.solar_meter else None,
    ),
    StationSensorDescription(
        key="grid_voltage",
        translation_key="grid_voltage",
        needs=frozenset({Feature.GRID_METER}),
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.VOLTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfElectricPotential.VOLT,
        suggested_display_precision=1,
        value_fn=lambda it: it.grid_meter.voltage_v if it.grid_meter else None,
    ),
    StationSensorDescription(
        key="solar_current",
        translation_key="solar_current",
        needs=frozenset({Feature.SOLAR_METER}),
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.CURRENT,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        suggested_display_precision=1,
        value_fn=lambda it: it.solar_meter.current_a if it.solar_meter else None,
    ),
    StationSensorDescription(
        key="grid_current",
        translation_key="grid_current",
        needs=frozenset({Feature.GRID_METER}),
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.CURRENT,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        suggested_display_precision=1,
        value_fn=lambda it: it.grid_meter.current_a if it.grid_meter else None,
    ),
    StationSensorDescription(
        key="backlog",
        translation_key="backlog",
        needs=frozenset({Feature.BACKLOG}),
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=lambda it: it.state.backlog if it.state else None,
    ),
    StationSensorDescription(
        key="sd_card",
        translation_key="sd_card",
        needs=frozenset({Feature.SD_CARD}),
        entity_category=EntityCategory.DIAGNOSTIC,
        device_class=SensorDeviceClass.ENUM,
        options=[it.value for it in SdCard],
        value_fn=lambda it: it.state.sd if it.state else None,
    ),
    StationSensorDescription(
        key="clock",
        translation_key="clock",
        needs=frozenset({Feature.STATE}),
        entity_category=EntityCategory.DIAGNOSTIC,
        device_class=SensorDeviceClass.ENUM,
        options=[it.value for it in Clock],
        value_fn=lambda it: it.state.clock if it.state else None,
    ),
    StationSensorDescription(
        key="reset_reason",
        translation_key="reset_reason",
        needs=frozenset({Feature.RESET_REASON}),
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=lambda it: it.info.reset_reason if it.info else None,
    ),
)

SESSION_SENSORS: tuple[SessionSensorDescription, ...] = (
    SessionSensorDescription(
        key="session_energy",
        translation_key="session_energy",
        needs=frozenset({Feature.SESSION, Feature.REGISTER}),
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
        value_fn=lambda it: it.total.energy_wh,
    ),
    SessionSensorDescription(
        key="session_solar_energy",
        translation_key="session_solar_energy",
        needs=frozenset({Feature.SESSION, Feature.SOLAR_REGISTER}),
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
        value_fn=lambda it: it.solar.energy_wh,
    ),
    SessionSensorDescription(
        key="session_grid_energy",
        translation_key="session_grid_energy",
        needs=frozenset({Feature.SESSION, Feature.GRID_REGISTER}),
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
        value_fn=lambda it: it.grid.energy_wh,
    ),
    SessionSensorDescription(
        key="session_solar_share",
        translation_key="session_solar_share",
        needs=frozenset(
            {Feature.SESSION, Feature.SOLAR_REGISTER, Feature.GRID_REGISTER}
        ),
        native_unit_of_measurement=PERCENTAGE,
        suggested_display_precision=0,
        value_fn=lambda it: it.solar_share_percent,
    ),
    SessionSensorDescription(
        key="session_duration",
        translation_key="session_duration",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_unit_of_measurement=UnitOfTime.MINUTES,
        suggested_display_precision=0,
        value_fn=_duration_s,
    ),
    SessionSensorDescription(
        key="session_start",
        translation_key="session_start",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda it: it.started_at,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SolarRallyConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensors of each station of the site."""
    async_add_as_shown(entry, async_add_entities, STATION_SENSORS, StationSensor)
    async_add_as_shown(entry, async_add_entities, SESSION_SENSORS, SessionSensor)


class StationSensor(StationEntity, SensorEntity):
    """Something a station measures or tells."""

    entity_description: StationSensorDescription

    @property
    @override
    def native_value(self) -> SensorValue:
        """Return the value as last heard."""
        return self.entity_description.value_fn(self.station)

    @property
    @override
    def shown(self) -> object:
        """Return the value, and for a measurement also when it was taken.

        One that stays the same is reported all the same: who integrates power
        over time must know that it stayed, or draws a line to the next change.
        """
        if self.state_class is SensorStateClass.MEASUREMENT:
            return self.native_value, self.station.frame
        return self.native_value


class SessionSensor(StationEntity, RestoreSensor):
    """A number of the session that is under way.

    After the end it keeps its value until the next session, across a restart
    of Home Assistant too: a station says nothing of sessions that are over.
    """

    entity_description: SessionSensorDescription
    _restored: SensorValue = None

    @override
    async def async_added_to_hass(self) -> None:
        """Take up the value from before the restart."""
        await super().async_added_to_hass()
        if (last := await self.async_get_last_sensor_data()) is not None:
            restored = last.native_value
            if isinstance(restored, (str, float, int, datetime)):
                self._restored = restored

    @property
    @override
    def native_value(self) -> SensorValue:
        """Return the value for the running or the last session."""
        if (session := self.station.session) is None:
            return self._restored
        return self.entity_description.value_fn(session)

    @property
    @override
    def shown(self) -> object:
        """Return the value and since when it counts."""
        return self.native_value, self.last_reset

    @property
    @override
    def last_reset(self) -> datetime | None:
        """Return when a total started from zero."""
        if self.state_class is not SensorStateClass.TOTAL:
            return None
        session = self.station.session
        return None if session is None else session.started_at
