#include "esphome/core/defines.h"
#if defined(USE_ESP32) && defined(USE_SOLARRALLY_UPDATE)

#include <esp_crt_bundle.h>
#include <esp_http_client.h>

#include "esphome/components/watchdog/watchdog.h"
#include "fetcher.h"

namespace esphome::solarrally {

/// ESP-IDF's HTTP client, with the well-known certificate authorities for https.
class Esp32Fetcher final : public Fetcher {
 public:
  ~Esp32Fetcher() override {
    if (this->client_ != nullptr)
      esp_http_client_cleanup(this->client_);
  }

  int open(const std::string &url) override {
    // Name, connection and handshake each may take the timeout, and none of them feeds the watchdog.
    watchdog::WatchdogManager patience(3 * TIMEOUT_MS + 1000);
    esp_http_client_config_t config{};
    config.url = url.c_str();
    config.timeout_ms = TIMEOUT_MS;
    config.disable_auto_redirect = true;
    config.crt_bundle_attach = esp_crt_bundle_attach;
    this->client_ = esp_http_client_init(&config);
    if (this->client_ == nullptr || esp_http_client_open(this->client_, 0) != ESP_OK)
      return 0;
    const int64_t size = esp_http_client_fetch_headers(this->client_);
    esp_http_client_set_timeout_ms(this->client_, BYTE_TIMEOUT_MS);
    this->size_ = size > 0 ? static_cast<size_t>(size) : 0;
    return esp_http_client_get_status_code(this->client_);
  }

  size_t size() const override { return this->size_; }

  int read(uint8_t *data, size_t size) override {
    watchdog::WatchdogManager patience(2 * TIMEOUT_MS + 1000);
    for (int waited_ms = 0; waited_ms < TIMEOUT_MS; waited_ms += BYTE_TIMEOUT_MS) {
      const int got = esp_http_client_read(this->client_, reinterpret_cast<char *>(data), static_cast<int>(size));
      if (got != -ESP_ERR_HTTP_EAGAIN)
        return got;
    }
    return 0;
  }

 protected:
  /// ESP-IDF's client reads until the buffer is full and waits so long for each byte anew: with more, a server that drips
  /// would hold one read for longer than the watchdog waits. 1 kB takes it 10 s at most.
  static constexpr int BYTE_TIMEOUT_MS = 10;

  esp_http_client_handle_t client_{nullptr};
  size_t size_{0};
};

std::unique_ptr<Fetcher> make_fetcher() { return std::make_unique<Esp32Fetcher>(); }

}  // namespace esphome::solarrally

#endif
