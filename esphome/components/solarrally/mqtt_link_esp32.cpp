#include "esphome/core/defines.h"
#if defined(USE_ESP32) && defined(USE_SOLARRALLY_MQTT)

#include <chrono>
#include <deque>
#include <mqtt_client.h>
#include <mutex>
#include <thread>

#include "command_logic.h"
#include "esphome/components/network/util.h"
#include "esphome/core/log.h"
#include "mqtt_link.h"

namespace esphome::solarrally {

static const char *const TAG = "solarrally.mqtt";

/// ESP-IDF's MQTT client. Its events come from its own task; they wait in a queue for the main loop.
class Esp32MqttLink final : public MqttLink {
 public:
  void begin(const Config &config) override {
    this->config_ = config;
    esp_mqtt_client_config_t idf{};
    idf.broker.address.hostname = this->config_.host.c_str();
    idf.broker.address.port = this->config_.port;
    idf.broker.address.transport = MQTT_TRANSPORT_OVER_TCP;
    if (!this->config_.certificate_authority.empty()) {
      idf.broker.address.transport = MQTT_TRANSPORT_OVER_SSL;
      idf.broker.verification.certificate = this->config_.certificate_authority.c_str();
    }
    idf.credentials.client_id = this->config_.client_id.c_str();
    if (!this->config_.username.empty()) {
      idf.credentials.username = this->config_.username.c_str();
      idf.credentials.authentication.password = this->config_.password.c_str();
    }
    idf.session.keepalive = KEEPALIVE_S;
    idf.session.last_will.topic = this->config_.will_topic.c_str();
    idf.session.last_will.msg = this->config_.will_payload.c_str();
    idf.session.last_will.msg_len = static_cast<int>(this->config_.will_payload.size());
    idf.session.last_will.qos = 1;
    idf.session.last_will.retain = 1;
    idf.network.reconnect_timeout_ms = RECONNECT_MS;
    idf.network.timeout_ms = WRITE_TIMEOUT_MS;
    idf.outbox.limit = MAX_OUTBOX_BYTES;
    this->client_ = esp_mqtt_client_init(&idf);
    if (this->client_ == nullptr) {
      ESP_LOGE(TAG, "The MQTT client cannot be made");
      return;
    }
    esp_mqtt_client_register_event(this->client_, MQTT_EVENT_ANY, &Esp32MqttLink::handle, this);
  }

  void loop() override {
    if (this->client_ != nullptr && !this->started_ && network::is_connected()) {
      this->started_ = true;
      esp_mqtt_client_start(this->client_);
    }
    std::deque<Event> events;
    {
      std::lock_guard<std::mutex> guard(this->mutex_);
      events.swap(this->events_);
      this->received_bytes_ = 0;
    }
    for (const Event &event : events)
      this->dispatch_(event);
  }

  int publish(const std::string &topic, const std::string &payload, bool retain) override {
    if (!this->up_)
      return -1;
    const int message = esp_mqtt_client_enqueue(this->client_, topic.c_str(), payload.c_str(),
                                                static_cast<int>(payload.size()), 1, retain ? 1 : 0, true);
    return message < 0 ? -1 : message;
  }

  void subscribe(const std::string &topic) override {
    esp_mqtt_client_subscribe_single(this->client_, topic.c_str(), 1);
  }

  void stop() override {
    if (this->client_ == nullptr || !this->started_)
      return;
    // The client's own task sends what waits, a message a turn; stopping it throws away the rest.
    if (this->up_)
      std::this_thread::sleep_for(std::chrono::milliseconds(GOODBYE_MS));
    esp_mqtt_client_stop(this->client_);
  }

 protected:
  enum class Kind : uint8_t { CONNECTED, DISCONNECTED, ACKNOWLEDGED, MESSAGE };
  struct Event {
    Kind kind;
    int message = 0;
    bool retained = false;
    std::string payload = {};
  };
  /// The client holds its lock while it writes, and whoever publishes waits for it: a network that takes nothing must not
  /// hold up the main loop until the watchdog ends it.
  static constexpr int WRITE_TIMEOUT_MS = 3000;
  /// What waits to be sent, and what was received, must not fill the memory; commands are few and short.
  static constexpr size_t MAX_OUTBOX_BYTES = 49152;
  static constexpr size_t MAX_RECEIVED_BYTES = 16384;
  static constexpr int MAX_PAYLOAD = ::evstation::CommandJudge::MAX_PAYLOAD;
  static constexpr int GOODBYE_MS = 300;

  static void handle(void *self, esp_event_base_t base, int32_t id, void *data) {
    (void) base;
    static_cast<Esp32MqttLink *>(self)->receive_(id, static_cast<esp_mqtt_event_t *>(data));
  }

  void receive_(int32_t id, const esp_mqtt_event_t *event) {
    switch (id) {
      case MQTT_EVENT_CONNECTED:
        this->push_({Kind::CONNECTED});
        break;
      case MQTT_EVENT_DISCONNECTED:
        this->push_({Kind::DISCONNECTED});
        break;
      case MQTT_EVENT_PUBLISHED:
        this->push_({Kind::ACKNOWLEDGED, event->msg_id});
        break;
      case MQTT_EVENT_DATA:
        if (event->total_data_len > MAX_PAYLOAD)
          break;
        // A long message comes in pieces; only the first names the topic and the retain flag.
        if (event->current_data_offset == 0) {
          this->partial_.clear();
          this->partial_retained_ = event->retain;
        }
        this->partial_.append(event->data, event->data_len);
        if (static_cast<int>(this->partial_.size()) >= event->total_data_len)
          this->push_({Kind::MESSAGE, 0, this->partial_retained_, this->partial_});
        break;
      default:
        break;
    }
  }

  void push_(Event event) {
    std::lock_guard<std::mutex> guard(this->mutex_);
    if (this->received_bytes_ + event.payload.size() > MAX_RECEIVED_BYTES)
      return;
    this->received_bytes_ += event.payload.size();
    this->events_.push_back(std::move(event));
  }

  void dispatch_(const Event &event) {
    switch (event.kind) {
      case Kind::CONNECTED:
        ESP_LOGI(TAG, "Connected to %s:%u", this->config_.host.c_str(), this->config_.port);
        this->up_ = true;
        this->on_connect();
        break;
      case Kind::DISCONNECTED:
        if (this->up_) {
          ESP_LOGW(TAG, "The broker at %s:%u is gone", this->config_.host.c_str(), this->config_.port);
          this->up_ = false;
          this->on_disconnect();
        }
        break;
      case Kind::ACKNOWLEDGED:
        this->on_acknowledge(event.message);
        break;
      case Kind::MESSAGE:
        this->on_message(event.payload, event.retained);
        break;
    }
  }

  Config config_;
  esp_mqtt_client_handle_t client_{nullptr};
  bool started_{false};
  bool up_{false};
  std::string partial_;
  bool partial_retained_{false};
  std::mutex mutex_;
  std::deque<Event> events_;
  size_t received_bytes_{0};
};

std::unique_ptr<MqttLink> make_mqtt_link() { return std::make_unique<Esp32MqttLink>(); }

}  // namespace esphome::solarrally

#endif
