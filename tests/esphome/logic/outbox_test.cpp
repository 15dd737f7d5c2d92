#include "card_and_wire.h"

#include <gtest/gtest.h>
#include <random>

using namespace evstation;

TEST(Crc32, IsZlibs) {
  EXPECT_EQ(crc32("123456789"), 0xCBF43926u);
  EXPECT_EQ(crc32(""), 0u);
}

TEST(LogLine, IsTheDocumentedFormat) {
  EXPECT_EQ(log_line("{}"), "{}\ta3a6bf43\n");
}

TEST(LogLine, ReadsOnlyWhatIsWhole) {
  const std::string line = log_line(frame(1, 2));
  std::string read;
  ASSERT_TRUE(read_log_line(std::string_view(line).substr(0, line.size() - 1), &read));
  EXPECT_EQ(read, frame(1, 2));
  for (size_t cut = 0; cut < line.size() - 1; cut++)
    EXPECT_FALSE(read_log_line(std::string_view(line).substr(0, cut), &read)) << cut;
  std::string bent = line.substr(0, line.size() - 1);
  for (size_t i = 0; i < bent.size(); i++) {
    std::string other = bent;
    other[i] = static_cast<char>(other[i] ^ 1);
    EXPECT_FALSE(read_log_line(other, &read)) << i;
  }
}

TEST(LogLine, ReadsWhatAnEditorEndedWithCrLf) {
  std::string line = log_line(frame(1, 2));
  line.back() = '\r';
  std::string read;
  ASSERT_TRUE(read_log_line(line, &read));
  EXPECT_EQ(read, frame(1, 2));
  EXPECT_FALSE(read_log_line(line + '\r', &read));
}

TEST(FrameLog, NamesFilesByStationDayAndNumber) {
  Card card;
  FrameLog log(&card, "garage");
  log.begin();
  ASSERT_TRUE(log.append(frame(1, 0), NOON));
  ASSERT_TRUE(log.append(frame(1, 1), NOON + 86400000));
  EXPECT_EQ(card.files.count("garage-20261123-0.log"), 1u);
  EXPECT_EQ(card.files.count("garage-20261124-0.log"), 1u);
  FrameLog after(&card, "garage");
  after.begin();
  after.append(frame(2, 0), NOON);
  after.count();
  after.count();
  EXPECT_EQ(card.files.count("garage-20261123-1.log"), 1u) << "each boot writes a file of its own";
  EXPECT_EQ(after.pending(), 3u);
}

TEST(FrameLog, SkipsACorruptLineAndATornEnd) {
  Card card;
  card.files["garage-20261123-0.log"] = log_line(frame(1, 0)) + "rubbish\n" + log_line(frame(1, 1)) + "{\"torn";
  FrameLog log(&card, "garage");
  log.begin();
  FrameLog::Batch batch;
  ASSERT_TRUE(log.next(10, 10000, &batch));
  EXPECT_EQ(batch.frames, (std::vector<std::string>{frame(1, 0), frame(1, 1)}));
  EXPECT_EQ(log.corrupt(), 1u);
  log.sent(batch);
  ASSERT_TRUE(log.next(10, 10000, &batch)) << "the torn end";
  EXPECT_TRUE(batch.frames.empty());
  log.sent(batch);
  EXPECT_FALSE(log.next(10, 10000, &batch));
  EXPECT_EQ(log.pending(), 0u);
}

TEST(FrameLog, RemembersWhatWasSentOverAReboot) {
  Card card;
  {
    FrameLog log(&card, "garage");
    log.begin();
    for (int i = 0; i < 10; i++)
      log.append(frame(1, i), NOON);
    FrameLog::Batch batch;
    log.next(4, 10000, &batch);
    log.sent(batch);
  }
  FrameLog log(&card, "garage");
  log.begin();
  log.count();
  EXPECT_EQ(log.pending(), 6u);
  FrameLog::Batch batch;
  ASSERT_TRUE(log.next(100, 10000, &batch));
  EXPECT_EQ(batch.frames.front(), frame(1, 4));
}

TEST(FrameLog, AFullCardDropsTheOldestDay) {
  Card card;
  FrameLog log(&card, "garage");
  log.begin();
  log.append(frame(1, 0), NOON);
  log.append(frame(1, 1), NOON + 86400000);
  log.append(frame(1, 2), NOON + 2 * 86400000);
  card.room = FrameLog::MIN_FREE_BYTES + 250;
  EXPECT_TRUE(log.append(frame(1, 3), NOON + 2 * 86400000));
  EXPECT_EQ(card.files.count("garage-20261123-0.log"), 0u);
  EXPECT_EQ(card.files.count("garage-20261125-0.log"), 1u);
  card.room = 10;
  EXPECT_FALSE(log.append(frame(1, 4), NOON + 2 * 86400000));
  EXPECT_EQ(log.state(), LogState::FULL);
}

