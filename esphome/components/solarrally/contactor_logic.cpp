#include "contactor_logic.h"

namespace evstation {

void Contactors::step(Millis now_ms, const bool (&aux_closed)[SOURCES]) {
  if (!this->started_) {
    this->started_ = true;
    this->now_ms_ = now_ms;
    for (auto &side : this->sides_)
      side.coil_changed_ms = now_ms;
  }
  if (now_ms > this->now_ms_)
    this->now_ms_ = now_ms;

  for (int index = 0; index < SOURCES; index++)
    this->observe_(index, aux_closed[index]);

  // Opening comes first, so that a change of source is never closed before it is opened.
  for (int index = 0; index < SOURCES; index++) {
    if (this->sides_[index].coil && (this->faulted() || this->requested_ != source_at(index)))
      this->set_coil_(index, false);
  }
  for (int index = 0; index < SOURCES; index++) {
    if (!this->sides_[index].coil && this->requested_ == source_at(index) && this->may_close_(index))
      this->set_coil_(index, true);
  }
}

void Contactors::observe_(int index, bool aux_closed) {
  Side &side = this->sides_[index];
  const bool feedback = this->settings_.has_feedback[index];
  const Millis since_change = this->now_ms_ - side.coil_changed_ms;

  const bool open = !side.coil && (feedback ? !aux_closed : since_change >= this->settings_.assumed_release_ms);
  if (open && !side.open)
    side.open_since_ms = this->now_ms_;
  side.open = open;
  this->set_conducts_(index, feedback ? aux_closed : side.coil || (side.conducts && !open));

  if (!feedback)
    return;
  if (!side.coil && aux_closed && since_change >= this->settings_.open_timeout_ms)
    side.fault = ContactorFault::WELDED;
  if (side.coil && aux_closed)
    side.dropped_since_ms = this->now_ms_;
  if (side.coil && !aux_closed && this->now_ms_ - side.dropped_since_ms >= this->settings_.close_timeout_ms)
    side.fault = ContactorFault::FAILED;
}

void Contactors::set_conducts_(int index, bool conducts) {
  Side &side = this->sides_[index];
  if (side.conducts != conducts)
    side.conducts_since_ms = this->now_ms_;
  side.conducts = conducts;
}

void Contactors::set_coil_(int index, bool on) {
  Side &side = this->sides_[index];
  side.coil = on;
  side.coil_changed_ms = this->now_ms_;
  side.dropped_since_ms = this->now_ms_;
  if (on) {
    side.open = false;
    if (!this->settings_.has_feedback[index])
      this->set_conducts_(index, true);
  }
}

bool Contactors::may_close_(int index) const {
  const Side &other = this->sides_[1 - index];
  // Open means that its coil is off, too.
  return !this->faulted() && other.open &&
         this->now_ms_ - other.open_since_ms >= this->settings_.dead_time_ms;
}

Source Contactors::connected() const {
  for (int index = 0; index < SOURCES; index++) {
    if (this->sides_[index].conducts)
      return source_at(index);
  }
  return Source::NONE;
}

bool Contactors::reset() {
  if (this->all_open()) {
    for (auto &side : this->sides_)
      side.fault = ContactorFault::NONE;
  }
  return !this->faulted();
}

}  // namespace evstation
