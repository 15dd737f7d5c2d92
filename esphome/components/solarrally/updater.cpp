#include "updater.h"
#ifdef USE_SOLARRALLY_UPDATE

#include "esphome/components/ota/ota_backend_factory.h"
#include "esphome/components/sha256/sha256.h"
#include "esphome/core/application.h"
#include "esphome/core/helpers.h"
#include "esphome/core/log.h"
#include "fetcher.h"
#include "update_logic.h"

namespace esphome::solarrally {

static const char *const TAG = "solarrally.update";
static constexpr size_t CHUNK_BYTES = 1024;
static constexpr uint32_t TICK_MS = 100;

std::string install(const Update &update, const std::function<void(int progress)> &tick) {
  ESP_LOGI(TAG, "Fetching version %s from %s", update.version.c_str(), update.url.c_str());
  const auto began_ms = static_cast<::evstation::Millis>(millis_64());
  const auto overdue = [began_ms] {
    return ::evstation::is_overdue(began_ms, static_cast<::evstation::Millis>(millis_64()));
  };
  const auto image = make_fetcher();
  const int status = image->open(update.url);
  if (status != 200)
    return status == 0 ? "the server cannot be reached" : "the server answered " + std::to_string(status);
  const size_t total = image->size();
  if (total < ::evstation::APP_VERSION_END)
    return "the server did not send an image";
  auto backend = ota::make_ota_backend();
  auto error = backend->begin(total);
  if (error != ota::OTA_RESPONSE_OK)
    return "there is no room for the image (error " + std::to_string(error) + ")";
  // The hash stays in this stack frame: the ESP32-S3's hardware needs that.
  sha256::SHA256 hash;
  hash.init();
  std::string why;
  uint8_t chunk[CHUNK_BYTES];
  size_t got = 0;
  uint32_t tick_ms = millis();
  while (got < total && why.empty()) {
    // The first read must hold the image's own description.
    size_t size = 0;
    do {
      const int more = image->read(chunk + size, std::min(CHUNK_BYTES - size, total - got - size));
      App.feed_wdt();
      if (more <= 0)
        break;
      size += static_cast<size_t>(more);
    } while (got == 0 && size < ::evstation::APP_VERSION_END && !overdue());
    if (overdue()) {
      why = "the image did not come within " + std::to_string(::evstation::UPDATE_DEADLINE_MS / 60000) + " minutes";
      break;
    }
    if (size == 0 || got + size < ::evstation::APP_VERSION_END) {
      why = "the connection ended early";
      break;
    }
#ifdef USE_ESP32
    const std::string version = got == 0 ? ::evstation::image_version(chunk, size) : update.version;
    if (version != update.version) {
      why = "the image is version '" + version + "', not " + update.version;
      break;
    }
#endif
    hash.add(chunk, size);
    error = backend->write(chunk, size);
    if (error != ota::OTA_RESPONSE_OK)
      why = "the image cannot be written (error " + std::to_string(error) + ")";
    got += size;
    if (millis() - tick_ms >= TICK_MS) {
      tick_ms = millis();
      tick(static_cast<int>(got * 100 / total));
    }
  }
  if (why.empty()) {
    char digest[65];
    hash.calculate();
    hash.get_hex(digest);
    digest[64] = '\0';
    if (update.sha256 != digest)
      why = "the image's SHA-256 is not the announced one";
  }
  if (why.empty()) {
    tick(100);
    error = backend->end();
    if (error == ota::OTA_RESPONSE_ERROR_SIGNATURE_INVALID) {
      why = "the image is not signed with this station's key";
    } else if (error != ota::OTA_RESPONSE_OK) {
      why = "it is not an image for this station (error " + std::to_string(error) + ")";
    }
  } else {
    backend->abort();
  }
  if (why.empty()) {
    ESP_LOGI(TAG, "Version %s starts with the next boot", update.version.c_str());
  } else {
    ESP_LOGE(TAG, "The update failed: %s", why.c_str());
  }
  return why;
}

}  // namespace esphome::solarrally

#endif
