#pragma once
#include <cstdint>
namespace esphome::watchdog {
class WatchdogManager {
 public:
  WatchdogManager(uint32_t timeout_ms);
  ~WatchdogManager();
};
}  // namespace esphome::watchdog
