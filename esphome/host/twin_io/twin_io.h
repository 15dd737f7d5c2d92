#pragma once

#ifdef USE_HOST

#include <map>
#include <mutex>
#include <string>

#include "esphome/components/output/float_output.h"
#include "esphome/components/sensor/sensor.h"
#include "esphome/components/voltage_sampler/voltage_sampler.h"
#include "esphome/core/component.h"
#include "esphome/core/gpio.h"

namespace esphome::twin_io {

/// The line-based connection to the bench. See `__init__.py` for what is said on it. Pins may be read and written from any
/// task; a pin that is read says what the bench has said until then.
class TwinIO final : public Component {
 public:
  void setup() override;
  void loop() override;
  void dump_config() override;
  float get_setup_priority() const override { return setup_priority::BUS + 100.0f; }

  bool read_pin(uint8_t number);
  void write_pin(uint8_t number, bool value);
  /// The last value of this analog input; 0 before the bench has said one.
  float read_analog(const std::string &channel);
  void write_level(const std::string &channel, float value);

 protected:
  // All below expect the lock.
  void connect_();
  void disconnect_();
  void send_(const std::string &line);
  void receive_();
  void handle_(const std::string &line);

  std::mutex mutex_;
  int socket_{-1};
  uint32_t last_attempt_ms_{0};
  std::string host_;
  std::string port_;
  std::string received_;
  std::map<uint8_t, bool> inputs_;
  std::map<uint8_t, bool> outputs_;
  std::map<std::string, float> analogs_;
  std::map<std::string, float> levels_;
};

class TwinPin final : public GPIOPin {
 public:
  TwinPin(TwinIO *parent, uint8_t number, bool inverted) : parent_(parent), number_(number), inverted_(inverted) {}

  void setup() override {}
  void pin_mode(gpio::Flags flags) override { this->flags_ = flags; }
  gpio::Flags get_flags() const override { return this->flags_; }
  bool digital_read() override { return this->parent_->read_pin(this->number_) != this->inverted_; }
  void digital_write(bool value) override { this->parent_->write_pin(this->number_, value != this->inverted_); }
  size_t dump_summary(char *buffer, size_t len) const override;
  void set_flags(gpio::Flags flags) { this->flags_ = flags; }

 protected:
  TwinIO *parent_;
  uint8_t number_;
  bool inverted_;
  gpio::Flags flags_{};
};

/// An analog input of the bench, in the place of the ESP32's ADC.
class TwinAnalog final : public sensor::Sensor, public PollingComponent, public voltage_sampler::VoltageSampler {
 public:
  explicit TwinAnalog(TwinIO *parent) : parent_(parent) {}
  void set_channel(const std::string &channel) { this->channel_ = channel; }
  /// A second channel that is sampled in turn with the first: the two levels of a square wave.
  void set_low_channel(const std::string &channel) { this->low_channel_ = channel; }
  void update() override { this->publish_state(this->sample()); }
  float sample() override;

 protected:
  TwinIO *parent_;
  std::string channel_;
  std::string low_channel_;
  bool low_next_{false};
};

/// A proportional output of the bench, in the place of the ESP32's PWM.
class TwinLevel final : public output::FloatOutput, public Component {
 public:
  explicit TwinLevel(TwinIO *parent) : parent_(parent) {}
  void set_channel(const std::string &channel) { this->channel_ = channel; }

 protected:
  void write_state(float state) override { this->parent_->write_level(this->channel_, state); }

  TwinIO *parent_;
  std::string channel_;
};

}  // namespace esphome::twin_io

#endif  // USE_HOST
