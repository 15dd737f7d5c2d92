#include "contactor_logic.h"

#include <gtest/gtest.h>

using namespace evstation;

namespace {

/// Two contactors that follow their coils, driven millisecond by millisecond.
struct Rig {
  ContactorSettings settings;
  Contactors contactors;
  bool aux[SOURCES] = {false, false};
  bool follows[SOURCES] = {true, true};
  Millis moved_ms[SOURCES] = {0, 0};
  Millis now_ms = 0;

  explicit Rig(bool feedback = true, ContactorSettings from = {})
      : settings([&] {
          from.has_feedback[SOLAR] = from.has_feedback[GRID] = feedback;
          return from;
        }()),
        contactors(settings) {}

  void run(Millis duration_ms, Millis step_ms = 1) {
    for (const Millis end_ms = now_ms + duration_ms; now_ms < end_ms; now_ms += step_ms) {
      contactors.step(now_ms, aux);
      for (int i = 0; i < SOURCES; i++) {
        if (!follows[i] || contactors.coil(i) == aux[i]) {
          moved_ms[i] = now_ms;
        } else if (now_ms - moved_ms[i] >= 20) {
          aux[i] = contactors.coil(i);
        }
      }
      ASSERT_FALSE(contactors.coil(SOLAR) && contactors.coil(GRID));
    }
  }
};

}  // namespace

TEST(Contactors, BootCountsAsAnOpening) {
  Rig rig;
  rig.contactors.request(Source::SOLAR);
  rig.run(200);
  EXPECT_FALSE(rig.contactors.coil(SOLAR));
  rig.run(2);
  EXPECT_TRUE(rig.contactors.coil(SOLAR));
}

TEST(Contactors, DeadTimeCountsFromTheConfirmedOpening) {
  Rig rig;
  rig.contactors.request(Source::SOLAR);
  rig.run(400);
  ASSERT_EQ(rig.contactors.connected(), Source::SOLAR);
  rig.contactors.request(Source::GRID);
  rig.run(1);
  EXPECT_FALSE(rig.contactors.coil(SOLAR));
  rig.follows[SOLAR] = false;  // stays closed for 100 ms more
  rig.run(100);
  rig.aux[SOLAR] = false;
  rig.run(200);
  EXPECT_FALSE(rig.contactors.coil(GRID)) << "less than the dead time after the contact opened";
  rig.run(2);
  EXPECT_TRUE(rig.contactors.coil(GRID));
}

TEST(Contactors, OffInBetweenIsNoWayAroundTheDeadTime) {
  Rig rig;
  rig.contactors.request(Source::SOLAR);
  rig.run(400);
  rig.contactors.request(Source::NONE);
  rig.run(30);
  rig.contactors.request(Source::GRID);
  rig.run(150);
  EXPECT_FALSE(rig.contactors.coil(GRID));
  rig.run(60);
  EXPECT_TRUE(rig.contactors.coil(GRID));
}

TEST(Contactors, ABounceStartsTheDeadTimeAgain) {
  Rig rig;
  rig.contactors.request(Source::SOLAR);
  rig.run(400);
  rig.contactors.request(Source::GRID);
  rig.run(150);
  ASSERT_TRUE(rig.contactors.open(SOLAR));
  rig.follows[SOLAR] = false;
  rig.aux[SOLAR] = true;
  rig.run(5);
  rig.aux[SOLAR] = false;
  rig.run(195);
  EXPECT_FALSE(rig.contactors.coil(GRID));
  rig.run(10);
  EXPECT_TRUE(rig.contactors.coil(GRID));
}

TEST(Contactors, WithoutFeedbackTheReleaseIsAddedToTheDeadTime) {
  Rig rig(false);
  rig.contactors.request(Source::SOLAR);
  rig.run(500);
  ASSERT_TRUE(rig.contactors.coil(SOLAR));
  rig.contactors.request(Source::GRID);
  rig.run(300);
  EXPECT_FALSE(rig.contactors.coil(GRID));
  rig.run(2);
  EXPECT_TRUE(rig.contactors.coil(GRID));
}

