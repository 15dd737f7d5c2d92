#pragma once

#include "types.h"

namespace evstation {

/// A restart that is wanted, or an update that leads to one: before it the car is asked to stop, and has its time for that.
///
/// Asked for again it does not begin anew, so nobody puts it off.
class Restart {
 public:
  /// What the control task, and a main loop that hears of it, may take beyond the car's own time.
  static constexpr Millis MARGIN_MS = 500;

  /// @param not_before_ms how long it waits at least, so that what was said last is out
  void begin(Millis now_ms, Millis not_before_ms = 0);
  /// There will be none: the update has failed.
  void call_off() { this->wanted_ = false; }
  bool wanted() const { return this->wanted_; }

  /// Whether it waits no longer: the station is off, or the car has had its time.
  /// @param off whether both coils are off
  bool due(Millis now_ms, bool off, Millis stop_timeout_ms) const;

 protected:
  bool wanted_ = false;
  Millis began_ms_ = 0;
  Millis not_before_ms_ = 0;
};

}  // namespace evstation
