#pragma once

#include "types.h"

namespace evstation {

/// How the charging current follows the solar power.
struct FollowSettings {
  float voltage_v = 230.0f;
  int phases = 1;
  float min_current_a = 6.0f;
  /// Power left to the house, W.
  float reserve_w = 100.0f;
  /// Time constant of the smoothing of the available power.
  Millis smoothing_ms = 10000;
  /// How fast the current may rise and fall, A/s. Cars follow a step in seconds; clouds come faster than they go.
  float ramp_up_a_per_s = 1.0f;
  float ramp_down_a_per_s = 4.0f;
  /// How long there must be enough for the least current before charging starts, and too little before it pauses.
  Millis start_delay_ms = 60000;
  Millis stop_delay_ms = 120000;
  /// Never draw more than the sun gives: fall at once, without smoothing, ramp or stop delay.
  bool never_import = false;
};

/// Follows the available solar power with a current limit: 0 (paused), or from the least current upwards.
class SolarFollower {
 public:
  explicit SolarFollower(const FollowSettings &settings) : settings_(settings) {}

  /// @param available_w power the sun could give to the car now, W; NaN pauses, for nothing can be followed
  /// @param ceiling_a the smallest of all other limits, A; the follower does not climb above it
  /// @return the limit, A
  float step(Millis now_ms, float available_w, float ceiling_a);

  /// Forget everything; the next step starts paused.
  void reset();

  bool paused() const { return this->current_a_ <= 0.0f; }

 protected:
  FollowSettings settings_;
  bool started_ = false;
  Millis last_ms_ = 0;
  float smooth_w_ = 0.0f;
  float current_a_ = 0.0f;
  bool enough_ = false;
  Millis enough_since_ms_ = 0;
  bool short_ = false;
  Millis short_since_ms_ = 0;
};

/// The limits that meet at the plug, A. The smallest wins; 0 or less, or NaN, forbids charging.
struct CurrentLimits {
  float station_a = 0.0f;
  float cable_a = 0.0f;
  float user_a = 0.0f;
  /// From the sun; ignored unless `follow_solar`.
  float solar_a = 0.0f;
  bool follow_solar = false;
  /// While control is lost; ignored unless `control_lost`.
  float control_lost_a = 0.0f;
  bool control_lost = false;
};

/// Lets an offer to a car fall at once, and rise in steps that the car has the time to follow. From nothing it rises at
/// once: that is a start, not a step.
class PacedLimit {
 public:
  explicit PacedLimit(Millis raise_interval_ms) : raise_interval_ms_(raise_interval_ms) {}

  /// @param limit_a what may be offered now, A
  /// @return what is offered, A; never more than that
  float step(Millis now_ms, float limit_a);

 protected:
  Millis raise_interval_ms_;
  Millis raised_ms_ = 0;
  float limit_a_ = 0.0f;
};

/// The smallest of the limits, or 0 when it is below the least current that can be offered.
float effective_limit(const CurrentLimits &limits, float min_current_a);

}  // namespace evstation
