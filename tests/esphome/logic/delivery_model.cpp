/// Randomised model test of the way a frame takes: brokers that come and go, acknowledgements that do not come, cards
/// that are pulled or fail, clocks that are set late, power cuts that tear what is being written. After all of it every
/// `seq` has arrived, but for what no station could save.
///
/// usage: delivery_model STEPS SEED. Prints the seed; exits 1 at the first broken rule.

#include <cinttypes>
#include <cstdlib>
#include <random>

#include "card_and_wire.h"
#include "message_logic.h"

using namespace evstation;

namespace {

constexpr Millis STEP_MS = 100;
/// A power cut may take what was not acknowledged in the last second: the wait for it, and one step.
constexpr Millis EXCUSED_MS = Outbox::ACK_TIMEOUT_MS + STEP_MS;

[[noreturn]] void broken(const char *rule, int boot, int seq, uint64_t seed) {
  std::printf("broken with seed %" PRIu64 ", boot %d, seq %d: %s\n", seed, boot, seq, rule);
  std::exit(1);
}

std::string numbered(int boot, int seq, const Clock &clock, Millis now_ms) {
  return "{\"boot\":" + std::to_string(boot) + ",\"seq\":" + std::to_string(seq) + ",\"timestamp\":\"" +
         format_utc(clock.utc(now_ms)) + "\",\"clock\":\"" + (clock.synced() ? "synced" : "estimated") + "\"}";
}

struct Life {
  std::mt19937_64 &random;
  uint64_t seed;
  Card card;
  Wire wire;
  std::set<std::pair<int, int>> taken;
  std::set<std::pair<int, int>> excused;
  std::set<std::pair<int, int>> arrived;

  bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(random) < p; }

  void collect() {
    const auto now = seqs(wire.arrived);
    arrived.insert(now.begin(), now.end());
    wire.arrived.clear();
  }

  /// One boot, to a power cut, or, the `last` one, until everything had its time to arrive.
  uint64_t run(int boot, bool last) {
    Clock clock;
    clock.estimate(0, NOON + boot * 3600000);
    FrameLog log(&card, "garage");
    log.begin();
    Outbox outbox(&wire, &log, &clock);
    wire.unacknowledged.clear();
    bool connected = false;
    bool acknowledges = true;
    bool card_was_bad = !card.there || card.broken;
    int seq = 0;
    std::map<int, Millis> taken_at;
    std::string before_torn;
    const bool moody = chance(0.3);
    const Millis weather_ms = 20000 + static_cast<Millis>(random() % 200000);
    const Millis end_ms = weather_ms + (last ? 3600000 : 0);
    const Millis sync_ms = static_cast<Millis>(random() % 90000);
    Millis now = 0;
    uint64_t steps = 0;
    for (; now < end_ms; now += STEP_MS, steps++) {
      const bool calm = now >= weather_ms;
      if (now >= sync_ms && !clock.synced())
        clock.sync(now, NOON + boot * 3600000 + now);
      if (calm ? !connected : chance(0.01)) {
        connected = !connected;
        if (connected) {
          outbox.connected(now);
        } else {
          outbox.disconnected(now);
          wire.unacknowledged.clear();
        }
      }
      if (calm || chance(0.01))
        acknowledges = calm || !acknowledges;
      wire.takes = calm || !chance(0.05);
      if (moody && chance(0.002))
        card.there = !card.there;
      if (moody && chance(0.002))
        card.broken = !card.broken;
      if (calm)
        card.there = !(card.broken = false);
      card_was_bad = card_was_bad || !card.there || card.broken;
      if (!calm && (now % 1000 == 0 || chance(0.01))) {
        outbox.submit(now, numbered(boot, seq, clock, now));
        taken.insert({boot, seq});
        taken_at[seq++] = now;
      }
      outbox.step(now);
      if (connected && acknowledges && !chance(0.2))
        wire.acknowledge(&outbox, now);
      if (calm && outbox.backlog() == 0 && now > weather_ms + Outbox::LOG_RETRY_MS + 2 * EXCUSED_MS)
        break;
    }
    collect();
    if (last && outbox.backlog() != 0)
      broken("the backlog does not end", boot, seq, seed);
    // What memory could not hold while there was no card is counted by the station itself.
    uint32_t lost = outbox.lost();
    std::set<std::pair<int, int>> on_card;
    for (const auto &[name, text] : card.files) {
      const auto found = seqs({text});
      on_card.insert(found.begin(), found.end());
    }
    for (const auto &[number, at_ms] : taken_at) {
      const std::pair<int, int> key{boot, number};
      if (arrived.count(key) != 0 || on_card.count(key) != 0)
        continue;
      if (!last && (at_ms + EXCUSED_MS > now || card_was_bad)) {
        excused.insert(key);
      } else if (lost > 0) {
        lost--;
        excused.insert(key);
      } else {
        broken(last ? "a frame was lost" : "a power cut took more than the last second", boot, number, seed);
      }
    }
    if (!last && !card.files.empty() && chance(0.5)) {
      // What was being written when the power went.
      auto &file = std::next(card.files.begin(), static_cast<std::ptrdiff_t>(random() % card.files.size()))->second;
      file += "{\"boot\":9,\"se";
    }
    return steps;
  }
};

}  // namespace

int main(int argc, char **argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: delivery_model STEPS SEED\n");
    return 2;
  }
  const uint64_t steps = std::strtoull(argv[1], nullptr, 10);
  const uint64_t seed = std::strtoull(argv[2], nullptr, 10);
  std::printf("delivery model: %" PRIu64 " steps, seed %" PRIu64 "\n", steps, seed);
  std::mt19937_64 random(seed);
  uint64_t done = 0;
  uint64_t frames = 0;
  uint64_t excused = 0;
  while (done < steps) {
    Life life{random, seed, {}, {}, {}, {}, {}};
    const int boots = 1 + static_cast<int>(random() % 4);
    for (int boot = 1; boot <= boots; boot++)
      done += life.run(boot, boot == boots);
    for (const auto &key : life.taken) {
      if (life.arrived.count(key) == 0 && life.excused.count(key) == 0)
        broken("a frame on the card never arrived", key.first, key.second, seed);
    }
    frames += life.taken.size();
    excused += life.excused.size();
  }
  std::printf("held: %" PRIu64 " frames, %" PRIu64 " that no station could save\n", frames, excused);
  // A world that excuses everything proves nothing.
  if (steps >= 100000 && (frames < steps / 100 || excused > frames / 5)) {
    std::printf("the world was too kind or too cruel\n");
    return 1;
  }
  return 0;
}
