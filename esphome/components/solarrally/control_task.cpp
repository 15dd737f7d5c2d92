#include "control_task.h"

#include "esphome/core/defines.h"

#include <chrono>
#include <thread>
#ifdef USE_ESP32
#include <esp_pthread.h>
#include <esp_task_wdt.h>
#endif

namespace esphome::solarrally {

static void run(const std::function<void()> &step) {
#ifdef USE_ESP32
  esp_task_wdt_add(nullptr);
#endif
  while (true) {
    step();
#ifdef USE_ESP32
    esp_task_wdt_reset();
#endif
    std::this_thread::sleep_for(std::chrono::milliseconds(CONTROL_PERIOD_MS));
  }
}

void start_control_task(std::function<void()> step) {
#ifdef USE_ESP32
  // Above the main loop (1) and MQTT (5), below what carries the network (18 and more).
  esp_pthread_cfg_t task = esp_pthread_get_default_config();
  task.thread_name = "control";
  task.prio = 10;
  task.stack_size = 6144;
  // The main loop has core 1. Preempted there while it reads the ADC, it would keep that from the pilot.
  task.pin_to_core = 0;
  esp_pthread_set_cfg(&task);
#endif
  std::thread([step = std::move(step)] { run(step); }).detach();
#ifdef USE_ESP32
  const esp_pthread_cfg_t usual = esp_pthread_get_default_config();
  esp_pthread_set_cfg(&usual);
#endif
}

}  // namespace esphome::solarrally
