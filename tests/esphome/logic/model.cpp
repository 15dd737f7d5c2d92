/// Randomised model test: the whole station in a world that does anything, checked after every step against rules that
/// are written down here independently of the code.
///
/// usage: model STEPS SEED. Prints the seed; exits 1 at the first broken rule with the step at which it broke.

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "station_logic.h"

using namespace evstation;

namespace {

struct World {
  explicit World(uint64_t seed) : random(seed) {}

  std::mt19937_64 random;
  bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(random) < p; }
  float pick(std::initializer_list<float> values) { return values.begin()[random() % values.size()]; }

  // Contactors with delays, welds, sticks and bounces.
  bool contact[SOURCES] = {false, false};
  bool welded[SOURCES] = {false, false};
  bool stuck[SOURCES] = {false, false};
  Millis coil_since[SOURCES] = {0, 0};
  bool coil_was[SOURCES] = {false, false};
  Millis delay[SOURCES] = {20, 20};

  void move(int i, bool coil, Millis now) {
    if (coil != coil_was[i]) {
      coil_was[i] = coil;
      coil_since[i] = now;
      delay[i] = 5 + static_cast<Millis>(random() % 60);
    }
    if (now - coil_since[i] >= delay[i])
      contact[i] = coil ? !stuck[i] || contact[i] : welded[i] && contact[i];
    else if (!coil && chance(0.02))
      contact[i] = chance(0.5) && contact[i];
  }
};