TEST(Contactors, AContactorThatStaysClosedIsWelded) {
  Rig rig;
  rig.contactors.request(Source::SOLAR);
  rig.run(400);
  rig.follows[SOLAR] = false;
  rig.contactors.request(Source::GRID);
  rig.run(200);
  EXPECT_EQ(rig.contactors.fault(SOLAR), ContactorFault::NONE);
  rig.run(2);
  EXPECT_EQ(rig.contactors.fault(SOLAR), ContactorFault::WELDED);
  rig.run(2000);
  EXPECT_FALSE(rig.contactors.coil(GRID));
}

TEST(Contactors, AContactClosedAtBootIsWelded) {
  Rig rig;
  rig.follows[GRID] = false;
  rig.aux[GRID] = true;
  rig.contactors.request(Source::SOLAR);
  rig.run(1000);
  EXPECT_EQ(rig.contactors.fault(GRID), ContactorFault::WELDED);
  EXPECT_FALSE(rig.contactors.coil(SOLAR));
}

TEST(Contactors, AContactorThatNeverClosesHasFailed) {
  Rig rig;
  rig.follows[GRID] = false;
  rig.contactors.request(Source::GRID);
  rig.run(490);
  EXPECT_TRUE(rig.contactors.coil(GRID));
  rig.run(30);
  EXPECT_EQ(rig.contactors.fault(GRID), ContactorFault::FAILED);
  EXPECT_FALSE(rig.contactors.coil(GRID));
}

TEST(Contactors, AContactorThatDropsOutHasFailed) {
  Rig rig;
  rig.contactors.request(Source::GRID);
  rig.run(1000);
  ASSERT_EQ(rig.contactors.connected(), Source::GRID);
  rig.follows[GRID] = false;
  rig.aux[GRID] = false;
  rig.run(295);
  EXPECT_EQ(rig.contactors.connected(), Source::NONE);
  EXPECT_EQ(rig.contactors.fault(GRID), ContactorFault::NONE);
  rig.run(10);
  EXPECT_EQ(rig.contactors.fault(GRID), ContactorFault::FAILED);
}

TEST(Contactors, ResetNeedsBothOpen) {
  Rig rig;
  rig.contactors.request(Source::SOLAR);
  rig.run(400);
  rig.follows[SOLAR] = false;
  rig.contactors.request(Source::NONE);
  rig.run(300);
  EXPECT_FALSE(rig.contactors.reset());
  EXPECT_EQ(rig.contactors.fault(SOLAR), ContactorFault::WELDED);
  rig.aux[SOLAR] = false;
  rig.run(5);
  EXPECT_TRUE(rig.contactors.reset());
  EXPECT_FALSE(rig.contactors.faulted());
}

TEST(Contactors, AFaultOpensTheOther) {
  Rig rig;
  rig.contactors.request(Source::SOLAR);
  rig.run(400);
  rig.follows[GRID] = false;
  rig.aux[GRID] = true;  // an auxiliary contact that lies, or a contactor closed by hand
  rig.run(2);
  EXPECT_EQ(rig.contactors.fault(GRID), ContactorFault::WELDED);
  EXPECT_FALSE(rig.contactors.coil(SOLAR));
}

TEST(Contactors, AClockThatStepsBackAndForthDoesNotShortenTheDeadTime) {
  Rig rig;
  rig.contactors.request(Source::SOLAR);
  rig.run(400);
  rig.contactors.request(Source::GRID);
  rig.follows[SOLAR] = false;
  rig.now_ms = 0;
  rig.run(5);
  rig.aux[SOLAR] = false;
  rig.run(45);
  rig.now_ms = 420;
  rig.run(150);
  EXPECT_FALSE(rig.contactors.coil(GRID));
}