TEST(FrameLog, KeepsSentFilesUpToANumberAndAllThatWait) {
  Card card;
  const int many = static_cast<int>(FrameLog::MAX_FILES) + 20;
  std::string sent;
  for (int n = 0; n < many; n++) {
    const std::string name = "garage-20261001-" + std::to_string(n) + ".log";
    card.files[name] = log_line(frame(1, n));
    if (n != 3)
      sent += log_line(name + " " + std::to_string(card.files[name].size()));
  }
  card.files["garage.sent"] = sent;
  FrameLog log(&card, "garage");
  log.begin();
  for (int i = 0; i < 50; i++)
    ASSERT_TRUE(log.append(frame(2, i), NOON));
  EXPECT_EQ(card.files.size() - 1, FrameLog::MAX_FILES);
  EXPECT_EQ(card.files.count("garage-20261001-2.log"), 0u);
  EXPECT_EQ(card.files.count("garage-20261001-3.log"), 1u) << "it was never sent";
  EXPECT_EQ(card.files.count("garage-20261001-" + std::to_string(many - 1) + ".log"), 1u);

  Card waiting;
  for (int n = 0; n < many; n++)
    waiting.files["garage-20261001-" + std::to_string(n) + ".log"] = log_line(frame(1, n));
  FrameLog all(&waiting, "garage");
  all.begin();
  ASSERT_TRUE(all.append(frame(2, 0), NOON));
  EXPECT_EQ(waiting.files.size() - 1, static_cast<size_t>(many) + 1);
}

TEST(FrameLog, AFileThatCannotBeReadHoldsUpNoOther) {
  Card card;
  for (const char *day : {"20261120", "20261121", "20261122"})
    card.files["garage-" + std::string(day) + "-0.log"] = log_line(frame(1, day[7] - '0'));
  card.unreadable = "garage-20261121-0.log";
  FrameLog log(&card, "garage");
  log.begin();
  for (int i = 0; i < 5; i++)
    log.count();
  EXPECT_EQ(log.state(), LogState::OK);
  EXPECT_TRUE(log.append(frame(2, 0), NOON));
  FrameLog::Batch batch;
  std::vector<std::string> sent;
  while (log.next(10, 10000, &batch)) {
    sent.insert(sent.end(), batch.frames.begin(), batch.frames.end());
    log.sent(batch);
  }
  EXPECT_EQ(seqs(sent), (std::set<std::pair<int, int>>{{1, 0}, {1, 2}, {2, 0}}));
  EXPECT_EQ(log.pending(), 1u) << "that it is there is not forgotten";
  card.unreadable.clear();
  log.begin();
  ASSERT_TRUE(log.next(10, 10000, &batch));
  EXPECT_EQ(batch.frames, std::vector<std::string>{frame(1, 1)}) << "it is tried again";
}

TEST(FrameLog, WhatItCannotSeeWholeIsNotWrittenTo) {
  Card card;
  card.files["garage-20261123-0.log"] = log_line(frame(1, 0));
  card.sizeless = "garage-20261123-0.log";
  FrameLog log(&card, "garage");
  log.begin();
  EXPECT_EQ(log.state(), LogState::FAILED);
  EXPECT_FALSE(log.append(frame(2, 0), NOON));
  EXPECT_EQ(card.files["garage-20261123-0.log"], log_line(frame(1, 0)));
  EXPECT_EQ(log.pending(), 0u) << "half a list is none";
  card.files["holiday.jpg"] = "";
  card.sizeless = "holiday.jpg";
  log.begin();
  EXPECT_EQ(log.state(), LogState::OK) << "what is not ours does not matter";
  EXPECT_TRUE(log.append(frame(2, 1), NOON));
  EXPECT_EQ(card.files["garage-20261123-0.log"], log_line(frame(1, 0)));
}

TEST(FrameLog, ACardThatIsPulledWhileItIsReadIsMissing) {
  Card card;
  card.files["garage-20261120-0.log"] = log_line(frame(1, 0));
  FrameLog log(&card, "garage");
  log.begin();
  card.there = false;
  FrameLog::Batch batch;
  EXPECT_FALSE(log.next(10, 10000, &batch));
  EXPECT_EQ(log.state(), LogState::MISSING);
  card.there = true;
  log.begin();
  EXPECT_TRUE(log.next(10, 10000, &batch));
}

