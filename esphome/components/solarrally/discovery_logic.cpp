#include "discovery_logic.h"

namespace evstation {

namespace {

struct Entity {
  const char *key;
  const char *platform;
  const char *name;
  const char *topic;
  const char *value;
  const char *unit;
  const char *device_class;
  const char *state_class;
};

constexpr Entity ENTITIES[] = {
    {"voltage", "sensor", "Voltage", "telemetry", "{{ value_json.V }}", "V", "voltage", "measurement"},
    {"current", "sensor", "Current", "telemetry", "{{ value_json.I }}", "A", "current", "measurement"},
    {"power", "sensor", "Power", "telemetry", "{{ value_json.P }}", "W", "power", "measurement"},
    {"energy", "sensor", "Energy", "telemetry", "{{ value_json.E | default(this.state) }}", "Wh", "energy",
     "total_increasing"},
    {"solar_energy", "sensor", "Solar energy", "telemetry", "{{ (value_json.solar | default({})).E | default(this.state) }}",
     "Wh", "energy", "total_increasing"},
    {"grid_energy", "sensor", "Grid energy", "telemetry", "{{ (value_json.grid | default({})).E | default(this.state) }}",
     "Wh", "energy", "total_increasing"},
    {"source", "sensor", "Source", "state", "{{ value_json.source }}", nullptr, nullptr, nullptr},
    {"pilot", "sensor", "Pilot state", "state", "{{ value_json.pilot }}", nullptr, nullptr, nullptr},
    {"charging", "binary_sensor", "Charging", "state", "{{ 'ON' if value_json.charging else 'OFF' }}", nullptr,
     "battery_charging", nullptr},
    {"vehicle", "binary_sensor", "Vehicle", "state", "{{ 'ON' if value_json.pilot in ['B', 'C', 'D'] else 'OFF' }}", nullptr,
     "plug", nullptr},
    {"problem", "binary_sensor", "Problem", "state", "{{ 'ON' if value_json.faults else 'OFF' }}", nullptr, "problem",
     nullptr},
};

// Each command needs an id of its own; the time in milliseconds is one.
#define COMMAND_ID "{\"id\":\"ha-{{ (now().timestamp() * 1000) | int }}\",\"command\":"

}  // namespace

std::string discovery_topic(const std::string &prefix, const Identity &identity) {
  return prefix + "/device/solarrally_" + identity.station + "/config";
}

std::string discovery_json(const Station &station, const Identity &identity, const std::string &base) {
  const std::string unique = "solarrally_" + identity.station + "_";
  JsonWriter json;
  json.begin_object()
      .begin_object("device")
      .text("identifiers", "solarrally_" + identity.station)
      .text("name", identity.name)
      .text("manufacturer", "SolarRally")
      .text("model", identity.model)
      .text("serial_number", identity.serial)
      .text("sw_version", identity.firmware)
      .end_object()
      .begin_object("origin")
      .text("name", "SolarRally")
      .text("sw_version", identity.firmware)
      .end_object()
      .text("availability_topic", base + "/status")
      .integer("qos", 1)
      .begin_object("components");
  const auto begin = [&](const char *key, const char *platform, const char *name, const char *topic, const char *value) {
    json.begin_object(key)
        .text("platform", platform)
        .text("name", name)
        .text("unique_id", unique + key)
        .text("state_topic", base + "/" + topic)
        .text("value_template", value);
  };
  for (const Entity &entity : ENTITIES) {
    const bool of_pilot = std::string_view(entity.key) == "pilot" || std::string_view(entity.key) == "vehicle";
    if (of_pilot && !station.settings().has_pilot)
      continue;
    begin(entity.key, entity.platform, entity.name, entity.topic, entity.value);
    if (entity.unit != nullptr)
      json.text("unit_of_measurement", entity.unit);
    if (entity.device_class != nullptr)
      json.text("device_class", entity.device_class);
    if (entity.state_class != nullptr)
      json.text("state_class", entity.state_class);
    json.end_object();
  }
  begin("mode", "select", "Mode", "state", "{{ value_json.mode }}");
  json.text("command_topic", base + "/command")
      .text("command_template", COMMAND_ID "\"set_mode\",\"value\":\"{{ value }}\"}")
      .begin_array("options");
  for (const Mode mode : {Mode::OFF, Mode::SOLAR, Mode::GRID, Mode::AUTO})
    json.text(nullptr, to_text(mode));
  json.end_array().end_object();
  begin("current_limit", "number", "Current limit", "state", "{{ value_json.current_limit_a }}");
  json.text("command_topic", base + "/command")
      .text("command_template", COMMAND_ID "\"set_current_limit\",\"value\":{{ value }}}")
      .number("min", station.settings().min_current_a)
      .number("max", station.settings().max_current_a)
      .integer("step", 1)
      .text("unit_of_measurement", "A")
      .text("device_class", "current")
      .end_object();
  begin("enabled", "switch", "Charging allowed", "state", "{{ 'start' if value_json.enabled else 'stop' }}");
  json.text("command_topic", base + "/command")
      .text("command_template", COMMAND_ID "\"{{ value }}\"}")
      .text("payload_on", "start")
      .text("payload_off", "stop")
      .end_object();
  return json.end_object().end_object().str();
}

}  // namespace evstation
