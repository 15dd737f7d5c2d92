#include "station_logic.h"

#include <gtest/gtest.h>
#include <string>
#include <tuple>
#include <vector>

using namespace evstation;

namespace {

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

}  // namespace

TEST(Station, EnergisesOnlyWhenTheCarAsks) {
  World world;
  world.station.set_mode(Mode::GRID);
  world.run(10000);
  EXPECT_EQ(world.station.source(), Source::NONE);
  EXPECT_EQ(world.station.pilot_duty(), 1.0f) << "nothing is offered to nobody";
  world.plugged = true;
  world.wants = false;
  world.run(10000);
  EXPECT_EQ(world.station.source(), Source::NONE);
  EXPECT_LT(world.station.pilot_duty(), 1.0f);
  EXPECT_EQ(world.station.status(), Status::READY);
  world.wants = true;
  world.run(3000);
  EXPECT_EQ(world.station.source(), Source::GRID);
  EXPECT_TRUE(world.station.charging());
}

TEST(Station, AResistorInThePlaceOfACarIsNeverEnergised) {
  World world;
  world.station.set_mode(Mode::GRID);
  world.run(3000);
  world.diode = false;
  world.plugged = true;
  for (int i = 0; i < 300; i++) {
    world.run(10);
    ASSERT_FALSE(world.station.coil(GRID)) << world.inputs.now_ms;
  }
  EXPECT_TRUE(world.station.faults().has(Fault::DIODE_MISSING));
}

TEST(Station, ASolarMeterThatFallsSilentMeansADarkLine) {
  World world;
  world.station.set_mode(Mode::AUTO);
  world.plugged = true;
  world.run(10000);
  ASSERT_EQ(world.station.source(), Source::SOLAR);
  world.meter_speaks[SOLAR] = false;
  world.run(2000);
  EXPECT_EQ(world.station.source(), Source::SOLAR) << "two readings may get lost";
  world.run(2500);
  EXPECT_EQ(world.station.source(), Source::GRID);
  EXPECT_STREQ(world.last(EventType::SOURCE_CHANGED).reason, "collapse");
}

TEST(Station, ANightIsNoFault) {
  // By the source that is wanted: what a person reads, and why the source changed.
  for (const auto &[mode, source, status] : {std::tuple{Mode::AUTO, Source::GRID, Status::CHARGING},
                                             std::tuple{Mode::SOLAR, Source::NONE, Status::WAITING_FOR_SUN}}) {
    World world;
    world.station.set_mode(mode);
    world.plugged = true;
    world.run(10000);
    // The last word on a line that fails may be nonsense.
    world.station.feed(SOLAR, world.inputs.now_ms, {150.0f, 0.0f, 99.0f, 0.0, false});
    world.meter_speaks[SOLAR] = false;
    world.inputs.available_solar_w = 0.0f;
    world.run(20000);
    const size_t at_dusk = world.events.size();
    world.run(10 * 3600000);
    EXPECT_FALSE(world.station.faults().any());
    EXPECT_EQ(world.station.source(), source);
    EXPECT_EQ(world.station.status(), status);
    EXPECT_EQ(world.events.size(), at_dusk);
    world.meter_speaks[SOLAR] = true;
    world.run(130000);
    EXPECT_FALSE(world.station.faults().any());
    EXPECT_EQ(world.station.source(), source) << "the sun is not yet strong enough";
    world.inputs.available_solar_w = 5000.0f;
    world.run(130000);
    EXPECT_EQ(world.station.source(), Source::SOLAR);
    EXPECT_EQ(world.count(EventType::FAULT_RAISED), 1);
    EXPECT_EQ(world.last(EventType::FAULT_RAISED).fault, Fault::SOLAR_METER_IMPLAUSIBLE) << "the nonsense, and no more";
  }
}

