#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <string>

#include "entities.h"
#include "esphome/components/binary_sensor/binary_sensor.h"
#include "esphome/components/output/float_output.h"
#include "esphome/components/sensor/sensor.h"
#include "esphome/components/text_sensor/text_sensor.h"
#include "esphome/components/time/real_time_clock.h"
#include "esphome/components/voltage_sampler/voltage_sampler.h"
#include "esphome/core/component.h"
#include "esphome/core/defines.h"
#include "esphome/core/gpio.h"
#include "esphome/core/hal.h"
#include "esphome/core/preferences.h"
#include "message_logic.h"
#include "messenger.h"
#include "restart_logic.h"
#include "station_logic.h"
#include "storage.h"
#include "updater.h"
#ifdef USE_OTA_STATE_LISTENER
#include "esphome/components/ota/ota_backend.h"
#endif

namespace esphome::solarrally {

namespace logic = ::evstation;

/// Moves pins, meters and entities; every decision is `logic::Station`'s.
///
/// Two tasks share the work. The control task sees, decides and drives, every 10 ms whatever else goes on. The main loop
/// does all that may take long (meters, network, card, flash) with a copy of the station, and passes on what it learns.
class SolarRally final : public Component
#ifdef USE_OTA_STATE_LISTENER
    ,
                         public ota::OTAGlobalStateListener
#endif
{
  SUB_SELECT(mode)
  SUB_NUMBER(limit)
  SUB_SWITCH(enabled)
  SUB_BINARY_SENSOR(vehicle)
  SUB_BINARY_SENSOR(charging)
  SUB_BINARY_SENSOR(problem)
  SUB_TEXT_SENSOR(source)
  SUB_TEXT_SENSOR(status)
  SUB_TEXT_SENSOR(pilot)
  SUB_TEXT_SENSOR(faults)
  SUB_SENSOR(voltage)
  SUB_SENSOR(current)
  SUB_SENSOR(power)
  SUB_SENSOR(energy)
  SUB_SENSOR(solar_energy)
  SUB_SENSOR(grid_energy)
  SUB_SENSOR(session_energy)
  SUB_SENSOR(session_duration)
  SUB_SENSOR(offered_current)

 public:
  /// Filled by the generated code before `setup`.
  logic::StationSettings settings;

  void set_identity(const std::string &station, const std::string &name, const std::string &model);
  void set_time(time::RealTimeClock *clock) { this->rtc_ = clock; }
  void set_contactor_pin(int index, GPIOPin *pin) { this->contactor_pins_[index] = pin; }
  void set_feedback_pin(int index, GPIOPin *pin);
  void set_meter(int index, sensor::Sensor *voltage, sensor::Sensor *current, sensor::Sensor *power,
                 sensor::Sensor *energy);
  void set_available_power(sensor::Sensor *available_power) { this->available_power_ = available_power; }
  void set_control_pilot(output::FloatOutput *pwm, voltage_sampler::VoltageSampler *voltage, float scale, float offset,
                         int samples);

  /// A sensor that says whether the clock can be trusted, for clocks that cannot say so themselves.
  void set_clock_ready(binary_sensor::BinarySensor *clock_ready) { this->clock_ready_ = clock_ready; }
#ifdef USE_SOLARRALLY_MQTT
  void set_broker(const std::string &host, uint16_t port);
  void set_credentials(const std::string &username, const std::string &password);
  void set_certificate_authority(const std::string &pem) { this->mqtt_.certificate_authority = pem; }
  void set_discovery_prefix(const std::string &prefix) { this->discovery_prefix_ = prefix; }
  void set_topic_prefix(const std::string &prefix) { this->topic_prefix_ = prefix; }
#endif
#ifdef USE_SOLARRALLY_UPDATE
  void set_update_hosts(const std::vector<std::string> &hosts);
#endif
#ifdef USE_SOLARRALLY_LOG
  void set_log_folder(const std::string &folder) { this->log_folder_ = folder; }
  void set_log_pins(int clk, int mosi, int miso, int cs);
#endif

  void setup() override;
  void loop() override;
  void dump_config() override;
  void on_shutdown() override;
  /// The pins must be off before anything else may take time.
  float get_setup_priority() const override { return setup_priority::HARDWARE; }

#ifdef USE_OTA_STATE_LISTENER
  /// The page of the station's own access point: it writes to flash at once, without waiting for anybody.
  void set_page_update(ota::OTAComponent *page_update) { this->page_update_ = page_update; }
  void on_ota_global_state(ota::OTAState state, float progress, uint8_t error, ota::OTAComponent *component) override;
#endif

  // What the entities ask for.
  void ask_mode(logic::Mode mode);
  /// @return false when it is out of range
  bool ask_current_limit(float current_a);
  void ask_enabled(bool enabled);
  /// @return false when a latched fault stays because its cause is not gone
  bool ask_reset_faults();

 protected:
  struct MeterSensors {
    sensor::Sensor *voltage{nullptr};
    sensor::Sensor *current{nullptr};
    sensor::Sensor *power{nullptr};
    sensor::Sensor *energy{nullptr};
    bool fresh{false};
  };
  /// What survives a reboot. One write per change of it; of the limit, one a minute at most.
  struct Kept {
    uint8_t mode;
    float current_limit_a;
  };
  /// The session under way, so that a power cut does not end it. Two writes per session.
  struct KeptSession {
    uint8_t active;
    uint32_t boot;
    uint32_t number;
    int64_t started_utc_ms;
    double start_wh[logic::SOURCES];
  };
  /// Counted up at each boot. The last known time makes a better guess than none until the clock is set.
  struct KeptBoot {
    uint32_t boot;
    uint8_t clean;
    int64_t last_utc_ms;
  };

  /// Time since this boot; the host's `millis` count from the boot of the machine.
  logic::Millis now_() const { return static_cast<logic::Millis>(millis_64() - this->started_ms_); }
  // Of the control task.
  void control_();
  /// What pins and pilot say now.
  logic::StationInputs see_();
  void sample_pilot_(logic::StationInputs *inputs);
  void drive_();
  // Of the main loop.
  /// Tell the control task what only the main loop knows, and take over what the station has become.
  void exchange_(logic::Millis now_ms);
  void look_();
  /// Change the station; the copy follows at once.
  bool change_(const std::function<bool(logic::Station *)> &change);
  void feed_meters_(logic::Millis now_ms);
  /// Both coils, as of the last `look_`.
  bool is_off_() const { return !this->station_->coil(logic::SOLAR) && !this->station_->coil(logic::GRID); }
  /// Restart as soon as the result of the command is out and the car has stopped, or had its time.
  void restart_soon_();
  bool restart_due_() const;
  /// Wait until the car has stopped, or had its time. Blocks the main loop, not the control task.
  void stop_car_();
  void drive_off_();
  void read_clock_(logic::Millis now_ms);
  bool controlled_() const;
  bool obey_(const logic::Verdict &verdict);
#ifdef USE_SOLARRALLY_UPDATE
  void update_(const Update &update);
#endif
  // Of the main loop, in entities.cpp.
  void publish_();
  // Of the main loop, in flash.cpp.
  /// Take over what was kept of the owner's wishes.
  void recall_();
  void keep_();
  /// Keep the current limit, once a minute at most.
  void keep_limit_();
  void keep_session_();
  void keep_boot_(bool clean);
  /// Name this boot, and take over the session that the one before left open.
  void boot_();

  logic::Identity identity_;
  logic::Clock clock_;
  binary_sensor::BinarySensor *clock_ready_{nullptr};
  time::RealTimeClock *rtc_{nullptr};
  GPIOPin *contactor_pins_[logic::SOURCES]{};
  GPIOPin *feedback_pins_[logic::SOURCES]{};
  MeterSensors meters_[logic::SOURCES]{};
  sensor::Sensor *available_power_{nullptr};
  output::FloatOutput *pilot_pwm_{nullptr};
  voltage_sampler::VoltageSampler *pilot_voltage_{nullptr};
  float pilot_scale_{1.0f};
  float pilot_offset_{0.0f};
  int pilot_samples_{1};
  /// An update over MQTT was accepted; one by ESPHome's own way is under way, or the station ends.
  bool updating_{false};
  bool ending_{false};
  logic::Restart restart_;
  /// It was commanded; no update that fails calls it off.
  bool restart_commanded_{false};
#ifdef USE_OTA_STATE_LISTENER
  ota::OTAComponent *page_update_{nullptr};
#endif
  uint64_t started_ms_{0};
  uint64_t limit_kept_ms_{0};
  uint32_t last_publish_ms_{0};
  /// Guards `live_`, `told_` and the pins that are driven.
  std::mutex mutex_;
  std::unique_ptr<logic::Station> live_;
  /// What the control task cannot see itself.
  logic::StationInputs told_;
  bool controlling_{false};
  /// The main loop's copy, and what has happened since it looked last.
  std::unique_ptr<logic::Station> station_;
  std::deque<logic::StationEvent> events_;
  ESPPreferenceObject kept_;
  ESPPreferenceObject kept_session_;
  ESPPreferenceObject kept_boot_;
#ifdef USE_SOLARRALLY_MQTT
  MqttLink::Config mqtt_;
  std::string topic_prefix_{"ev"};
  std::string discovery_prefix_;
  std::unique_ptr<Messenger> messenger_;
#endif
#ifdef USE_SOLARRALLY_UPDATE
  std::vector<std::string> update_hosts_;
#endif
#ifdef USE_SOLARRALLY_LOG
  std::string log_folder_;
  CardPins log_pins_;
  std::unique_ptr<FolderStorage> storage_;
#endif
};

}  // namespace esphome::solarrally
