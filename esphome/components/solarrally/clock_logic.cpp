#include "clock_logic.h"

#include <cstdio>
#include <cstdlib>

namespace evstation {

static constexpr int64_t DAY_MS = 86400000;

// Days since 1970 and back, by the civil-from-days algorithm of Howard Hinnant (public domain).
static void civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day) {
  days += 719468;
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const auto day_of_era = static_cast<unsigned>(days - era * 146097);
  const unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned month_index = (5 * day_of_year + 2) / 153;
  *day = day_of_year - (153 * month_index + 2) / 5 + 1;
  *month = month_index < 10 ? month_index + 3 : month_index - 9;
  *year = static_cast<int64_t>(year_of_era) + era * 400 + (*month <= 2 ? 1 : 0);
}

static int64_t days_from_civil(int64_t year, unsigned month, unsigned day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const auto year_of_era = static_cast<unsigned>(year - era * 400);
  const unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + static_cast<int64_t>(day_of_era) - 719468;
}

std::string format_utc(int64_t utc_ms) {
  int64_t year;
  unsigned month;
  unsigned day;
  const int64_t days = utc_ms / DAY_MS;
  civil_from_days(days, &year, &month, &day);
  const auto ms = static_cast<int>(utc_ms - days * DAY_MS);
  char buffer[64];
  std::snprintf(buffer, sizeof(buffer), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(year), month, day,
                ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
  return buffer;
}

std::string format_day(int64_t utc_ms) {
  const std::string text = format_utc(utc_ms);
  return text.substr(0, 4) + text.substr(5, 2) + text.substr(8, 2);
}

bool parse_utc(std::string_view text, int64_t *utc_ms) {
  size_t at = 0;
  const auto digits = [&](int count, int *value) {
    *value = 0;
    for (int i = 0; i < count; i++, at++) {
      if (at >= text.size() || text[at] < '0' || text[at] > '9')
        return false;
      *value = *value * 10 + (text[at] - '0');
    }
    return true;
  };
  const auto take = [&](std::string_view any) {
    if (at >= text.size() || any.find(text[at]) == std::string_view::npos)
      return false;
    at++;
    return true;
  };
  int year, month, day, hour, minute, second;
  if (!digits(4, &year) || !take("-") || !digits(2, &month) || !take("-") || !digits(2, &day) || !take("Tt") ||
      !digits(2, &hour) || !take(":") || !digits(2, &minute) || !take(":") || !digits(2, &second))
    return false;
  static constexpr int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59)
    return false;
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  if (day < 1 || day > DAYS[month - 1] + (month == 2 && leap ? 1 : 0))
    return false;
  int ms = 0;
  if (take(".")) {
    const size_t from = at;
    int scale = 100;
    for (int digit; at < text.size() && text[at] >= '0' && text[at] <= '9'; scale /= 10) {
      digits(1, &digit);
      ms += digit * scale;
    }
    if (at == from || at - from > 9)
      return false;
  }
  int offset_minutes = 0;
  if (!take("Zz")) {
    if (at >= text.size() || (text[at] != '+' && text[at] != '-'))
      return false;
    const int sign = text[at++] == '-' ? -1 : 1;
    int hours, minutes;
    if (!digits(2, &hours) || !take(":") || !digits(2, &minutes) || hours > 23 || minutes > 59)
      return false;
    offset_minutes = sign * (hours * 60 + minutes);
  }
  if (at != text.size())
    return false;
  *utc_ms = days_from_civil(year, static_cast<unsigned>(month), static_cast<unsigned>(day)) * DAY_MS +
            (hour * 60 + minute - offset_minutes) * int64_t{60000} + second * 1000 + ms;
  return true;
}

void Clock::estimate(Millis now_ms, int64_t utc_ms) {
  if (this->synced_)
    return;
  this->estimated_offset_ms_ = utc_ms - now_ms;
  this->offset_ms_ = this->estimated_offset_ms_;
}

bool Clock::sync(Millis now_ms, int64_t utc_ms) {
  const int64_t offset_ms = utc_ms - now_ms;
  const bool first = !this->synced_;
  if (first || std::abs(offset_ms - this->offset_ms_) > CLOCK_SLACK_MS)
    this->offset_ms_ = offset_ms;
  this->synced_ = true;
  return first;
}

}  // namespace evstation
