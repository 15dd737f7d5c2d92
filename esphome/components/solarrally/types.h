#pragma once

#include <cstdint>

/// Plain types of the station's logic. Nothing here, and in no `*_logic` file, knows ESPHome, a pin or a clock:
/// time comes in as an argument, so the same code runs on the ESP32, in the twin and under test.
namespace evstation {

/// Monotonic milliseconds since boot. 64 bit: it does not wrap in a station's life.
using Millis = int64_t;

/// Where power comes from now.
enum class Source : uint8_t { NONE, SOLAR, GRID };

/// What the owner wants.
enum class Mode : uint8_t { OFF, SOLAR, GRID, AUTO };

/// The two sources that have a contactor and a meter, as an index.
constexpr int SOLAR = 0;
constexpr int GRID = 1;
constexpr int SOURCES = 2;

constexpr Source source_at(int index) { return index == SOLAR ? Source::SOLAR : Source::GRID; }
constexpr int index_of(Source source) { return source == Source::SOLAR ? SOLAR : GRID; }

constexpr const char *to_text(Source source) {
  switch (source) {
    case Source::SOLAR:
      return "solar";
    case Source::GRID:
      return "grid";
    default:
      return "none";
  }
}

constexpr const char *to_text(Mode mode) {
  switch (mode) {
    case Mode::SOLAR:
      return "solar";
    case Mode::GRID:
      return "grid";
    case Mode::AUTO:
      return "auto";
    default:
      return "off";
  }
}

}  // namespace evstation
