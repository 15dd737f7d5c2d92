#include "outbox_logic.h"

#include "message_logic.h"

namespace evstation {

bool Outbox::may_send_live_(Millis now_ms) const {
  return this->connected_ && this->in_flight_.size() < MAX_IN_FLIGHT &&
         (this->clock_->synced() || now_ms >= CLOCK_WAIT_MS);
}

void Outbox::connected(Millis now_ms) {
  this->connected_ = true;
  this->batch_open_ = false;
  this->batch_sent_ms_ = now_ms - BACKLOG_PACE_MS;
}

void Outbox::disconnected(Millis now_ms) {
  this->connected_ = false;
  this->batch_open_ = false;
  std::deque<InFlight> left;
  left.swap(this->in_flight_);
  for (const auto &item : left) {
    if (!item.logged)
      this->keep_(now_ms, item.frame);
  }
}

void Outbox::submit(Millis now_ms, const std::string &frame) {
  if (this->may_send_live_(now_ms)) {
    const int message = this->sender_->send_frame(frame);
    if (message >= 0) {
      this->in_flight_.push_back({message, now_ms, frame, false});
      return;
    }
  }
  this->keep_(now_ms, frame);
}

void Outbox::keep_(Millis now_ms, const std::string &frame) {
  if (this->log_ != nullptr && this->log_->append(frame, this->clock_->utc(now_ms)))
    return;
  this->held_.push_back(frame);
  if (this->held_.size() > MAX_HELD) {
    this->held_.pop_front();
    this->lost_++;
    if (this->batch_held_ > 0)
      this->batch_held_--;
  }
}

void Outbox::acknowledged(Millis now_ms, int message) {
  (void) now_ms;
  if (this->batch_open_ && message == this->batch_message_) {
    this->batch_open_ = false;
    if (this->batch_held_ > 0) {
      this->held_.erase(this->held_.begin(), this->held_.begin() + static_cast<std::ptrdiff_t>(this->batch_held_));
    } else {
      this->log_->sent(this->batch_);
    }
    return;
  }
  for (auto item = this->in_flight_.begin(); item != this->in_flight_.end(); ++item) {
    if (item->message == message) {
      this->in_flight_.erase(item);
      return;
    }
  }
}

void Outbox::step(Millis now_ms) {
  for (auto &item : this->in_flight_) {
    if (!item.logged && now_ms - item.sent_ms >= ACK_TIMEOUT_MS) {
      item.logged = true;
      this->keep_(now_ms, item.frame);
    }
  }
  const bool log_down =
      this->log_ != nullptr && (this->log_->state() == LogState::MISSING || this->log_->state() == LogState::FAILED);
  if (log_down && now_ms - this->log_retry_ms_ >= LOG_RETRY_MS) {
    this->log_retry_ms_ = now_ms;
    this->log_->recover();
  }
  if (this->log_ != nullptr)
    this->log_->count();
  if (this->batch_open_ && now_ms - this->batch_sent_ms_ >= BACKLOG_TIMEOUT_MS)
    this->batch_open_ = false;
  const bool clock_settled = this->clock_->synced() || now_ms >= CLOCK_WAIT_MS;
  if (this->connected_ && clock_settled && !this->batch_open_ && now_ms - this->batch_sent_ms_ >= BACKLOG_PACE_MS)
    this->send_batch_(now_ms);
}

void Outbox::send_batch_(Millis now_ms) {
  std::string json = "[";
  const auto add = [&](const std::string &frame, bool this_boot) {
    if (json.size() > 1)
      json += ',';
    json += this_boot && this->clock_->synced() ? corrected_frame(frame, this->clock_->correction_ms()) : frame;
  };
  this->batch_held_ = 0;
  if (this->log_ != nullptr && this->log_->next(MAX_BATCH_FRAMES, MAX_BATCH_BYTES, &this->batch_)) {
    for (const auto &frame : this->batch_.frames)
      add(frame, this->batch_.current_boot);
    if (this->batch_.frames.empty()) {
      this->log_->sent(this->batch_);
      return;
    }
  } else if (!this->held_.empty()) {
    while (this->batch_held_ < this->held_.size() && this->batch_held_ < MAX_BATCH_FRAMES && json.size() < MAX_BATCH_BYTES)
      add(this->held_[this->batch_held_++], true);
  } else {
    return;
  }
  this->batch_sent_ms_ = now_ms;
  this->batch_message_ = this->sender_->send_backlog(json + "]");
  this->batch_open_ = this->batch_message_ >= 0;
}

}  // namespace evstation
