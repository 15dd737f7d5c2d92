#pragma once

#include "types.h"

namespace evstation {

/// Everything that can be wrong with the station. A fault's number is its bit in `Faults`.
enum class Fault : uint8_t {
  SOLAR_CONTACTOR_WELDED,
  GRID_CONTACTOR_WELDED,
  SOLAR_CONTACTOR_FAILED,
  GRID_CONTACTOR_FAILED,
  SOLAR_METER_SILENT,
  GRID_METER_SILENT,
  SOLAR_METER_IMPLAUSIBLE,
  GRID_METER_IMPLAUSIBLE,
  PILOT_ERROR,
  PILOT_UNAVAILABLE,
  DIODE_MISSING,
  OVERCURRENT,
  CONTROL_LOST,
  LOOP_STALL,
  COUNT,
};

constexpr int FAULT_COUNT = static_cast<int>(Fault::COUNT);

/// What a fault is called on the wire, and what it does.
struct FaultInfo {
  const char *name;
  /// Stays until it is reset by a person.
  bool latched;
  /// Opens both contactors.
  bool blocks;
};

const FaultInfo &info_of(Fault fault);

/// A set of faults.
class Faults {
 public:
  bool has(Fault fault) const { return this->bits_ & bit_(fault); }
  void set(Fault fault, bool active) {
    this->bits_ = active ? this->bits_ | bit_(fault) : this->bits_ & ~bit_(fault);
  }
  bool any() const { return this->bits_ != 0; }
  bool blocking() const;
  bool latched() const;
  uint32_t bits() const { return this->bits_; }
  bool operator==(const Faults &other) const { return this->bits_ == other.bits_; }
  bool operator!=(const Faults &other) const { return this->bits_ != other.bits_; }

 protected:
  static constexpr uint32_t bit_(Fault fault) { return 1u << static_cast<uint8_t>(fault); }
  uint32_t bits_ = 0;
};

/// The fault of this kind at this source.
constexpr Fault fault_at(Fault solar_fault, int index) {
  return static_cast<Fault>(static_cast<uint8_t>(solar_fault) + index);
}

}  // namespace evstation
