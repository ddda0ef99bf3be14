#include "bench/storm/server/recorded_storm.hpp"

#include "bench/storm/server/moved_times.hpp"

#include <simdjson.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

namespace tc::storm {

namespace {

constexpr std::string_view before_time = R"({"receivedAt":")";
constexpr std::string_view after_time = R"(","type":)";

/// A line of a recording, taken apart without reading its object.
struct recorded_line {
  std::string_view received_at;
  std::string_view rest; ///< from the type's value on
};

std::optional<recorded_line> take_apart(std::string_view line) {
  if (!line.starts_with(before_time))
    return std::nullopt;
  auto end = line.find(after_time, before_time.size());
  if (end == std::string_view::npos)
    return std::nullopt;
  return recorded_line{line.substr(before_time.size(), end - before_time.size()),
                       line.substr(end + after_time.size())};
}

struct event_identity {
  std::string api_version, kind, name;
  std::uint64_t version = 0;
  bool is_bookmark = false;
};

/// Reads what an event is about. `text` has the parser's padding after its size.
std::optional<event_identity> identify(simdjson::ondemand::parser& parser, std::string& text) {
  text.reserve(text.size() + simdjson::SIMDJSON_PADDING);
  simdjson::ondemand::document document;
  if (parser.iterate(text.data(), text.size(), text.capacity()).get(document))
    return std::nullopt;
  std::string_view type, api_version, kind, space, name, version;
  simdjson::ondemand::object object, metadata;
  if (document["type"].get(type) || document["object"].get(object) || object["apiVersion"].get(api_version) ||
      object["kind"].get(kind) || object["metadata"].get(metadata))
    return std::nullopt;
  event_identity out{std::string{api_version}, std::string{kind}, {}, 0, type == "BOOKMARK"};
  if (metadata["resourceVersion"].get(version))
    return std::nullopt;
  out.version = std::stoull(std::string{version});
  if (!out.is_bookmark) {
    if (metadata["name"].get(name))
      return std::nullopt;
    if (!metadata["namespace"].get(space))
      out.name = std::string{space} + '/';
    out.name += name;
  }
  return out;
}

/// An Event's name ends in the nanoseconds at which it was made, in hexadecimal digits.
void move_event_name(std::string& text, event_identity& event, std::chrono::seconds by) {
  auto dot = event.name.rfind('.');
  std::uint64_t made_at = 0;
  const auto* end = event.name.data() + event.name.size();
  if (dot == std::string::npos || std::from_chars(event.name.data() + dot + 1, end, made_at, 16).ptr != end)
    return;
  auto at = text.find(event.name.substr(event.name.find('/') + 1) + '"');
  if (at == std::string::npos)
    return;
  char moved[24];
  auto size = std::snprintf(moved, sizeof moved, "%016llx",
                            static_cast<unsigned long long>(made_at + std::chrono::nanoseconds{by}.count()));
  auto digits = event.name.size() - dot - 1;
  text.replace(at + event.name.size() - event.name.find('/') - 1 - digits, digits, moved,
               static_cast<std::size_t>(size));
  event.name.replace(dot + 1, digits, moved, static_cast<std::size_t>(size));
}

/// A file without a name that is written once and then mapped.
class text_file {
public:
  text_file() : file_(std::tmpfile()) {}
  ~text_file() {
    if (file_)
      std::fclose(file_);
  }
  text_file(const text_file&) = delete;
  text_file& operator=(const text_file&) = delete;

  /// Returns where the text begins.
  std::size_t write(std::string_view text) {
    auto at = size_;
    good_ = file_ && good_ && std::fwrite(text.data(), 1, text.size(), file_) == text.size();
    size_ += text.size();
    return at;
  }
  tl::expected<runtime::mapped_file, std::string> map() {
    if (!good_ || !file_ || std::fflush(file_) != 0)
      return tl::unexpected<std::string>("a temporary file cannot be written");
    return runtime::mapped_file::map(fileno(file_), size_, 0);
  }

private:
  std::FILE* file_;
  std::size_t size_ = 0;
  bool good_ = true;
};

/// Everything of one resource while the recording is read.
struct written_events {
  struct entry {
    std::string name;
    std::size_t at, size;
    std::uint64_t version;
    std::uint32_t place;
  };
  kube::resource_ref resource;
  text_file text;
  std::vector<entry> entries;
  std::size_t of_start = 0;
  bool has_started = false;
};

