#include "json_logic.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace evstation {

JsonWriter &JsonWriter::open_(const char *key, char bracket) {
  this->key_(key);
  this->out_ += bracket;
  return *this;
}

JsonWriter &JsonWriter::close_(char bracket) {
  this->out_ += bracket;
  return *this;
}

void JsonWriter::key_(const char *key) {
  if (!this->out_.empty() && this->out_.back() != '{' && this->out_.back() != '[')
    this->out_ += ',';
  if (key != nullptr) {
    this->quote_(key);
    this->out_ += ':';
  }
}

void JsonWriter::quote_(std::string_view value) {
  this->out_ += '"';
  for (const char letter : value) {
    if (letter == '"' || letter == '\\') {
      this->out_ += '\\';
      this->out_ += letter;
    } else if (static_cast<unsigned char>(letter) < 0x20) {
      char escape[7];
      std::snprintf(escape, sizeof(escape), "\\u%04x", letter);
      this->out_ += escape;
    } else {
      this->out_ += letter;
    }
  }
  this->out_ += '"';
}

JsonWriter &JsonWriter::text(const char *key, std::string_view value) {
  this->key_(key);
  this->quote_(value);
  return *this;
}

JsonWriter &JsonWriter::number(const char *key, double value) {
  if (!std::isfinite(value))
    return this->null(key);
  this->key_(key);
  char buffer[64];
  int size = std::snprintf(buffer, sizeof(buffer), "%.3f", value);
  while (buffer[size - 1] == '0')
    size--;
  if (buffer[size - 1] == '.')
    size--;
  const std::string_view digits(buffer, static_cast<size_t>(size));
  this->out_ += digits == "-0" ? std::string_view("0") : digits;
  return *this;
}

JsonWriter &JsonWriter::integer(const char *key, int64_t value) {
  this->key_(key);
  this->out_ += std::to_string(value);
  return *this;
}

JsonWriter &JsonWriter::boolean(const char *key, bool value) {
  this->key_(key);
  this->out_ += value ? "true" : "false";
  return *this;
}

JsonWriter &JsonWriter::null(const char *key) {
  this->key_(key);
  this->out_ += "null";
  return *this;
}

JsonWriter &JsonWriter::raw(const char *key, std::string_view json) {
  this->key_(key);
  this->out_ += json;
  return *this;
}

const JsonValue *JsonValue::member(const std::string &name) const {
  const auto found = this->members.find(name);
  return found == this->members.end() ? nullptr : &found->second;
}

