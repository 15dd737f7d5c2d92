#include "fault_logic.h"

namespace evstation {

static constexpr FaultInfo FAULTS[FAULT_COUNT] = {
    {"solar_contactor_welded", true, true},
    {"grid_contactor_welded", true, true},
    {"solar_contactor_failed", true, true},
    {"grid_contactor_failed", true, true},
    // A silent meter takes away its own source, not the station.
    {"solar_meter_silent", false, false},
    {"grid_meter_silent", false, false},
    {"solar_meter_implausible", false, false},
    {"grid_meter_implausible", false, false},
    {"pilot_error", false, true},
    {"pilot_unavailable", false, true},
    {"diode_missing", false, true},
    {"overcurrent", true, true},
    // What it does is the owner's choice, made where limits meet.
    {"control_lost", false, false},
    {"loop_stall", false, false},
};

const FaultInfo &info_of(Fault fault) { return FAULTS[static_cast<uint8_t>(fault)]; }

bool Faults::blocking() const {
  for (int i = 0; i < FAULT_COUNT; i++) {
    if (this->has(static_cast<Fault>(i)) && FAULTS[i].blocks)
      return true;
  }
  return false;
}

bool Faults::latched() const {
  for (int i = 0; i < FAULT_COUNT; i++) {
    if (this->has(static_cast<Fault>(i)) && FAULTS[i].latched)
      return true;
  }
  return false;
}

}  // namespace evstation
