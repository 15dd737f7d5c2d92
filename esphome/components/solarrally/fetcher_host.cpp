#include "esphome/core/defines.h"
#if defined(USE_HOST) && defined(USE_SOLARRALLY_UPDATE)

#include <cstdlib>
#include <netdb.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fetcher.h"

namespace esphome::solarrally {

/// HTTP/1.0 over a socket: the twin speaks to this machine only, and needs no TLS for that.
class HostFetcher final : public Fetcher {
 public:
  ~HostFetcher() override {
    if (this->socket_ >= 0)
      close(this->socket_);
  }

  int open(const std::string &url) override {
    static constexpr char SCHEME[] = "http://";
    if (url.rfind(SCHEME, 0) != 0)
      return 0;
    const size_t from = sizeof(SCHEME) - 1;
    const size_t slash = std::min(url.find('/', from), url.size());
    const std::string authority = url.substr(from, slash - from);
    const std::string path = slash < url.size() ? url.substr(slash) : "/";
    const size_t colon = authority.find(':');
    const std::string port = colon == std::string::npos ? "80" : authority.substr(colon + 1);
    if (!this->connect_(authority.substr(0, colon), port))
      return 0;
    const std::string request = "GET " + path + " HTTP/1.0\r\nHost: " + authority + "\r\n\r\n";
    if (send(this->socket_, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
      return 0;
    return this->read_headers_();
  }

  size_t size() const override { return this->size_; }

  int read(uint8_t *data, size_t size) override {
    return this->wait_() ? static_cast<int>(recv(this->socket_, data, size, 0)) : 0;
  }

 protected:
  /// Wait for something to read. By `select`, so that a bench that drives the time goes on meanwhile.
  bool wait_() {
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(this->socket_, &readable);
    timeval patience{TIMEOUT_MS / 1000, 0};
    return ::select(this->socket_ + 1, &readable, nullptr, nullptr, &patience) > 0;
  }

  bool connect_(const std::string &host, const std::string &port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo *found = nullptr;
    if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0)
      return false;
    this->socket_ = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
    const bool connected = this->socket_ >= 0 && connect(this->socket_, found->ai_addr, found->ai_addrlen) == 0;
    freeaddrinfo(found);
    return connected;
  }

  int read_headers_() {
    static constexpr size_t MAX_HEADERS = 8192;
    std::string headers;
    for (char letter; headers.size() < MAX_HEADERS && this->wait_() && recv(this->socket_, &letter, 1, 0) == 1;) {
      // Names of headers know no case.
      headers += letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
      if (headers.size() < 4 || headers.compare(headers.size() - 4, 4, "\r\n\r\n") != 0)
        continue;
      static constexpr char LENGTH[] = "\r\ncontent-length:";
      const size_t at = headers.find(LENGTH);
      if (at != std::string::npos)
        this->size_ = std::strtoul(headers.c_str() + at + sizeof(LENGTH) - 1, nullptr, 10);
      const size_t space = headers.find(' ');
      return headers.rfind("http/1.", 0) == 0 && space != std::string::npos ? std::atoi(headers.c_str() + space) : 0;
    }
    return 0;
  }

  int socket_{-1};
  size_t size_{0};
};

std::unique_ptr<Fetcher> make_fetcher() { return std::make_unique<HostFetcher>(); }

}  // namespace esphome::solarrally

#endif
