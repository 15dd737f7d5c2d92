#include "fault_logic.h"

namespace evstation {

// The reference page shows what stands behind each.
static constexpr FaultInfo FAULTS[FAULT_COUNT] = {
    {"solar_contactor_welded", true, true},  // It does not open, or power flows though it is open. Switch the source off at its breaker; replace the contactor.
    {"grid_contactor_welded", true, true},  // The same of the grid's contactor.
    {"solar_contactor_failed", true, true},  // It does not close, or fell open. Check coil, driver and auxiliary contact.
    {"grid_contactor_failed", true, true},  // The same of the grid's contactor.
    // A silent meter takes away its own source, not the station.
    {"solar_meter_silent", false, false},  // Nothing believable was read for `silent_after` though its line should be live; its source is not used. Check inverter, meter and Modbus line.
    {"grid_meter_silent", false, false},  // Nothing believable was read for `silent_after`; its source is not used. Check the meter's supply and the Modbus line.
    {"solar_meter_implausible", false, false},  // Its last reading cannot be true (outside its range, power far from V times I, a register that fell or leapt) and is not published.
    {"grid_meter_implausible", false, false},  // The same of the grid's meter.
    {"pilot_error", false, true},  // State E: a short on the pilot, or no reading of it.
    {"pilot_unavailable", false, true},  // State F: the pilot is stuck at -12 V.
    {"diode_missing", false, true},  // What is plugged in has no diode on the pilot, so it is no car. Goes when it is unplugged.
    {"overcurrent", true, true},  // The car drew more than it was offered for ten seconds.
    // What it does is the owner's choice, made where limits meet.
    {"control_lost", false, false},  // Neither a broker nor Home Assistant for `control_lost: after`.
    {"loop_stall", false, false},  // The main loop stood still for more than a second; told for a minute.
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
