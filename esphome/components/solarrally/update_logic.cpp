#include "update_logic.h"

#include <algorithm>

namespace evstation {

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string host_of(std::string_view url) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (url.substr(0, scheme.size()) != scheme)
      continue;
    const std::string_view rest = url.substr(scheme.size());
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
    const size_t colon = authority.find(':');
    const std::string_view host = authority.substr(0, colon);
    const std::string_view port = colon == std::string_view::npos ? "1" : authority.substr(colon + 1);
    const bool is_name = !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
      return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' || c == '.' || c == '_';
    });
    if (!is_name || port.empty() || port.size() > 5 || !std::all_of(port.begin(), port.end(), is_digit) ||
        std::any_of(url.begin(), url.end(), [](char c) { return c <= ' ' || c == 0x7F; }))
      return {};
    std::string name(host);
    std::transform(name.begin(), name.end(), name.begin(), lower);
    return name;
  }
  return {};
}

bool is_allowed_host(std::string_view url, const std::vector<std::string> &hosts) {
  const std::string host = host_of(url);
  return !host.empty() && std::find(hosts.begin(), hosts.end(), host) != hosts.end();
}

/// Take the next number of a version off its front.
static bool take_number(std::string_view *version, uint64_t *number) {
  const size_t end = std::min(version->find('.'), version->size());
  if (end == 0 || end > 9 || !std::all_of(version->begin(), version->begin() + static_cast<std::ptrdiff_t>(end), is_digit))
    return false;
  *number = 0;
  for (size_t i = 0; i < end; i++)
    *number = *number * 10 + static_cast<uint64_t>((*version)[i] - '0');
  // A dot at the very end leaves an empty number behind, which is none.
  const bool more = end < version->size();
  version->remove_prefix(more ? end + 1 : end);
  return !more || !version->empty();
}

bool is_version(std::string_view version) {
  if (version.empty() || version.size() > 64)
    return false;
  for (uint64_t number; !version.empty();) {
    if (!take_number(&version, &number))
      return false;
  }
  return true;
}

bool is_older(std::string_view version, std::string_view than) {
  while (!version.empty() || !than.empty()) {
    uint64_t number = 0;
    uint64_t other = 0;
    if (!version.empty())
      take_number(&version, &number);
    if (!than.empty())
      take_number(&than, &other);
    if (number != other)
      return number < other;
  }
  return false;
}

bool is_overdue(Millis began_ms, Millis now_ms) { return now_ms - began_ms >= UPDATE_DEADLINE_MS; }

std::string image_version(const uint8_t *data, size_t size) {
  static constexpr uint8_t IMAGE_MAGIC = 0xE9;
  static constexpr uint8_t DESCRIPTION_MAGIC[] = {0x32, 0x54, 0xCD, 0xAB};
  if (size < APP_VERSION_END || data[0] != IMAGE_MAGIC ||
      !std::equal(std::begin(DESCRIPTION_MAGIC), std::end(DESCRIPTION_MAGIC), data + APP_DESCRIPTION_AT))
    return {};
  const uint8_t *end = std::find(data + APP_VERSION_AT, data + APP_VERSION_END, 0);
  const std::string version(data + APP_VERSION_AT, end);
  return is_version(version) ? version : std::string();
}

}  // namespace evstation
