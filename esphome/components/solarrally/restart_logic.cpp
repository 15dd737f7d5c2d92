#include "restart_logic.h"

namespace evstation {

void Restart::begin(Millis now_ms, Millis not_before_ms) {
  if (this->wanted_)
    return;
  this->wanted_ = true;
  this->began_ms_ = now_ms;
  this->not_before_ms_ = not_before_ms;
}

bool Restart::due(Millis now_ms, bool off, Millis stop_timeout_ms) const {
  const Millis waited_ms = now_ms - this->began_ms_;
  if (!this->wanted_ || waited_ms < this->not_before_ms_)
    return false;
  return off || waited_ms >= stop_timeout_ms + MARGIN_MS;
}

}  // namespace evstation