TEST(Station, ACarThatComesAtNightFindsNoSun) {
  World world;
  world.meter_speaks[SOLAR] = false;
  world.station.set_mode(Mode::AUTO);
  world.run(20000);
  EXPECT_FALSE(world.station.faults().any()) << "a boot in the dark";
  world.plugged = true;
  world.run(5000);
  EXPECT_EQ(world.station.source(), Source::GRID);
  EXPECT_STREQ(world.last(EventType::SOURCE_CHANGED).reason, "no_sun");
}

TEST(Station, AMuteMeterIsAFaultWhereThereIsSunToChargeWith) {
  struct Case {
    float available_w;
    float return_power_w;
    int phases;
    bool fault;
  };
  constexpr Case CASES[] = {
      {NAN, 1700.0f, 1, false},   {INFINITY, 1700.0f, 1, false}, {1699.0f, 1700.0f, 1, false},
      {1700.0f, 1700.0f, 1, true}, {0.0f, 0.0f, 1, false},        {1379.0f, 0.0f, 1, false},
      {1380.0f, 0.0f, 1, true},    {4139.0f, 1700.0f, 3, false},  {4140.0f, 1700.0f, 3, true},
  };
  for (const auto &given : CASES) {
    auto settings = World::with_pilot();
    settings.source.return_power_w = given.return_power_w;
    settings.follow.phases = given.phases;
    World world(settings);
    world.meter_speaks[SOLAR] = false;
    world.inputs.available_solar_w = given.available_w;
    world.station.set_mode(Mode::SOLAR);
    world.plugged = true;
    world.run(600000);
    EXPECT_FALSE(world.station.faults().any()) << given.available_w;
    world.run(15000);
    EXPECT_EQ(world.station.faults().has(Fault::SOLAR_METER_SILENT), given.fault) << given.available_w;
    EXPECT_EQ(world.station.status(), given.fault ? Status::NO_SOURCE : Status::WAITING_FOR_SUN);
  }
}

TEST(Station, AMeterThatAnswersNonsenseIsNotInTheDark) {
  World world;
  world.run(5000);
  world.meter_speaks[SOLAR] = false;
  for (int i = 0; i < 15; i++) {
    world.station.feed(SOLAR, world.inputs.now_ms, {2300.0f, 0.0f, 0.0f, 0.0, false});
    world.run(1000);
  }
  EXPECT_TRUE(world.station.faults().has(Fault::SOLAR_METER_SILENT));
  EXPECT_TRUE(world.station.faults().has(Fault::SOLAR_METER_IMPLAUSIBLE));
}

TEST(Station, OpensAtOnceWhenThePlugIsPulled) {
  World world;
  world.station.set_mode(Mode::GRID);
  world.plugged = true;
  world.run(5000);
  world.plugged = false;
  world.run(100);
  EXPECT_FALSE(world.station.coil(GRID));
}

TEST(Station, StopsTheCarBeforeItChangesTheSource) {
  World world;
  world.stops = false;  // this car goes on drawing
  world.station.set_mode(Mode::GRID);
  world.plugged = true;
  world.run(10000);
  ASSERT_EQ(world.station.source(), Source::GRID);
  world.station.set_mode(Mode::SOLAR);
  world.run(2900);
  EXPECT_EQ(world.station.pilot_duty(), 1.0f);
  EXPECT_TRUE(world.station.coil(GRID)) << "the car has 3 s to stop";
  world.run(200);
  EXPECT_FALSE(world.station.coil(GRID));
  world.run(5000);
  EXPECT_EQ(world.station.source(), Source::SOLAR);
}

TEST(Station, ACarThatStopsIsChangedOverSooner) {
  World world;
  world.station.set_mode(Mode::GRID);
  world.plugged = true;
  world.run(10000);
  world.station.set_mode(Mode::SOLAR);
  world.run(1500);
  EXPECT_FALSE(world.station.coil(GRID));
}

