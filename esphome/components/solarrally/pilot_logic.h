#pragma once

#include "types.h"

namespace evstation {

/// States of the control pilot (IEC 61851-1, Annex A). `UNKNOWN` before the first debounced reading.
enum class PilotState : uint8_t { UNKNOWN, A, B, C, D, E, F };

const char *to_text(PilotState state);

/// Whether the car asks for energy in this state.
constexpr bool wants_energy(PilotState state) { return state == PilotState::C || state == PilotState::D; }
/// Whether a car is connected in this state.
constexpr bool has_vehicle(PilotState state) { return state == PilotState::B || wants_energy(state); }

/// The least current a car may be offered, A (IEC 61851-1, Table A.8).
constexpr float PILOT_MIN_CURRENT_A = 6.0f;
/// The most the PWM can say, A (IEC 61851-1, Table A.8).
constexpr float PILOT_MAX_CURRENT_A = 80.0f;

/// Duty cycle of the pilot, 0 to 1, that offers this current.
///
/// IEC 61851-1, Table A.7: `duty % = I / 0.6` from 6 A to 51 A, and `I / 2.5 + 64` above to 80 A. Less than 6 A cannot be
/// offered: the pilot is then a steady +12 V (duty 1), which tells the car that there is no energy.
float duty_for_current(float current_a);

/// Current that this duty cycle offers, A; 0 for a steady pilot (IEC 61851-1, Table A.8).
float current_for_duty(float duty);

/// Beyond this it is no pilot's voltage: ±12 V ±0.6 V (IEC 61851-1, Table A.2), and what a divider is off.
constexpr float PILOT_MAX_VOLTAGE_V = 13.3f;

/// Whether a reading can be the pilot's; NaN cannot. An ADC that could not be read says 0 V, or what its calibration makes of
/// that, and behind the divider −15 V or −13.6 V: it would pass for the low side behind a diode.
constexpr bool is_pilot_voltage(float voltage_v) {
  return voltage_v >= -PILOT_MAX_VOLTAGE_V && voltage_v <= PILOT_MAX_VOLTAGE_V;
}

struct PilotSettings {
  /// A state must be read this long before it counts. Leaving C and D is quicker: the contactor must be open 100 ms
  /// after the plug is pulled (IEC 61851-1, Table A.6).
  Millis debounce_ms = 200;
  Millis debounce_stop_ms = 30;
  /// With the PWM on, the low side must reach −12 V ±1 V; a short across the pilot without the car's diode does not.
  float diode_voltage_v = -10.0f;
};

/// Turns the pilot's two voltages into a debounced state.
class Pilot {
 public:
  explicit Pilot(const PilotSettings &settings) : settings_(settings) {}

  /// @param high_v the pilot's highest voltage over at least one PWM period (1 ms), V
  /// @param low_v its lowest, V
  /// @param pwm_on whether the PWM is running, so that the low side can be judged
  void step(Millis now_ms, float high_v, float low_v, bool pwm_on);

  PilotState state() const { return this->state_; }
  /// Whether the car's diode is missing: latched until no car is connected.
  bool diode_missing() const { return this->diode_missing_; }
  /// Whether the car has shown its diode since the PWM runs: nothing may be energised before.
  bool diode_seen() const { return this->diode_seen_; }

  /// The state of a high-side voltage, without history. The bands meet half way between the nominal 12, 9, 6, 3, 0 and
  /// −12 V of IEC 61851-1, Table A.2.
  static PilotState classify(float high_v);

 protected:
  PilotSettings settings_;
  PilotState state_ = PilotState::UNKNOWN;
  PilotState candidate_ = PilotState::UNKNOWN;
  Millis candidate_since_ms_ = 0;
  /// Since when the line has, or has not, been in C or D without a break.
  Millis asking_changed_ms_ = 0;
  /// Whether the low side can be judged, whether it is then wrong, and since when both are so.
  bool diode_judged_ = false;
  bool diode_suspect_ = false;
  Millis diode_since_ms_ = 0;
  bool diode_missing_ = false;
  bool diode_seen_ = false;
};

}  // namespace evstation