TEST(FrameLog, ACardThatTakesNothingSaysSoAtOnceAndIsStillRead) {
  Card card;
  for (int i = 0; i < 4; i++)
    card.files["garage-20261120-0.log"] += log_line(frame(1, i));
  card.broken = true;
  FrameLog log(&card, "garage");
  log.begin();
  EXPECT_EQ(log.state(), LogState::FAILED);
  EXPECT_FALSE(log.append(frame(2, 0), NOON));
  EXPECT_EQ(card.appends, 0) << "each frame would wait for it in vain";
  FrameLog::Batch batch;
  ASSERT_TRUE(log.next(2, 10000, &batch));
  log.sent(batch);
  log.recover();
  ASSERT_TRUE(log.next(2, 10000, &batch));
  EXPECT_EQ(batch.frames.front(), frame(1, 2)) << "what was sent is not sent again";
  log.sent(batch);
  EXPECT_FALSE(log.next(2, 10000, &batch));
  card.broken = false;
  log.recover();
  EXPECT_EQ(log.state(), LogState::OK);
  EXPECT_TRUE(log.append(frame(2, 1), NOON));
  FrameLog after(&card, "garage");
  after.begin();
  ASSERT_TRUE(after.next(10, 10000, &batch));
  EXPECT_EQ(batch.frames, std::vector<std::string>{frame(2, 1)});
}

TEST(FrameLog, ACardThatIsPulledWhileItTakesNothingIsMissing) {
  Card card;
  card.broken = true;
  FrameLog log(&card, "garage");
  log.begin();
  card.there = false;
  log.recover();
  EXPECT_EQ(log.state(), LogState::MISSING);
  card.there = true;
  card.broken = false;
  log.recover();
  EXPECT_EQ(log.state(), LogState::OK);
}

TEST(FrameLog, AHalfLineIsItsFilesLast) {
  Card card;
  FrameLog log(&card, "garage");
  log.begin();
  const auto fail = [&](int seq) {
    card.tears = true;
    EXPECT_FALSE(log.append(frame(1, seq), NOON));
    EXPECT_EQ(log.state(), LogState::FAILED);
    card.tears = false;
    log.recover();
  };
  fail(0);
  ASSERT_TRUE(log.append(frame(1, 1), NOON));
  fail(2);
  ASSERT_TRUE(log.append(frame(1, 3), NOON));
  FrameLog::Batch batch;
  std::vector<std::string> sent;
  while (log.next(10, 10000, &batch)) {
    sent.insert(sent.end(), batch.frames.begin(), batch.frames.end());
    log.sent(batch);
  }
  EXPECT_EQ(sent, (std::vector<std::string>{frame(1, 1), frame(1, 3)}));
  EXPECT_EQ(log.corrupt(), 0u);
}

TEST(FrameLog, AFullCardMakesRoomAlthoughItTakesNothing) {
  Card card;
  card.files["garage-20261120-0.log"] = log_line(frame(1, 0));
  card.files["garage-20261121-0.log"] = std::string(static_cast<size_t>(FrameLog::MIN_FREE_BYTES), 'x');
  card.room = card.room - card.free_bytes();
  FrameLog log(&card, "garage");
  log.begin();
  EXPECT_TRUE(log.append(frame(2, 0), NOON));
  EXPECT_EQ(log.state(), LogState::OK);
  EXPECT_EQ(card.files.count("garage-20261121-0.log"), 0u);
}

TEST(FrameLog, APulledCardIsAWarning) {
  Card card;
  FrameLog log(&card, "garage");
  log.begin();
  EXPECT_EQ(log.state(), LogState::OK);
  card.there = false;
  EXPECT_FALSE(log.append(frame(1, 0), NOON));
  EXPECT_EQ(log.state(), LogState::MISSING);
  card.there = true;
  log.begin();
  EXPECT_TRUE(log.append(frame(1, 1), NOON));
}

TEST(Outbox, AFrameThatIsNotAcknowledgedGoesToTheCardInASecond) {
  Card card;
  Wire wire;
  Clock clock;
  clock.sync(0, NOON);
  FrameLog log(&card, "garage");
  log.begin();
  Outbox outbox(&wire, &log, &clock);
  outbox.connected(0);
  outbox.submit(0, frame(1, 0));
  outbox.step(999);
  EXPECT_EQ(log.pending(), 0u);
  outbox.step(1000);
  EXPECT_EQ(log.pending(), 1u);
}

