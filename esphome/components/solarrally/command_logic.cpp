#include "command_logic.h"

#include <algorithm>
#include <cstdio>

#include "clock_logic.h"
#include "update_logic.h"

namespace evstation {

namespace {

bool is_id(const std::string &text) {
  if (text.empty() || text.size() > 36)
    return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

bool is_sha256(const std::string &text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

void refuse(Verdict *verdict, const char *error, std::string message) {
  verdict->error = error;
  verdict->message = std::move(message);
}

std::string amperes(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof(buffer), "%g", value);
  return buffer;
}

void judge_mode(Verdict *verdict, const JsonValue *value) {
  if (value == nullptr || !value->is_text())
    return refuse(verdict, "malformed", "set_mode needs a text as its value");
  for (const Mode mode : {Mode::OFF, Mode::SOLAR, Mode::GRID, Mode::AUTO}) {
    if (value->text == to_text(mode)) {
      verdict->mode = mode;
      verdict->ok = true;
      return;
    }
  }
  refuse(verdict, "out_of_range", "mode is none of off, solar, grid, auto");
}

void judge_limit(Verdict *verdict, const JsonValue *value, const CommandContext &context) {
  if (value == nullptr || !value->is_number())
    return refuse(verdict, "malformed", "set_current_limit needs a number as its value");
  if (!(value->number >= context.min_current_a && value->number <= context.max_current_a)) {
    return refuse(verdict, "out_of_range",
                  "current limit " + amperes(value->number) + " A is outside " + amperes(context.min_current_a) + " to " +
                      amperes(context.max_current_a) + " A");
  }
  verdict->current_a = static_cast<float>(value->number);
  verdict->ok = true;
}

void judge_update(Verdict *verdict, const JsonValue *value, const CommandContext &context) {
  const auto member = [value](const char *name) {
    const JsonValue *found = value != nullptr && value->is_object() ? value->member(name) : nullptr;
    return found != nullptr && found->is_text() ? found->text : std::string();
  };
  verdict->url = member("url");
  verdict->sha256 = member("sha256");
  verdict->version = member("version");
  if ((verdict->url.rfind("http://", 0) != 0 && verdict->url.rfind("https://", 0) != 0) || !is_sha256(verdict->sha256) ||
      verdict->version.empty() || verdict->version.size() > 64)
    return refuse(verdict, "malformed", "update_firmware needs url, sha256 and version");
  if (!context.can_update)
    return refuse(verdict, "not_supported", "this station takes no firmware over MQTT");
  if (context.update_hosts == nullptr || !is_allowed_host(verdict->url, *context.update_hosts))
    return refuse(verdict, "out_of_range", "firmware from this host is not allowed");
  if (!is_version(verdict->version))
    return refuse(verdict, "out_of_range", "the version is not numbers divided by dots");
  if (is_version(context.firmware) && is_older(verdict->version, context.firmware))
    return refuse(verdict, "out_of_range", "the version is older than " + context.firmware + ", which runs now");
  if (context.contactor_closed)
    return refuse(verdict, "busy", "a contactor is closed");
  verdict->ok = true;
}

void judge_session(Verdict *verdict, const JsonValue *value, const CommandContext &context) {
  if (value != nullptr && !value->is_null())
    return refuse(verdict, "malformed", "this command takes no value");
  const bool about_session = verdict->kind == CommandKind::START || verdict->kind == CommandKind::STOP;
  if (about_session && !context.vehicle)
    return refuse(verdict, "no_vehicle", "no vehicle is connected");
  if (verdict->kind == CommandKind::START && context.fault_latched)
    return refuse(verdict, "fault_active", "a latched fault must be reset first");
  verdict->ok = true;
}

constexpr struct {
  const char *name;
  CommandKind kind;
} KINDS[] = {
    {"set_mode", CommandKind::SET_MODE},   {"set_current_limit", CommandKind::SET_CURRENT_LIMIT},
    {"start", CommandKind::START},         {"stop", CommandKind::STOP},
    {"reboot", CommandKind::REBOOT},       {"reset_faults", CommandKind::RESET_FAULTS},
    {"update_firmware", CommandKind::UPDATE_FIRMWARE},
};

}  // namespace

Verdict CommandJudge::judge(std::string_view payload, bool retained, const CommandContext &context) {
  Verdict verdict;
  JsonValue command;
  const JsonValue *id = nullptr;
  if (payload.size() <= MAX_PAYLOAD && parse_json(payload, &command) && command.is_object())
    id = command.member("id");
  if (id == nullptr || !id->is_text() || !is_id(id->text)) {
    this->ignored_++;
    return verdict;
  }
  const bool seen = std::find(this->seen_.begin(), this->seen_.end(), id->text) != this->seen_.end();
  // The broker hands a retained command out at each connect; one answer is enough.
  if (seen && retained) {
    this->ignored_++;
    return verdict;
  }
  verdict.answer = true;
  verdict.id = id->text;

  if (seen) {
    refuse(&verdict, "duplicate", "this id was seen before");
    return verdict;
  }
  this->seen_.push_back(verdict.id);
  if (this->seen_.size() > MAX_IDS)
    this->seen_.pop_front();

  const JsonValue *name = command.member("command");
  if (name == nullptr || !name->is_text()) {
    refuse(&verdict, "malformed", "command is missing or not a text");
    return verdict;
  }
  const JsonValue *timestamp = command.member("timestamp");
  int64_t sent_ms = 0;
  if (timestamp != nullptr && (!timestamp->is_text() || !parse_utc(timestamp->text, &sent_ms))) {
    refuse(&verdict, "malformed", "timestamp is not RFC 3339 with its offset");
    return verdict;
  }
  for (const auto &known : KINDS) {
    if (name->text == known.name)
      verdict.kind = known.kind;
  }
  if (verdict.kind == CommandKind::NONE) {
    refuse(&verdict, "unknown_command", "no such command");
    return verdict;
  }
  if (retained) {
    refuse(&verdict, "stale", "a retained command is not obeyed");
    return verdict;
  }
  if (timestamp != nullptr && context.clock_synced && context.utc_ms - sent_ms > STALE_MS) {
    refuse(&verdict, "stale", "the command is older than 60 s");
    return verdict;
  }
  if (context.updating) {
    refuse(&verdict, "busy", "a firmware update is running");
    return verdict;
  }
  // What is not kept over a restart would be done and forgotten.
  if (context.restarting) {
    refuse(&verdict, "busy", "the station is about to restart");
    return verdict;
  }
  const JsonValue *value = command.member("value");
  switch (verdict.kind) {
    case CommandKind::SET_MODE:
      judge_mode(&verdict, value);
      break;
    case CommandKind::SET_CURRENT_LIMIT:
      judge_limit(&verdict, value, context);
      break;
    case CommandKind::UPDATE_FIRMWARE:
      judge_update(&verdict, value, context);
      break;
    default:
      judge_session(&verdict, value, context);
  }
  return verdict;
}

}  // namespace evstation
