#include "station_world.h"

#include <gtest/gtest.h>

using namespace evstation;

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
