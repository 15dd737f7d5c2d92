#include "outbox_logic.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>
#include <set>

using namespace evstation;

namespace {

/// A card in memory, that can be pulled, fill up, and tear what was written last.
struct Card : Storage {
  std::map<std::string, std::string> files;
  bool there = true;
  bool broken = false;
  int64_t room = 1 << 30;

  bool ready() override { return there; }
  bool list(std::map<std::string, int64_t> *out) override {
    for (const auto &[name, text] : files)
      (*out)[name] = static_cast<int64_t>(text.size());
    return there;
  }
  bool append(const std::string &name, std::string_view data) override {
    if (!there || broken)
      return false;
    files[name] += data;
    return true;
  }
  bool read(const std::string &name, int64_t offset, size_t size, std::string *data) override {
    const auto found = files.find(name);
    if (!there || found == files.end())
      return false;
    const auto from = std::min(static_cast<size_t>(offset), found->second.size());
    *data = found->second.substr(from, size);
    return true;
  }
  bool replace(const std::string &name, std::string_view data) override {
    files[name] = data;
    return there;
  }
  bool remove(const std::string &name) override { return files.erase(name) > 0; }
  int64_t free_bytes() override {
    int64_t used = 0;
    for (const auto &[name, text] : files)
      used += static_cast<int64_t>(text.size());
    return room - used;
  }
};

/// A broker that acknowledges, or does not.
struct Wire : Sender {
  std::vector<std::pair<int, std::string>> unacknowledged;
  std::vector<std::string> arrived;
  int next = 1;
  bool takes = true;

  int send(const std::string &text) {
    if (!takes)
      return -1;
    unacknowledged.emplace_back(next, text);
    return next++;
  }
  int send_frame(const std::string &frame) override { return send(frame); }
  int send_backlog(const std::string &frames) override { return send(frames); }
  void acknowledge(Outbox *outbox, Millis now_ms) {
    for (const auto &[message, text] : unacknowledged) {
      arrived.push_back(text);
      outbox->acknowledged(now_ms, message);
    }
    unacknowledged.clear();
  }
};

constexpr int64_t NOON = 1795426200000;

std::string frame(int boot, int seq) {
  return "{\"boot\":" + std::to_string(boot) + ",\"seq\":" + std::to_string(seq) +
         ",\"timestamp\":\"2026-11-23T09:30:00.000Z\",\"clock\":\"synced\"}";
}

std::set<std::pair<int, int>> seqs(const std::vector<std::string> &arrived) {
  std::set<std::pair<int, int>> found;
  for (const auto &text : arrived) {
    for (size_t at = text.find("{\"boot\":"); at != std::string::npos; at = text.find("{\"boot\":", at + 1)) {
      int boot = 0, seq = 0;
      if (std::sscanf(text.c_str() + at, "{\"boot\":%d,\"seq\":%d", &boot, &seq) == 2)
        found.insert({boot, seq});
    }
  }
  return found;
}

}  // namespace

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

TEST(Outbox, NothingIsLostWhateverHappens) {
  // Brokers that go and come, acknowledgements that do not come, power cuts that tear the last line, cards that fail
  // for a while: after all of it every frame that was taken more than a second before a power cut has arrived.
  for (uint64_t seed = 1; seed <= 300; seed++) {
    std::mt19937_64 random(seed);
    const auto chance = [&random](double p) { return std::uniform_real_distribution<>(0, 1)(random) < p; };
    Card card;
    Wire wire;
    std::set<std::pair<int, int>> due;
    std::vector<std::string> all_arrived;
    for (int boot = 1; boot <= 4; boot++) {
      Clock clock;
      clock.sync(0, NOON + boot * 3600000);
      FrameLog log(&card, "garage");
      log.begin();
      Outbox outbox(&wire, &log, &clock);
      wire.unacknowledged.clear();
      bool connected = false;
      bool acknowledges = true;
      int seq = 0;
      const bool last = boot == 4;
      const Millis end_ms = last ? 400000 : 60000 + static_cast<Millis>(random() % 60000);
      for (Millis now = 0; now < end_ms; now += 100) {
        const bool calm = last && now > 100000;
        if (calm ? !connected : chance(0.01)) {
          connected = !connected;
          connected ? outbox.connected(now) : outbox.disconnected(now);
          if (!connected)
            wire.unacknowledged.clear();
        }
        if (chance(0.01) || calm)
          acknowledges = calm || !acknowledges;
        wire.takes = calm || !chance(0.05);
        if (now % 1000 == 0 && (!last || now < 100000)) {
          outbox.submit(now, frame(boot, seq));
          if (now + 1100 < end_ms)
            due.insert({boot, seq});
          seq++;
        }
        outbox.step(now);
        if (connected && acknowledges)
          wire.acknowledge(&outbox, now);
      }
      if (!last && !card.files.empty() && chance(0.5)) {
        // What was being written when the power went.
        std::next(card.files.begin(), static_cast<std::ptrdiff_t>(random() % card.files.size()))->second += "{\"boot\":9,\"se";
      }
    }
    const auto found = seqs(wire.arrived);
    for (const auto &key : due)
      ASSERT_EQ(found.count(key), 1u) << "seed " << seed << " boot " << key.first << " seq " << key.second;
  }
}
