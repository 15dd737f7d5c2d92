#include "pilot_logic.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace evstation;

TEST(Pilot, DutyFollowsTheStandard) {
  // IEC 61851-1, Table A.7
  EXPECT_NEAR(duty_for_current(6.0f), 0.10f, 1e-5);
  EXPECT_NEAR(duty_for_current(16.0f), 0.2667f, 1e-4);
  EXPECT_NEAR(duty_for_current(32.0f), 0.5333f, 1e-4);
  EXPECT_NEAR(duty_for_current(51.0f), 0.85f, 1e-5);
  EXPECT_NEAR(duty_for_current(63.0f), 0.892f, 1e-5);
  EXPECT_NEAR(duty_for_current(80.0f), 0.96f, 1e-5);
}

TEST(Pilot, BelowSixAmperesNothingIsOffered) {
  EXPECT_EQ(duty_for_current(5.99f), 1.0f);
  EXPECT_EQ(duty_for_current(0.0f), 1.0f);
  EXPECT_EQ(duty_for_current(-5.0f), 1.0f);
  EXPECT_EQ(duty_for_current(NAN), 1.0f);
}

TEST(Pilot, NoDutyOffersMoreThanTheTableEnds) { EXPECT_NEAR(duty_for_current(500.0f), 0.96f, 1e-5); }

TEST(Pilot, TheCarReadsWhatTheStationMeant) {
  for (float current_a = 6.0f; current_a <= 80.0f; current_a += 0.5f) {
    const float read_a = current_for_duty(duty_for_current(current_a));
    EXPECT_LE(read_a, current_a + 0.01f) << "never more than was meant";
    // The standard's two lines meet at 85 %, which is 51 A on one and 52.5 A on the other.
    if (current_a <= 51.0f || current_a > 52.5f) {
      EXPECT_NEAR(read_a, current_a, 0.01f);
    }
  }
}

TEST(Pilot, BandsMeetHalfWay) {
  const struct {
    float volts;
    PilotState state;
  } cases[] = {{12.0f, PilotState::A},  {10.6f, PilotState::A}, {10.4f, PilotState::B}, {9.0f, PilotState::B},
               {7.6f, PilotState::B},   {7.4f, PilotState::C},  {6.0f, PilotState::C},  {4.6f, PilotState::C},
               {4.4f, PilotState::D},   {3.0f, PilotState::D},  {1.6f, PilotState::D},  {1.4f, PilotState::E},
               {0.0f, PilotState::E},   {-5.0f, PilotState::E}, {-12.0f, PilotState::F}, {NAN, PilotState::E}};
  for (const auto &c : cases)
    EXPECT_EQ(Pilot::classify(c.volts), c.state) << c.volts;
}

TEST(Pilot, AnAdcThatCouldNotBeReadIsNoVoltage) {
  for (const float volts : {-12.6f, -12.0f, 0.0f, 12.0f, 12.6f})
    EXPECT_TRUE(is_pilot_voltage(volts)) << volts;
  for (const float volts : {-15.0f, -13.58f, 18.0f, NAN, INFINITY})
    EXPECT_FALSE(is_pilot_voltage(volts)) << volts;
}

namespace {
struct Line {
  Pilot pilot{PilotSettings{}};
  Millis now_ms = 0;
  void run(Millis duration_ms, float high, float low, bool pwm = true) {
    for (const Millis end_ms = now_ms + duration_ms; now_ms < end_ms; now_ms += 10)
      pilot.step(now_ms, high, low, pwm);
  }
};
}  // namespace

TEST(Pilot, AStateMustLast) {
  Line line;
  line.run(300, 9.0f, -12.0f);
  ASSERT_EQ(line.pilot.state(), PilotState::B);
  line.run(190, 6.0f, -12.0f);
  EXPECT_EQ(line.pilot.state(), PilotState::B);
  line.run(20, 9.0f, -12.0f);
  line.run(190, 6.0f, -12.0f);
  EXPECT_EQ(line.pilot.state(), PilotState::B) << "a glitch starts the wait again";
  line.run(20, 6.0f, -12.0f);
  EXPECT_EQ(line.pilot.state(), PilotState::C);
}

TEST(Pilot, LeavingCIsQuick) {
  for (const float high : {12.0f, 9.0f, 0.0f, -12.0f}) {
    Line line;
    line.run(500, 6.0f, -12.0f);
    ASSERT_EQ(line.pilot.state(), PilotState::C);
    line.run(50, high, -12.0f);
    EXPECT_FALSE(wants_energy(line.pilot.state())) << high;
  }
}

TEST(Pilot, AWanderingLineDoesNotHoldC) {
  Line line;
  line.run(300, 6.0f, -12.0f);
  ASSERT_EQ(line.pilot.state(), PilotState::C);
  line.run(20, 9.0f, -12.0f);
  EXPECT_EQ(line.pilot.state(), PilotState::C);
  line.run(20, -12.0f, -12.0f);
  EXPECT_EQ(line.pilot.state(), PilotState::F) << "40 ms without asking, in two states of 20 ms each";
}

TEST(Pilot, AMissingDiodeIsLatchedUntilTheCarIsGone) {
  Line line;
  line.run(500, 6.0f, -12.0f);
  EXPECT_FALSE(line.pilot.diode_missing());
  line.run(50, 6.0f, -6.0f);
  EXPECT_TRUE(line.pilot.diode_missing());
  line.run(500, 6.0f, -12.0f);
  EXPECT_TRUE(line.pilot.diode_missing());
  line.run(500, 12.0f, 12.0f);
  EXPECT_FALSE(line.pilot.diode_missing());
}

TEST(Pilot, ASteadyPilotSaysNothingOfTheDiode) {
  Line line;
  line.run(500, 9.0f, 9.0f, false);
  EXPECT_FALSE(line.pilot.diode_missing());
  EXPECT_FALSE(line.pilot.diode_seen());
}

TEST(Pilot, TheDiodeIsSeenWithThePwmAloneAndByEachCarAnew) {
  Line line;
  line.run(500, 6.0f, 6.0f, false);
  EXPECT_FALSE(line.pilot.diode_seen());
  line.run(20, 6.0f, -12.0f);
  EXPECT_FALSE(line.pilot.diode_seen()) << "one reading is no proof";
  line.run(20, 6.0f, -12.0f);
  EXPECT_TRUE(line.pilot.diode_seen());
  line.run(10, 6.0f, -6.0f);
  EXPECT_TRUE(line.pilot.diode_seen()) << "nor is one of the contrary";
  line.run(10, 6.0f, 6.0f, false);
  EXPECT_FALSE(line.pilot.diode_seen()) << "a new offer asks again";
  line.run(50, 6.0f, -12.0f);
  ASSERT_TRUE(line.pilot.diode_seen());
  line.run(300, 12.0f, -12.0f);
  EXPECT_FALSE(line.pilot.diode_seen()) << "the next car may have none";
  line.run(300, 6.0f, -6.0f);
  EXPECT_FALSE(line.pilot.diode_seen());
}
