#pragma once

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "outbox_logic.h"

/// A card and a broker in memory, for the tests of the way that a frame takes.
namespace evstation {

/// A card in memory, that can be pulled, fill up, and tear what was written last.
struct Card : Storage {
  std::map<std::string, std::string> files;
  bool there = true;
  bool broken = false;
  /// Writes half a line and then fails.
  bool tears = false;
  /// A file with a place that cannot be read.
  std::string unreadable;
  /// A file of which only the name is known.
  std::string sizeless;
  int64_t room = 1 << 30;
  /// How often it was tried to write a line.
  int appends = 0;

  bool ready() override { return there; }
  bool list(std::map<std::string, int64_t> *out) override {
    for (const auto &[name, text] : files)
      (*out)[name] = name == sizeless ? -1 : static_cast<int64_t>(text.size());
    return there;
  }
  bool append(const std::string &name, std::string_view data) override {
    appends++;
    if (there && tears)
      files[name] += data.substr(0, data.size() / 2);
    if (!there || broken || tears)
      return false;
    files[name] += data;
    return true;
  }
  bool read(const std::string &name, int64_t offset, size_t size, std::string *data) override {
    const auto found = files.find(name);
    if (!there || found == files.end() || name == unreadable)
      return false;
    const auto from = std::min(static_cast<size_t>(offset), found->second.size());
    *data = found->second.substr(from, size);
    return true;
  }
  bool replace(const std::string &name, std::string_view data) override {
    if (!there || broken || free_bytes() <= 0)
      return false;
    files[name] = data;
    return true;
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

inline std::string frame(int boot, int seq) {
  return "{\"boot\":" + std::to_string(boot) + ",\"seq\":" + std::to_string(seq) +
         ",\"timestamp\":\"2026-11-23T09:30:00.000Z\",\"clock\":\"synced\"}";
}

inline std::set<std::pair<int, int>> seqs(const std::vector<std::string> &arrived) {
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

}  // namespace evstation