kube::resource_ref resource_of(const event_identity& what) {
  auto slash = what.api_version.find('/');
  auto group = slash == std::string::npos ? std::string{} : what.api_version.substr(0, slash);
  const auto* known = kube::find_watched_kind(group, what.kind);
  return {group, slash == std::string::npos ? what.api_version : what.api_version.substr(slash + 1),
          what.kind, known ? std::string{known->plural} : std::string{}};
}

} // namespace

tl::expected<recorded_storm, std::string> load_storm(const std::string& folder, std::chrono::seconds by) {
  auto file = folder + "/stream.jsonl";
  std::ifstream in{file, std::ios::binary};
  if (!in)
    return tl::unexpected(file + ": cannot be read");
  recorded_storm out;
  std::vector<std::unique_ptr<written_events>> kinds;
  std::map<std::pair<std::string, std::string>, std::size_t> numbers;
  simdjson::ondemand::parser parser;
  time_mover times{by};
  std::string line, text;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    auto problem = [&](const char* what) {
      return tl::unexpected(file + ':' + std::to_string(number) + ": " + what);
    };
    auto parts = take_apart(line);
    auto received_at = parts ? parse_rfc3339(parts->received_at) : std::nullopt;
    if (!received_at)
      return problem("is no line of a storm's recording");
    text.assign(R"({"type":)").append(parts->rest).append("\n");
    times.move(text);
    auto what = identify(parser, text);
    if (!what)
      return problem("is about no object");
    if (what->kind == "Event" && !what->is_bookmark && by != std::chrono::seconds{0})
      move_event_name(text, *what, by);
    auto [found, is_new] = numbers.try_emplace({what->api_version, what->kind}, kinds.size());
    if (is_new) {
      kinds.push_back(std::make_unique<written_events>());
      kinds.back()->resource = resource_of(*what);
      if (kinds.back()->resource.plural.empty())
        return problem("is of a kind that nobody watches");
    }
    auto& kind = *kinds[found->second];
    if (what->is_bookmark) {
      if (!kind.has_started)
        out.version = std::max(out.version, what->version);
      kind.has_started = true;
      continue;
    }
    auto place = kind.has_started ? out.course.size() : 0;
    kind.entries.push_back({std::move(what->name), kind.text.write(text), text.size(), what->version,
                            static_cast<std::uint32_t>(place)});
    if (!kind.has_started) {
      ++kind.of_start;
      continue;
    }
    out.course.push_back(static_cast<std::uint8_t>(found->second));
    out.times.push_back(*received_at + by);
  }
  for (auto& kind : kinds) {
    auto mapped = kind->text.map();
    if (!mapped)
      return tl::unexpected(mapped.error());
    out.texts.push_back(std::move(*mapped));
    auto content = out.texts.back().content();
    auto made = std::make_unique<collection>(kind->resource, out.version);
    for (const auto& each : kind->entries)
      made->append(each.name, content.substr(each.at, each.size), each.version, each.place);
    for (std::size_t i = 0; i < kind->of_start; ++i)
      made->show_next(true);
    out.collections.push_back(std::move(made));
    kind.reset();
  }
  return out;
}

tl::expected<std::pair<timestamp, timestamp>, std::string> course_of(const std::string& folder) {
  auto file = folder + "/stream.jsonl";
  std::ifstream in{file, std::ios::binary};
  std::optional<timestamp> first, last;
  std::string line;
  while (std::getline(in, line))
    if (auto parts = take_apart(line)) {
      last = parse_rfc3339(parts->received_at);
      if (!first)
        first = last; // all that is initial comes at the first moment
    }
  if (!first || !last)
    return tl::unexpected(file + ": holds no storm");
  return std::pair{*first, *last};
}

tl::expected<void, std::string> copy_moved(const std::string& from, const std::string& to,
                                           std::chrono::seconds by) {
  std::ifstream in{from, std::ios::binary};
  if (!in)
    return {};
  std::ofstream out{to, std::ios::binary};
  time_mover times{by};
  for (std::string line; std::getline(in, line);) {
    times.move(line);
    out << line << '\n';
  }
  out.flush();
  if (!out)
    return tl::unexpected(to + ": cannot be written");
  return {};
}

} // namespace tc::storm
