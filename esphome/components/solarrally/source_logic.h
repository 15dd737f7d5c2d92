#pragma once

#include "types.h"

namespace evstation {

/// When the solar source may be used, and how often it may be changed.
struct SourceSettings {
  /// Below this the inverter does not carry the load: 230 V less 10 % (EN 50160).
  float min_voltage_v = 207.0f;
  /// Above this it does again. The gap keeps a voltage at the threshold from switching to and fro.
  float return_voltage_v = 216.0f;
  /// Below this the source has collapsed and is left at once.
  float collapse_voltage_v = 160.0f;
  /// A solar meter that says nothing for this long tells of the same: one that lives on the line it measures dies with
  /// it. Three of its readings.
  Millis collapse_silence_ms = 3000;
  /// The least power worth charging with: 6 A, the least a car may be offered (IEC 61851-1), at 230 V.
  float min_power_w = 1380.0f;
  float return_power_w = 1700.0f;
  /// How long the voltage or the power must be too low: longer than a motor's start or a small cloud's edge.
  Millis drop_time_ms = 5000;
  /// How long both must be good before solar is used again.
  Millis return_time_ms = 120000;
  /// How long a source is kept once it was chosen, unless it cannot carry the load.
  Millis min_dwell_ms = 60000;
  /// Contactor switchings allowed in any hour. A return to solar counts for two: itself, and the way back.
  int max_switches_per_hour = 12;
};

/// What is known of the sources now.
struct SourceInputs {
  /// Voltage of the solar source ahead of its contactor, V. NaN when it is not known.
  float solar_voltage_v = 0.0f;
  /// Power the solar source could deliver now, W. NaN when nothing measures it; then voltage alone decides.
  float solar_available_w = 0.0f;
  /// Whether a source may be used at all: wired, its meter speaks, no fault of its own.
  bool usable[SOURCES] = {false, false};
  /// Whether the solar meter is silent for want of a line, so that nothing is wrong but the hour.
  bool solar_dark = false;
};

/// Why this source was chosen, as said in a `source_changed` event.
enum class SourceReason : uint8_t {
  OFF,           ///< the mode is off
  BY_MODE,       ///< the mode names the source
  SOLAR_GOOD,    ///< solar has been good for long enough
  NO_SUN,        ///< solar voltage or power is too low
  COLLAPSE,      ///< the solar voltage has collapsed
  NOT_USABLE,    ///< the wanted source has a fault or no meter
  SWITCH_LIMIT,  ///< solar is good, but the contactors have switched often enough in this hour
};

const char *to_text(SourceReason reason);

/// Chooses the source for a mode: solar while it carries the load, grid otherwise, without flapping.
class SourceSelector {
 public:
  static constexpr int MAX_SWITCHES = 60;

  explicit SourceSelector(const SourceSettings &settings) : settings_(settings) {}

  /// @return the source to use
  Source step(Millis now_ms, Mode mode, const SourceInputs &inputs);

  Source selected() const { return this->selected_; }
  SourceReason reason() const { return this->reason_; }
  /// Whether solar is good enough to be used, by voltage and power and time.
  bool solar_good() const { return this->solar_good_; }
  /// Whether the last choice must not wait for the car to be stopped first.
  bool urgent() const { return this->urgent_; }
  /// Switchings in the last hour.
  int switches(Millis now_ms) const;

 protected:
  void judge_solar_(Millis now_ms, const SourceInputs &inputs);
  bool may_take_solar_(Millis now_ms) const;
  bool undecided_(Millis now_ms) const;
  void select_(Millis now_ms, Source source, SourceReason reason);

  SourceSettings settings_;
  Source selected_ = Source::NONE;
  SourceReason reason_ = SourceReason::OFF;
  Mode mode_ = Mode::OFF;
  bool started_ = false;
  Millis started_ms_ = 0;
  bool solar_good_ = false;
  bool ever_bad_ = false;
  bool collapsed_ = false;
  bool sagged_ = false;
  bool urgent_ = false;
  Millis bad_since_ms_ = 0;
  Millis good_since_ms_ = 0;
  bool is_bad_ = false;
  bool is_good_ = false;
  Millis selected_ms_ = 0;
  Millis switched_ms_[MAX_SWITCHES] = {};
  int switch_count_ = 0;
};

}  // namespace evstation
