/// Steps of a charging station, to be counted by callgrind.
///
/// usage: control_step STEPS. The station charges from solar with a pilot, both meters speak once a second.
#include <cstdio>
#include <cstdlib>

#include "station_logic.h"

using namespace evstation;

int main(int argc, char **argv) {
  const long steps = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 0;
  StationSettings settings;
  settings.has_pilot = settings.session.has_pilot = true;
  settings.follow_on = Follow::SOLAR;
  settings.contactors.has_feedback[SOLAR] = settings.contactors.has_feedback[GRID] = true;
  Station station(settings);
  station.begin(1, nullptr);
  station.set_mode(Mode::AUTO);
  StationInputs inputs;
  inputs.available_solar_w = 5000.0f;
  long charging = 0;
  // Two minutes to begin to charge, then what is counted.
  constexpr long BEGIN = 120 * 50;
  for (long i = 0; i < BEGIN + steps; i++) {
    inputs.now_ms += 20;
    for (int index = 0; index < SOURCES; index++)
      inputs.aux_closed[index] = station.coil(index);
    const bool pwm = station.pilot_duty() < 1.0f;
    inputs.pilot_high_v = pwm ? 6.0f : 9.0f;
    inputs.pilot_low_v = pwm ? -12.0f : 9.0f;
    if (i % 50 == 0) {
      const float current_a = station.coil(SOLAR) ? station.offered_current_a() : 0.0f;
      station.feed(SOLAR, inputs.now_ms, {230.0f, current_a, 230.0f * current_a, static_cast<double>(i) / 1000.0, true});
      station.feed(GRID, inputs.now_ms, {230.0f, 0.0f, 0.0f, 1000.0, true});
    }
    station.step(inputs);
    station.events().clear();
    charging += i >= BEGIN && station.charging();
  }
  if (charging != steps) {
    std::fprintf(stderr, "the station charged in %ld of %ld steps: this counts something else\n", charging, steps);
    return 1;
  }
  std::printf("%zu\n", sizeof(Station));
  return 0;
}
