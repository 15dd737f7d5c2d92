#pragma once

#include "esphome/core/defines.h"
#ifdef USE_SOLARRALLY_UPDATE

#include <functional>
#include <string>

namespace esphome::solarrally {

/// One firmware that is to be installed.
struct Update {
  std::string id;
  std::string url;
  /// 64 lower-case hexadecimal digits.
  std::string sha256;
  std::string version;
};

/// Download a firmware image and make it the one that starts next, if it is what was announced: its SHA-256, and on the
/// ESP32 its own version, must be those of the update. Blocks until it is done; the contactors must be open.
///
/// @param tick called several times a second with the progress in percent
/// @return empty when a reboot will start the new image; otherwise why not, and nothing has changed
std::string install(const Update &update, const std::function<void(int progress)> &tick);

}  // namespace esphome::solarrally

#endif
