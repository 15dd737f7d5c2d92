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
  // A card whose files were opened on a PC may come back with lines that end in CR LF.
  if (line.ends_with('\r'))
    line.remove_suffix(1);
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

bool WrittenEarlier::operator()(const std::string &a, const std::string &b) const {
  // The day is always eight digits, so up to the last dash text order is time order; behind it stands a number.
  const size_t a_number = a.rfind('-') + 1;
  const size_t b_number = b.rfind('-') + 1;
  const int days = a.compare(0, a_number, b, 0, b_number);
  if (days != 0)
    return days < 0;
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

bool FrameLog::ours_(const std::string &name) const {
  std::string_view rest = name;
  const auto take = [&rest](std::string_view text) {
    const bool there = rest.substr(0, text.size()) == text;
    rest.remove_prefix(there ? text.size() : 0);
    return there;
  };
  const auto digits = [&rest](size_t least, size_t most) {
    const size_t end = std::min(rest.find_first_not_of("0123456789"), rest.size());
    rest.remove_prefix(std::min(end, most));
    return end >= least && end <= most;
  };
  return take(this->station_) && take("-") && digits(8, 8) && take("-") && digits(1, 6) && rest == ".log";
}

void FrameLog::begin() {
  this->files_.clear();
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
    if (!this->ours_(name))
      continue;
    if (size < 0) {
      this->files_.clear();
      this->state_ = LogState::FAILED;
      return;
    }
    this->files_[name].size = size;
  }
  this->load_sent_();
  this->find_newest_();
  this->state_ = LogState::OK;
  // A card that is write-protected, or worn out, says so only when it is written to.
  this->save_sent_();
}

void FrameLog::recover() {
  if (this->state_ == LogState::MISSING || this->state_ == LogState::FAILED) {
    this->begin();
  } else if (!this->writable_) {
    this->save_sent_();
  }
}

void FrameLog::refused_() {
  // On a full card there is room again with the next frame.
  this->writable_ = this->storage_->free_bytes() < MIN_FREE_BYTES;
  // What was written by half ends its file, or has the only line of it, whose name is not used again.
  const auto file = this->files_.find(this->current_);
  if (file != this->files_.end() && file->second.size == 0) {
    std::erase(this->mine_, file->first);
    this->files_.erase(file);
    this->first_number_++;
  }
  this->current_.clear();
  if (!this->storage_->ready())
    this->state_ = LogState::MISSING;
}

bool FrameLog::read_(const std::string &name, File *file, int64_t offset, size_t size, std::string *data) {
  if (this->storage_->read(name, offset, size, data) && !data->empty())
    return true;
  if (this->storage_->ready()) {
    file->unreadable = true;
  } else {
    this->state_ = LogState::MISSING;
  }
  return false;
}

void FrameLog::find_newest_() {
  for (auto file = this->files_.rbegin(); file != this->files_.rend(); ++file) {
    // Its last whole line; the very last may be torn.
    const int64_t from = std::max<int64_t>(0, file->second.size - 2 * static_cast<int64_t>(MAX_LINE_BYTES));
    std::string text;
    if (!this->storage_->read(file->first, from, 2 * MAX_LINE_BYTES, &text))
      continue;
    size_t end = text.rfind('\n');
    while (end != std::string::npos) {
      const size_t before = end > 0 ? text.rfind('\n', end - 1) : std::string::npos;
      const size_t start = before == std::string::npos ? 0 : before + 1;
      std::string frame;
      if (read_log_line(std::string_view(text).substr(start, end - start), &frame)) {
        static constexpr std::string_view STAMP = "\"timestamp\":\"";
        const size_t at = frame.find(STAMP);
        int64_t utc_ms = 0;
        if (at != std::string::npos &&
            parse_utc(std::string_view(frame).substr(at + STAMP.size(), std::string_view("2026-11-23T09:30:00.000Z").size()), &utc_ms)) {
          this->newest_utc_ms_ = std::max(this->newest_utc_ms_, utc_ms);
          return;
        }
      }
      end = before;
    }
  }
}

void FrameLog::load_sent_() {
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
    const auto file = this->files_.find(entry.substr(0, space));
    if (file == this->files_.end())
      continue;
    const int64_t offset = std::strtoll(entry.c_str() + space + 1, nullptr, 10);
    file->second.sent = file->second.counted = std::clamp<int64_t>(offset, 0, file->second.size);
  }
}

