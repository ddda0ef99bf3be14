#pragma once

// Structured logs in the two encodings of Flux's controllers. A logger is a value: copy it, give it a name,
// give it fields, hand it on. Where the lines go and what time it is come in from outside. Secrets never get
// in here.

#include "messages/time.hpp"
#include "runtime/options.hpp"

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace spdlog::sinks {
class sink;
}

namespace tc::runtime {

/// One key and value of a log line.
struct log_field {
  using value_type =
      std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool, duration, timestamp>;

  log_field(std::string_view name, std::string_view text) : key(name), value(text) {
    // nop
  }
  log_field(std::string_view name, const char* text) : log_field(name, std::string_view{text}) {
    // nop
  }
  log_field(std::string_view name, const std::string& text) : log_field(name, std::string_view{text}) {
    // nop
  }
  log_field(std::string_view name, bool flag) : key(name), value(flag) {
    // nop
  }
  template <class Number>
  requires std::is_arithmetic_v<Number> log_field(std::string_view name, Number number) : key(name) {
    if constexpr (std::is_floating_point_v<Number>)
      value = static_cast<double>(number);
    else if constexpr (std::is_signed_v<Number>)
      value = static_cast<std::int64_t>(number);
    else
      value = static_cast<std::uint64_t>(number);
  }
  /// Written as Go writes it, "1m30s".
  template <class Rep, class Period>
  log_field(std::string_view name, std::chrono::duration<Rep, Period> span)
      : key(name), value(std::chrono::duration_cast<duration>(span)) {
    // nop
  }
  /// Written as RFC 3339.
  log_field(std::string_view name, timestamp at) : key(name), value(at) {
    // nop
  }

  std::string_view key;
  value_type value;
};

using log_fields = std::initializer_list<log_field>;

/// Writes lines of one name with some fields of their own. Cheap to copy; may be used by several threads.
class logger {
public:
  /// Logs nothing.
  logger() = default;

  /// Logs to standard error, at the system's time.
  explicit logger(const logging_options& options);

  /// Logs to `sink`, at the time that `now` tells.
  logger(const logging_options& options, std::function<timestamp()> now,
         std::shared_ptr<spdlog::sinks::sink> sink);

  /// Returns a logger of another name ("watcher"); within a named one the name is appended with a dot.
  logger named(std::string_view name) const;

  /// Returns a logger that adds these fields to every line.
  logger with(log_fields fields) const;

  bool is_enabled(log_level level) const;

  void trace(std::string_view message, log_fields fields = {}) const {
    log(log_level::trace, message, fields);
  }
  void debug(std::string_view message, log_fields fields = {}) const {
    log(log_level::debug, message, fields);
  }
  void info(std::string_view message, log_fields fields = {}) const { log(log_level::info, message, fields); }
  void error(std::string_view message, log_fields fields = {}) const {
    log(log_level::error, message, fields);
  }

  void log(log_level level, std::string_view message, log_fields fields = {}) const;

  /// Logs one line with the settings as fields, as run does at start.
  void info(std::string_view message, const named_values& values) const;

private:
  struct core;

  void write(log_level level, std::string_view message, const std::string& fields) const;

  std::shared_ptr<const core> core_;
  std::string name_;
  std::string fields_; ///< already encoded: ,"key":value for each
};

/// Appends `text` as a JSON string with its quotes. Whatever the bytes, the result is valid JSON in valid
/// UTF-8 and holds no control character.
void append_json_string(std::string& out, std::string_view text);

} // namespace tc::runtime
