#include "frame_log_logic.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "clock_logic.h"

namespace evstation {

uint32_t crc32(std::string_view data) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char letter : data) {
    crc ^= static_cast<unsigned char>(letter);
    for (int bit = 0; bit < 8; bit++)
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320u : 0u);
  }
  return ~crc;
}

std::string log_line(std::string_view frame) {
  char check[11];
  std::snprintf(check, sizeof(check), "\t%08x\n", static_cast<unsigned>(crc32(frame)));
  return std::string(frame) + check;
}

bool read_log_line(std::string_view line, std::string *frame) {
  const size_t tab = line.rfind('\t');
  if (tab == std::string_view::npos || line.size() - tab != 9)
    return false;
  const std::string_view text = line.substr(0, tab);
  char check[9];
  std::snprintf(check, sizeof(check), "%08x", static_cast<unsigned>(crc32(text)));
  if (line.substr(tab + 1) != check)
    return false;
  *frame = std::string(text);
  return true;
}

const char *to_text(LogState state) {
  switch (state) {
    case LogState::OK:
      return "ok";
    case LogState::MISSING:
      return "missing";
    case LogState::FULL:
      return "full";
    default:
      return "failed";
  }
}

bool FrameLog::ours_(const std::string &name) const {
  return name.size() > this->station_.size() + 5 && name.compare(0, this->station_.size() + 1, this->station_ + "-") == 0 &&
         name.compare(name.size() - 4, 4, ".log") == 0;
}

void FrameLog::begin() {
  this->files_.clear();
  this->pending_ = 0;
  this->current_.clear();
  if (!this->storage_->ready()) {
    this->state_ = LogState::MISSING;
    return;
  }
  std::map<std::string, int64_t> all;
  if (!this->storage_->list(&all)) {
    this->state_ = LogState::FAILED;
    return;
  }
  for (const auto &[name, size] : all) {
    if (this->ours_(name))
      this->files_[name] = size;
  }
  this->load_sent_();
  for (const auto &[name, size] : this->files_)
    this->pending_ += this->count_lines_(name, this->sent_[name]);
  this->state_ = LogState::OK;
}

void FrameLog::load_sent_() {
  this->sent_.clear();
  std::string text;
  if (!this->storage_->read(this->sent_name_(), 0, 65536, &text))
    return;
  size_t from = 0;
  for (size_t end; (end = text.find('\n', from)) != std::string::npos; from = end + 1) {
    const std::string line = text.substr(from, end - from);
    std::string entry;
    if (!read_log_line(line, &entry))
      continue;
    const size_t space = entry.find(' ');
    if (space == std::string::npos)
      continue;
    const std::string name = entry.substr(0, space);
    const int64_t offset = std::strtoll(entry.c_str() + space + 1, nullptr, 10);
    if (this->files_.count(name) != 0)
      this->sent_[name] = std::clamp<int64_t>(offset, 0, this->files_[name]);
  }
}

void FrameLog::save_sent_() {
  std::string text;
  for (const auto &[name, offset] : this->sent_) {
    if (offset > 0)
      text += log_line(name + " " + std::to_string(offset));
  }
  this->storage_->replace(this->sent_name_(), text);
}

size_t FrameLog::count_lines_(const std::string &name, int64_t from) {
  size_t lines = 0;
  std::string chunk;
  while (this->storage_->read(name, from, 8192, &chunk) && !chunk.empty()) {
    lines += static_cast<size_t>(std::count(chunk.begin(), chunk.end(), '\n'));
    from += static_cast<int64_t>(chunk.size());
  }
  return lines;
}

bool FrameLog::open_(int64_t utc_ms) {
  const std::string day = format_day(utc_ms);
  if (!this->current_.empty() && this->current_day_ == day && this->files_[this->current_] < MAX_FILE_BYTES)
    return true;
  for (int n = 0; n < 100000; n++) {
    const std::string name = this->station_ + "-" + day + "-" + std::to_string(n) + ".log";
    if (this->files_.count(name) == 0) {
      this->current_ = name;
      this->current_day_ = day;
      this->files_[name] = 0;
      this->mine_.push_back(name);
      return true;
    }
  }
  return false;
}

bool FrameLog::make_room_() {
  while (this->storage_->free_bytes() < MIN_FREE_BYTES) {
    // What was sent goes first, then the oldest day: names sort by day.
    std::string victim;
    for (const auto &[name, size] : this->files_) {
      if (name == this->current_)
        continue;
      if (this->sent_[name] >= size) {
        victim = name;
        break;
      }
      if (victim.empty())
        victim = name;
    }
    if (victim.empty())
      return false;
    this->pending_ -= std::min(this->pending_, this->count_lines_(victim, this->sent_[victim]));
    if (!this->storage_->remove(victim))
      return false;
    this->files_.erase(victim);
    this->sent_.erase(victim);
  }
  return true;
}

bool FrameLog::append(const std::string &frame, int64_t utc_ms) {
  if (this->state_ == LogState::MISSING || this->state_ == LogState::FAILED)
    return false;
  const std::string line = log_line(frame);
  if (line.size() > MAX_LINE_BYTES)
    return false;
  if (!this->make_room_()) {
    this->state_ = LogState::FULL;
    return false;
  }
  this->state_ = LogState::OK;
  if (!this->open_(utc_ms) || !this->storage_->append(this->current_, line)) {
    this->state_ = this->storage_->ready() ? LogState::FAILED : LogState::MISSING;
    return false;
  }
  this->files_[this->current_] += static_cast<int64_t>(line.size());
  this->pending_++;
  return true;
}

bool FrameLog::next(size_t max_frames, size_t max_bytes, Batch *batch) {
  if (this->state_ == LogState::MISSING || this->state_ == LogState::FAILED)
    return false;
  for (const auto &[name, size] : this->files_) {
    const int64_t from = this->sent_[name];
    if (from >= size)
      continue;
    std::string text;
    if (!this->storage_->read(name, from, max_bytes, &text) || text.empty()) {
      this->state_ = LogState::FAILED;
      return false;
    }
    *batch = Batch{};
    batch->name = name;
    batch->current_boot = std::find(this->mine_.begin(), this->mine_.end(), name) != this->mine_.end();
    size_t at = 0;
    for (size_t end; batch->lines < max_frames && (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
      std::string frame;
      batch->lines++;
      if (read_log_line(std::string_view(text).substr(at, end - at), &frame)) {
        batch->frames.push_back(std::move(frame));
      } else {
        this->corrupt_++;
      }
    }
    // No line end in sight: the rest was torn by a power cut, or is no log at all.
    if (batch->lines == 0)
      at = text.size();
    batch->end = from + static_cast<int64_t>(at);
    return true;
  }
  return false;
}

void FrameLog::sent(const Batch &batch) {
  if (this->files_.count(batch.name) == 0)
    return;
  this->sent_[batch.name] = std::max(this->sent_[batch.name], batch.end);
  this->pending_ -= std::min(this->pending_, batch.lines);
  this->save_sent_();
}

}  // namespace evstation
