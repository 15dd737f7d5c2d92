#pragma once
using esp_err_t = int;
using TaskHandle_t = void *;
esp_err_t esp_task_wdt_add(TaskHandle_t task);
esp_err_t esp_task_wdt_reset();
