#ifdef USE_HOST

#include "twin_io.h"

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "esphome/core/hal.h"
#include "esphome/core/log.h"

namespace esphome::twin_io {

static const char *const TAG = "twin_io";
static constexpr uint32_t RECONNECT_MS = 1000;

void TwinIO::setup() {
  std::lock_guard<std::mutex> guard(this->mutex_);
  const char *address = getenv("SOLARRALLY_BENCH");
  if (address == nullptr) {
    ESP_LOGW(TAG, "SOLARRALLY_BENCH is not set: all inputs stay low");
    return;
  }
  const std::string text = address;
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) {
    ESP_LOGE(TAG, "SOLARRALLY_BENCH is '%s', not host:port", address);
    this->mark_failed();
    return;
  }
  this->host_ = text.substr(0, colon);
  this->port_ = text.substr(colon + 1);
  this->connect_();
}

void TwinIO::connect_() {
  this->last_attempt_ms_ = millis();
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo *found = nullptr;
  if (getaddrinfo(this->host_.c_str(), this->port_.c_str(), &hints, &found) != 0)
    return;
  this->socket_ = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
  const bool connected = this->socket_ >= 0 && connect(this->socket_, found->ai_addr, found->ai_addrlen) == 0;
  freeaddrinfo(found);
  if (!connected) {
    this->disconnect_();
    return;
  }
  fcntl(this->socket_, F_SETFL, fcntl(this->socket_, F_GETFL) | O_NONBLOCK);
  const int on = 1;
  setsockopt(this->socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ESP_LOGI(TAG, "Connected to the bench");
  for (const auto &[number, value] : this->outputs_)
    this->send_("out " + std::to_string(number) + (value ? " 1\n" : " 0\n"));
  for (const auto &[channel, value] : this->levels_)
    this->send_("level " + channel + " " + std::to_string(value) + "\n");
}

void TwinIO::disconnect_() {
  if (this->socket_ >= 0)
    close(this->socket_);
  this->socket_ = -1;
  this->received_.clear();
}

void TwinIO::loop() {
  std::lock_guard<std::mutex> guard(this->mutex_);
  if (this->socket_ >= 0) {
    this->receive_();
  } else if (!this->port_.empty() && millis() - this->last_attempt_ms_ >= RECONNECT_MS) {
    this->connect_();
  }
}

void TwinIO::receive_() {
  char buffer[1024];
  while (this->socket_ >= 0) {
    const ssize_t size = recv(this->socket_, buffer, sizeof(buffer), 0);
    if (size > 0) {
      this->received_.append(buffer, size);
      continue;
    }
    if (size == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
      ESP_LOGW(TAG, "The bench has gone");
      this->disconnect_();
      return;
    }
    break;
  }
  size_t end;
  while ((end = this->received_.find('\n')) != std::string::npos) {
    this->handle_(this->received_.substr(0, end));
    this->received_.erase(0, end + 1);
  }
}

void TwinIO::handle_(const std::string &line) {
  unsigned number = 0;
  unsigned level = 0;
  char channel[33];
  float value = 0.0f;
  if (sscanf(line.c_str(), "in %u %u", &number, &level) == 2) {
    this->inputs_[number] = level != 0;
  } else if (sscanf(line.c_str(), "analog %32s %f", channel, &value) == 2) {
    this->analogs_[channel] = value;
  } else {
    ESP_LOGW(TAG, "The bench said something unknown: %s", line.c_str());
  }
}

void TwinIO::send_(const std::string &line) {
  if (this->socket_ < 0)
    return;
  if (send(this->socket_, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
    this->disconnect_();
}

bool TwinIO::read_pin(uint8_t number) {
  std::lock_guard<std::mutex> guard(this->mutex_);
  this->receive_();
  const auto found = this->inputs_.find(number);
  return found != this->inputs_.end() && found->second;
}

void TwinIO::write_pin(uint8_t number, bool value) {
  std::lock_guard<std::mutex> guard(this->mutex_);
  const auto found = this->outputs_.find(number);
  if (found != this->outputs_.end() && found->second == value)
    return;
  this->outputs_[number] = value;
  this->send_("out " + std::to_string(number) + (value ? " 1\n" : " 0\n"));
}

float TwinIO::read_analog(const std::string &channel) {
  std::lock_guard<std::mutex> guard(this->mutex_);
  this->receive_();
  const auto found = this->analogs_.find(channel);
  return found == this->analogs_.end() ? 0.0f : found->second;
}

void TwinIO::write_level(const std::string &channel, float value) {
  std::lock_guard<std::mutex> guard(this->mutex_);
  const auto found = this->levels_.find(channel);
  if (found != this->levels_.end() && found->second == value)
    return;
  this->levels_[channel] = value;
  this->send_("level " + channel + " " + std::to_string(value) + "\n");
}

void TwinIO::dump_config() {
  ESP_LOGCONFIG(TAG, "Twin IO:\n  Bench: %s:%s", this->host_.c_str(), this->port_.c_str());
}

float TwinAnalog::sample() {
  const bool low = this->low_next_ && !this->low_channel_.empty();
  this->low_next_ = !this->low_next_;
  return this->parent_->read_analog(low ? this->low_channel_ : this->channel_);
}

size_t TwinPin::dump_summary(char *buffer, size_t len) const {
  return snprintf(buffer, len, "pin %u of the bench", this->number_);
}

}  // namespace esphome::twin_io

#endif  // USE_HOST
