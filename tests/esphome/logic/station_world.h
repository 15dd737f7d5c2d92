#pragma once

#include "station_logic.h"

#include <cmath>
#include <gtest/gtest.h>
#include <vector>

namespace evstation {

/// A station with contactors that follow, two meters that speak each second, and a car.
struct World {
  StationSettings settings;
  Station station;
  StationInputs inputs;
  float solar_v = 230.0f;
  float grid_v = 230.0f;
  bool plugged = false;
  bool wants = true;
  bool stops = true;
  /// Without one it is a resistor that is plugged in.
  bool diode = true;
  float draw_a = 0.0f;
  double wh[SOURCES] = {1000.0, 2000.0};
  bool meter_speaks[SOURCES] = {true, true};
  std::vector<StationEvent> events;
  Millis last_open_ms[SOURCES] = {-1, -1};

  static StationSettings with_pilot(StationSettings s = {}) {
    s.has_pilot = s.session.has_pilot = true;
    s.contactors.has_feedback[SOLAR] = s.contactors.has_feedback[GRID] = true;
    return s;
  }

  explicit World(const StationSettings &from = with_pilot()) : settings(from), station(from) {
    station.begin(7, nullptr);
  }

  void run(Millis duration_ms) {
    for (const Millis end_ms = inputs.now_ms + duration_ms; inputs.now_ms < end_ms; inputs.now_ms += 10)
      tick();
  }

  void tick() {
    const float offered_a = current_for_duty(station.pilot_duty());
    const bool pwm = station.pilot_duty() < 1.0f;
    const int closed = station.coil(SOLAR) ? SOLAR : station.coil(GRID) ? GRID : -1;
    const bool live = closed >= 0 && (closed == SOLAR ? solar_v : grid_v) > 160.0f;
    if (!plugged || !live || !wants) {
      draw_a = 0.0f;
    } else if (!settings.has_pilot) {
      draw_a = 10.0f;
    } else if (offered_a > 0.0f || stops) {
      draw_a = offered_a;
    }
    inputs.pilot_high_v = !plugged ? 12.0f : wants && (pwm || draw_a > 0.0f || !diode) ? 6.0f : 9.0f;
    inputs.pilot_low_v = !pwm ? inputs.pilot_high_v : diode ? -12.0f : -6.0f;
    for (int i = 0; i < SOURCES; i++) {
      inputs.aux_closed[i] = station.coil(i);
      const float v = i == SOLAR ? solar_v : grid_v;
      const float a = i == closed ? draw_a : 0.0f;
      wh[i] += static_cast<double>(v * a) * 0.01 / 3600.0;
      if (meter_speaks[i] && inputs.now_ms % 1000 == 0)
        station.feed(i, inputs.now_ms, {v, a, v * a, std::floor(wh[i]), true});
    }
    station.step(inputs);
    for (const auto &event : station.events())
      events.push_back(event);
    station.events().clear();
  }

  const StationEvent &last(EventType type) const {
    static const StationEvent none{};
    for (auto event = events.rbegin(); event != events.rend(); ++event) {
      if (event->type == type)
        return *event;
    }
    ADD_FAILURE() << "no such event";
    return none;
  }

  int count(EventType type) const {
    int n = 0;
    for (const auto &event : events)
      n += event.type == type;
    return n;
  }
};

}  // namespace evstation
