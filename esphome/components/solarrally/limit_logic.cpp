#include "limit_logic.h"

#include <algorithm>
#include <cmath>

namespace evstation {

void SolarFollower::reset() {
  this->started_ = false;
  this->current_a_ = 0.0f;
  this->enough_ = false;
  this->short_ = false;
}

float SolarFollower::step(Millis now_ms, float available_w, float ceiling_a) {
  const auto &settings = this->settings_;
  if (std::isnan(available_w)) {
    this->reset();
    return 0.0f;
  }
  const float offered_w = available_w - settings.reserve_w;
  if (!this->started_) {
    this->started_ = true;
    this->last_ms_ = now_ms;
    this->smooth_w_ = offered_w;
  }
  const Millis elapsed_ms = std::max<Millis>(0, now_ms - this->last_ms_);
  this->last_ms_ = now_ms;
  const float elapsed_s = static_cast<float>(elapsed_ms) / 1000.0f;
  // First-order low pass, exact for any step: x += (u − x)·(1 − e^(−Δt/τ)).
  const float weight =
      settings.smoothing_ms > 0
          ? 1.0f - std::exp(-static_cast<float>(elapsed_ms) / static_cast<float>(settings.smoothing_ms))
          : 1.0f;
  this->smooth_w_ += (offered_w - this->smooth_w_) * weight;

  const float watts_per_ampere = settings.voltage_v * static_cast<float>(settings.phases);
  const float now_a = offered_w / watts_per_ampere;
  float target_a = this->smooth_w_ / watts_per_ampere;
  if (settings.never_import)
    target_a = std::min(target_a, now_a);

  const bool enough = target_a >= settings.min_current_a;
  if (enough && !this->enough_)
    this->enough_since_ms_ = now_ms;
  if (!enough && !this->short_)
    this->short_since_ms_ = now_ms;
  this->enough_ = enough;
  this->short_ = !enough;

  if (this->paused()) {
    if (enough && now_ms - this->enough_since_ms_ >= settings.start_delay_ms)
      this->current_a_ = settings.min_current_a;
  } else if (!enough && (settings.never_import || now_ms - this->short_since_ms_ >= settings.stop_delay_ms)) {
    this->current_a_ = 0.0f;
  } else {
    const float wanted_a = std::max(target_a, settings.min_current_a);
    const float highest_a = this->current_a_ + settings.ramp_up_a_per_s * elapsed_s;
    const float lowest_a = settings.never_import ? 0.0f : this->current_a_ - settings.ramp_down_a_per_s * elapsed_s;
    this->current_a_ = std::clamp(wanted_a, std::min(lowest_a, highest_a), highest_a);
  }
  if (this->current_a_ > ceiling_a)
    this->current_a_ = ceiling_a >= settings.min_current_a ? ceiling_a : 0.0f;
  return this->current_a_;
}

float PacedLimit::step(Millis now_ms, float limit_a) {
  const bool raises = limit_a > this->limit_a_;
  if (raises && this->limit_a_ > 0.0f && now_ms - this->raised_ms_ < this->raise_interval_ms_)
    return this->limit_a_;
  if (raises)
    this->raised_ms_ = now_ms;
  this->limit_a_ = limit_a;
  return limit_a;
}

float effective_limit(const CurrentLimits &limits, float min_current_a) {
  float smallest_a = limits.station_a;
  const auto lower = [&smallest_a](float limit_a) {
    // Written so that NaN, an unknown limit, becomes 0 and never "no limit".
    if (!(limit_a >= smallest_a))
      smallest_a = std::isnan(limit_a) ? 0.0f : limit_a;
  };
  lower(limits.cable_a);
  lower(limits.user_a);
  if (limits.follow_solar)
    lower(limits.solar_a);
  if (limits.control_lost)
    lower(limits.control_lost_a);
  return smallest_a >= min_current_a ? smallest_a : 0.0f;
}

}  // namespace evstation
