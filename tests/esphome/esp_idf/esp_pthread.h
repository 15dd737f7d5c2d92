#pragma once
#include <cstddef>
using esp_err_t = int;
struct esp_pthread_cfg_t {
  size_t stack_size;
  size_t prio;
  bool inherit_cfg;
  const char *thread_name;
  int pin_to_core;
};
esp_pthread_cfg_t esp_pthread_get_default_config();
esp_err_t esp_pthread_set_cfg(const esp_pthread_cfg_t *config);
