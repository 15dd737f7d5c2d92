#include "meter_logic.h"

#include <cmath>
#include <gtest/gtest.h>
#include <vector>

using namespace evstation;

namespace {
Reading reading(float v, float i, float p, double e = -1) {
  return {.voltage_v = v, .current_a = i, .power_w = p, .energy_wh = e, .has_energy = e >= 0};
}
}  // namespace

TEST(Meter, JudgesWhatCanBeTrueTogether) {
  const MeterSettings settings;
  EXPECT_EQ(Meter::judge(reading(230, 16, 3680), settings), Doubt::NONE);
  EXPECT_EQ(Meter::judge(reading(230, 16, 3500), settings), Doubt::NONE);
  EXPECT_EQ(Meter::judge(reading(230, 0, 0), settings), Doubt::NONE);
  EXPECT_EQ(Meter::judge(reading(230, 16, 3950), settings), Doubt::POWER_MISMATCH);
  EXPECT_EQ(Meter::judge(reading(230, 16, 100), settings), Doubt::POWER_MISMATCH);
  EXPECT_EQ(Meter::judge(reading(400, 1, 100), settings), Doubt::OUT_OF_RANGE);
  EXPECT_EQ(Meter::judge(reading(230, 101, 23000), settings), Doubt::OUT_OF_RANGE);
  EXPECT_EQ(Meter::judge(reading(-1, 0, 0), settings), Doubt::OUT_OF_RANGE);
  EXPECT_EQ(Meter::judge(reading(NAN, 0, 0), settings), Doubt::OUT_OF_RANGE);
}

TEST(Meter, ARefusedReadingLeavesTheLastOne) {
  Meter meter{MeterSettings{}};
  meter.feed(0, reading(230, 10, 2300, 1000));
  EXPECT_EQ(meter.feed(1000, reading(2300, 10, 2300, 1000)), Doubt::OUT_OF_RANGE);
  EXPECT_EQ(meter.reading().voltage_v, 230);
  EXPECT_EQ(meter.read_at_ms(), 0);
  EXPECT_EQ(meter.doubted(), 1u);
}

TEST(Meter, SilenceIsNoticed) {
  Meter meter{MeterSettings{}};
  meter.step(0);
  meter.step(9999);
  EXPECT_FALSE(meter.silent());
  meter.step(10000);
  EXPECT_TRUE(meter.silent());
  meter.feed(10500, reading(230, 0, 0));
  meter.step(10500);
  EXPECT_FALSE(meter.silent());
  EXPECT_TRUE(meter.valid());
}

TEST(Meter, ALastWrongWordIsNoAnswer) {
  Meter meter{MeterSettings{}};
  meter.feed(0, reading(230, 0, 0));
  for (Millis now_ms = 0; now_ms <= 9000; now_ms += 1000) {
    meter.feed(now_ms, reading(2300, 0, 0));
    meter.step(now_ms);
    EXPECT_FALSE(meter.mute());
  }
  meter.step(10000);
  EXPECT_TRUE(meter.silent());
  EXPECT_TRUE(meter.mute());
}

TEST(Meter, WhatAnswersIsNotMuteBelievedOrNot) {
  Meter meter{MeterSettings{}};
  meter.step(0);
  for (Millis now_ms = 1000; now_ms <= 20000; now_ms += 1000) {
    meter.feed(now_ms, reading(2300, 0, 0));
    meter.step(now_ms);
  }
  EXPECT_TRUE(meter.silent()) << "nothing was believed";
  EXPECT_FALSE(meter.mute());
  meter.step(29999);
  EXPECT_FALSE(meter.mute());
  meter.step(30000);
  EXPECT_TRUE(meter.mute());
}

namespace {

constexpr Millis MINUTE_MS = 60000;
constexpr Millis HOUR_MS = 60 * MINUTE_MS;

/// What happens from a time on, until the next.
struct Phase {
  Millis from_ms;
  bool speaks;
  bool sunny;
};

struct DarkCase {
  const char *what;
  std::vector<Phase> phases;
  Millis until_ms;
  bool dark;
  DarkLineSettings settings{};
};

/// Whether the line is taken for dark at the end.
bool dark_after(const DarkCase &given) {
  Meter meter{MeterSettings{}};
  DarkLine line{given.settings};
  for (Millis now_ms = 0; now_ms <= given.until_ms; now_ms += 1000) {
    Phase phase{};
    for (const Phase &next : given.phases) {
      if (now_ms >= next.from_ms)
        phase = next;
    }
    if (phase.speaks)
      meter.feed(now_ms, reading(230, 0, 0));
    meter.step(now_ms);
    line.step(now_ms, meter, phase.sunny);
  }
  return line.dark();
}

}  // namespace

