#include "messenger.h"

#ifdef USE_SOLARRALLY_MQTT

#include "discovery_logic.h"
#include "esphome/core/log.h"

namespace esphome::solarrally {

static const char *const TAG = "solarrally.messenger";

void Messenger::begin(MqttLink::Config config, const std::string &prefix, logic::Storage *storage) {
  this->base_ = prefix + "/" + this->identity_->station;
  config.will_topic = this->topic_("status");
  config.will_payload = "offline";
  if (storage != nullptr) {
    this->log_ = std::make_unique<logic::FrameLog>(storage, this->identity_->station);
    this->log_->begin();
    this->identity_->has_log = true;
    // The card remembers later times than the flash, which is written once per boot.
    if (this->log_->newest_utc_ms() > this->clock_->utc(this->now_ms_))
      this->clock_->estimate(this->now_ms_, this->log_->newest_utc_ms());
  }
  this->outbox_ = std::make_unique<logic::Outbox>(this, this->log_.get(), this->clock_);
  this->say_event_({true, {}});

  this->link_ = make_mqtt_link();
  this->link_->on_connect = [this] { this->connected_now_(); };
  this->link_->on_disconnect = [this] {
    this->connected_ = false;
    this->outbox_->disconnected(this->now_ms_);
  };
  this->link_->on_acknowledge = [this](int message) { this->outbox_->acknowledged(this->now_ms_, message); };
  this->link_->on_message = [this](const std::string &payload, bool retained) { this->message_(payload, retained); };
  this->link_->begin(config);
}

void Messenger::connected_now_() {
  this->connected_ = true;
  this->link_->publish(this->topic_("info"), logic::info_json(*this->station_, *this->identity_), true);
  this->last_state_.clear();
  this->publish_state_(this->now_ms_);
  this->link_->publish(this->topic_("status"), "online", true);
  if (!this->discovery_prefix_.empty()) {
    this->link_->publish(logic::discovery_topic(this->discovery_prefix_, *this->identity_),
                         logic::discovery_json(*this->station_, *this->identity_, this->base_), true);
  }
  this->link_->subscribe(this->topic_("command"));
  this->outbox_->connected(this->now_ms_);
}

void Messenger::loop(logic::Millis now_ms) {
  this->now_ms_ = now_ms;
  this->link_->loop();
  if (this->rhythm_.due(now_ms, *this->station_)) {
    this->outbox_->submit(now_ms, logic::frame_json(*this->station_, *this->identity_, *this->clock_, now_ms, this->seq_));
    this->seq_++;
  }
  this->outbox_->step(now_ms);
  this->send_waiting_events_();
  this->send_waiting_outcomes_();
  if (this->connected_)
    this->publish_state_(now_ms);
}

void Messenger::publish_state_(logic::Millis now_ms) {
  logic::Surroundings around;
  if (this->log_ != nullptr)
    around.sd = logic::to_text(this->log_->state());
  around.backlog = this->outbox_->backlog();
  // The time is not a change, and a shrinking backlog is no news at every frame of it.
  around.backlog = around.backlog > 0 ? (around.backlog + 99) / 100 * 100 : 0;
  around.update_version = this->update_version_;
  around.update_progress = this->update_progress_;
  const std::string state = logic::state_json(*this->station_, *this->identity_, *this->clock_, 0, around);
  const std::string what = state.substr(state.find(",\"boot\""));
  if (what == this->last_state_)
    return;
  around.backlog = this->outbox_->backlog();
  if (this->link_->publish(this->topic_("state"),
                           logic::state_json(*this->station_, *this->identity_, *this->clock_, now_ms, around),
                           true) >= 0)
    this->last_state_ = what;
}

void Messenger::event(const logic::StationEvent &event) { this->say_event_({false, event}); }

void Messenger::update(const std::string &version, int progress) {
  this->update_version_ = version;
  this->update_progress_ = progress / 10 * 10;
}

void Messenger::outcome(const std::string &id, bool ok, const std::string &message) {
  this->waiting_outcomes_.push_back(logic::outcome_json(id, ok, message));
  if (this->waiting_outcomes_.size() > MAX_WAITING_OUTCOMES)
    this->waiting_outcomes_.pop_front();
  this->send_waiting_outcomes_();
}

void Messenger::send_waiting_outcomes_() {
  while (!this->waiting_outcomes_.empty() &&
         this->link_->publish(this->topic_("result"), this->waiting_outcomes_.front(), false) >= 0)
    this->waiting_outcomes_.pop_front();
}

void Messenger::say_event_(WaitingEvent event) {
  this->waiting_events_.push_back(event);
  if (this->waiting_events_.size() > MAX_WAITING_EVENTS)
    this->waiting_events_.pop_front();
}

void Messenger::send_waiting_events_() {
  if (!this->connected_ || (!this->clock_->synced() && this->now_ms_ < logic::Outbox::CLOCK_WAIT_MS))
    return;
  while (!this->waiting_events_.empty()) {
    const auto &waiting = this->waiting_events_.front();
    const std::string json = waiting.rebooted ? logic::rebooted_json(*this->identity_, *this->clock_, 0)
                                              : logic::event_json(waiting.event, *this->clock_);
    if (this->link_->publish(this->topic_("event"), json, false) < 0)
      return;
    this->waiting_events_.pop_front();
  }
}

void Messenger::message_(const std::string &payload, bool retained) {
  logic::CommandContext context;
  context.utc_ms = this->clock_->utc(this->now_ms_);
  context.clock_synced = this->clock_->synced();
  context.min_current_a = this->station_->settings().min_current_a;
  context.max_current_a = this->station_->settings().max_current_a;
  context.vehicle = this->station_->vehicle();
  context.fault_latched = this->station_->faults().latched();
  context.contactor_closed = !this->station_->contactors().all_open();
  context.updating = this->station_->status() == logic::Status::UPDATING || !this->update_version_.empty();
  context.restarting = this->restarting_;
  context.can_update = this->identity_->can_update;
  context.update_hosts = this->update_hosts_;
  context.firmware = this->identity_->firmware;
  logic::Verdict verdict = this->judge_.judge(payload, retained, context);
  if (!verdict.answer) {
    ESP_LOGW(TAG, "A command that cannot be answered was ignored (%u so far)", static_cast<unsigned>(this->judge_.ignored()));
    return;
  }
  if (verdict.ok && !this->on_command(verdict)) {
    verdict.ok = false;
    verdict.error = verdict.kind == logic::CommandKind::RESET_FAULTS ? "fault_active" : "failed";
    verdict.message = verdict.kind == logic::CommandKind::RESET_FAULTS ? "the cause of a fault is not gone" : "it did not work";
  }
  ESP_LOGI(TAG, "Command %s: %s", verdict.id.c_str(), verdict.ok ? "done" : verdict.error);
  this->link_->publish(this->topic_("result"), logic::result_json(verdict), false);
}

void Messenger::stop() {
  if (this->connected_)
    this->link_->publish(this->topic_("status"), "offline", true);
  this->link_->stop();
}

}  // namespace esphome::solarrally

#endif
