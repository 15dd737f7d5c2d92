#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace esphome::solarrally {

/// One GET of HTTP. Redirects are not followed: they could lead away from the hosts that are allowed.
class Fetcher {
 public:
  /// How long the server may be silent.
  static constexpr int TIMEOUT_MS = 10000;

  virtual ~Fetcher() = default;
  /// Connect and read the headers.
  /// @return the status code, 0 when there is no answer
  virtual int open(const std::string &url) = 0;
  /// How long the body is; 0 when the server does not say.
  virtual size_t size() const = 0;
  /// Read some of the body, waiting for it; what drips is not waited for until `size` is full.
  /// @return how many bytes; 0 or less when the connection ended
  virtual int read(uint8_t *data, size_t size) = 0;
};

std::unique_ptr<Fetcher> make_fetcher();

}  // namespace esphome::solarrally
