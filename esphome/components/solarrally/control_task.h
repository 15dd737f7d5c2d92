#pragma once

#include <cstdint>
#include <functional>

namespace esphome::solarrally {

/// How often the control step runs. With the pilot's debouncing of 30 ms a pulled plug takes a coil's current away within
/// 50 ms; the contactor has the other half of the 100 ms that IEC 61851-1, Table A.6, gives.
constexpr uint32_t CONTROL_PERIOD_MS = 10;

/// Call `step` every `CONTROL_PERIOD_MS` from a task of its own, for ever, so that nothing that the main loop waits for
/// (a card, a socket, a handshake) delays an opening. On the ESP32 the task watchdog watches it, too.
void start_control_task(std::function<void()> step);

}  // namespace esphome::solarrally
