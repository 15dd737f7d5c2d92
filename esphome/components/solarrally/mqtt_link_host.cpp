#include "esphome/core/defines.h"
#if defined(USE_HOST) && defined(USE_SOLARRALLY_MQTT)

#include <cstdlib>
#include <mosquitto.h>
#include <unistd.h>

#include "esphome/core/hal.h"
#include "esphome/core/log.h"
#include "mqtt_link.h"

namespace esphome::solarrally {

static const char *const TAG = "solarrally.mqtt";

/// libmosquitto, driven from the main loop.
class HostMqttLink final : public MqttLink {
 public:
  ~HostMqttLink() override {
    if (this->client_ != nullptr)
      mosquitto_destroy(this->client_);
    if (!this->authority_file_.empty())
      unlink(this->authority_file_.c_str());
  }

  void begin(const Config &config) override {
    this->config_ = config;
    mosquitto_lib_init();
    this->client_ = mosquitto_new(config.client_id.c_str(), true, this);
    if (!config.username.empty())
      mosquitto_username_pw_set(this->client_, config.username.c_str(), config.password.c_str());
    if (!config.certificate_authority.empty() && !this->use_tls_(config.certificate_authority))
      ESP_LOGE(TAG, "The certificate authority cannot be used; nothing is sent without it");
    mosquitto_will_set(this->client_, config.will_topic.c_str(), static_cast<int>(config.will_payload.size()),
                       config.will_payload.data(), 1, true);
    mosquitto_connect_callback_set(this->client_, [](mosquitto *, void *self, int code) {
      static_cast<HostMqttLink *>(self)->connected_(code);
    });
    mosquitto_publish_callback_set(this->client_, [](mosquitto *, void *self, int message) {
      static_cast<HostMqttLink *>(self)->on_acknowledge(message);
    });
    mosquitto_message_callback_set(this->client_, [](mosquitto *, void *self, const mosquitto_message *message) {
      static_cast<HostMqttLink *>(self)->on_message(
          std::string(static_cast<const char *>(message->payload), static_cast<size_t>(message->payloadlen)),
          message->retain);
    });
    this->connect_();
  }

  void loop() override {
    if (this->client_ == nullptr || this->stopped_)
      return;
    if (!this->trying_) {
      if (millis() - this->lost_ms_ >= RECONNECT_MS)
        this->connect_();
      return;
    }
    // A burst is taken in one go; each call handles one packet.
    for (int i = 0; i < 32; i++) {
      const int code = mosquitto_loop(this->client_, 0, 1);
      if (code != MOSQ_ERR_SUCCESS) {
        this->lost_(mosquitto_strerror(code));
        return;
      }
    }
  }

  int publish(const std::string &topic, const std::string &payload, bool retain) override {
    int message = -1;
    if (!this->up_ || mosquitto_publish(this->client_, &message, topic.c_str(), static_cast<int>(payload.size()),
                                        payload.data(), 1, retain) != MOSQ_ERR_SUCCESS)
      return -1;
    return message;
  }

  void subscribe(const std::string &topic) override { mosquitto_subscribe(this->client_, nullptr, topic.c_str(), 1); }

  void stop() override {
    if (this->client_ == nullptr || this->stopped_)
      return;
    this->stopped_ = true;
    // What was said last must still go out.
    for (int i = 0; i < 20; i++)
      mosquitto_loop(this->client_, 10, 1);
    mosquitto_disconnect(this->client_);
    mosquitto_loop(this->client_, 10, 1);
  }

 protected:
  /// libmosquitto reads the authority from a file.
  bool use_tls_(const std::string &authority) {
    char name[] = "/tmp/solarrally-ca-XXXXXX";
    const int file = mkstemp(name);
    const bool written =
        file >= 0 && write(file, authority.data(), authority.size()) == static_cast<ssize_t>(authority.size());
    this->refused_ = !written || mosquitto_tls_set(this->client_, name, nullptr, nullptr, nullptr, nullptr) != MOSQ_ERR_SUCCESS;
    if (file >= 0)
      close(file);
    this->authority_file_ = name;
    return !this->refused_;
  }

  void connect_() {
    if (this->refused_)
      return;
    const int code = mosquitto_connect(this->client_, this->config_.host.c_str(), this->config_.port, KEEPALIVE_S);
    this->trying_ = code == MOSQ_ERR_SUCCESS;
    if (!this->trying_)
      this->lost_(code == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(code));
  }

  void connected_(int code) {
    if (code != 0) {
      this->lost_(mosquitto_connack_string(code));
      return;
    }
    ESP_LOGI(TAG, "Connected to %s:%u", this->config_.host.c_str(), this->config_.port);
    this->up_ = true;
    this->said_ = false;
    this->on_connect();
  }

  void lost_(const char *why) {
    if (!this->said_)
      ESP_LOGW(TAG, "No broker at %s:%u: %s", this->config_.host.c_str(), this->config_.port, why);
    this->said_ = true;
    this->trying_ = false;
    this->lost_ms_ = millis();
    if (this->up_) {
      this->up_ = false;
      this->on_disconnect();
    }
  }

  Config config_;
  mosquitto *client_{nullptr};
  std::string authority_file_;
  bool refused_{false};
  bool trying_{false};
  bool up_{false};
  bool said_{false};
  bool stopped_{false};
  uint32_t lost_ms_{0};
};

std::unique_ptr<MqttLink> make_mqtt_link() { return std::make_unique<HostMqttLink>(); }

}  // namespace esphome::solarrally

#endif
