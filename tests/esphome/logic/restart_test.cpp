#include "restart_logic.h"

#include <gtest/gtest.h>

using namespace evstation;

TEST(Restart, WaitsForTheCarAndNeverLonger) {
  struct Case {
    const char *what;
    Millis not_before_ms;
    Millis waited_ms;
    bool off;
    bool due;
  };
  const Case cases[] = {
      {"nothing is closed", 0, 0, true, true},
      {"a car draws", 0, 0, false, false},
      {"a car draws for long", 0, 3499, false, false},
      {"a car had its time", 0, 3500, false, true},
      {"the result is not out", 1000, 999, true, false},
      {"the result is out", 1000, 1000, true, true},
      {"the result is out, and a car draws", 1000, 3499, false, false},
      {"both had their time", 1000, 3500, false, true},
  };
  for (const auto &given : cases) {
    Restart restart;
    restart.begin(5000, given.not_before_ms);
    EXPECT_EQ(restart.due(5000 + given.waited_ms, given.off, 3000), given.due) << given.what;
  }
}

TEST(Restart, IsNotPutOffByAskingAgain) {
  Restart restart;
  for (Millis now_ms = 0; now_ms <= 3500; now_ms += 500)
    restart.begin(now_ms, 1000);
  EXPECT_TRUE(restart.due(3500, false, 3000));
}

TEST(Restart, IsNeverDueUnlessItIsWanted) {
  Restart restart;
  EXPECT_FALSE(restart.due(100000, true, 3000));
  restart.begin(1000);
  EXPECT_TRUE(restart.wanted());
  restart.call_off();
  EXPECT_FALSE(restart.wanted());
  EXPECT_FALSE(restart.due(100000, true, 3000));
  restart.begin(200000);
  EXPECT_FALSE(restart.due(200000, false, 3000)) << "its time begins anew";
}
