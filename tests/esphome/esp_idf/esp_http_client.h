#pragma once
#include <cstdint>
#include "driver/spi_common.h"
struct esp_http_client_config_t {
  const char *url;
  int timeout_ms;
  bool disable_auto_redirect;
  esp_err_t (*crt_bundle_attach)(void *configuration);
};
typedef struct esp_http_client *esp_http_client_handle_t;
esp_http_client_handle_t esp_http_client_init(const esp_http_client_config_t *config);
esp_err_t esp_http_client_open(esp_http_client_handle_t client, int write_length);
int64_t esp_http_client_fetch_headers(esp_http_client_handle_t client);
int esp_http_client_get_status_code(esp_http_client_handle_t client);
esp_err_t esp_http_client_set_timeout_ms(esp_http_client_handle_t client, int timeout_ms);
constexpr int ESP_ERR_HTTP_EAGAIN = 0x7007;
int esp_http_client_read(esp_http_client_handle_t client, char *buffer, int length);
esp_err_t esp_http_client_cleanup(esp_http_client_handle_t client);
