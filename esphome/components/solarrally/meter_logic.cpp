#include "meter_logic.h"

#include <cmath>

namespace evstation {

const char *to_text(Doubt doubt) {
  switch (doubt) {
    case Doubt::OUT_OF_RANGE:
      return "out_of_range";
    case Doubt::POWER_MISMATCH:
      return "power_mismatch";
    case Doubt::REGISTER_FELL:
      return "register_fell";
    case Doubt::REGISTER_LEAPT:
      return "register_leapt";
    default:
      return "none";
  }
}

Doubt Meter::judge(const Reading &reading, const MeterSettings &settings) {
  const auto within = [](float value, float highest) { return value >= 0.0f && value <= highest; };
  if (!within(reading.voltage_v, settings.max_voltage_v) || !within(reading.current_a, settings.max_current_a) ||
      !within(reading.power_w, settings.max_power_w))
    return Doubt::OUT_OF_RANGE;
  // Active power cannot exceed the apparent power; 5 % and 30 W allow for a meter that reads its values one after
  // another while a car ramps. A charger's power factor is above 0.9, so half of V·I is already far.
  const float apparent_va = reading.voltage_v * reading.current_a;
  if (reading.power_w > apparent_va * 1.05f + 30.0f)
    return Doubt::POWER_MISMATCH;
  if (reading.current_a > 2.0f && reading.power_w < apparent_va * 0.5f)
    return Doubt::POWER_MISMATCH;
  return Doubt::NONE;
}

double Meter::most_since_(Millis then_ms, Millis now_ms) const {
  // 2 Wh for a register that counts whole watt-hours and was read just before it stepped.
  return static_cast<double>(this->settings_.max_power_w) * static_cast<double>(now_ms - then_ms) / 3600000.0 + 2.0;
}

Doubt Meter::judge_register_(Millis now_ms, double energy_wh) {
  const auto follows = [&](double earlier_wh, Millis earlier_ms) {
    return energy_wh >= earlier_wh && energy_wh - earlier_wh <= this->most_since_(earlier_ms, now_ms);
  };
  const bool believable = std::isfinite(energy_wh) && energy_wh >= 0.0;
  if (believable && (!this->has_register_ || follows(this->register_wh_, this->register_at_ms_))) {
    this->has_register_ = true;
    this->register_wh_ = energy_wh;
    this->register_at_ms_ = now_ms;
    this->other_count_ = 0;
    return Doubt::NONE;
  }
  const Doubt doubt =
      this->has_register_ && energy_wh < this->register_wh_ ? Doubt::REGISTER_FELL : Doubt::REGISTER_LEAPT;
  if (!believable) {
    this->other_count_ = 0;
    return doubt;
  }
  this->other_count_ = this->other_count_ > 0 && follows(this->other_wh_, this->other_at_ms_) ? this->other_count_ + 1 : 1;
  this->other_wh_ = energy_wh;
  this->other_at_ms_ = now_ms;
  if (this->other_count_ < this->settings_.accept_after)
    return doubt;
  this->register_wh_ = energy_wh;
  this->register_at_ms_ = now_ms;
  this->other_count_ = 0;
  return Doubt::NONE;
}

Doubt Meter::feed(Millis now_ms, const Reading &reading) {
  this->heard_at_ms_ = now_ms;
  this->doubt_ = judge(reading, this->settings_);
  if (this->doubt_ != Doubt::NONE) {
    this->doubted_++;
    return this->doubt_;
  }
  this->reading_ = reading;
  if (reading.has_energy) {
    this->doubt_ = this->judge_register_(now_ms, reading.energy_wh);
    if (this->doubt_ != Doubt::NONE) {
      this->doubted_++;
      this->reading_.has_energy = false;
    }
  }
  this->has_reading_ = true;
  this->read_at_ms_ = now_ms;
  this->silent_ = false;
  return this->doubt_;
}

void Meter::step(Millis now_ms) {
  if (!this->started_) {
    this->started_ = true;
    this->started_ms_ = now_ms;
  }
  const Millis after_ms = this->settings_.silent_after_ms;
  const Millis since_ms = this->has_reading_ ? this->read_at_ms_ : this->started_ms_;
  this->silent_ = now_ms - since_ms >= after_ms;
  // One last wrong word, of a line that fails, is no answer.
  const bool answers = this->heard_at_ms_ - since_ms >= after_ms && now_ms - this->heard_at_ms_ < after_ms;
  this->mute_ = this->silent_ && !answers;
}

void DarkLine::step(Millis now_ms, const Meter &meter, bool sunny) {
  if (!meter.mute()) {
    this->mute_ = this->sunny_ = this->broken_ = false;
    return;
  }
  if (!this->mute_)
    this->mute_since_ms_ = now_ms;
  if (!this->sunny_)
    this->sunny_since_ms_ = now_ms;
  this->mute_ = true;
  this->sunny_ = sunny;
  // Only the meter itself can disprove it: after a day of sun and silence the next night is no excuse.
  this->broken_ = this->broken_ || this->settings_.own_supply ||
                  (sunny && now_ms - this->sunny_since_ms_ >= this->settings_.sun_proves_after_ms) ||
                  now_ms - this->mute_since_ms_ >= this->settings_.dark_at_most_ms;
}

}  // namespace evstation