void FrameLog::save_sent_() {
  std::string text;
  for (const auto &[name, file] : this->files_) {
    if (file.sent > 0)
      text += log_line(name + " " + std::to_string(file.sent));
  }
  if (this->storage_->replace(this->sent_name_(), text)) {
    this->writable_ = true;
  } else {
    this->refused_();
  }
}

void FrameLog::count() {
  if (this->state_ == LogState::MISSING || this->state_ == LogState::FAILED)
    return;
  for (auto &[name, file] : this->files_) {
    if (file.counted >= file.size || file.unreadable)
      continue;
    std::string chunk;
    if (!this->read_(name, &file, file.counted, COUNT_BYTES, &chunk))
      return;
    file.lines += static_cast<size_t>(std::count(chunk.begin(), chunk.end(), '\n'));
    file.counted += static_cast<int64_t>(chunk.size());
    return;
  }
}

size_t FrameLog::pending() const {
  size_t lines = 0;
  bool uncounted = false;
  for (const auto &[name, file] : this->files_) {
    lines += file.lines;
    uncounted = uncounted || file.counted < file.size;
  }
  return lines == 0 && uncounted ? 1 : lines;
}

bool FrameLog::open_(int64_t utc_ms) {
  const std::string day = format_day(utc_ms);
  if (!this->current_.empty() && this->current_day_ == day && this->files_[this->current_].size < MAX_FILE_BYTES)
    return true;
  if (this->current_day_ != day)
    this->first_number_ = 0;
  for (int n = this->first_number_; n < 100000; n++) {
    const std::string name = this->station_ + "-" + day + "-" + std::to_string(n) + ".log";
    if (this->files_.count(name) == 0) {
      this->current_ = name;
      this->current_day_ = day;
      this->first_number_ = n;
      this->files_[name] = File{};
      this->mine_.push_back(name);
      return true;
    }
  }
  return false;
}

bool FrameLog::drop_(bool unsent_too) {
  // What was sent goes first, then the oldest day.
  std::string victim;
  for (const auto &[name, file] : this->files_) {
    if (name == this->current_)
      continue;
    if (file.sent >= file.size) {
      victim = name;
      break;
    }
    if (victim.empty() && unsent_too)
      victim = name;
  }
  if (victim.empty() || !this->storage_->remove(victim))
    return false;
  this->files_.erase(victim);
  std::erase(this->mine_, victim);
  return true;
}

bool FrameLog::make_room_() {
  // One at a time: a card with thousands must not hold up the main loop.
  if (this->files_.size() > MAX_FILES)
    this->drop_(false);
  while (this->storage_->free_bytes() < MIN_FREE_BYTES) {
    if (!this->drop_(true))
      return false;
  }
  return true;
}

bool FrameLog::append(const std::string &frame, int64_t utc_ms) {
  if (this->state_ == LogState::MISSING || this->state_ == LogState::FAILED || !this->writable_)
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
    this->refused_();
    return false;
  }
  File &file = this->files_[this->current_];
  if (file.counted == file.size) {
    file.counted += static_cast<int64_t>(line.size());
    file.lines++;
  }
  file.size += static_cast<int64_t>(line.size());
  return true;
}

bool FrameLog::next(size_t max_frames, size_t max_bytes, Batch *batch) {
  if (this->state_ == LogState::MISSING || this->state_ == LogState::FAILED)
    return false;
  for (auto &[name, file] : this->files_) {
    const int64_t from = file.sent;
    if (from >= file.size || file.unreadable)
      continue;
    std::string text;
    if (!this->read_(name, &file, from, max_bytes, &text)) {
      if (this->state_ == LogState::MISSING)
        return false;
      continue;
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
  const auto found = this->files_.find(batch.name);
  if (found == this->files_.end())
    return;
  File &file = found->second;
  file.sent = std::max(file.sent, batch.end);
  if (batch.end > file.counted) {
    // The count had not come as far; it goes on from here.
    file.counted = batch.end;
    file.lines = 0;
  } else {
    file.lines -= std::min(file.lines, batch.lines);
  }
  this->save_sent_();
}

}  // namespace evstation
