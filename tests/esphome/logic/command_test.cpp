#include "command_logic.h"

#include <gtest/gtest.h>

using namespace evstation;

namespace {
CommandContext here() {
  CommandContext context;
  context.utc_ms = 1795426200000;
  context.clock_synced = true;
  return context;
}
}  // namespace

TEST(Command, AStaleOneIsRefusedByASetClockOnly) {
  CommandJudge judge;
  auto context = here();
  const char *old = R"({"id":"a","command":"start","timestamp":"2026-11-23T09:28:59.000Z"})";
  EXPECT_STREQ(judge.judge(old, false, context).error, "stale");
  context.clock_synced = false;
  CommandJudge other;
  EXPECT_TRUE(other.judge(old, false, context).ok);
  CommandJudge fresh;
  EXPECT_TRUE(fresh.judge(R"({"id":"a","command":"start","timestamp":"2026-11-23T09:29:01.000Z"})", false, here()).ok);
}

TEST(Command, ARetainedOneIsStale) {
  CommandJudge judge;
  EXPECT_STREQ(judge.judge(R"({"id":"a","command":"start"})", true, here()).error, "stale");
}

TEST(Command, ARetainedOneIsAnsweredOnceHoweverOftenTheBrokerHandsItOut) {
  CommandJudge judge;
  EXPECT_TRUE(judge.judge(R"({"id":"a","command":"start"})", true, here()).answer);
  EXPECT_FALSE(judge.judge(R"({"id":"a","command":"start"})", true, here()).answer);
  EXPECT_EQ(judge.ignored(), 1u);
}

TEST(Command, ARefusedIdIsUsedUp) {
  CommandJudge judge;
  EXPECT_STREQ(judge.judge(R"({"id":"a","command":"explode"})", false, here()).error, "unknown_command");
  EXPECT_STREQ(judge.judge(R"({"id":"a","command":"start"})", false, here()).error, "duplicate");
}

TEST(Command, OldIdsAreForgottenInTheEnd) {
  CommandJudge judge;
  for (size_t i = 0; i <= CommandJudge::MAX_IDS; i++)
    judge.judge("{\"id\":\"i" + std::to_string(i) + "\",\"command\":\"start\"}", false, here());
  EXPECT_TRUE(judge.judge(R"({"id":"i0","command":"start"})", false, here()).ok);
  EXPECT_STREQ(judge.judge(R"({"id":"i9","command":"start"})", false, here()).error, "duplicate");
}

TEST(Command, WithoutAReadableIdThereIsNoAnswer) {
  CommandJudge judge;
  for (const char *text : {"", "[]", "{}", R"({"id":7})", R"({"id":""})", R"({"id":"a b"})", R"({"id":"a","comm)",
                           R"({"id":"0123456789012345678901234567890123456"})"})
    EXPECT_FALSE(judge.judge(text, false, here()).answer) << text;
  EXPECT_EQ(judge.ignored(), 8u);
}

TEST(Command, WhatWouldFillTheMemoryIsIgnored) {
  CommandJudge judge;
  const std::string start = R"({"id":"a","command":"start")";
  std::string zeros = R"(,"more":[0)";
  for (int i = 0; i < 1000; i++)
    zeros += ",0";
  ASSERT_LT((start + zeros).size(), CommandJudge::MAX_PAYLOAD);
  EXPECT_FALSE(judge.judge(start + zeros + "]}", false, here()).answer);
  EXPECT_FALSE(judge.judge(start + std::string(CommandJudge::MAX_PAYLOAD, ' ') + "}", false, here()).answer);
  EXPECT_EQ(judge.ignored(), 2u);
  EXPECT_TRUE(judge.judge(start + R"(,"more":[0,[0,{"x":0}]],"note":")" + std::string(3000, 'x') + R"("})", false, here()).ok);
}

