// What the native API's entities show, and what they ask for.

#include "solarrally.h"

namespace esphome::solarrally {

template<typename E, typename T> static void publish(E *entity, const T &value) {
  if (entity != nullptr && (!entity->has_state() || entity->state != value))
    entity->publish_state(value);
}

void SolarRally::publish_() {
  const auto &station = *this->station_;
  const auto mode = static_cast<size_t>(station.mode());
  if (this->mode_select_ != nullptr && this->mode_select_->active_index() != mode)
    this->mode_select_->publish_state(mode);
  publish(this->limit_number_, station.current_limit_a());
  if (this->enabled_switch_ != nullptr && this->enabled_switch_->state != station.enabled())
    this->enabled_switch_->publish_state(station.enabled());
  publish(this->vehicle_binary_sensor_, station.vehicle());
  publish(this->charging_binary_sensor_, station.charging());
  publish(this->problem_binary_sensor_, station.faults().any());
  publish(this->source_text_sensor_, std::string(logic::to_text(station.source())));
  publish(this->status_text_sensor_, std::string(logic::to_text(station.status())));
  if (this->settings.has_pilot)
    publish(this->pilot_text_sensor_, std::string(logic::to_text(station.pilot())));
  std::string faults;
  for (int i = 0; i < logic::FAULT_COUNT; i++) {
    const auto fault = static_cast<logic::Fault>(i);
    if (station.faults().has(fault))
      faults += (faults.empty() ? "" : ", ") + std::string(logic::info_of(fault).name);
  }
  publish(this->faults_text_sensor_, faults.empty() ? std::string("none") : faults);

  float voltage_v = 0.0f;
  float current_a = 0.0f;
  float power_w = 0.0f;
  for (int index = 0; index < logic::SOURCES; index++) {
    logic::Reading reading;
    if (!station.reading(index, &reading))
      continue;
    current_a += reading.current_a;
    power_w += reading.power_w;
    if (station.source() == logic::source_at(index))
      voltage_v = reading.voltage_v;
  }
  publish(this->voltage_sensor_, voltage_v);
  publish(this->current_sensor_, current_a);
  publish(this->power_sensor_, power_w);
  publish(this->offered_current_sensor_, station.offered_current_a());
  const logic::Registers registers = station.registers();
  if (registers.known()) {
    publish(this->energy_sensor_, static_cast<float>(registers.total()));
    publish(this->solar_energy_sensor_, static_cast<float>(registers.wh[logic::SOLAR]));
    publish(this->grid_energy_sensor_, static_cast<float>(registers.wh[logic::GRID]));
  }
  const auto &session = station.sessions().current();
  if (!station.sessions().active()) {
    publish(this->session_duration_sensor_, 0.0f);
    return;
  }
  if (registers.known() && session.start.known())
    publish(this->session_energy_sensor_, static_cast<float>(registers.total() - session.start.total()));
  publish(this->session_duration_sensor_,
          static_cast<float>((this->now_() - session.started_ms) / 1000));
}

void ModeSelect::control(size_t index) { this->station_->ask_mode(static_cast<logic::Mode>(index)); }
void LimitNumber::control(float value) { this->station_->ask_current_limit(value); }
void EnabledSwitch::write_state(bool state) { this->station_->ask_enabled(state); }
void ResetFaultsButton::press_action() { this->station_->ask_reset_faults(); }

}  // namespace esphome::solarrally