TEST(Station, ACollapseDoesNotWaitForTheCar) {
  World world;
  world.stops = false;
  world.station.set_mode(Mode::AUTO);
  world.plugged = true;
  world.run(20000);
  ASSERT_EQ(world.station.source(), Source::SOLAR);
  world.solar_v = 50.0f;
  world.run(1200);  // one reading, and the dead time
  EXPECT_FALSE(world.station.coil(SOLAR));
  EXPECT_EQ(world.station.source(), Source::GRID);
}

TEST(Station, APilotFaultOpensAndRecovers) {
  World world;
  world.station.set_mode(Mode::GRID);
  world.plugged = true;
  world.run(5000);
  for (const float volts : {0.0f, -12.0f}) {
    for (int i = 0; i < 50; i++) {
      world.inputs.now_ms += 10;
      world.inputs.pilot_high_v = volts;
      world.station.step(world.inputs);
    }
    EXPECT_FALSE(world.station.coil(GRID)) << volts;
    EXPECT_EQ(world.station.status(), Status::FAULT);
    world.run(5000);
    EXPECT_EQ(world.station.source(), Source::GRID);
  }
  EXPECT_EQ(world.count(EventType::SESSION_STARTED), 1) << "a pilot fault hides the car, it does not unplug it";
}

TEST(Station, ASilentMeterTakesItsSource) {
  World world;
  world.station.set_mode(Mode::GRID);
  world.plugged = true;
  world.run(5000);
  world.meter_speaks[GRID] = false;
  world.run(14000);
  EXPECT_EQ(world.station.source(), Source::NONE);
  EXPECT_TRUE(world.station.faults().has(Fault::GRID_METER_SILENT));
  EXPECT_EQ(world.station.status(), Status::NO_SOURCE);
}

TEST(Station, PowerThroughAnOpenContactorIsAWeld) {
  World world;
  world.station.set_mode(Mode::OFF);
  world.run(5010);
  world.station.feed(SOLAR, world.inputs.now_ms, {230.0f, 5.0f, 1150.0f, 1000.0, true});
  world.run(20);
  EXPECT_TRUE(world.station.faults().has(Fault::SOLAR_CONTACTOR_WELDED));
  EXPECT_EQ(world.station.source(), Source::SOLAR) << "that is where the power comes from";
}

TEST(Station, ASilentMeterDoesNotEndAWeldThatItSaw) {
  World world;
  world.run(5010);
  world.meter_speaks[SOLAR] = false;
  world.station.feed(SOLAR, world.inputs.now_ms, {230.0f, 5.0f, 1150.0f, 1000.0, true});
  world.run(15000);
  ASSERT_TRUE(world.station.meter(SOLAR).silent());
  EXPECT_FALSE(world.station.reset_faults()) << "the other source would be closed onto the weld";
  world.meter_speaks[SOLAR] = true;
  world.run(2000);
  EXPECT_TRUE(world.station.reset_faults());
}

TEST(Station, AReadingFromBeforeTheOpeningIsNoWeld) {
  World world;
  world.station.set_mode(Mode::GRID);
  world.plugged = true;
  world.run(5500);
  world.plugged = false;
  world.run(3000);
  EXPECT_FALSE(world.station.faults().any());
  Reading reading;
  ASSERT_TRUE(world.station.reading(GRID, &reading));
  EXPECT_EQ(reading.power_w, 0.0f);
}

TEST(Station, OvercurrentIsLatched) {
  World world;
  world.station.set_mode(Mode::GRID);
  world.station.set_current_limit(10.0f);
  world.plugged = true;
  world.run(5000);
  for (int i = 0; i < 12; i++) {
    world.run(980);
    world.station.feed(GRID, world.inputs.now_ms, {230.0f, 13.0f, 2990.0f, 0.0, false});
    world.meter_speaks[GRID] = false;
  }
  EXPECT_TRUE(world.station.faults().has(Fault::OVERCURRENT));
  world.meter_speaks[GRID] = true;
  world.run(3000);
  EXPECT_TRUE(world.station.faults().has(Fault::OVERCURRENT));
  EXPECT_FALSE(world.station.coil(GRID));
  EXPECT_TRUE(world.station.reset_faults());
  world.run(5000);
  EXPECT_EQ(world.station.source(), Source::GRID);
}

