#include "message_logic.h"

#include <cstring>

namespace evstation {

std::string session_name(const Session &session) {
  return std::to_string(session.boot) + "-" + std::to_string(session.number);
}

int64_t session_started(const Session &session, const Clock &clock) {
  return session.started_utc_ms != 0 ? session.started_utc_ms : clock.utc(session.started_ms);
}

static const char *clock_text(const Clock &clock) { return clock.synced() ? "synced" : "estimated"; }

bool has_frame(const Station &station) {
  // After a boot each meter has its time to speak: a frame without its register would hide, between the registers
  // around it, what flowed up to the power cut.
  for (int i = 0; i < SOURCES; i++) {
    const Meter &meter = station.meter(i);
    if (station.settings().wired[i] && !meter.valid() && !meter.silent())
      return false;
  }
  Reading reading;
  return station.source() == Source::NONE || station.reading(index_of(station.source()), &reading);
}

std::string frame_json(const Station &station, const Identity &identity, const Clock &clock, Millis at_ms, uint32_t seq) {
  Reading readings[SOURCES];
  bool known[SOURCES];
  float current_a = 0.0f;
  float power_w = 0.0f;
  for (int i = 0; i < SOURCES; i++) {
    known[i] = station.reading(i, &readings[i]);
    if (known[i]) {
      current_a += readings[i].current_a;
      power_w += readings[i].power_w;
    }
  }
  const Source source = station.source();
  JsonWriter json;
  json.begin_object()
      .text("station", identity.station)
      .integer("boot", identity.boot)
      .integer("seq", seq)
      .text("timestamp", format_utc(clock.utc(at_ms)))
      .number("V", source == Source::NONE ? 0.0 : readings[index_of(source)].voltage_v)
      .number("I", current_a)
      .number("P", power_w);
  bool registers_known = true;
  for (int i = 0; i < SOURCES; i++) {
    if (!station.settings().wired[i])
      continue;
    // A register that is doubted now is not summed up; one whose meter is silent behind an open contactor stands.
    const bool doubted = known[i] && !readings[i].has_energy;
    registers_known = registers_known && station.meter(i).has_register() && !doubted;
  }
  if (registers_known)
    json.number("E", station.registers().total());
  json.text("source", to_text(source));
  for (int i = 0; i < SOURCES; i++) {
    if (!known[i])
      continue;
    json.begin_object(to_text(source_at(i)))
        .number("V", readings[i].voltage_v)
        .number("I", readings[i].current_a)
        .number("P", readings[i].power_w);
    if (readings[i].has_energy)
      json.number("E", readings[i].energy_wh);
    json.end_object();
  }
  if (station.settings().has_pilot && station.pilot() != PilotState::UNKNOWN)
    json.text("pilot", to_text(station.pilot()));
  if (station.sessions().active())
    json.text("session", session_name(station.sessions().current()));
  else
    json.null("session");
  json.text("clock", clock_text(clock)).end_object();
  return json.str();
}

static void start_registers(JsonWriter *json, const Registers &registers) {
  if (registers.known())
    json->number("meter_start_wh", registers.total());
  if (registers.wh[SOLAR] >= 0.0)
    json->number("solar_start_wh", registers.wh[SOLAR]);
  if (registers.wh[GRID] >= 0.0)
    json->number("grid_start_wh", registers.wh[GRID]);
}

std::string state_json(const Station &station, const Identity &identity, const Clock &clock, Millis at_ms,
                       const Surroundings &surroundings) {
  JsonWriter json;
  json.begin_object()
      .text("timestamp", format_utc(clock.utc(at_ms)))
      .integer("boot", identity.boot)
      .text("mode", to_text(station.mode()))
      .text("source", to_text(station.source()));
  if (station.settings().has_pilot && station.pilot() != PilotState::UNKNOWN)
    json.text("pilot", to_text(station.pilot()));
  json.boolean("enabled", station.enabled())
      .boolean("charging", station.charging())
      .number("current_limit_a", station.current_limit_a())
      .begin_array("faults");
  for (int i = 0; i < FAULT_COUNT; i++) {
    const auto fault = static_cast<Fault>(i);
    if (station.faults().has(fault))
      json.text(nullptr, info_of(fault).name);
  }
  json.end_array().text("clock", clock_text(clock));
  if (surroundings.sd != nullptr)
    json.text("sd", surroundings.sd);
  json.integer("backlog", static_cast<int64_t>(surroundings.backlog));
  if (!surroundings.update_version.empty()) {
    json.begin_object("update")
        .text("version", surroundings.update_version)
        .integer("progress", surroundings.update_progress)
        .end_object();
  }
  if (!station.sessions().active()) {
    json.null("session");
  } else {
    const Session &session = station.sessions().current();
    json.begin_object("session")
        .text("id", session_name(session))
        .text("started_at", format_utc(session_started(session, clock)));
    start_registers(&json, session.start);
    json.end_object();
  }
  return json.end_object().str();
}

std::string info_json(const Station &station, const Identity &identity) {
  const StationSettings &settings = station.settings();
  JsonWriter json;
  json.begin_object()
      .integer("protocol", 1)
      .text("station", identity.station)
      .text("name", identity.name)
      .text("manufacturer", "SolarRally")
      .text("model", identity.model)
      .text("serial", identity.serial)
      .text("firmware", identity.firmware)
      .integer("phases", settings.follow.phases)
      .number("voltage_v", settings.follow.voltage_v)
      .number("min_current_a", settings.min_current_a)
      .number("max_current_a", settings.max_current_a)
      .begin_array("capabilities");
  for (int i = 0; i < SOURCES; i++) {
    if (settings.wired[i])
      json.text(nullptr, to_text(source_at(i)));
  }
  if (settings.has_pilot)
    json.text(nullptr, "control_pilot");
  if (identity.has_log)
    json.text(nullptr, "sd_log");
  if (identity.can_update)
    json.text(nullptr, "ota");
  json.text(nullptr, "reboot").end_array().integer("boot", identity.boot);
  if (!identity.reset_reason.empty())
    json.text("reset_reason", identity.reset_reason);
  return json.end_object().str();
}

std::string event_json(const StationEvent &event, const Clock &clock) {
  static constexpr const char *NAMES[] = {"plugged",        "unplugged",    "session_started", "session_ended",
                                          "source_changed", "fault_raised", "fault_cleared"};
  JsonWriter json;
  json.begin_object()
      .text("type", NAMES[static_cast<uint8_t>(event.type)])
      .text("timestamp", format_utc(clock.utc(event.at_ms)));
  switch (event.type) {
    case EventType::PLUGGED:
    case EventType::UNPLUGGED:
      json.text("session", session_name(event.session));
      break;
    case EventType::SESSION_STARTED:
      json.text("session", session_name(event.session));
      start_registers(&json, event.session.start);
      break;
    case EventType::SESSION_ENDED: {
      const Registers &start = event.session.start;
      json.text("session", session_name(event.session))
          .text("started_at", format_utc(session_started(event.session, clock)));
      if (start.known())
        json.number("meter_start_wh", start.total());
      if (event.stop.known())
        json.number("meter_stop_wh", event.stop.total());
      for (int i = 0; i < SOURCES; i++) {
        const double wh = event.stop.wh[i] - start.wh[i];
        if (start.wh[i] >= 0.0 && event.stop.wh[i] >= 0.0 && wh >= 0.0)
          json.number(i == SOLAR ? "solar_wh" : "grid_wh", wh);
      }
      json.text("reason", event.reason);
      break;
    }
    case EventType::SOURCE_CHANGED:
      json.text("from", to_text(event.from)).text("to", to_text(event.to)).text("reason", event.reason);
      break;
    default:
      json.text("fault", info_of(event.fault).name);
  }
  return json.end_object().str();
}

std::string rebooted_json(const Identity &identity, const Clock &clock, Millis at_ms) {
  JsonWriter json;
  return json.begin_object()
      .text("type", "rebooted")
      .text("timestamp", format_utc(clock.utc(at_ms)))
      .integer("boot", identity.boot)
      .text("reset_reason", identity.reset_reason.empty() ? "unknown" : identity.reset_reason)
      .end_object()
      .str();
}

std::string result_json(const Verdict &verdict) {
  JsonWriter json;
  json.begin_object().text("id", verdict.id).boolean("ok", verdict.ok);
  if (!verdict.ok)
    json.text("error", verdict.error);
  if (!verdict.message.empty())
    json.text("message", verdict.message);
  return json.end_object().str();
}

std::string outcome_json(const std::string &id, bool ok, const std::string &message) {
  JsonWriter json;
  json.begin_object().text("id", id).boolean("ok", ok);
  if (!ok)
    json.text("error", "failed").text("message", message);
  return json.boolean("done", true).end_object().str();
}

std::string corrected_frame(const std::string &frame, int64_t correction_ms) {
  static constexpr char STAMP[] = "\"timestamp\":\"";
  static constexpr char ESTIMATED[] = "\"clock\":\"estimated\"";
  static constexpr size_t STAMP_LENGTH = 24;
  const size_t clock_at = frame.rfind(ESTIMATED);
  const size_t stamp_at = frame.find(STAMP);
  if (clock_at == std::string::npos || stamp_at == std::string::npos)
    return frame;
  const size_t from = stamp_at + std::strlen(STAMP);
  int64_t utc_ms;
  if (!parse_utc(std::string_view(frame).substr(from, STAMP_LENGTH), &utc_ms))
    return frame;
  std::string corrected = frame;
  corrected.replace(clock_at, std::strlen(ESTIMATED), "\"clock\":\"synced\"");
  corrected.replace(from, STAMP_LENGTH, format_utc(utc_ms + correction_ms));
  return corrected;
}

bool Rhythm::due(Millis now_ms, const Station &station) {
  const bool changed = station.source() != this->source_ || station.pilot() != this->pilot_ ||
                       station.faults().bits() != this->faults_;
  const Millis interval_ms = station.charging() ? CHARGING_MS : IDLE_MS;
  if (this->started_ && !changed && now_ms - this->last_ms_ < interval_ms)
    return false;
  if (!has_frame(station))
    return false;
  this->started_ = true;
  this->last_ms_ = now_ms;
  this->source_ = station.source();
  this->pilot_ = station.pilot();
  this->faults_ = station.faults().bits();
  return true;
}

}  // namespace evstation
