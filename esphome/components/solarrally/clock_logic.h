#pragma once

#include <string>
#include <string_view>

#include "types.h"

namespace evstation {

/// 2020-01-01T00:00:00Z in ms: an earlier time is an unset clock.
constexpr int64_t EARLIEST_UTC_MS = 1577836800000;

/// Two clocks that are read one after the other differ by a millisecond more or less each time. A time that was told
/// stays as it was told until they have come apart by more than this.
constexpr int64_t CLOCK_SLACK_MS = 50;

/// `2026-11-23T09:30:00.000Z` of a time in ms since 1970 (RFC 3339, UTC).
std::string format_utc(int64_t utc_ms);
/// `20261123` of a time.
std::string format_day(int64_t utc_ms);
/// Read RFC 3339 with its offset.
/// @return whether it is one, and a day that exists
bool parse_utc(std::string_view text, int64_t *utc_ms);

/// Turns the time since boot into UTC: from a set clock, or from an estimate until it is set.
class Clock {
 public:
  /// The best guess at the time of boot, before the clock is set: the last time that was known.
  void estimate(Millis now_ms, int64_t utc_ms);
  /// The clock says this now; times waver no more than `CLOCK_SLACK_MS` from it.
  /// @return whether this is the first time it is set
  bool sync(Millis now_ms, int64_t utc_ms);

  bool synced() const { return this->synced_; }
  int64_t utc(Millis at_ms) const { return at_ms + this->offset_ms_; }
  /// What must be added to times that were told from the estimate.
  int64_t correction_ms() const { return this->offset_ms_ - this->estimated_offset_ms_; }

 protected:
  bool synced_ = false;
  int64_t offset_ms_ = EARLIEST_UTC_MS;
  int64_t estimated_offset_ms_ = EARLIEST_UTC_MS;
};

}  // namespace evstation
