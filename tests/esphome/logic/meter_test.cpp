#include "meter_logic.h"

#include <cmath>
#include <gtest/gtest.h>

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
