#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace esphome::solarrally {

/// One MQTT connection: QoS 1, acknowledgements by number, the retain flag, a last will, reconnecting by itself.
///
/// `loop` calls the callbacks; none of them comes from another thread. See docs/adr for why this is not ESPHome's
/// `mqtt` component: that one tells neither acknowledgements nor the retain flag, and does not exist on the host.
class MqttLink {
 public:
  struct Config {
    std::string host;
    uint16_t port = 1883;
    std::string username;
    std::string password;
    std::string client_id;
    /// PEM of the certificate authority; TLS is used when it is not empty.
    std::string certificate_authority;
    std::string will_topic;
    std::string will_payload;
  };
  static constexpr int KEEPALIVE_S = 15;
  static constexpr uint32_t RECONNECT_MS = 3000;

  virtual ~MqttLink() = default;
  virtual void begin(const Config &config) = 0;
  virtual void loop() = 0;
  /// @return the message's number, or -1 when it could not be taken
  virtual int publish(const std::string &topic, const std::string &payload, bool retain) = 0;
  virtual void subscribe(const std::string &topic) = 0;
  /// Say goodbye: the last will is not sent after this.
  virtual void stop() = 0;

  std::function<void()> on_connect;
  std::function<void()> on_disconnect;
  std::function<void(int message)> on_acknowledge;
  std::function<void(const std::string &payload, bool retained)> on_message;
};

std::unique_ptr<MqttLink> make_mqtt_link();

}  // namespace esphome::solarrally
