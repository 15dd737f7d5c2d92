#include "station_world.h"

#include <gtest/gtest.h>
#include <tuple>

using namespace evstation;

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