TEST(Station, TheOfferRisesInStepsThatACarCanFollow) {
  StationSettings settings = World::with_pilot();
  settings.follow_on = Follow::SURPLUS;
  World world(settings);
  world.station.set_mode(Mode::GRID);
  world.plugged = true;
  world.inputs.available_solar_w = 2000.0f;
  world.run(70000);
  world.inputs.available_solar_w = 7000.0f;
  std::vector<Millis> raised_ms;
  float before = world.station.pilot_duty();
  for (int i = 0; i < 6000; i++) {
    world.run(10);
    if (world.station.pilot_duty() > before)
      raised_ms.push_back(world.inputs.now_ms);
    before = world.station.pilot_duty();
  }
  ASSERT_GE(raised_ms.size(), 4u);
  for (size_t i = 1; i < raised_ms.size(); i++)
    EXPECT_GE(raised_ms[i] - raised_ms[i - 1], 5000);
  EXPECT_NEAR(world.station.offered_current_a(), 30.0f, 0.5f);
  world.station.set_current_limit(10.0f);
  world.run(10);
  EXPECT_NEAR(world.station.offered_current_a(), 10.0f, 0.01f) << "it falls at once";
}

TEST(Station, ControlLostIsTheOwnersChoice) {
  for (const auto choice : {ControlLost::KEEP, ControlLost::LIMIT, ControlLost::STOP}) {
    auto settings = World::with_pilot();
    settings.control_lost = choice;
    settings.control_lost_after_ms = 60000;
    World world(settings);
    world.station.set_mode(Mode::GRID);
    world.plugged = true;
    world.run(5000);
    world.inputs.controlled = false;
    world.run(65000);
    EXPECT_TRUE(world.station.faults().has(Fault::CONTROL_LOST));
    const float expected_a = choice == ControlLost::KEEP ? 32.0f : choice == ControlLost::LIMIT ? 6.0f : 0.0f;
    EXPECT_EQ(world.station.offered_current_a(), expected_a);
    EXPECT_EQ(world.station.source(), choice == ControlLost::STOP ? Source::NONE : Source::GRID);
    world.inputs.controlled = true;
    world.run(5000);
    EXPECT_EQ(world.station.offered_current_a(), 32.0f);
  }
}

TEST(Station, ACarThatDrawsOnWithoutAnOfferIsCutOff) {
  auto settings = World::with_pilot();
  settings.control_lost = ControlLost::STOP;
  settings.control_lost_after_ms = 60000;
  World world(settings);
  world.stops = false;
  world.station.set_mode(Mode::GRID);
  world.plugged = true;
  world.run(5000);
  ASSERT_TRUE(world.station.coil(GRID));
  world.inputs.controlled = false;
  world.run(64000);
  EXPECT_FALSE(world.station.coil(GRID));
}

TEST(Station, AnUpdateOpensEverything) {
  World world;
  world.station.set_mode(Mode::GRID);
  world.plugged = true;
  world.run(5000);
  world.inputs.updating = true;
  world.run(10);
  EXPECT_FALSE(world.station.coil(GRID));
  EXPECT_EQ(world.station.status(), Status::UPDATING);
}

