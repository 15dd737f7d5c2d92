#pragma once

#include "types.h"

namespace evstation {

/// The registers of both meters, Wh; a negative value is not known.
struct Registers {
  double wh[SOURCES] = {-1.0, -1.0};

  bool known() const { return this->wh[SOLAR] >= 0.0 && this->wh[GRID] >= 0.0; }
  double total() const { return this->wh[SOLAR] + this->wh[GRID]; }
};

/// The number of this boot, which with `seq` names each frame for ever.
///
/// One more than the last. When the flash has forgotten that (a new chip, an erased flash, a firmware that keeps it in
/// another way), counting begins at a random place: at 1 again, new frames would bear the names of old ones, and a
/// receiver that has those would take no notice.
constexpr uint32_t next_boot(bool remembered, uint32_t last, uint32_t random) {
  return remembered && last < UINT32_MAX ? last + 1 : (random % 0x100000 + 1) * 0x400;
}

/// One session, from plug-in to unplug. Its name on the wire is `{boot}-{number}`.
struct Session {
  uint32_t boot = 0;
  uint32_t number = 0;
  /// When it started, in this boot's time; it turns into UTC when the clock is set.
  Millis started_ms = 0;
  /// The start in UTC for a session that was carried over a reboot; 0 otherwise.
  int64_t started_utc_ms = 0;
  Registers start;
};

enum class SessionEnd : uint8_t { UNPLUGGED, POWER_LOSS, FAULT, IDLE };
const char *to_text(SessionEnd end);

struct SessionSettings {
  bool has_pilot = false;
  /// Without a pilot: power above this is a session, W.
  float power_w = 50.0f;
  /// Without a pilot: a session ends when no power has flowed for this long.
  Millis idle_ms = 600000;
};

/// Opens and closes sessions: by the pilot where there is one, by power otherwise.
class Sessions {
 public:
  enum class Change : uint8_t { NONE, STARTED, ENDED };

  explicit Sessions(const SessionSettings &settings) : settings_(settings) {}

  /// Name the boot; sessions of one boot are numbered from 1.
  void begin(uint32_t boot) { this->boot_ = boot; }
  /// Carry over a session that was under way when power was lost.
  void restore(const Session &session);

  /// @param connected whether a car is connected; `known` is false until the pilot has been read
  /// @param power_w power into the car now
  /// @param registers the last believed registers; a session waits for them up to ten seconds
  /// @param settled whether the registers were read after the last energy flowed; the end waits for that a little
  Change step(Millis now_ms, bool known, bool connected, float power_w, const Registers &registers, bool settled);

  bool active() const { return this->active_; }
  /// The session under way, or the last one.
  const Session &current() const { return this->session_; }
  SessionEnd end() const { return this->end_; }
  const Registers &stop() const { return this->stop_; }
  /// When the plug was pulled, or the idle time was over.
  Millis ended_ms() const { return this->ended_ms_; }

 protected:
  static constexpr Millis REGISTER_WAIT_MS = 10000;
  /// Three polls of a meter.
  static constexpr Millis SETTLE_WAIT_MS = 3000;

  SessionSettings settings_;
  uint32_t boot_ = 0;
  uint32_t number_ = 0;
  bool active_ = false;
  bool restored_ = false;
  bool wanted_ = false;
  Millis wanted_since_ms_ = 0;
  Millis flowed_ms_ = 0;
  bool flow_seen_ = false;
  bool ending_ = false;
  Millis ended_ms_ = 0;
  Session session_;
  Registers stop_;
  SessionEnd end_ = SessionEnd::UNPLUGGED;
};

}  // namespace evstation
