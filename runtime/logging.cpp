#include "runtime/logging.hpp"

#include "runtime/utf8.hpp"

#include <cmath>
#include <cstdio>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace tc::runtime {

namespace {

spdlog::level::level_enum to_spdlog(log_level level) {
  switch (level) {
  case log_level::trace:
    return spdlog::level::trace;
  case log_level::debug:
    return spdlog::level::debug;
  case log_level::info:
    return spdlog::level::info;
  case log_level::error:
    break;
  }
  return spdlog::level::err;
}

std::string_view to_text(log_level level) {
  switch (level) {
  case log_level::trace:
    return "trace";
  case log_level::debug:
    return "debug";
  case log_level::info:
    return "info";
  case log_level::error:
    break;
  }
  return "error";
}

void append_value(std::string& out, const log_field::value_type& value) {
  std::visit(
      [&out](const auto& x) {
        using type = std::decay_t<decltype(x)>;
        if constexpr (std::is_same_v<type, std::string_view>)
          append_json_string(out, x);
        else if constexpr (std::is_same_v<type, bool>)
          out += x ? "true" : "false";
        else if constexpr (std::is_same_v<type, duration>)
          append_json_string(out, to_go_duration(x));
        else if constexpr (std::is_same_v<type, timestamp>)
          append_json_string(out, to_rfc3339(x));
        else if constexpr (std::is_same_v<type, double>)
          out += std::isfinite(x) ? fmt::format("{}", x) : fmt::format("\"{}\"", x); // JSON knows no infinity
        else
          out += fmt::format("{}", x);
      },
      value);
}

void append_field(std::string& out, std::string_view key, const log_field::value_type& value) {
  out += ',';
  append_json_string(out, key);
  out += ':';
  append_value(out, value);
}

/// RFC 3339 with always three digits, so that lines align and sort.
std::string to_log_time(timestamp at) {
  auto whole = std::chrono::floor<std::chrono::seconds>(at);
  auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(at - whole).count();
  auto text = to_rfc3339(whole);
  text.pop_back();
  return fmt::format("{}.{:03}Z", text, millis);
}

/// A message that stays one line of a terminal: controls are shown, not obeyed.
void append_plain(std::string& out, std::string_view text) {
  std::string json;
  append_json_string(json, text);
  // Between the quotes JSON has escaped what is dangerous; quotes and backslashes read better bare.
  for (std::size_t i = 1; i + 1 < json.size(); ++i) {
    if (json[i] == '\\' && (json[i + 1] == '"' || json[i + 1] == '\\'))
      ++i;
    out += json[i];
  }
}

} // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    auto next = first_code_point(text);
    auto bytes = text.substr(0, next.length);
    text.remove_prefix(next.length);
    if (!next.is_valid)
      out += "\xEF\xBF\xBD"; // U+FFFD
    else if (next.value == '"' || next.value == '\\')
      (out += '\\') += static_cast<char>(next.value);
    else if (next.value == '\n')
      out += "\\n";
    else if (next.value == '\t')
      out += "\\t";
    else if (next.value == '\r')
      out += "\\r";
    else if (next.value < 0x20 || (next.value >= 0x7F && next.value <= 0x9F) || next.value == 0x2028 ||
             next.value == 0x2029)
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(next.value));
    else
      out += bytes;
  }
  out += '"';
}

struct logger::core {
  mutable spdlog::logger log; ///< its log() is not const, though safe to call from every thread
  log_encoding encoding;
  std::function<timestamp()> now;
};

logger::logger(const logging_options& options)
    : logger(
          options, [] { return std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()); },
          std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
  // nop
}

logger::logger(const logging_options& options, std::function<timestamp()> now,
               std::shared_ptr<spdlog::sinks::sink> sink) {
  auto made = std::make_shared<core>(
      core{spdlog::logger{"trace-controller", std::move(sink)}, options.encoding, std::move(now)});
  made->log.set_level(to_spdlog(options.level));
  made->log.set_pattern("%v");
  made->log.flush_on(spdlog::level::trace);
  core_ = std::move(made);
}

logger logger::named(std::string_view name) const {
  auto out = *this;
  out.name_ += (out.name_.empty() ? "" : ".") + std::string{name};
  return out;
}

logger logger::with(log_fields fields) const {
  auto out = *this;
  for (const auto& field : fields)
    append_field(out.fields_, field.key, field.value);
  return out;
}

bool logger::is_enabled(log_level level) const {
  return core_ && core_->log.should_log(to_spdlog(level));
}

void logger::log(log_level level, std::string_view message, log_fields fields) const {
  if (!is_enabled(level))
    return;
  auto encoded = fields_;
  for (const auto& field : fields)
    append_field(encoded, field.key, field.value);
  write(level, message, encoded);
}

void logger::info(std::string_view message, const named_values& values) const {
  if (!is_enabled(log_level::info))
    return;
  auto encoded = fields_;
  for (const auto& [key, value] : values)
    append_field(encoded, key, std::string_view{value});
  write(log_level::info, message, encoded);
}

void logger::write(log_level level, std::string_view message, const std::string& fields) const {
  std::string line;
  auto time = to_log_time(core_->now());
  if (core_->encoding == log_encoding::json) {
    line = fmt::format("{{\"level\":\"{}\",\"ts\":\"{}\"", to_text(level), time);
    if (!name_.empty())
      append_field(line, "logger", std::string_view{name_});
    append_field(line, "msg", message);
    line += fields + '}';
  } else {
    line = fmt::format("{}\t{}\t", time, to_text(level));
    if (!name_.empty())
      (line += name_) += '\t';
    append_plain(line, message);
    if (!fields.empty())
      line += "\t{" + fields.substr(1) + '}';
  }
  core_->log.log(to_spdlog(level), line);
}

} // namespace tc::runtime