TEST(Station, ACarIsStoppedBeforeARestart) {
  struct Case {
    const char *what;
    bool stops;
    void (*meanwhile)(World *world);
    /// When its coil is still on, and when it is off, after the restart was wanted.
    Millis on_ms;
    Millis off_ms;
  };
  const Case cases[] = {
      {"a car that obeys", true, [](World *) {}, 10, 100},
      {"a car that goes on drawing", false, [](World *) {}, 2990, 3010},
      {"a car that leaves", false, [](World *world) { world->plugged = false; }, 10, 100},
      {"a source that is given up", false, [](World *world) { world->station.set_mode(Mode::OFF); }, 2990, 3010},
      {"an update that begins", false, [](World *world) { world->inputs.updating = true; }, 10, 30},
      {"a fault", false,
       [](World *world) {
         world->station.feed(SOLAR, world->inputs.now_ms, {230.0f, 5.0f, 1150.0f, 1000.0, true});
       },
       10, 30},
  };
  for (const auto &given : cases) {
    World world;
    world.station.set_mode(Mode::GRID);
    world.plugged = true;
    world.run(10000);
    ASSERT_TRUE(world.station.coil(GRID));
    world.stops = given.stops;
    world.inputs.restarting = true;
    world.run(10);
    EXPECT_EQ(world.station.pilot_duty(), 1.0f) << given.what;
    given.meanwhile(&world);
    world.run(given.on_ms - 10);
    EXPECT_TRUE(world.station.coil(GRID)) << given.what;
    world.run(given.off_ms - given.on_ms);
    EXPECT_FALSE(world.station.coil(GRID)) << given.what;
  }
}

TEST(Station, WithoutAPilotNobodyCanBeAskedBeforeARestart) {
  World world{StationSettings{}};
  world.station.set_mode(Mode::GRID);
  world.run(5000);
  ASSERT_TRUE(world.station.coil(GRID));
  world.inputs.restarting = true;
  world.run(10);
  EXPECT_FALSE(world.station.coil(GRID));
}

TEST(Station, NothingClosesUntilTheRestartIsCalledOff) {
  World world;
  world.inputs.restarting = true;
  world.station.set_mode(Mode::GRID);
  world.plugged = true;
  world.run(10000);
  EXPECT_FALSE(world.station.coil(GRID));
  EXPECT_EQ(world.station.offered_current_a(), 0.0f);
  world.inputs.restarting = false;
  world.run(3000);
  EXPECT_TRUE(world.station.coil(GRID));
  world.inputs.restarting = true;
  world.run(1000);
  EXPECT_STREQ(world.last(EventType::SOURCE_CHANGED).reason, "restart");
  EXPECT_EQ(world.count(EventType::SESSION_STARTED), 1);
  EXPECT_EQ(world.count(EventType::SESSION_ENDED), 0) << "the car is still there";
}

TEST(Station, AStopLastsUntilTheNextCar) {
  World world;
  world.station.set_mode(Mode::GRID);
  world.plugged = true;
  world.run(5000);
  world.station.set_enabled(false);
  world.run(5000);
  EXPECT_EQ(world.station.source(), Source::NONE);
  EXPECT_EQ(world.station.status(), Status::STOPPED);
  world.plugged = false;
  world.run(1000);
  world.plugged = true;
  world.run(5000);
  EXPECT_TRUE(world.station.enabled());
  EXPECT_EQ(world.station.source(), Source::GRID);
}

TEST(Station, ALimitOutOfRangeChangesNothing) {
  World world;
  EXPECT_TRUE(world.station.set_current_limit(10.0f));
  for (const float wrong_a : {5.9f, 32.1f, -1.0f, NAN})
    EXPECT_FALSE(world.station.set_current_limit(wrong_a));
  EXPECT_EQ(world.station.current_limit_a(), 10.0f);
}

TEST(Station, FollowsTheSun) {
  auto settings = World::with_pilot();
  settings.follow_on = Follow::SOLAR;
  settings.follow.start_delay_ms = 5000;
  World world(settings);
  world.station.set_mode(Mode::SOLAR);
  world.plugged = true;
  world.inputs.available_solar_w = 4700.0f;
  world.run(120000);
  EXPECT_NEAR(world.station.offered_current_a(), 20.0f, 0.1f);
  world.inputs.available_solar_w = NAN;
  world.run(70000);
  EXPECT_EQ(world.station.source(), Source::NONE);
  EXPECT_EQ(world.station.status(), Status::WAITING_FOR_SUN);
}