namespace {

/// Length of the UTF-8 sequence at the start, or 0 when it is none (overlong, surrogate, cut, too large).
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80)
    return 1;
  const size_t length = first >= 0xC2 && first <= 0xDF ? 2 : (first & 0xF0) == 0xE0 ? 3 : first >= 0xF0 && first <= 0xF4 ? 4 : 0;
  if (length == 0 || text.size() < length)
    return 0;
  for (size_t i = 1; i < length; i++) {
    if ((byte(i) & 0xC0) != 0x80)
      return 0;
  }
  if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F) || (first == 0xF0 && byte(1) < 0x90) ||
      (first == 0xF4 && byte(1) > 0x8F))
    return 0;
  return length;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  bool whole(JsonValue *value) {
    if (!this->value_(value, 0))
      return false;
    this->space_();
    return this->at_ == this->text_.size();
  }

 protected:
  static constexpr int MAX_DEPTH = 8;

  bool more_() const { return this->at_ < this->text_.size(); }
  char peek_() const { return this->more_() ? this->text_[this->at_] : '\0'; }
  void space_() {
    while (this->more_() && (this->peek_() == ' ' || this->peek_() == '\t' || this->peek_() == '\n' || this->peek_() == '\r'))
      this->at_++;
  }
  bool take_(char letter) {
    this->space_();
    if (this->peek_() != letter || !this->more_())
      return false;
    this->at_++;
    return true;
  }
  bool word_(std::string_view word) {
    if (this->text_.substr(this->at_, word.size()) != word)
      return false;
    this->at_ += word.size();
    return true;
  }

  bool value_(JsonValue *value, int depth) {
    if (depth > MAX_DEPTH || ++this->values_ > MAX_JSON_VALUES)
      return false;
    this->space_();
    switch (this->peek_()) {
      case '{':
        return this->object_(value, depth);
      case '[':
        return this->array_(value, depth);
      case '"':
        value->type = JsonValue::Type::TEXT;
        return this->string_(&value->text);
      case 't':
        value->type = JsonValue::Type::BOOLEAN;
        value->boolean = true;
        return this->word_("true");
      case 'f':
        value->type = JsonValue::Type::BOOLEAN;
        return this->word_("false");
      case 'n':
        return this->word_("null");
      default:
        return this->number_(value);
    }
  }

  bool object_(JsonValue *value, int depth) {
    value->type = JsonValue::Type::OBJECT;
    this->at_++;
    if (this->take_('}'))
      return true;
    do {
      this->space_();
      std::string name;
      if (this->peek_() != '"' || !this->string_(&name) || !this->take_(':'))
        return false;
      JsonValue member;
      if (!this->value_(&member, depth + 1))
        return false;
      value->members[name] = std::move(member);
    } while (this->take_(','));
    return this->take_('}');
  }

  bool array_(JsonValue *value, int depth) {
    value->type = JsonValue::Type::ARRAY;
    this->at_++;
    if (this->take_(']'))
      return true;
    do {
      JsonValue item;
      if (!this->value_(&item, depth + 1))
        return false;
      value->items.push_back(std::move(item));
    } while (this->take_(','));
    return this->take_(']');
  }

  bool hex4_(uint32_t *code) {
    *code = 0;
    for (int i = 0; i < 4; i++, this->at_++) {
      const char c = this->peek_();
      uint32_t digit;
      if (c >= '0' && c <= '9') {
        digit = static_cast<uint32_t>(c - '0');
      } else if (c >= 'a' && c <= 'f') {
        digit = static_cast<uint32_t>(c - 'a') + 10;
      } else if (c >= 'A' && c <= 'F') {
        digit = static_cast<uint32_t>(c - 'A') + 10;
      } else {
        return false;
      }
      *code = *code * 16 + digit;
    }
    return true;
  }

  bool escape_(std::string *out) {
    const char c = this->peek_();
    this->at_++;
    static constexpr std::string_view FROM = "\"\\/bfnrt";
    static constexpr std::string_view TO = "\"\\/\b\f\n\r\t";
    const size_t found = FROM.find(c);
    if (found != std::string_view::npos) {
      *out += TO[found];
      return true;
    }
    uint32_t code;
    if (c != 'u' || !this->hex4_(&code))
      return false;
    if (code >= 0xDC00 && code <= 0xDFFF)
      return false;
    if (code >= 0xD800 && code <= 0xDBFF) {
      uint32_t low;
      if (!this->word_("\\u") || !this->hex4_(&low) || low < 0xDC00 || low > 0xDFFF)
        return false;
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    if (code < 0x80) {
      *out += static_cast<char>(code);
    } else if (code < 0x800) {
      *out += static_cast<char>(0xC0 | (code >> 6));
      *out += static_cast<char>(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
      *out += static_cast<char>(0xE0 | (code >> 12));
      *out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
      *out += static_cast<char>(0x80 | (code & 0x3F));
    } else {
      *out += static_cast<char>(0xF0 | (code >> 18));
      *out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
      *out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
      *out += static_cast<char>(0x80 | (code & 0x3F));
    }
    return true;
  }

  bool string_(std::string *out) {
    this->at_++;
    while (this->more_()) {
      const char c = this->peek_();
      if (c == '"') {
        this->at_++;
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20)
        return false;
      if (c == '\\') {
        this->at_++;
        if (!this->more_() || !this->escape_(out))
          return false;
        continue;
      }
      const size_t length = utf8_length(this->text_.substr(this->at_));
      if (length == 0)
        return false;
      *out += this->text_.substr(this->at_, length);
      this->at_ += length;
    }
    return false;
  }

  bool digits_() {
    const size_t from = this->at_;
    while (this->peek_() >= '0' && this->peek_() <= '9')
      this->at_++;
    return this->at_ > from;
  }

  bool number_(JsonValue *value) {
    const size_t from = this->at_;
    if (this->peek_() == '-')
      this->at_++;
    if (this->peek_() == '0') {
      this->at_++;
    } else if (!this->digits_()) {
      return false;
    }
    if (this->peek_() == '.') {
      this->at_++;
      if (!this->digits_())
        return false;
    }
    if (this->peek_() == 'e' || this->peek_() == 'E') {
      this->at_++;
      if (this->peek_() == '+' || this->peek_() == '-')
        this->at_++;
      if (!this->digits_())
        return false;
    }
    value->type = JsonValue::Type::NUMBER;
    value->number = std::strtod(std::string(this->text_.substr(from, this->at_ - from)).c_str(), nullptr);
    return std::isfinite(value->number);
  }

  std::string_view text_;
  size_t at_ = 0;
  int values_ = 0;
};

}  // namespace

bool parse_json(std::string_view text, JsonValue *value) {
  JsonValue read;
  if (!Parser(text).whole(&read))
    return false;
  *value = std::move(read);
  return true;
}

}  // namespace evstation
