#include "session_logic.h"

namespace evstation {

const char *to_text(SessionEnd end) {
  switch (end) {
    case SessionEnd::POWER_LOSS:
      return "power_loss";
    case SessionEnd::FAULT:
      return "fault";
    case SessionEnd::IDLE:
      return "idle";
    default:
      return "unplugged";
  }
}

void Sessions::restore(const Session &session) {
  this->session_ = session;
  this->active_ = true;
  this->restored_ = true;
}

Sessions::Change Sessions::step(Millis now_ms, bool known, bool connected, float power_w,
                                const Registers &registers, bool settled) {
  if (!this->flow_seen_) {
    this->flow_seen_ = true;
    this->flowed_ms_ = now_ms;
  }
  const bool flows = power_w > this->settings_.power_w;
  if (flows)
    this->flowed_ms_ = now_ms;

  if (this->active_) {
    bool over = this->ending_;
    if (this->ending_) {
      // A plug that is pushed in again begins a new session.
    } else if (this->settings_.has_pilot) {
      over = known && !connected;
      // The plug was pulled while the station was off; when, nobody saw.
      this->end_ = this->restored_ ? SessionEnd::POWER_LOSS : SessionEnd::UNPLUGGED;
      if (known && connected)
        this->restored_ = false;
    } else {
      over = now_ms - this->flowed_ms_ >= this->settings_.idle_ms;
      this->end_ = SessionEnd::IDLE;
    }
    if (over && !this->ending_) {
      this->ending_ = true;
      this->ended_ms_ = now_ms;
    }
    if (!over || (!settled && now_ms - this->ended_ms_ < SETTLE_WAIT_MS))
      return Change::NONE;
    this->ending_ = false;
    this->active_ = false;
    this->restored_ = false;
    this->wanted_ = false;
    this->stop_ = registers;
    return Change::ENDED;
  }

  const bool wanted = this->settings_.has_pilot ? known && connected : flows;
  if (wanted && !this->wanted_)
    this->wanted_since_ms_ = now_ms;
  this->wanted_ = wanted;
  if (!wanted || (!registers.known() && now_ms - this->wanted_since_ms_ < REGISTER_WAIT_MS))
    return Change::NONE;
  this->active_ = true;
  this->session_ = Session{};
  this->session_.boot = this->boot_;
  this->session_.number = ++this->number_;
  this->session_.started_ms = this->wanted_since_ms_;
  this->session_.start = registers;
  return Change::STARTED;
}

}  // namespace evstation
