#include "runtime/program/recording.hpp"

#include <simdjson.h>

namespace tc::runtime {

namespace {

constexpr std::string_view end_of_initial_events = "k8s.io/initial-events-end";

/// One parser per thread, with buffers that are used again.
simdjson::dom::parser& parser_of_thread() {
  thread_local simdjson::dom::parser parser;
  return parser;
}

} // namespace

tl::expected<line_head, std::string> read_line_head(std::string_view line) {
  auto& parser = parser_of_thread();
  simdjson::dom::object object;
  if (auto error = parser.parse(line.data(), line.size()).get(object))
    return tl::unexpected(std::string{"not a JSON object: "} + simdjson::error_message(error));
  line_head head;
  std::string_view at;
  if (object["receivedAt"].get(at))
    return tl::unexpected(std::string{"field 'receivedAt' is missing"});
  auto received = parse_rfc3339(at);
  if (!received)
    return tl::unexpected("field 'receivedAt' is not an RFC 3339 time: '" + std::string{at} + "'");
  head.received_at = *received;
  simdjson::dom::object inner;
  if (!object["object"].get(inner)) {
    if (object["type"].get(head.type))
      return tl::unexpected(std::string{"field 'type' is missing"});
    if (inner["kind"].get(head.kind))
      return tl::unexpected(std::string{"field 'object.kind' is missing"});
    if (head.type == "BOOKMARK") {
      std::string_view value;
      head.initial_events_end = !inner["metadata"]["annotations"][end_of_initial_events].get(value);
    }
    return head;
  }
  if (!object["body"].get(inner)) {
    head.body = simdjson::minify(inner);
    return head;
  }
  return tl::unexpected(std::string{"neither 'object' nor 'body' is there: not a line of a recording"});
}

void initial_lines::scan(std::string_view line) {
  if (line.find(end_of_initial_events) == std::string_view::npos)
    return;
  if (auto head = read_line_head(line); head && head->initial_events_end)
    listed_.emplace(head->kind);
}

bool initial_lines::is_initial(const line_head& head) {
  if (listed_.empty())
    return false;
  std::string kind{head.kind};
  if (head.initial_events_end) {
    listed_.erase(kind);
    return false;
  }
  return listed_.count(kind) != 0;
}

} // namespace tc::runtime
