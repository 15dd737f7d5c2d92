#pragma once
void log_line_of_the_stub(const char *tag, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define ESP_LOGI log_line_of_the_stub
#define ESP_LOGW log_line_of_the_stub
#define ESP_LOGE log_line_of_the_stub
