#pragma once

#include "types.h"

namespace evstation {

/// One reading of one meter.
struct Reading {
  float voltage_v = 0.0f;
  float current_a = 0.0f;
  float power_w = 0.0f;
  /// Cumulative energy register, Wh; counts only with `has_energy`.
  double energy_wh = 0.0;
  bool has_energy = false;
};

/// What a meter can measure at most, and when it counts as silent.
struct MeterSettings {
  float max_voltage_v = 300.0f;
  float max_current_a = 100.0f;
  float max_power_w = 23000.0f;
  /// A meter without a believable reading for this long is silent.
  Millis silent_after_ms = 10000;
  /// After this many readings in a row that agree with each other a register that fell or leapt is taken for a
  /// replaced meter's.
  int accept_after = 30;
};

/// Why a reading, or its register, was not believed.
enum class Doubt : uint8_t { NONE, OUT_OF_RANGE, POWER_MISMATCH, REGISTER_FELL, REGISTER_LEAPT };

const char *to_text(Doubt doubt);

/// One meter: believes plausible readings, refuses others, and notices silence.
class Meter {
 public:
  explicit Meter(const MeterSettings &settings) : settings_(settings) {}

  /// Take one reading.
  /// @return why it, or only its register, was not believed
  Doubt feed(Millis now_ms, const Reading &reading);
  /// Notice silence. A meter that has never spoken is silent as long after the first step as any other.
  void step(Millis now_ms);

  bool silent() const { return this->silent_; }
  /// Whether it is silent because it does not answer: what answers all the while has power, believed or not.
  bool mute() const { return this->mute_; }
  /// Whether there is a believed reading that is not too old.
  bool valid() const { return this->has_reading_ && !this->silent_; }
  const Reading &reading() const { return this->reading_; }
  Millis read_at_ms() const { return this->read_at_ms_; }
  /// When it last said anything, believed or not.
  Millis heard_at_ms() const { return this->heard_at_ms_; }
  /// The last believed register; false when there never was one.
  bool has_register() const { return this->has_register_; }
  double register_wh() const { return this->register_wh_; }
  /// The doubt about the last reading.
  Doubt doubt() const { return this->doubt_; }
  uint32_t doubted() const { return this->doubted_; }

  /// Whether voltage, current and power can be true together, and within the meter's range.
  static Doubt judge(const Reading &reading, const MeterSettings &settings);

 protected:
  Doubt judge_register_(Millis now_ms, double energy_wh);
  double most_since_(Millis then_ms, Millis now_ms) const;

  MeterSettings settings_;
  Reading reading_;
  bool has_reading_ = false;
  Millis read_at_ms_ = 0;
  Millis heard_at_ms_ = 0;
  bool has_register_ = false;
  double register_wh_ = 0.0;
  Millis register_at_ms_ = 0;
  double other_wh_ = 0.0;
  Millis other_at_ms_ = 0;
  int other_count_ = 0;
  Doubt doubt_ = Doubt::NONE;
  uint32_t doubted_ = 0;
  bool started_ = false;
  Millis started_ms_ = 0;
  bool silent_ = false;
  bool mute_ = false;
};

/// When the silence of a meter that lives on the line it measures is more than a line without power.
struct DarkLineSettings {
  /// The meter has power while its line has none.
  bool own_supply = false;
  /// An inverter connects within minutes of a failure, and after its morning's checks.
  Millis sun_proves_after_ms = 600000;
  /// Outside the polar circles no night is longer.
  Millis dark_at_most_ms = 86400000;
};

/// Tells a line that is dark, as a solar line is each night, from a meter that is broken.
class DarkLine {
 public:
  explicit DarkLine(const DarkLineSettings &settings) : settings_(settings) {}

  /// @param sunny whether something else than this meter sees sun that should make the line live
  void step(Millis now_ms, const Meter &meter, bool sunny);

  /// Whether the meter is mute, and nothing speaks against a line without power.
  bool dark() const { return this->mute_ && !this->broken_; }

 protected:
  DarkLineSettings settings_;
  bool mute_ = false;
  Millis mute_since_ms_ = 0;
  bool sunny_ = false;
  Millis sunny_since_ms_ = 0;
  bool broken_ = false;
};

}  // namespace evstation
