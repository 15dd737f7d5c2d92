#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "types.h"

namespace evstation {

/// The host that a URL of `http` or `https` leads to, in lower case.
/// @return empty when it is no such URL, or carries a name or password (`user@host` hides where it leads)
std::string host_of(std::string_view url);

/// Whether a URL leads to one of these hosts.
bool is_allowed_host(std::string_view url, const std::vector<std::string> &hosts);

/// Whether this is a version that can be compared: numbers divided by dots (`1.2.3`), up to 64 letters.
bool is_version(std::string_view version);
/// Whether one version is older than another; missing numbers count as 0. Both must be versions.
bool is_older(std::string_view version, std::string_view than);

/// How long an update may take. Nothing is charged while it runs, so a server that drips must come to an end; an image of
/// 2 MB needs 3.5 kB/s, far less than any Wi-Fi that carries a station.
constexpr Millis UPDATE_DEADLINE_MS = 600000;
/// Whether an update has taken too long.
bool is_overdue(Millis began_ms, Millis now_ms);

/// The version that an ESP32 image says of itself.
///
/// Behind the image header (24 bytes) and the first segment's (8) stands `esp_app_desc_t`: its magic word 0xABCD5432,
/// two words, and at byte 16 the version, 32 bytes, padded with zeros (ESP-IDF, "App Image Format").
/// @param data the image's first bytes, at least `APP_VERSION_END` of them
/// @return empty when it is no such image, or its version is none that can be compared
std::string image_version(const uint8_t *data, size_t size);
constexpr size_t APP_DESCRIPTION_AT = 24 + 8;
constexpr size_t APP_VERSION_AT = APP_DESCRIPTION_AT + 16;
constexpr size_t APP_VERSION_END = APP_VERSION_AT + 32;

}  // namespace evstation
