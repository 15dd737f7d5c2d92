#include "source_logic.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace evstation;

namespace {

struct Sky {
  SourceSettings settings;
  SourceSelector selector{settings};
  SourceInputs inputs;
  Mode mode = Mode::AUTO;
  Millis now_ms = 0;
  int changes = 0;

  Sky() : Sky(SourceSettings{}) {}
  explicit Sky(const SourceSettings &from) : settings(from), selector(from) {
    inputs.usable[SOLAR] = inputs.usable[GRID] = true;
    inputs.solar_voltage_v = 230.0f;
    inputs.solar_available_w = 5000.0f;
  }

  Source run(Millis duration_ms) {
    for (const Millis end_ms = now_ms + duration_ms; now_ms < end_ms; now_ms += 100) {
      const Source before = selector.selected();
      selector.step(now_ms, mode, inputs);
      if (selector.selected() != before)
        changes++;
    }
    return selector.selected();
  }
};

}  // namespace

TEST(SourceSelector, WaitsForTheFirstVerdictInsteadOfTakingTheGrid) {
  Sky sky;
  EXPECT_EQ(sky.run(5000), Source::NONE);
  EXPECT_EQ(sky.run(200), Source::SOLAR);
  EXPECT_EQ(sky.changes, 1);
}

TEST(SourceSelector, TakesTheGridAtNight) {
  Sky sky;
  sky.inputs.solar_voltage_v = 0.0f;
  sky.inputs.solar_available_w = 0.0f;
  EXPECT_EQ(sky.run(5200), Source::GRID);
  EXPECT_EQ(sky.selector.reason(), SourceReason::COLLAPSE);
}

TEST(SourceSelector, ASagMustLastTheDropTime) {
  Sky sky;
  sky.run(10000);
  sky.inputs.solar_voltage_v = 200.0f;
  EXPECT_EQ(sky.run(4900), Source::SOLAR);
  sky.inputs.solar_voltage_v = 230.0f;
  sky.run(100);
  sky.inputs.solar_voltage_v = 200.0f;
  EXPECT_EQ(sky.run(5000), Source::SOLAR);
  EXPECT_EQ(sky.run(200), Source::GRID);
}

TEST(SourceSelector, ACollapseIsLeftAtOnce) {
  Sky sky;
  sky.run(10000);
  sky.inputs.solar_voltage_v = 159.0f;
  EXPECT_EQ(sky.run(100), Source::GRID);
  EXPECT_TRUE(sky.selector.urgent());
  EXPECT_EQ(sky.selector.reason(), SourceReason::COLLAPSE);
}

TEST(SourceSelector, LowPowerWaitsForTheDwellToo) {
  Sky sky;
  sky.run(6000);
  ASSERT_EQ(sky.selector.selected(), Source::SOLAR);
  sky.inputs.solar_available_w = 1000.0f;
  EXPECT_EQ(sky.run(50000), Source::SOLAR);
  EXPECT_EQ(sky.run(15000), Source::GRID);
  EXPECT_EQ(sky.selector.reason(), SourceReason::NO_SUN);
}

TEST(SourceSelector, ReturnsAfterTheReturnTime) {
  Sky sky;
  sky.run(70000);
  sky.inputs.solar_voltage_v = 100.0f;
  sky.run(1000);
  ASSERT_EQ(sky.selector.selected(), Source::GRID);
  sky.inputs.solar_voltage_v = 230.0f;
  EXPECT_EQ(sky.run(119900), Source::GRID);
  EXPECT_EQ(sky.run(300), Source::SOLAR);
}

TEST(SourceSelector, InTheHysteresisNothingChanges) {
  Sky sky;
  sky.run(70000);
  sky.inputs.solar_voltage_v = 210.0f;  // between 207 and 216
  EXPECT_EQ(sky.run(600000), Source::SOLAR);
  sky.inputs.solar_voltage_v = 100.0f;
  sky.run(1000);
  sky.inputs.solar_voltage_v = 210.0f;
  EXPECT_EQ(sky.run(600000), Source::GRID);
}

TEST(SourceSelector, AnHourOfFlappingSunStaysBelowTheCap) {
  SourceSettings settings;
  settings.return_time_ms = 1000;
  settings.min_dwell_ms = 0;
  settings.drop_time_ms = 500;
  settings.max_switches_per_hour = 8;
  Sky sky(settings);
  for (int i = 0; i < 360; i++) {
    sky.inputs.solar_voltage_v = i % 2 == 0 ? 230.0f : 100.0f;
    sky.run(10000);
  }
  EXPECT_LE(sky.changes, 8);
  EXPECT_GE(sky.changes, 6);
  EXPECT_EQ(sky.selector.selected(), Source::GRID);
  sky.inputs.solar_voltage_v = 230.0f;
  EXPECT_EQ(sky.run(3600000), Source::SOLAR) << "after an hour the cap lets go";
}

TEST(SourceSelector, TheCapSaysSo) {
  SourceSettings settings;
  settings.return_time_ms = 0;
  settings.min_dwell_ms = 0;
  settings.max_switches_per_hour = 2;
  Sky sky(settings);
  sky.run(6000);
  sky.inputs.solar_voltage_v = 100.0f;
  sky.run(200);
  sky.inputs.solar_voltage_v = 230.0f;
  sky.run(1000);
  EXPECT_EQ(sky.selector.selected(), Source::GRID);
  EXPECT_EQ(sky.selector.reason(), SourceReason::SWITCH_LIMIT);
}

TEST(SourceSelector, SolarWithoutSunPauses) {
  Sky sky;
  sky.mode = Mode::SOLAR;
  sky.run(70000);
  ASSERT_EQ(sky.selector.selected(), Source::SOLAR);
  sky.inputs.solar_voltage_v = 20.0f;
  EXPECT_EQ(sky.run(600000), Source::NONE);
}

TEST(SourceSelector, ASourceWithASilentMeterIsLeft) {
  Sky sky;
  sky.run(10000);
  sky.inputs.usable[SOLAR] = false;
  EXPECT_EQ(sky.run(100), Source::GRID);
  EXPECT_EQ(sky.selector.reason(), SourceReason::NOT_USABLE);
  sky.inputs.usable[GRID] = false;
  EXPECT_EQ(sky.run(100), Source::NONE);
}

TEST(SourceSelector, ADarkLineIsWantOfSunAndNoBrokenMeter) {
  Sky sky;
  sky.run(10000);
  sky.inputs.usable[SOLAR] = false;
  sky.inputs.solar_dark = true;
  EXPECT_EQ(sky.run(100), Source::GRID);
  EXPECT_EQ(sky.selector.reason(), SourceReason::NO_SUN);
}

TEST(SourceSelector, AnUnknownVoltageIsNotAGoodOne) {
  Sky sky;
  sky.run(10000);
  sky.inputs.solar_voltage_v = NAN;
  EXPECT_EQ(sky.run(100), Source::GRID);
}

TEST(SourceSelector, WithoutAPowerSensorVoltageDecides) {
  Sky sky;
  sky.inputs.solar_available_w = NAN;
  EXPECT_EQ(sky.run(10000), Source::SOLAR);
}

TEST(SourceSelector, OffIsOffAtOnce) {
  Sky sky;
  sky.run(10000);
  sky.mode = Mode::OFF;
  EXPECT_EQ(sky.run(100), Source::NONE);
  sky.mode = Mode::GRID;
  EXPECT_EQ(sky.run(100), Source::GRID);
}