TEST(Station, ASunWithoutEndIsNoSun) {
  auto settings = World::with_pilot();
  settings.follow_on = Follow::SURPLUS;
  World world(settings);
  world.station.set_mode(Mode::GRID);
  world.plugged = true;
  world.inputs.available_solar_w = INFINITY;
  world.run(200000);
  EXPECT_EQ(world.station.offered_current_a(), 0.0f);
  world.inputs.available_solar_w = 3000.0f;
  world.run(200000);
  EXPECT_NEAR(world.station.offered_current_a(), 2900.0f / 230.0f, 0.1f);
}

TEST(Station, ASessionLastsFromPlugToPlug) {
  World world;
  world.station.set_mode(Mode::GRID);
  world.run(2000);
  world.plugged = true;
  world.run(3600000);
  world.plugged = false;
  world.run(2500);
  ASSERT_EQ(world.count(EventType::PLUGGED), 1);
  ASSERT_EQ(world.count(EventType::SESSION_STARTED), 1);
  ASSERT_EQ(world.count(EventType::UNPLUGGED), 1);
  ASSERT_EQ(world.count(EventType::SESSION_ENDED), 1);
  const auto &ended = world.last(EventType::SESSION_ENDED);
  EXPECT_EQ(ended.session.boot, 7u);
  EXPECT_EQ(ended.session.number, 1u);
  EXPECT_STREQ(ended.reason, "unplugged");
  EXPECT_NEAR(ended.stop.wh[GRID] - ended.session.start.wh[GRID], 32.0 * 230.0, 20.0);
  EXPECT_EQ(ended.stop.wh[SOLAR], ended.session.start.wh[SOLAR]);
}

TEST(Station, ASessionIsCarriedOverAPowerCut) {
  Session open{.boot = 6, .number = 3, .started_ms = 0, .started_utc_ms = 1795000000000, .start = {}};
  open.start.wh[SOLAR] = 900.0;
  open.start.wh[GRID] = 1900.0;
  {
    World world;
    world.station.begin(7, &open);
    world.plugged = true;
    world.run(5000);
    EXPECT_TRUE(world.station.sessions().active());
    EXPECT_EQ(world.station.sessions().current().boot, 6u);
    world.plugged = false;
    world.run(500);
    EXPECT_STREQ(world.last(EventType::SESSION_ENDED).reason, "unplugged");
  }
  World world;
  world.station.begin(7, &open);
  world.run(5000);
  EXPECT_FALSE(world.station.sessions().active());
  EXPECT_STREQ(world.last(EventType::SESSION_ENDED).reason, "power_loss");
  EXPECT_EQ(world.last(EventType::SESSION_ENDED).stop.wh[GRID], 2000.0);
}

TEST(Station, WithoutAPilotPowerMakesTheSession) {
  StationSettings settings;
  settings.session.idle_ms = 60000;
  World world(settings);
  world.station.set_mode(Mode::GRID);
  world.run(5000);
  EXPECT_EQ(world.station.source(), Source::GRID) << "a switched outlet";
  EXPECT_FALSE(world.station.sessions().active());
  world.plugged = true;
  world.run(5000);
  EXPECT_TRUE(world.station.sessions().active());
  world.plugged = false;
  world.run(50000);
  EXPECT_TRUE(world.station.sessions().active());
  world.run(15000);
  EXPECT_FALSE(world.station.sessions().active());
  EXPECT_STREQ(world.last(EventType::SESSION_ENDED).reason, "idle");
  EXPECT_EQ(world.count(EventType::PLUGGED), 0) << "nobody sees a plug";
}

TEST(Station, AStalledLoopIsReported) {
  World world;
  world.run(1000);
  world.inputs.now_ms += 3000;
  world.run(100);
  EXPECT_TRUE(world.station.faults().has(Fault::LOOP_STALL));
  world.run(61000);
  EXPECT_FALSE(world.station.faults().has(Fault::LOOP_STALL));
}

