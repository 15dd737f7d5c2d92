// What a station keeps in flash, and when.

#include <algorithm>

#include "esphome/core/application.h"
#include "esphome/core/hal.h"
#include "esphome/core/helpers.h"
#include "solarrally.h"
#ifdef USE_ESP32
#include <esp_system.h>
#endif

namespace esphome::solarrally {

static const char *reset_reason(bool clean) {
#ifdef USE_ESP32
  switch (esp_reset_reason()) {
    case ESP_RST_POWERON:
      return "power_on";
    case ESP_RST_SW:
      return "software";
    case ESP_RST_PANIC:
      return "panic";
    case ESP_RST_INT_WDT:
      return "interrupt_watchdog";
    case ESP_RST_TASK_WDT:
      return "task_watchdog";
    case ESP_RST_WDT:
      return "watchdog";
    case ESP_RST_BROWNOUT:
      return "brownout";
    case ESP_RST_EXT:
      return "external";
    default:
      return "unknown";
  }
#else
  return clean ? "software" : "power_on";
#endif
}

void SolarRally::recall_() {
  this->kept_ = global_preferences->make_preference<Kept>(fnv1_hash("solarrally_kept"));
  Kept kept{static_cast<uint8_t>(logic::Mode::OFF), this->settings.max_current_a};
  if (this->kept_.load(&kept) && kept.mode <= static_cast<uint8_t>(logic::Mode::AUTO)) {
    this->live_->set_mode(static_cast<logic::Mode>(kept.mode));
    this->live_->set_current_limit(kept.current_limit_a);
  }
}

void SolarRally::boot_() {
  this->kept_boot_ = global_preferences->make_preference<KeptBoot>(fnv1_hash("solarrally_boot"));
  KeptBoot last{};
  const bool remembered = this->kept_boot_.load(&last);
  if (!remembered)
    last = {0, 0, 0};
  this->identity_.boot = logic::next_boot(remembered, last.boot, random_uint32());
  this->identity_.reset_reason = reset_reason(last.clean != 0);
  this->identity_.serial = get_mac_address();
#ifdef ESPHOME_PROJECT_VERSION
  this->identity_.firmware = ESPHOME_PROJECT_VERSION;
#else
  this->identity_.firmware = "custom";
#endif
  // The clock cannot be earlier than what was seen before, nor than the day this firmware was made.
  const int64_t built_ms = static_cast<int64_t>(App.get_build_time()) * 1000;
  this->clock_.estimate(this->now_(), std::max(last.last_utc_ms, built_ms));
  this->keep_boot_(false);

  this->kept_session_ = global_preferences->make_preference<KeptSession>(fnv1_hash("solarrally_session"));
  KeptSession open{};
  if (this->kept_session_.load(&open) && open.active == 1) {
    logic::Session session;
    session.boot = open.boot;
    session.number = open.number;
    session.started_utc_ms = open.started_utc_ms;
    std::copy(std::begin(open.start_wh), std::end(open.start_wh), session.start.wh);
    this->live_->begin(this->identity_.boot, &session);
  } else {
    this->live_->begin(this->identity_.boot, nullptr);
  }
}

void SolarRally::keep_boot_(bool clean) {
  const KeptBoot kept{this->identity_.boot, static_cast<uint8_t>(clean ? 1 : 0),
                      this->clock_.utc(this->now_())};
  this->kept_boot_.save(&kept);
  global_preferences->sync();
}

void SolarRally::keep_session_() {
  const auto &session = this->station_->sessions().current();
  KeptSession kept{};
  kept.active = this->station_->sessions().active() ? 1 : 0;
  kept.boot = session.boot;
  kept.number = session.number;
  kept.started_utc_ms = logic::session_started(session, this->clock_);
  std::copy(std::begin(session.start.wh), std::end(session.start.wh), kept.start_wh);
  this->kept_session_.save(&kept);
  global_preferences->sync();
}

void SolarRally::keep_limit_() {
  // An automation may change the limit every few seconds, all year long; the flash should not follow it.
  static constexpr uint32_t KEEP_LIMIT_MS = 60000;
  if (this->limit_kept_ms_ == 0 || millis_64() - this->limit_kept_ms_ >= KEEP_LIMIT_MS) {
    this->limit_kept_ms_ = millis_64();
    this->keep_();
    return;
  }
  this->publish_();
  this->set_timeout("keep_limit", static_cast<uint32_t>(this->limit_kept_ms_ + KEEP_LIMIT_MS - millis_64()),
                    [this] { this->keep_limit_(); });
}

void SolarRally::keep_() {
  const Kept kept{static_cast<uint8_t>(this->station_->mode()), this->station_->current_limit_a()};
  this->kept_.save(&kept);
  // A power cut in the next minute must not bring back what the owner has just changed.
  global_preferences->sync();
  this->publish_();
}

}  // namespace esphome::solarrally
