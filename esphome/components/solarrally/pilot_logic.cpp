#include "pilot_logic.h"

#include <cmath>

namespace evstation {

const char *to_text(PilotState state) {
  switch (state) {
    case PilotState::A:
      return "A";
    case PilotState::B:
      return "B";
    case PilotState::C:
      return "C";
    case PilotState::D:
      return "D";
    case PilotState::E:
      return "E";
    case PilotState::F:
      return "F";
    default:
      return "";
  }
}

float duty_for_current(float current_a) {
  if (!(current_a >= PILOT_MIN_CURRENT_A))
    return 1.0f;
  if (current_a <= 51.0f)
    return current_a / 0.6f / 100.0f;
  if (current_a >= PILOT_MAX_CURRENT_A)
    current_a = PILOT_MAX_CURRENT_A;
  return (current_a / 2.5f + 64.0f) / 100.0f;
}

float current_for_duty(float duty) {
  const float percent = duty * 100.0f;
  if (percent < 8.0f || percent > 97.0f)
    return 0.0f;
  if (percent <= 10.0f)
    return 6.0f;
  if (percent <= 85.0f)
    return percent * 0.6f;
  if (percent <= 96.0f)
    return (percent - 64.0f) * 2.5f;
  return 80.0f;
}

PilotState Pilot::classify(float high_v) {
  if (std::isnan(high_v))
    return PilotState::E;
  if (high_v > 10.5f)
    return PilotState::A;
  if (high_v > 7.5f)
    return PilotState::B;
  if (high_v > 4.5f)
    return PilotState::C;
  if (high_v > 1.5f)
    return PilotState::D;
  if (high_v > -6.0f)
    return PilotState::E;
  return PilotState::F;
}

void Pilot::step(Millis now_ms, float high_v, float low_v, bool pwm_on) {
  const PilotState seen = classify(high_v);
  if (seen != this->candidate_) {
    // A line that wanders between states without energy does not win time: the car has stopped asking once.
    if (wants_energy(this->candidate_) || wants_energy(seen))
      this->asking_changed_ms_ = now_ms;
    this->candidate_ = seen;
    this->candidate_since_ms_ = now_ms;
  }
  const bool stops = wants_energy(this->state_) && !wants_energy(seen);
  const Millis wait_ms = stops ? this->settings_.debounce_stop_ms : this->settings_.debounce_ms;
  const Millis since_ms = stops ? this->asking_changed_ms_ : this->candidate_since_ms_;
  if (seen != this->state_ && now_ms - since_ms >= wait_ms)
    this->state_ = seen;

  const bool judged = pwm_on && has_vehicle(seen);
  // NaN is not below the limit either: an unread low side is no proof of a diode.
  const bool suspect = judged && !(low_v <= this->settings_.diode_voltage_v);
  if (judged != this->diode_judged_ || suspect != this->diode_suspect_)
    this->diode_since_ms_ = now_ms;
  this->diode_judged_ = judged;
  this->diode_suspect_ = suspect;
  if (judged && now_ms - this->diode_since_ms_ >= this->settings_.debounce_stop_ms) {
    this->diode_missing_ = this->diode_missing_ || suspect;
    this->diode_seen_ = this->diode_seen_ || !suspect;
  }
  // The next car, and each new offer, shows it again.
  if (!pwm_on || !has_vehicle(this->state_))
    this->diode_seen_ = false;
  if (this->state_ == PilotState::A)
    this->diode_missing_ = false;
}

}  // namespace evstation