TEST(Command, UpdatesAreRefusedWhileAContactorIsClosed) {
  const std::string update = R"(,"command":"update_firmware","value":{"url":"https://x.invalid/f","sha256":")" +
                             std::string(64, 'a') + R"(","version":"2"}})";
  auto context = here();
  CommandJudge judge;
  EXPECT_STREQ(judge.judge("{\"id\":\"a\"" + update, false, context).error, "not_supported");
  context.can_update = true;
  EXPECT_STREQ(judge.judge("{\"id\":\"b\"" + update, false, context).error, "out_of_range") << "no host is allowed";
  const std::vector<std::string> hosts{"x.invalid"};
  context.update_hosts = &hosts;
  EXPECT_TRUE(judge.judge("{\"id\":\"c\"" + update, false, context).ok);
  context.contactor_closed = true;
  EXPECT_STREQ(judge.judge("{\"id\":\"d\"" + update, false, context).error, "busy");
}

TEST(Command, UpdatesComeFromAllowedHostsAndNeverGoBack) {
  const auto update = [](const char *host, const char *version) {
    static int id = 0;
    return "{\"id\":\"u" + std::to_string(id++) + R"(","command":"update_firmware","value":{"url":"https://)" + host +
           R"(/f","sha256":")" + std::string(64, 'a') + R"(","version":")" + version + "\"}}";
  };
  const std::vector<std::string> hosts{"home.local"};
  auto context = here();
  context.can_update = true;
  context.update_hosts = &hosts;
  context.firmware = "1.2.0";
  CommandJudge judge;
  EXPECT_TRUE(judge.judge(update("home.local", "1.2.1"), false, context).ok);
  EXPECT_TRUE(judge.judge(update("home.local", "1.2"), false, context).ok) << "the same again";
  EXPECT_STREQ(judge.judge(update("home.local", "1.1.9"), false, context).error, "out_of_range");
  EXPECT_STREQ(judge.judge(update("home.local", "newest"), false, context).error, "out_of_range");
  EXPECT_STREQ(judge.judge(update("evil.local", "1.3"), false, context).error, "out_of_range");
  context.firmware = "custom";
  EXPECT_STREQ(judge.judge(update("home.local", "newest"), false, context).error, "out_of_range");
  EXPECT_TRUE(judge.judge(update("home.local", "0.1"), false, context).ok) << "nothing to compare with";
  context.firmware = "1.2.0";
  EXPECT_STREQ(judge.judge(update("home.local@evil.local", "1.3"), false, context).error, "out_of_range");
}

TEST(Command, NothingIsObeyedDuringAnUpdate) {
  auto context = here();
  context.updating = true;
  CommandJudge judge;
  EXPECT_STREQ(judge.judge(R"({"id":"a","command":"set_mode","value":"grid"})", false, context).error, "busy");
}

TEST(Command, NothingIsObeyedBeforeARestart) {
  auto context = here();
  context.restarting = true;
  CommandJudge judge;
  for (const char *command : {"stop", "reboot", "reset_faults"}) {
    const std::string text = std::string(R"({"id":")") + command + R"(","command":")" + command + "\"}";
    EXPECT_STREQ(judge.judge(text, false, context).error, "busy") << command;
  }
}

TEST(Command, ALatchedFaultForbidsAStartNotAStop) {
  auto context = here();
  context.fault_latched = true;
  CommandJudge judge;
  EXPECT_STREQ(judge.judge(R"({"id":"a","command":"start"})", false, context).error, "fault_active");
  EXPECT_TRUE(judge.judge(R"({"id":"b","command":"stop"})", false, context).ok);
}

TEST(Command, TheRangeIsTheStations) {
  CommandJudge judge;
  const auto verdict = judge.judge(R"({"id":"a","command":"set_current_limit","value":40})", false, here());
  EXPECT_STREQ(verdict.error, "out_of_range");
  EXPECT_EQ(verdict.message, "current limit 40 A is outside 6 to 32 A");
}
