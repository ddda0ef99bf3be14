#pragma once

// A view of a JSON value that knows where it is, so that a wrong type is reported with its path instead of
// being guessed at. A missing value and null are the same: the default. Private to the decoder.

#include "messages/time.hpp"

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tc::kube {

/// Keeps the first problem found while an object is read.
struct reading {
  std::string place;
  std::string problem;

  bool failed() const { return !problem.empty(); }
  void fail(std::string where, std::string what) {
    if (problem.empty()) {
      place = std::move(where);
      problem = std::move(what);
    }
  }
};

/// A JSON value at a place. Children refer to their parent: keep it alive.
class node {
public:
  node(reading& log, simdjson::dom::element value) : log_(&log), value_(value), present_(!value.is_null()) {}

  bool present() const { return present_; }
  bool is_object() const { return present_ && value_.is_object(); }
  bool is_string() const { return present_ && value_.is_string(); }

  /// Returns the member of that name; absent also when this is absent. Anything but an object is an error.
  node at(std::string_view key) const {
    node result{this, key, -1};
    if (!present_)
      return result;
    if (!value_.is_object()) {
      fail("is not an object");
      return result;
    }
    simdjson::dom::element found;
    if (value_.at_key(key).get(found) == simdjson::SUCCESS && !found.is_null()) {
      result.value_ = found;
      result.present_ = true;
    }
    return result;
  }

  /// Returns the text, "" when absent.
  std::string text() const {
    if (!present_)
      return {};
    std::string_view found;
    if (value_.get(found) != simdjson::SUCCESS) {
      fail("is not a string");
      return {};
    }
    return std::string{found};
  }

  /// Returns a text that may be shortened to `limit` bytes, at a character's border.
  std::string text_up_to(std::size_t limit) const {
    auto result = text();
    if (result.size() > limit) {
      while (limit > 0 && (static_cast<unsigned char>(result[limit]) & 0xC0U) == 0x80U)
        --limit;
      result.resize(limit);
    }
    return result;
  }

  std::int64_t integer(std::int64_t fallback = 0) const {
    if (!present_)
      return fallback;
    std::int64_t found = 0;
    if (value_.get(found) != simdjson::SUCCESS) {
      fail("is not an integer");
      return fallback;
    }
    return found;
  }

  double number(double fallback = 0) const {
    if (!present_)
      return fallback;
    double found = 0;
    if (value_.get(found) != simdjson::SUCCESS) {
      fail("is not a number");
      return fallback;
    }
    return found;
  }

  bool boolean(bool fallback = false) const {
    if (!present_)
      return fallback;
    bool found = fallback;
    if (value_.get(found) != simdjson::SUCCESS)
      fail("is not true or false");
    return found;
  }

  /// Returns the epoch when absent.
  timestamp time() const {
    if (!present_)
      return {};
    auto written = text();
    if (written.empty())
      return {};
    auto parsed = parse_rfc3339(written);
    if (!parsed)
      fail("is not an RFC 3339 time");
    return parsed.value_or(timestamp{});
  }

  std::optional<duration> go_duration() const {
    if (!present_)
      return {};
    auto parsed = parse_go_duration(text());
    if (!parsed)
      fail("is not a duration such as 1m30s");
    return parsed;
  }

  /// Calls `each` with every element; anything but an array is an error.
  template <class Function>
  void for_each(Function&& each) const {
    if (!present_)
      return;
    simdjson::dom::array items;
    if (value_.get(items) != simdjson::SUCCESS) {
      fail("is not a list");
      return;
    }
    int index = 0;
    for (auto item : items) {
      node child{this, {}, index++};
      child.value_ = item;
      child.present_ = !item.is_null();
      each(child);
    }
  }

  /// Calls `each` with every key and value; anything but an object is an error.
  template <class Function>
  void for_each_member(Function&& each) const {
    if (!present_)
      return;
    simdjson::dom::object members;
    if (value_.get(members) != simdjson::SUCCESS) {
      fail("is not an object");
      return;
    }
    for (auto member : members) {
      node child{this, member.key, -1};
      child.value_ = member.value;
      child.present_ = !member.value.is_null();
      each(member.key, child);
    }
  }

  void fail(std::string problem) const { log_->fail(path(), std::move(problem)); }

  std::string path() const {
    std::string result = parent_ ? parent_->path() : std::string{};
    if (index_ >= 0)
      return result + '[' + std::to_string(index_) + ']';
    if (key_.empty())
      return result;
    return result.empty() ? std::string{key_} : result + '.' + std::string{key_};
  }

private:
  node(const node* parent, std::string_view key, int index)
      : log_(parent->log_), parent_(parent), key_(key), index_(index) {}

  reading* log_;
  const node* parent_ = nullptr;
  std::string_view key_;
  int index_ = -1;
  simdjson::dom::element value_;
  bool present_ = false;
};

} // namespace tc::kube
