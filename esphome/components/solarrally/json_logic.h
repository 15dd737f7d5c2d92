#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace evstation {

/// Writes one compact JSON object or array, in the order in which it is told.
class JsonWriter {
 public:
  JsonWriter &begin_object(const char *key = nullptr) { return this->open_(key, '{'); }
  JsonWriter &end_object() { return this->close_('}'); }
  JsonWriter &begin_array(const char *key = nullptr) { return this->open_(key, '['); }
  JsonWriter &end_array() { return this->close_(']'); }
  JsonWriter &text(const char *key, std::string_view value);
  /// A number with three decimals, trailing zeros left out. Not finite becomes null.
  JsonWriter &number(const char *key, double value);
  JsonWriter &integer(const char *key, int64_t value);
  JsonWriter &boolean(const char *key, bool value);
  JsonWriter &null(const char *key);
  /// JSON that is ready made.
  JsonWriter &raw(const char *key, std::string_view json);

  const std::string &str() const { return this->out_; }

 protected:
  JsonWriter &open_(const char *key, char bracket);
  JsonWriter &close_(char bracket);
  void key_(const char *key);
  void quote_(std::string_view value);

  std::string out_;
};

/// One JSON value, as it was read.
struct JsonValue {
  enum class Type : uint8_t { NUL, BOOLEAN, NUMBER, TEXT, ARRAY, OBJECT };

  Type type = Type::NUL;
  bool boolean = false;
  double number = 0.0;
  std::string text;
  std::vector<JsonValue> items;
  std::map<std::string, JsonValue> members;

  bool is_text() const { return this->type == Type::TEXT; }
  bool is_number() const { return this->type == Type::NUMBER; }
  bool is_object() const { return this->type == Type::OBJECT; }
  bool is_null() const { return this->type == Type::NUL; }
  /// The member of this name, or null when there is none.
  const JsonValue *member(const std::string &name) const;
};

/// Most values that are read from one text: a value takes a hundred bytes of a memory of a hundred thousand, so that a few
/// thousand zeros could end the program.
constexpr int MAX_JSON_VALUES = 64;

/// Read strict JSON (RFC 8259): UTF-8, no comments, no `NaN`, one value, at most eight levels deep, and at most
/// `MAX_JSON_VALUES` values.
/// @return whether it is JSON; `value` is only changed then
bool parse_json(std::string_view text, JsonValue *value);

}  // namespace evstation
