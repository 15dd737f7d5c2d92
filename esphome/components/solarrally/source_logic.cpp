#include "source_logic.h"

#include <cmath>

namespace evstation {

static constexpr Millis HOUR_MS = 3600000;

const char *to_text(SourceReason reason) {
  switch (reason) {
    case SourceReason::BY_MODE:
      return "by_mode";
    case SourceReason::SOLAR_GOOD:
      return "solar_good";
    case SourceReason::NO_SUN:
      return "no_sun";
    case SourceReason::COLLAPSE:
      return "collapse";
    case SourceReason::NOT_USABLE:
      return "not_usable";
    case SourceReason::SWITCH_LIMIT:
      return "switch_limit";
    default:
      return "off";
  }
}

void SourceSelector::judge_solar_(Millis now_ms, const SourceInputs &inputs) {
  const float voltage = inputs.solar_voltage_v;
  const float power = inputs.solar_available_w;
  const bool power_known = !std::isnan(power);
  const auto &limits = this->settings_;

  // A voltage that is not known is not a good one.
  this->collapsed_ = std::isnan(voltage) || voltage < limits.collapse_voltage_v;
  this->sagged_ = this->collapsed_ || voltage < limits.min_voltage_v;
  const bool bad = this->sagged_ || (power_known && power < limits.min_power_w);
  const bool good =
      !bad && voltage >= limits.return_voltage_v && (!power_known || power >= limits.return_power_w);

  if (bad && !this->is_bad_)
    this->bad_since_ms_ = now_ms;
  if (good && !this->is_good_)
    this->good_since_ms_ = now_ms;
  this->is_bad_ = bad;
  this->is_good_ = good;

  if (this->solar_good_) {
    if (this->collapsed_ || (bad && now_ms - this->bad_since_ms_ >= limits.drop_time_ms)) {
      this->solar_good_ = false;
      this->ever_bad_ = true;
    }
  } else {
    // At boot nothing has been seen to fail: a steady voltage for the drop time is enough.
    const Millis wait_ms = this->ever_bad_ ? limits.return_time_ms : limits.drop_time_ms;
    if (good && now_ms - this->good_since_ms_ >= wait_ms)
      this->solar_good_ = true;
  }
}

int SourceSelector::switches(Millis now_ms) const {
  int count = 0;
  for (int i = 0; i < this->switch_count_ && i < MAX_SWITCHES; i++) {
    if (now_ms - this->switched_ms_[i] < HOUR_MS)
      count++;
  }
  return count;
}

bool SourceSelector::may_take_solar_(Millis now_ms) const {
  return this->switches(now_ms) + 2 <= this->settings_.max_switches_per_hour;
}

bool SourceSelector::undecided_(Millis now_ms) const {
  return !this->solar_good_ && !this->ever_bad_ &&
         (this->is_good_ || now_ms - this->started_ms_ < this->settings_.drop_time_ms);
}

void SourceSelector::select_(Millis now_ms, Source source, SourceReason reason) {
  this->reason_ = reason;
  if (source == this->selected_)
    return;
  this->switched_ms_[this->switch_count_ % MAX_SWITCHES] = now_ms;
  this->switch_count_++;
  this->selected_ = source;
  this->selected_ms_ = now_ms;
}

Source SourceSelector::step(Millis now_ms, Mode mode, const SourceInputs &inputs) {
  if (!this->started_)
    this->started_ms_ = now_ms;
  this->judge_solar_(now_ms, inputs);
  // What a person asks for is done at once; dwell and cap are there for the weather.
  const bool asked = !this->started_ || mode != this->mode_;
  this->started_ = true;
  this->mode_ = mode;
  this->urgent_ = false;

  if (mode == Mode::OFF) {
    this->select_(now_ms, Source::NONE, SourceReason::OFF);
    return this->selected_;
  }
  const bool grid_usable = inputs.usable[GRID];
  if (mode == Mode::GRID) {
    this->select_(now_ms, grid_usable ? Source::GRID : Source::NONE,
                  grid_usable ? SourceReason::BY_MODE : SourceReason::NOT_USABLE);
    return this->selected_;
  }

  const Source other = mode == Mode::AUTO && grid_usable ? Source::GRID : Source::NONE;
  const bool solar_usable = inputs.usable[SOLAR];
  const SourceReason why_not = inputs.solar_dark  ? SourceReason::NO_SUN
                               : !solar_usable    ? SourceReason::NOT_USABLE
                               : this->collapsed_ ? SourceReason::COLLAPSE
                                                  : SourceReason::NO_SUN;
  const bool dwelt = now_ms - this->selected_ms_ >= this->settings_.min_dwell_ms;

  if (this->selected_ == Source::SOLAR) {
    if (solar_usable && this->solar_good_) {
      this->reason_ = SourceReason::SOLAR_GOOD;
    } else if (!solar_usable || this->sagged_ || dwelt || asked) {
      // A source that cannot carry the load is left whatever the dwell says; low power alone waits for it.
      this->urgent_ = !solar_usable || this->collapsed_;
      this->select_(now_ms, other, why_not);
    }
    return this->selected_;
  }

  if (solar_usable && this->solar_good_) {
    if (!asked && !this->may_take_solar_(now_ms)) {
      this->select_(now_ms, other, SourceReason::SWITCH_LIMIT);
    } else if (asked || dwelt || this->selected_ == Source::NONE) {
      this->select_(now_ms, Source::SOLAR, SourceReason::SOLAR_GOOD);
    }
    return this->selected_;
  }
  // After a boot the first verdict on solar is worth a few seconds: the contactors would move twice for nothing.
  if (this->selected_ == Source::NONE && solar_usable && this->undecided_(now_ms)) {
    this->reason_ = SourceReason::NO_SUN;
    return this->selected_;
  }
  this->select_(now_ms, other, why_not);
  return this->selected_;
}

}  // namespace evstation