[[noreturn]] void broken(const char *rule, uint64_t step, uint64_t seed) {
  std::printf("broken at step %" PRIu64 " with seed %" PRIu64 ": %s\n", step, seed, rule);
  std::exit(1);
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: model STEPS SEED\n");
    return 2;
  }
  const uint64_t steps = std::strtoull(argv[1], nullptr, 10);
  const uint64_t seed = std::strtoull(argv[2], nullptr, 10);
  std::printf("model: %" PRIu64 " steps, seed %" PRIu64 "\n", steps, seed);
  World world(seed);

  uint64_t done = 0;
  uint64_t energised = 0;
  uint64_t changed = 0;
  uint64_t faulted = 0;
  while (done < steps) {
    // Each life of a station has its own settings, as each owner has.
    StationSettings s;
    s.has_pilot = s.session.has_pilot = world.chance(0.8);
    s.contactors.has_feedback[SOLAR] = world.chance(0.8);
    s.contactors.has_feedback[GRID] = world.chance(0.8);
    s.contactors.dead_time_ms = 100 + static_cast<Millis>(world.random() % 300);
    s.source.return_time_ms = static_cast<Millis>(world.random() % 5000);
    s.source.min_dwell_ms = static_cast<Millis>(world.random() % 5000);
    s.source.drop_time_ms = static_cast<Millis>(world.random() % 2000);
    s.source.max_switches_per_hour = 2 + static_cast<int>(world.random() % 50);
    s.follow_on = static_cast<Follow>(world.random() % 3);
    s.follow.start_delay_ms = static_cast<Millis>(world.random() % 2000);
    s.follow.stop_delay_ms = static_cast<Millis>(world.random() % 2000);
    s.follow.never_import = world.chance(0.5);
    s.max_current_a = world.pick({16, 32, 63});
    s.cable_current_a = world.pick({13, 20, 32, 63});
    s.control_lost = static_cast<ControlLost>(world.random() % 3);
    s.control_lost_after_ms = 1000 + static_cast<Millis>(world.random() % 5000);
    s.wired[SOLAR] = world.chance(0.95);
    s.wired[GRID] = world.chance(0.95);
    for (auto &meter : s.meters)
      meter.silent_after_ms = 3000;
    s.solar_line.own_supply = world.chance(0.3);
    s.solar_line.sun_proves_after_ms = static_cast<Millis>(world.random() % 5000);
    s.solar_line.dark_at_most_ms = static_cast<Millis>(world.random() % 20000);
    Station station(s);
    station.begin(1, nullptr);
    for (int i = 0; i < SOURCES; i++) {
      world.contact[i] = world.welded[i] = world.stuck[i] = world.coil_was[i] = false;
      world.coil_since[i] = -1000;
    }
    StationInputs in;
    in.now_ms = static_cast<Millis>(world.random() % 1000);
    const Millis boot_ms = in.now_ms;
    // The station's time begins with its first step: there control counts as there.
    Millis controlled_ms = -1;
    float solar_v = 230, grid_v = 230, user_a = s.max_current_a;
    bool plugged = false, wants = false;
    float high_v = 12, current_a = 0;
    // The rules' own memory.
    Millis open_since[SOURCES] = {in.now_ms, in.now_ms};
    bool seen_open[SOURCES] = {false, false};
    bool coil_before[SOURCES] = {false, false};
    Millis not_asking_since = in.now_ms;
    bool asking = false;
    Millis stop_shown_since = in.now_ms;
    bool offered_before = false;
    Millis restart_shown_since = in.now_ms;
    uint64_t sessions = 0;

    for (uint64_t life = 2000 + world.random() % 20000; life > 0 && done < steps; life--, done++) {
      const Millis gap = world.chance(0.0005) ? static_cast<Millis>(world.random() % 8000)
                                              : 5 + static_cast<Millis>(world.random() % 30);
      in.now_ms += gap;
      if (controlled_ms < 0) controlled_ms = in.now_ms;
      if (world.chance(0.002)) plugged = !plugged;
      if (world.chance(0.003)) wants = !wants;
      if (world.chance(0.002)) solar_v = world.pick({230, 225, 212, 200, 150, 20, 0, NAN});
      if (world.chance(0.0005)) grid_v = world.pick({230, 235, 210, 0});
      if (world.chance(0.004)) in.available_solar_w = world.pick({0, 500, 1500, 3000, 7000, NAN, -200});
      if (world.chance(0.001)) in.controlled = !in.controlled;
      if (world.chance(0.0003)) in.updating = !in.updating;
      // For some seconds: a restart that is waited for comes, or is called off with the update that failed.
      in.restarting = world.chance(in.restarting ? 0.997 : 0.0001);
      if (world.chance(0.002)) station.set_mode(static_cast<Mode>(world.random() % 4));
      if (world.chance(0.002)) {
        const float wanted = world.pick({0, 5, 6, 8, 10, 16, 20, 32, 63, 100, NAN});
        if (station.set_current_limit(wanted)) user_a = wanted;
        else if (wanted >= 6 && wanted <= s.max_current_a) broken("a limit in range was refused", done, seed);
      }
      if (world.chance(0.001)) station.set_enabled(world.chance(0.7));
      if (world.chance(0.002)) station.reset_faults();
      for (int i = 0; i < SOURCES; i++) {
        if (world.chance(0.0002)) world.welded[i] = !world.welded[i];
        if (world.chance(0.0002)) world.stuck[i] = !world.stuck[i];
        world.move(i, station.coil(i), in.now_ms);
        if (s.contactors.has_feedback[i]) {
          in.aux_closed[i] = world.contact[i];
        } else {
          // Nobody can see this contact; a weld here is another test's, for no firmware could know.
          world.welded[i] = false;
          in.aux_closed[i] = world.chance(0.5);
        }
      }
      const bool pwm = station.pilot_duty() < 1.0f;
      if (world.chance(0.002)) high_v = world.pick({0, -12, 4.6f, 7.4f, NAN});
      else high_v = !plugged ? 12.0f : wants ? (world.chance(0.02) ? 3.0f : 6.0f) : 9.0f;
      in.pilot_high_v = high_v;
      in.pilot_low_v = pwm && !world.chance(0.001) ? -12.0f : high_v;
      const float offered_a = s.has_pilot ? current_for_duty(station.pilot_duty()) : 10.0f;
      current_a = plugged && wants ? (offered_a > 0 ? offered_a : world.chance(0.9) ? current_a : 0.0f) : 0.0f;
      for (int i = 0; i < SOURCES; i++) {
        if (!world.chance(0.02)) continue;
        const float v = i == SOLAR ? solar_v : grid_v;
        const float a = world.contact[i] ? current_a : 0.0f;
        station.feed(i, in.now_ms, {v, a, v * a, static_cast<double>(done) / 1000.0, world.chance(0.9)});
      }

      station.step(in);

      // Rule: never both.
      if (station.coil(SOLAR) && station.coil(GRID)) broken("both coils are on", done, seed);
      // Rule: the dead time, from the last sight of the other being open without a break.
      bool closing = false;
      for (int i = 0; i < SOURCES; i++) {
        const int other = 1 - i;
        if (station.coil(i) && !coil_before[i]) {
          changed++;
          closing = true;
          const bool feedback = s.contactors.has_feedback[other];
          const Millis needed = s.contactors.dead_time_ms + (feedback ? 0 : s.contactors.assumed_release_ms);
          if (!seen_open[other] || in.now_ms - open_since[other] < needed) broken("the dead time is cut", done, seed);
          if (!s.wired[i]) broken("a source that is not wired is closed", done, seed);
        }
      }
      for (int i = 0; i < SOURCES; i++) {
        const bool open = !station.coil(i) && (!s.contactors.has_feedback[i] || !in.aux_closed[i]);
        if (open && !seen_open[i]) open_since[i] = in.now_ms;
        seen_open[i] = open;
        coil_before[i] = station.coil(i);
      }
      const bool on = station.coil(SOLAR) || station.coil(GRID);
      energised += on;
      // Rule: a coil is on only while the car asks. Leaving C or D may take 60 ms and one step of the loop.
      const bool asks = high_v > 1.5f && high_v <= 7.5f;
      if (asks != asking || asks) not_asking_since = in.now_ms;
      asking = asks;
      if (s.has_pilot && on && !asks && in.now_ms - not_asking_since > 60 + gap) broken("energised outside C and D", done, seed);
      // Rule: what opens everything.
      if (on && in.updating) broken("energised during an update", done, seed);
      if (on && (station.contactors().faulted() || station.mode() == Mode::OFF) && !station.charging() && s.has_pilot == false)
        broken("energised when it must be off", done, seed);
      // Rule: a restart is not offered against, and never closed into.
      if (in.restarting && closing) broken("closed before a restart", done, seed);
      if (in.restarting && s.has_pilot && station.pilot_duty() < 1.0f) broken("offered before a restart", done, seed);
      if (!in.restarting || !on) restart_shown_since = in.now_ms;
      if (in.now_ms - restart_shown_since > s.stop_timeout_ms + gap) broken("energised when it may restart", done, seed);
      if (station.contactors().faulted() && on) broken("energised with a contactor fault", done, seed);
      faulted += station.contactors().faulted();
      // Rule: no more than the smallest limit, from the duty itself.
      if (s.has_pilot) {
        float smallest = std::min({s.max_current_a, s.cable_current_a, user_a});
        if (in.controlled) controlled_ms = in.now_ms;
        const bool lost = in.now_ms - controlled_ms >= s.control_lost_after_ms;
        if (lost && s.control_lost == ControlLost::LIMIT) smallest = std::min(smallest, s.control_lost_current_a);
        if (lost && s.control_lost == ControlLost::STOP) smallest = 0;
        if (s.follow_on == Follow::SURPLUS && s.follow.never_import) {
          const float sun_a = (in.available_solar_w - s.follow.reserve_w) / s.follow.voltage_v;
          smallest = std::isnan(sun_a) ? 0.0f : std::min(smallest, std::max(sun_a, 0.0f));
        }
        const float said = current_for_duty(station.pilot_duty());
        if (said > smallest + 0.01f) broken("more is offered than the smallest limit", done, seed);
        if (said > 0 && said < 6 - 0.01f) broken("less is offered than a car may be", done, seed);
        // Rule: a closed contactor without an offer is opened when the car had its time to stop.
        if (!on || said > 0 || offered_before) stop_shown_since = in.now_ms;
        offered_before = said > 0;
        if (in.now_ms - stop_shown_since > s.stop_timeout_ms + gap) broken("closed without an offer", done, seed);
      }
      // Rule: sessions alternate, and each is numbered once.
      for (const auto &event : station.events()) {
        if (event.type == EventType::SESSION_STARTED && event.session.number != ++sessions)
          broken("a session's number is lost", done, seed);
        if (event.type == EventType::SESSION_ENDED && event.session.number != sessions)
          broken("a session ended that was not open", done, seed);
      }
      station.events().clear();
      if (in.now_ms < boot_ms) broken("time", done, seed);
    }
  }
  std::printf("held: energised in %" PRIu64 " steps, %" PRIu64 " closings, %" PRIu64 " steps with a contactor fault\n",
              energised, changed, faulted);
  // A world in which nothing happens proves nothing.
  if (steps >= 1000000 && (energised < steps / 50 || changed < steps / 20000 || faulted < steps / 10000)) {
    std::printf("the world was too quiet\n");
    return 1;
  }
  return 0;
}