TEST(Station, AMainLoopThatStandsIsReportedAndStopsNothing) {
  World world;
  world.inputs.turned_ms = -1;
  world.run(5000);
  EXPECT_FALSE(world.station.faults().has(Fault::LOOP_STALL)) << "before its first turn";
  world.inputs.turned_ms = world.inputs.now_ms;
  world.run(1000);
  EXPECT_FALSE(world.station.faults().has(Fault::LOOP_STALL));
  world.inputs.updating = true;
  world.run(3000);
  EXPECT_FALSE(world.station.faults().has(Fault::LOOP_STALL)) << "an update says so itself";
  world.inputs.updating = false;
  world.inputs.restarting = true;
  world.run(3000);
  EXPECT_FALSE(world.station.faults().has(Fault::LOOP_STALL)) << "it waits for the car to stop";
  world.inputs.restarting = false;
  world.run(10);
  EXPECT_TRUE(world.station.faults().has(Fault::LOOP_STALL));
  EXPECT_FALSE(world.station.faults().blocking());
  world.inputs.turned_ms = world.inputs.now_ms;
  for (int second = 0; second < 61; second++) {
    world.inputs.turned_ms = world.inputs.now_ms;
    world.run(1000);
  }
  EXPECT_FALSE(world.station.faults().has(Fault::LOOP_STALL));
}

TEST(Station, APulledPlugIsOffInTime) {
  // IEC 61851-1, Table A.6, gives 100 ms. The loop of the control task turns every 10 ms, and may be late.
  for (const Millis period_ms : {1, 5, 10, 12, 16, 25}) {
    for (Millis phase_ms = 0; phase_ms < period_ms; phase_ms++) {
      World world;
      world.plugged = true;
      world.station.set_mode(Mode::GRID);
      world.run(10000);
      ASSERT_TRUE(world.station.coil(GRID));
      world.plugged = false;
      const Millis pulled_ms = world.inputs.now_ms;
      world.inputs.now_ms += phase_ms;
      while (world.station.coil(GRID)) {
        world.tick();
        ASSERT_LE(world.inputs.now_ms - pulled_ms, 30 + 2 * period_ms) << period_ms << " ms, phase " << phase_ms;
        world.inputs.now_ms += period_ms;
      }
    }
  }
}

TEST(Station, EveryFaultIsRaisedAndClearedOnce) {
  World world;
  world.run(3000);
  world.meter_speaks[GRID] = false;
  world.run(15000);
  world.meter_speaks[GRID] = true;
  world.run(5000);
  EXPECT_EQ(world.count(EventType::FAULT_RAISED), 1);
  EXPECT_EQ(world.count(EventType::FAULT_CLEARED), 1);
}

TEST(Station, ASourceThatIsNotWiredIsNeverUsed) {
  auto settings = World::with_pilot();
  settings.wired[GRID] = false;
  World world(settings);
  world.station.set_mode(Mode::GRID);
  world.plugged = true;
  world.run(10000);
  EXPECT_FALSE(world.station.coil(GRID));
  EXPECT_EQ(world.station.status(), Status::NO_SOURCE);
  world.station.set_mode(Mode::AUTO);
  world.run(10000);
  EXPECT_EQ(world.station.source(), Source::SOLAR);
}

TEST(Boot, CountsUpAndNeverComesBackToOldNumbersWhenTheFlashForgets) {
  EXPECT_EQ(next_boot(true, 41, 7), 42u);
  EXPECT_NE(next_boot(false, 0, 1), next_boot(false, 0, 2));
  // A forgotten counter begins where a thousand boots have room, whatever the random number.
  for (const uint32_t random : {0u, 1u, 0xFFFFFu, 0xFFFFFFFFu}) {
    const uint32_t boot = next_boot(false, 0, random);
    EXPECT_GE(boot, 0x400u);
    EXPECT_EQ(next_boot(true, boot, 0), boot + 1);
    EXPECT_LE(boot, 0x40000000u);
  }
  EXPECT_NE(next_boot(true, UINT32_MAX, 5), 0u) << "it does not run over";
}
