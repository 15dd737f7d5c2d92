#pragma once

#include <string>

#include "clock_logic.h"
#include "command_logic.h"
#include "station_logic.h"

namespace evstation {

/// What the station is; told once, in `info`.
struct Identity {
  std::string station;
  std::string name;
  std::string model;
  std::string serial;
  std::string firmware;
  uint32_t boot = 0;
  std::string reset_reason;
  bool has_log = false;
  bool can_update = false;
};

/// What the station knows of itself that `Station` does not.
struct Surroundings {
  /// `ok`, `missing`, `failed`, `full`; null without a card slot.
  const char *sd = nullptr;
  size_t backlog = 0;
  /// The firmware that is being installed; empty when there is none.
  std::string update_version;
  int update_progress = 0;
};

/// The session's name on the wire.
std::string session_name(const Session &session);

/// When a session started, UTC ms.
int64_t session_started(const Session &session, const Clock &clock);

/// Whether there is a reading worth a frame: each meter has spoken or is silent, and what is connected has one that speaks.
bool has_frame(const Station &station);

// Messages of docs/protocol/mqtt.md as compact JSON.
std::string frame_json(const Station &station, const Identity &identity, const Clock &clock, Millis at_ms, uint32_t seq);
std::string state_json(const Station &station, const Identity &identity, const Clock &clock, Millis at_ms,
                       const Surroundings &surroundings);
std::string info_json(const Station &station, const Identity &identity);
std::string event_json(const StationEvent &event, const Clock &clock);
std::string rebooted_json(const Identity &identity, const Clock &clock, Millis at_ms);
std::string result_json(const Verdict &verdict);
/// The outcome of a command that was accepted before.
std::string outcome_json(const std::string &id, bool ok, const std::string &message);

/// A frame that was written with an estimated clock, corrected.
/// @return the frame with its timestamp moved and its clock `synced`; unchanged when it is not such a frame
std::string corrected_frame(const std::string &frame, int64_t correction_ms);

/// When a frame is due: each second while charging, every ten otherwise, at once when source, pilot or faults change.
class Rhythm {
 public:
  static constexpr Millis CHARGING_MS = 1000;
  static constexpr Millis IDLE_MS = 10000;

  /// @return whether a frame is due now; it is then taken for sent
  bool due(Millis now_ms, const Station &station);

 protected:
  bool started_ = false;
  Millis last_ms_ = 0;
  Source source_ = Source::NONE;
  PilotState pilot_ = PilotState::UNKNOWN;
  uint32_t faults_ = 0;
};

}  // namespace evstation
