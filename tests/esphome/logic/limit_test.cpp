#include "limit_logic.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace evstation;

TEST(EffectiveLimit, TheSmallestWins) {
  CurrentLimits limits{.station_a = 32, .cable_a = 20, .user_a = 16, .solar_a = 10, .follow_solar = true};
  EXPECT_EQ(effective_limit(limits, 6), 10);
  limits.follow_solar = false;
  EXPECT_EQ(effective_limit(limits, 6), 16);
  limits.user_a = 25;
  EXPECT_EQ(effective_limit(limits, 6), 20);
  limits.cable_a = 63;
  EXPECT_EQ(effective_limit(limits, 6), 25);
  limits.user_a = 80;
  EXPECT_EQ(effective_limit(limits, 6), 32);
  limits.control_lost = true;
  limits.control_lost_a = 8;
  EXPECT_EQ(effective_limit(limits, 6), 8);
}

TEST(PacedLimit, FallsAtOnceAndRisesWhenTheCarHasFollowed) {
  PacedLimit paced(5000);
  EXPECT_EQ(paced.step(1000, 6.0f), 6.0f) << "a start";
  EXPECT_EQ(paced.step(1010, 6.1f), 6.0f);
  EXPECT_EQ(paced.step(5999, 9.0f), 6.0f);
  EXPECT_EQ(paced.step(6000, 9.5f), 9.5f) << "all that has come together";
  EXPECT_EQ(paced.step(6010, 8.0f), 8.0f);
  EXPECT_EQ(paced.step(6020, 7.0f), 7.0f);
  EXPECT_EQ(paced.step(10999, 9.0f), 7.0f) << "a fall is no reason to rise sooner";
  EXPECT_EQ(paced.step(11000, 9.0f), 9.0f);
  EXPECT_EQ(paced.step(11010, 0.0f), 0.0f);
  EXPECT_EQ(paced.step(11020, 16.0f), 16.0f) << "a start";
}

TEST(EffectiveLimit, LessThanTheLeastIsNothing) {
  EXPECT_EQ(effective_limit({.station_a = 32, .cable_a = 32, .user_a = 5.9f}, 6), 0);
  EXPECT_EQ(effective_limit({.station_a = 32, .cable_a = NAN, .user_a = 32}, 6), 0);
}

namespace {
struct Roof {
  FollowSettings settings;
  SolarFollower follower;
  Millis now_ms = 0;
  explicit Roof(const FollowSettings &from) : settings(from), follower(from) {}
  float run(Millis duration_ms, float watts, float ceiling_a = 32.0f) {
    float current_a = 0.0f;
    for (const Millis end_ms = now_ms + duration_ms; now_ms < end_ms; now_ms += 100)
      current_a = follower.step(now_ms, watts, ceiling_a);
    return current_a;
  }
};
}  // namespace

TEST(SolarFollower, StartsAfterTheStartDelay) {
  Roof roof{FollowSettings{}};
  EXPECT_EQ(roof.run(60000, 5000), 0.0f);
  EXPECT_GE(roof.run(200, 5000), 6.0f);
}

TEST(SolarFollower, SettlesAtWhatTheSunGivesLessTheReserve) {
  Roof roof{FollowSettings{}};
  EXPECT_NEAR(roof.run(300000, 4700), (4700.0f - 100.0f) / 230.0f, 0.05f);
}

TEST(SolarFollower, PausesOnlyAfterTheStopDelay) {
  Roof roof{FollowSettings{}};
  roof.run(200000, 5000);
  EXPECT_EQ(roof.run(100000, 500), 6.0f);
  EXPECT_EQ(roof.run(60000, 500), 0.0f);
}

TEST(SolarFollower, RampsAreKept) {
  FollowSettings settings;
  settings.smoothing_ms = 0;
  Roof roof{settings};
  float before = roof.run(70000, 2000);
  for (int i = 0; i < 300; i++) {
    const float now = roof.run(100, 7000);
    EXPECT_LE(now - before, 0.1f + 1e-4f);
    before = now;
  }
  EXPECT_NEAR(before, 30.0f, 0.1f);
  for (int i = 0; i < 100; i++) {
    const float now = roof.run(100, 2000);
    EXPECT_LE(before - now, 0.4f + 1e-4f);
    before = now;
  }
}

TEST(SolarFollower, NeverImportFallsAtOnce) {
  FollowSettings settings;
  settings.never_import = true;
  Roof roof{settings};
  roof.run(300000, 7000);
  const float after = roof.run(100, 3000);
  EXPECT_LE(after * 230.0f, 2900.1f);
  EXPECT_EQ(roof.run(100, 1000), 0.0f);
}

TEST(SolarFollower, TheCeilingHolds) {
  Roof roof{FollowSettings{}};
  EXPECT_EQ(roof.run(300000, 7000, 10.0f), 10.0f);
  EXPECT_EQ(roof.run(100, 7000, 0.0f), 0.0f);
}

TEST(SolarFollower, AnUnknownSunPauses) {
  Roof roof{FollowSettings{}};
  roof.run(300000, 7000);
  EXPECT_EQ(roof.run(100, NAN), 0.0f);
}