TEST(Outbox, WithoutACardMemoryHoldsTheNewest) {
  Wire wire;
  Clock clock;
  clock.sync(0, NOON);
  Outbox outbox(&wire, nullptr, &clock);
  for (int i = 0; i < 130; i++)
    outbox.submit(i * 1000, frame(1, i));
  EXPECT_EQ(outbox.lost(), 10u);
  outbox.connected(130000);
  for (Millis now = 130000; now < 140000; now += 100) {
    outbox.step(now);
    wire.acknowledge(&outbox, now);
  }
  const auto found = seqs(wire.arrived);
  EXPECT_EQ(found.size(), 120u);
  EXPECT_EQ(found.begin()->second, 10);
  EXPECT_EQ(outbox.backlog(), 0u);
}

TEST(Outbox, FramesWaitAMinuteForTheClock) {
  Wire wire;
  Clock clock;
  Outbox outbox(&wire, nullptr, &clock);
  outbox.connected(0);
  outbox.submit(1000, frame(1, 0));
  outbox.step(1000);
  EXPECT_TRUE(wire.unacknowledged.empty());
  outbox.submit(60000, frame(1, 1));
  EXPECT_EQ(wire.unacknowledged.size(), 1u);
}

TEST(FrameLog, ReplaysTheTenthFileOfADayAfterTheNinth) {
  Card card;
  for (const int n : {10, 2, 9, 0})
    card.files["garage-20261123-" + std::to_string(n) + ".log"] = log_line(frame(1, n));
  card.files["garage-20261122-11.log"] = log_line(frame(0, 0));
  FrameLog log(&card, "garage");
  log.begin();
  std::vector<std::string> order;
  for (FrameLog::Batch batch; log.next(1, 10000, &batch); log.sent(batch))
    order.insert(order.end(), batch.frames.begin(), batch.frames.end());
  EXPECT_EQ(order, (std::vector<std::string>{frame(0, 0), frame(1, 0), frame(1, 2), frame(1, 9), frame(1, 10)}));
}

TEST(FrameLog, LeavesFilesOfOthersAlone) {
  Card card;
  for (const char *name : {"garage-2-20261123-0.log", "garage-20261123-x.log", "garage-2026112-0.log", "garage.log",
                           "garage-20261123-0.log.bak", "holiday.jpg", "garage-20261123-.log"})
    card.files[name] = log_line(frame(1, 0));
  FrameLog log(&card, "garage");
  log.begin();
  FrameLog::Batch batch;
  EXPECT_FALSE(log.next(10, 10000, &batch));
  EXPECT_EQ(log.pending(), 0u);
}

TEST(FrameLog, CountsALongLogLittleByLittle) {
  Card card;
  std::string text;
  for (int i = 0; i < 1000; i++)
    text += log_line(frame(1, i));
  card.files["garage-20261123-0.log"] = text;
  FrameLog log(&card, "garage");
  log.begin();
  EXPECT_EQ(log.pending(), 1u) << "not counted yet, but not nothing";
  FrameLog::Batch batch;
  ASSERT_TRUE(log.next(400, 1 << 20, &batch));
  log.count();
  log.sent(batch);
  for (size_t i = 0; i < text.size() / FrameLog::COUNT_BYTES + 1; i++)
    log.count();
  EXPECT_EQ(log.pending(), 600u);
  log.append(frame(2, 0), NOON + 86400000);
  EXPECT_EQ(log.pending(), 601u);
}

TEST(FrameLog, KnowsTheNewestTimeOnTheCard) {
  Card card;
  card.files["garage-20261122-0.log"] = log_line(frame(1, 0));
  card.files["garage-20261123-0.log"] =
      log_line(R"({"boot":1,"seq":1,"timestamp":"2026-11-23T10:00:00.500Z","clock":"synced"})") + "{\"torn";
  FrameLog log(&card, "garage");
  log.begin();
  int64_t expected_ms = 0;
  ASSERT_TRUE(parse_utc("2026-11-23T10:00:00.500Z", &expected_ms));
  EXPECT_EQ(log.newest_utc_ms(), expected_ms);
  card.files["garage-20261123-0.log"] = "rubbish\n";
  log.begin();
  EXPECT_EQ(log.newest_utc_ms(), expected_ms) << "time on the card does not go back";
  Card empty;
  FrameLog none(&empty, "garage");
  none.begin();
  EXPECT_EQ(none.newest_utc_ms(), 0);
}
