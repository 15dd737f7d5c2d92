#include "station_world.h"

#include <gtest/gtest.h>
#include <vector>

using namespace evstation;

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

TEST(Station, ALimitOutOfRangeChangesNothing) {
  World world;
  EXPECT_TRUE(world.station.set_current_limit(10.0f));
  for (const float wrong_a : {5.9f, 32.1f, -1.0f, NAN})
    EXPECT_FALSE(world.station.set_current_limit(wrong_a));
  EXPECT_EQ(world.station.current_limit_a(), 10.0f);
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
