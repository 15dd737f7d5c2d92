#include "station_world.h"

#include <gtest/gtest.h>

using namespace evstation;

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
