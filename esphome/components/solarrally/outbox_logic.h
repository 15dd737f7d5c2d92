#pragma once

#include <deque>
#include <string>

#include "clock_logic.h"
#include "frame_log_logic.h"
#include "types.h"

namespace evstation {

/// Sends with QoS 1.
class Sender {
 public:
  virtual ~Sender() = default;
  /// @return the message's number, which comes back in `Outbox::acknowledged`; negative when it was not taken
  virtual int send_frame(const std::string &frame) = 0;
  virtual int send_backlog(const std::string &frames) = 0;
};

/// Brings every frame to the broker: live while it is there, by way of the card when it is not.
///
/// A frame is let go of only when the broker has acknowledged it. One that is not acknowledged soon is written to the
/// card, so that a power cut in a silent outage loses no more than the last second or so.
class Outbox {
 public:
  static constexpr Millis ACK_TIMEOUT_MS = 1000;
  static constexpr Millis BACKLOG_TIMEOUT_MS = 10000;
  static constexpr Millis BACKLOG_PACE_MS = 250;
  static constexpr Millis LOG_RETRY_MS = 10000;
  /// How long frames wait for the clock before they are sent with an estimated time.
  static constexpr Millis CLOCK_WAIT_MS = 60000;
  static constexpr size_t MAX_IN_FLIGHT = 16;
  static constexpr size_t MAX_BATCH_FRAMES = 20;
  static constexpr size_t MAX_BATCH_BYTES = 12000;
  /// Frames that are kept in memory while there is no card: two minutes of charging.
  static constexpr size_t MAX_HELD = 120;

  Outbox(Sender *sender, FrameLog *log, Clock *clock) : sender_(sender), log_(log), clock_(clock) {}

  void connected(Millis now_ms);
  void disconnected(Millis now_ms);
  void submit(Millis now_ms, const std::string &frame);
  void acknowledged(Millis now_ms, int message);
  void step(Millis now_ms);

  /// Frames that wait to be sent.
  size_t backlog() const { return (this->log_ != nullptr ? this->log_->pending() : 0) + this->held_.size(); }
  /// Frames that were lost because there was no card and no memory left.
  uint32_t lost() const { return this->lost_; }

 protected:
  struct InFlight {
    int message;
    Millis sent_ms;
    std::string frame;
    bool logged;
  };

  bool may_send_live_(Millis now_ms) const;
  void keep_(Millis now_ms, const std::string &frame);
  void send_batch_(Millis now_ms);

  Sender *sender_;
  FrameLog *log_;
  Clock *clock_;
  bool connected_ = false;
  std::deque<InFlight> in_flight_;
  std::deque<std::string> held_;
  FrameLog::Batch batch_;
  size_t batch_held_ = 0;
  int batch_message_ = -1;
  bool batch_open_ = false;
  Millis batch_sent_ms_ = 0;
  Millis log_retry_ms_ = 0;
  uint32_t lost_ = 0;
};

}  // namespace evstation
