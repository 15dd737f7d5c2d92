#pragma once

#include "esphome/core/defines.h"
#ifdef USE_SOLARRALLY_MQTT

#include <functional>
#include <memory>
#include <string>

#include "message_logic.h"
#include "mqtt_link.h"
#include "outbox_logic.h"
#include "storage.h"

namespace esphome::solarrally {

namespace logic = ::evstation;

/// The station's voice on MQTT (docs/protocol/mqtt.md): frames, state, info, events, commands and their results.
class Messenger final : public logic::Sender {
 public:
  Messenger(logic::Station *station, logic::Identity *identity, logic::Clock *clock)
      : station_(station), identity_(identity), clock_(clock) {}

  /// Announce the station to Home Assistant's MQTT integration below this prefix; empty for not at all.
  void set_discovery_prefix(const std::string &prefix) { this->discovery_prefix_ = prefix; }
  void begin(MqttLink::Config config, const std::string &prefix, logic::Storage *storage);
  void loop(logic::Millis now_ms);
  void event(const logic::StationEvent &event);
  /// An update is under way; each tenth of it is told in the state. An empty version ends it.
  void update(const std::string &version, int progress);
  /// How a command ended that was accepted before; told as soon as the broker is there.
  void outcome(const std::string &id, bool ok, const std::string &message);
  /// A restart is about to come: from here on every command is refused.
  void restarting() { this->restarting_ = true; }
  void set_update_hosts(const std::vector<std::string> *hosts) { this->update_hosts_ = hosts; }
  /// Say goodbye, so that nobody waits for the last will.
  void stop();

  bool connected() const { return this->connected_; }
  /// A command that was accepted; give back whether it worked.
  std::function<bool(const logic::Verdict &)> on_command;

  int send_frame(const std::string &frame) override { return this->link_->publish(this->topic_("telemetry"), frame, false); }
  int send_backlog(const std::string &frames) override {
    return this->link_->publish(this->topic_("backlog"), frames, false);
  }

 protected:
  static constexpr size_t MAX_WAITING_EVENTS = 64;
  static constexpr size_t MAX_WAITING_OUTCOMES = 8;

  std::string topic_(const char *leaf) const { return this->base_ + "/" + leaf; }
  void publish_state_(logic::Millis now_ms);
  void connected_now_();
  void message_(const std::string &payload, bool retained);
  struct WaitingEvent {
    bool rebooted;
    logic::StationEvent event;
  };
  void say_event_(WaitingEvent event);
  void send_waiting_events_();
  void send_waiting_outcomes_();

  logic::Station *station_;
  logic::Identity *identity_;
  logic::Clock *clock_;
  std::unique_ptr<MqttLink> link_;
  std::unique_ptr<logic::FrameLog> log_;
  std::unique_ptr<logic::Outbox> outbox_;
  logic::CommandJudge judge_;
  logic::Rhythm rhythm_;
  std::string base_;
  std::string discovery_prefix_;
  std::string last_state_;
  std::string update_version_;
  int update_progress_{0};
  bool restarting_{false};
  const std::vector<std::string> *update_hosts_{nullptr};
  /// Told in order; they wait for the broker and, after a boot, for the clock.
  std::deque<WaitingEvent> waiting_events_;
  std::deque<std::string> waiting_outcomes_;
  bool connected_{false};
  uint32_t seq_{0};
  logic::Millis now_ms_{0};
};

}  // namespace esphome::solarrally

#endif
