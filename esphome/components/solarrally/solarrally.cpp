#include "solarrally.h"

#include <algorithm>
#include <cmath>
#include <sys/time.h>

#include "control_task.h"
#include "esphome/core/application.h"
#include "esphome/core/hal.h"
#include "esphome/core/log.h"
#ifdef USE_API
#include "esphome/components/api/api_server.h"
#endif

namespace esphome::solarrally {

static const char *const TAG = "solarrally";
static constexpr uint32_t PUBLISH_INTERVAL_MS = 1000;
/// How long the result of a command may take to go out before the station goes.
static constexpr logic::Millis RESULT_MS = 1000;

void SolarRally::set_identity(const std::string &station, const std::string &name, const std::string &model) {
  this->identity_.station = station;
  this->identity_.name = name;
  this->identity_.model = model;
}

void SolarRally::set_feedback_pin(int index, GPIOPin *pin) {
  this->feedback_pins_[index] = pin;
  this->settings.contactors.has_feedback[index] = true;
}

void SolarRally::set_meter(int index, sensor::Sensor *voltage, sensor::Sensor *current, sensor::Sensor *power,
                           sensor::Sensor *energy) {
  auto &meter = this->meters_[index];
  meter.voltage = voltage;
  meter.current = current;
  meter.power = power;
  meter.energy = energy;
  // All four come out of one response, one after another; `loop` sees them together.
  power->add_on_state_callback([&meter](float) { meter.fresh = true; });
}

void SolarRally::set_control_pilot(output::FloatOutput *pwm, voltage_sampler::VoltageSampler *voltage, float scale,
                                   float offset, int samples) {
  this->pilot_pwm_ = pwm;
  this->pilot_voltage_ = voltage;
  this->pilot_scale_ = scale;
  this->pilot_offset_ = offset;
  this->pilot_samples_ = samples;
  this->settings.has_pilot = true;
  this->settings.session.has_pilot = true;
}

#ifdef USE_SOLARRALLY_MQTT
void SolarRally::set_broker(const std::string &host, uint16_t port) {
  this->mqtt_.host = host;
  this->mqtt_.port = port;
}

void SolarRally::set_credentials(const std::string &username, const std::string &password) {
  this->mqtt_.username = username;
  this->mqtt_.password = password;
}
#endif

#ifdef USE_SOLARRALLY_LOG
void SolarRally::set_log_pins(int clk, int mosi, int miso, int cs) { this->log_pins_ = {clk, mosi, miso, cs}; }
#endif

void SolarRally::read_clock_(logic::Millis now_ms) {
  const bool ready = this->clock_ready_ == nullptr || this->clock_ready_->state;
  timeval now{};
  if (!ready || !this->rtc_->now().is_valid() || gettimeofday(&now, nullptr) != 0)
    return;
  if (this->clock_.sync(now_ms, static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_usec / 1000))
    ESP_LOGI(TAG, "The clock is set, %+lld ms from the estimate", static_cast<long long>(this->clock_.correction_ms()));
}

bool SolarRally::controlled_() const {
#ifdef USE_SOLARRALLY_MQTT
  if (this->messenger_ != nullptr && this->messenger_->connected())
    return true;
#endif
#ifdef USE_API
  return api::global_api_server != nullptr && api::global_api_server->is_connected();
#else
  return false;
#endif
}

bool SolarRally::obey_(const logic::Verdict &verdict) {
  switch (verdict.kind) {
    case logic::CommandKind::SET_MODE:
      this->ask_mode(verdict.mode);
      return true;
    case logic::CommandKind::SET_CURRENT_LIMIT:
      return this->ask_current_limit(verdict.current_a);
    case logic::CommandKind::START:
      this->ask_enabled(true);
      return true;
    case logic::CommandKind::STOP:
      this->ask_enabled(false);
      return true;
    case logic::CommandKind::RESET_FAULTS:
      return this->ask_reset_faults();
    case logic::CommandKind::REBOOT:
      this->restart_soon_();
      return true;
#ifdef USE_SOLARRALLY_UPDATE
    case logic::CommandKind::UPDATE_FIRMWARE:
      // From here on no contactor closes; the download blocks the main loop, so the result must be out before.
      this->updating_ = true;
      this->exchange_(this->now_());
      this->messenger_->update(verdict.version, 0);
      this->set_timeout("update", 500, [this, update = Update{verdict.id, verdict.url, verdict.sha256, verdict.version}] {
        this->update_(update);
      });
      return true;
#endif
    default:
      return false;
  }
}

#ifdef USE_SOLARRALLY_UPDATE
void SolarRally::set_update_hosts(const std::vector<std::string> &hosts) {
  this->update_hosts_ = hosts;
  this->identity_.can_update = true;
}

void SolarRally::update_(const Update &update) {
  const auto tick = [this, &update](int progress) {
    // The station goes on saying what it sees.
    this->exchange_(this->now_());
    this->messenger_->update(update.version, progress);
    this->messenger_->loop(this->now_());
  };
  tick(0);
  const std::string why = install(update, tick);
  this->messenger_->outcome(update.id, why.empty(), why);
  if (why.empty()) {
    this->restart_soon_();
    return;
  }
  this->messenger_->update("", 0);
  this->updating_ = false;
}
#endif

void SolarRally::setup() {
  this->started_ms_ = millis_64();
  for (auto *pin : this->contactor_pins_) {
    if (pin != nullptr) {
      pin->setup();
      pin->digital_write(false);
    }
  }
  for (auto *pin : this->feedback_pins_) {
    if (pin != nullptr)
      pin->setup();
  }
  this->settings.follow.min_current_a = this->settings.min_current_a;
  for (auto &meter : this->settings.meters)
    meter.max_power_w = meter.max_voltage_v * meter.max_current_a;
  this->live_ = std::make_unique<logic::Station>(this->settings);
  this->recall_();
  this->boot_();
  this->station_ = std::make_unique<logic::Station>(*this->live_);
  this->drive_();
#ifdef USE_SOLARRALLY_LOG
  this->storage_ = std::make_unique<FolderStorage>(this->log_folder_, this->log_pins_);
#endif
#ifdef USE_SOLARRALLY_MQTT
  this->messenger_ = std::make_unique<Messenger>(this->station_.get(), &this->identity_, &this->clock_);
  this->messenger_->set_discovery_prefix(this->discovery_prefix_);
#ifdef USE_SOLARRALLY_UPDATE
  this->messenger_->set_update_hosts(&this->update_hosts_);
#endif
  this->messenger_->on_command = [this](const logic::Verdict &verdict) { return this->obey_(verdict); };
  this->mqtt_.client_id = "solarrally-" + this->identity_.station + "-" + this->identity_.serial;
#ifdef USE_SOLARRALLY_LOG
  this->messenger_->begin(this->mqtt_, this->topic_prefix_, this->storage_.get());
#else
  this->messenger_->begin(this->mqtt_, this->topic_prefix_, nullptr);
#endif
#endif
#ifdef USE_OTA_STATE_LISTENER
  ota::get_global_ota_callback()->add_global_state_listener(this);
#endif
}

void SolarRally::loop() {
  const auto now_ms = this->now_();
  this->feed_meters_(now_ms);
  this->read_clock_(now_ms);
  this->exchange_(now_ms);
  if (!this->controlling_) {
    // By now all that it uses is set up.
    this->controlling_ = true;
    start_control_task([this] { this->control_(); });
  }
  for (const auto &event : this->events_) {
    if (event.type == logic::EventType::SESSION_STARTED || event.type == logic::EventType::SESSION_ENDED)
      this->keep_session_();
#ifdef USE_SOLARRALLY_MQTT
    this->messenger_->event(event);
#endif
  }
  this->events_.clear();
#ifdef USE_SOLARRALLY_MQTT
  this->messenger_->loop(now_ms);
#endif

  if (millis() - this->last_publish_ms_ >= PUBLISH_INTERVAL_MS) {
    this->last_publish_ms_ = millis();
    this->publish_();
  }
  if (this->restart_due_())
    App.safe_reboot();
}

void SolarRally::control_() {
  // Sampling the pilot takes longest, and needs no lock.
  logic::StationInputs inputs = this->see_();
  std::lock_guard<std::mutex> guard(this->mutex_);
  inputs.available_solar_w = this->told_.available_solar_w;
  inputs.controlled = this->told_.controlled;
  inputs.updating = this->told_.updating;
  inputs.restarting = this->told_.restarting;
  inputs.turned_ms = this->told_.turned_ms;
  inputs.now_ms = this->now_();
  this->live_->step(inputs);
  this->drive_();
}

void SolarRally::exchange_(logic::Millis now_ms) {
  const float available_w = this->available_power_ != nullptr ? this->available_power_->get_state() : NAN;
  const bool controlled = this->controlled_();
  {
    std::lock_guard<std::mutex> guard(this->mutex_);
    this->told_.available_solar_w = available_w;
    this->told_.controlled = controlled;
    this->told_.updating = this->updating_ || this->ending_;
    this->told_.restarting = this->restart_.wanted();
    this->told_.turned_ms = now_ms;
  }
  this->look_();
}

void SolarRally::look_() {
  std::lock_guard<std::mutex> guard(this->mutex_);
  auto &events = this->live_->events();
  this->events_.insert(this->events_.end(), events.begin(), events.end());
  events.clear();
  *this->station_ = *this->live_;
}

bool SolarRally::change_(const std::function<bool(logic::Station *)> &change) {
  bool done;
  {
    std::lock_guard<std::mutex> guard(this->mutex_);
    done = change(this->live_.get());
  }
  this->look_();
  return done;
}

logic::StationInputs SolarRally::see_() {
  logic::StationInputs inputs;
  for (int index = 0; index < logic::SOURCES; index++) {
    if (this->feedback_pins_[index] != nullptr)
      inputs.aux_closed[index] = this->feedback_pins_[index]->digital_read();
  }
  this->sample_pilot_(&inputs);
  return inputs;
}

void SolarRally::feed_meters_(logic::Millis now_ms) {
  for (int index = 0; index < logic::SOURCES; index++) {
    auto &meter = this->meters_[index];
    if (!meter.fresh)
      continue;
    meter.fresh = false;
    logic::Reading reading;
    reading.voltage_v = meter.voltage->get_state();
    reading.current_a = meter.current->get_state();
    reading.power_w = meter.power->get_state();
    if (meter.energy != nullptr && !std::isnan(meter.energy->get_state())) {
      reading.energy_wh = meter.energy->get_state();
      reading.has_energy = true;
    }
    logic::Doubt doubt;
    {
      std::lock_guard<std::mutex> guard(this->mutex_);
      doubt = this->live_->feed(index, now_ms, reading);
    }
    if (doubt != logic::Doubt::NONE) {
      ESP_LOGW(TAG, "The %s meter is not believed (%s): %.1f V, %.3f A, %.1f W, %.0f Wh",
               logic::to_text(logic::source_at(index)), logic::to_text(doubt), reading.voltage_v, reading.current_a,
               reading.power_w, reading.energy_wh);
    }
  }
}

void SolarRally::sample_pilot_(logic::StationInputs *inputs) {
  if (this->pilot_voltage_ == nullptr)
    return;
  float highest = -INFINITY;
  float lowest = INFINITY;
  for (int i = 0; i < this->pilot_samples_; i++) {
    const float voltage = this->pilot_voltage_->sample() * this->pilot_scale_ + this->pilot_offset_;
    if (!logic::is_pilot_voltage(voltage))
      continue;
    highest = std::max(highest, voltage);
    lowest = std::min(lowest, voltage);
  }
  if (highest >= lowest) {
    inputs->pilot_high_v = highest;
    inputs->pilot_low_v = lowest;
  }
}

void SolarRally::drive_() {
  // Opening is written before closing, so that the pins never show both, not even for a microsecond.
  for (int pass = 0; pass < 2; pass++) {
    for (int index = 0; index < logic::SOURCES; index++) {
      const bool on = this->live_->coil(index);
      if (this->contactor_pins_[index] != nullptr && on == (pass == 1))
        this->contactor_pins_[index]->digital_write(on);
    }
  }
  // Said again each time: the ESP32's PWM passes over a change while the one before has not begun.
  if (this->pilot_pwm_ != nullptr)
    this->pilot_pwm_->set_level(this->live_->pilot_duty());
}

void SolarRally::restart_soon_() {
  this->restart_commanded_ = true;
  this->restart_.begin(this->now_(), RESULT_MS);
#ifdef USE_SOLARRALLY_MQTT
  this->messenger_->restarting();
#endif
  this->exchange_(this->now_());
}

bool SolarRally::restart_due_() const {
  return this->restart_.due(this->now_(), this->is_off_(), this->settings.stop_timeout_ms);
}

void SolarRally::stop_car_() {
  this->restart_.begin(this->now_());
  this->exchange_(this->now_());
  if (!this->restart_due_())
    ESP_LOGI(TAG, "The car is stopped first");
  while (!this->restart_due_()) {
    App.feed_wdt();
    delay(CONTROL_PERIOD_MS);
    this->exchange_(this->now_());
  }
}

void SolarRally::drive_off_() {
  std::lock_guard<std::mutex> guard(this->mutex_);
  // From the next control step on nothing closes.
  this->ending_ = this->told_.updating = true;
  for (auto *pin : this->contactor_pins_) {
    if (pin != nullptr)
      pin->digital_write(false);
  }
  if (this->pilot_pwm_ != nullptr)
    this->pilot_pwm_->set_level(1.0f);
}

void SolarRally::on_shutdown() {
  // Whoever wants the restart: a button, an update, ESPHome itself.
  this->stop_car_();
  this->drive_off_();
  // A limit of the last minute may not be kept yet.
  this->keep_();
  this->keep_boot_(true);
#ifdef USE_SOLARRALLY_MQTT
  this->messenger_->stop();
#endif
}

#ifdef USE_OTA_STATE_LISTENER
void SolarRally::on_ota_global_state(ota::OTAState state, float progress, uint8_t error,
                                     ota::OTAComponent *component) {
  // The update blocks the main loop: what must be off is put off here.
  if (state == ota::OTA_STARTED) {
    ESP_LOGW(TAG, "Firmware update: both contactors off");
    // Erasing flash stops both cores, so nothing may be closed then: it waits for the car, or the car is not waited for.
    if (component != this->page_update_)
      this->stop_car_();
    this->drive_off_();
  } else if (state == ota::OTA_ABORT || state == ota::OTA_ERROR) {
    this->ending_ = false;
    if (!this->restart_commanded_)
      this->restart_.call_off();
  }
}
#endif

void SolarRally::ask_mode(logic::Mode mode) {
  this->change_([mode](logic::Station *station) {
    station->set_mode(mode);
    return true;
  });
  this->keep_();
}

bool SolarRally::ask_current_limit(float current_a) {
  const bool done =
      this->change_([current_a](logic::Station *station) { return station->set_current_limit(current_a); });
  if (done)
    this->keep_limit_();
  return done;
}

void SolarRally::ask_enabled(bool enabled) {
  this->change_([enabled](logic::Station *station) {
    station->set_enabled(enabled);
    return true;
  });
  this->publish_();
}

bool SolarRally::ask_reset_faults() {
  const bool done = this->change_([](logic::Station *station) { return station->reset_faults(); });
  if (!done)
    ESP_LOGW(TAG, "A fault stays: its cause is not gone");
  this->publish_();
  return done;
}

void SolarRally::dump_config() {
  ESP_LOGCONFIG(TAG,
                "SolarRally station '%s':\n"
                "  Current: %.0f to %.0f A, cable %.0f A\n"
                "  Dead time: %d ms\n"
                "  Control pilot: %s",
                this->identity_.station.c_str(), this->settings.min_current_a, this->settings.max_current_a,
                this->settings.cable_current_a, static_cast<int>(this->settings.contactors.dead_time_ms),
                YESNO(this->settings.has_pilot));
  for (int index = 0; index < logic::SOURCES; index++) {
    LOG_PIN("  Contactor: ", this->contactor_pins_[index]);
    LOG_PIN("  Feedback: ", this->feedback_pins_[index]);
  }
}

}  // namespace esphome::solarrally