TEST(DarkLine, IsToldFromABrokenMeter) {
  const Millis mute_ms = 10000;
  const DarkCase cases[] = {
      {"a meter that speaks", {{0, true, false}}, HOUR_MS, false},
      {"dusk", {{0, true, false}, {HOUR_MS, false, false}}, 2 * HOUR_MS, true},
      {"dawn", {{0, false, false}, {HOUR_MS, true, false}}, HOUR_MS, false},
      {"a boot before the meter had to speak", {{0, false, false}}, mute_ms - 1000, false},
      {"a boot at night", {{0, false, false}}, mute_ms, true},
      {"a night of almost a day", {{0, false, false}}, mute_ms + 24 * HOUR_MS - 1000, true},
      {"no night lasts a day", {{0, false, false}}, mute_ms + 24 * HOUR_MS, false},
      {"a winter beyond the polar circle", {{0, false, false}}, 1000 * HOUR_MS, true, {.dark_at_most_ms = 2000 * HOUR_MS}},
      {"a word between two long silences",
       {{0, false, false}, {20 * HOUR_MS, true, false}, {20 * HOUR_MS + 1000, false, false}},
       40 * HOUR_MS,
       true},
      {"sun, but not for long", {{0, false, true}}, mute_ms + 10 * MINUTE_MS - 1000, true},
      {"sun proves it", {{0, false, true}}, mute_ms + 10 * MINUTE_MS, false},
      {"the sun of before the silence proves nothing",
       {{0, true, true}, {HOUR_MS, false, true}},
       HOUR_MS + 9 * MINUTE_MS,
       true},
      {"clouds in between",
       {{0, false, true}, {8 * MINUTE_MS, false, false}, {9 * MINUTE_MS, false, true}},
       18 * MINUTE_MS,
       true},
      {"a trip of the inverter at noon",
       {{0, true, true}, {HOUR_MS, false, true}, {HOUR_MS + 5 * MINUTE_MS, true, true}},
       2 * HOUR_MS,
       false},
      {"and another one begins anew",
       {{0, false, true}, {8 * MINUTE_MS, true, true}, {9 * MINUTE_MS, false, true}},
       18 * MINUTE_MS,
       true},
      {"the night after is no excuse", {{0, false, true}, {HOUR_MS, false, false}}, 5 * HOUR_MS, false},
      {"it speaks again, and the next night is one",
       {{0, false, true}, {HOUR_MS, true, true}, {2 * HOUR_MS, false, false}},
       3 * HOUR_MS,
       true},
      {"a meter with a supply of its own", {{0, false, false}}, mute_ms, false, {.own_supply = true}},
  };
  for (const auto &given : cases)
    EXPECT_EQ(dark_after(given), given.dark) << given.what;
}

TEST(Meter, ARegisterThatFallsIsNotPublished) {
  Meter meter{MeterSettings{}};
  meter.feed(0, reading(230, 10, 2300, 5000));
  EXPECT_EQ(meter.feed(1000, reading(230, 10, 2300, 4999)), Doubt::REGISTER_FELL);
  EXPECT_FALSE(meter.reading().has_energy);
  EXPECT_EQ(meter.register_wh(), 5000);
  EXPECT_EQ(meter.feed(2000, reading(230, 10, 2300, 5001)), Doubt::NONE);
  EXPECT_EQ(meter.register_wh(), 5001);
}

TEST(Meter, ARegisterThatLeapsIsNotPublished) {
  Meter meter{MeterSettings{}};
  meter.feed(0, reading(230, 10, 2300, 5000));
  EXPECT_EQ(meter.feed(1000, reading(230, 10, 2300, 5009)), Doubt::REGISTER_LEAPT);
  // After an hour of silence 20 kWh are possible.
  EXPECT_EQ(meter.feed(3601000, reading(230, 10, 2300, 25000)), Doubt::NONE);
}

TEST(Meter, AReplacedMeterIsBelievedInTheEnd) {
  Meter meter{MeterSettings{}};
  meter.feed(0, reading(230, 10, 2300, 5000));
  for (int i = 1; i < 30; i++)
    EXPECT_EQ(meter.feed(i * 1000, reading(230, 10, 2300, i)), Doubt::REGISTER_FELL) << i;
  EXPECT_EQ(meter.feed(30000, reading(230, 10, 2300, 30)), Doubt::NONE);
  EXPECT_EQ(meter.register_wh(), 30);
}

TEST(Meter, ARegisterThatJumpsAboutIsNeverBelieved) {
  Meter meter{MeterSettings{}};
  meter.feed(0, reading(230, 10, 2300, 5000));
  for (int i = 1; i < 200; i++)
    EXPECT_NE(meter.feed(i * 1000, reading(230, 10, 2300, i % 2 == 0 ? 100 : 900000)), Doubt::NONE);
}
