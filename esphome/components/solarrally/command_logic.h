#pragma once

#include <deque>
#include <string>
#include <vector>

#include "json_logic.h"
#include "types.h"

namespace evstation {

enum class CommandKind : uint8_t {
  NONE,
  SET_MODE,
  SET_CURRENT_LIMIT,
  START,
  STOP,
  REBOOT,
  RESET_FAULTS,
  UPDATE_FIRMWARE,
};

/// What the station can and may do at the moment a command comes.
struct CommandContext {
  int64_t utc_ms = 0;
  bool clock_synced = false;
  float min_current_a = 6.0f;
  float max_current_a = 32.0f;
  bool vehicle = true;
  bool fault_latched = false;
  bool contactor_closed = false;
  bool updating = false;
  bool restarting = false;
  bool can_update = false;
  /// Hosts that firmware may come from, and the version that runs now.
  const std::vector<std::string> *update_hosts = nullptr;
  std::string firmware;
};

/// The verdict on one command. Only with `ok` is there something to do.
struct Verdict {
  /// Whether there is a readable id to answer to.
  bool answer = false;
  std::string id;
  bool ok = false;
  const char *error = "";
  std::string message;
  CommandKind kind = CommandKind::NONE;
  Mode mode = Mode::OFF;
  float current_a = 0.0f;
  std::string url;
  std::string sha256;
  std::string version;
};

/// Judges commands: each readable id gets exactly one verdict, and a refused command changes nothing.
class CommandJudge {
 public:
  /// A command this much older than now is stale. One from the future is its sender's wrong clock, and is obeyed.
  static constexpr int64_t STALE_MS = 60000;
  static constexpr size_t MAX_PAYLOAD = 4096;
  /// Ids that are remembered.
  static constexpr size_t MAX_IDS = 128;

  Verdict judge(std::string_view payload, bool retained, const CommandContext &context);

  /// Payloads that are not answered: without a readable id, or retained and answered before.
  uint32_t ignored() const { return this->ignored_; }

 protected:
  std::deque<std::string> seen_;
  uint32_t ignored_ = 0;
};

}  // namespace evstation
