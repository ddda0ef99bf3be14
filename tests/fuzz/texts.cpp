#include "export/text.hpp"
#include "messages/ids.hpp"
#include "messages/time.hpp"
#include "runtime/flag_table.hpp"
#include "runtime/http_client/http_loop.hpp"
#include "runtime/listen_address.hpp"
#include "runtime/utf8.hpp"
#include "tests/fuzz/targets.hpp"
#include "trace/revision.hpp"
#include "trace/tellings.hpp"

namespace tc::fuzz {

void texts(std::string_view text) {
  auto revision = trace::parse_revision(text);
  expect(!revision.has_digest() || !revision.digest().empty(), "a digest has a text");
  const object_id source{"source.toolkit.fluxcd.io", "GitRepository", "flux-system", "demo"};
  auto key = trace::change_key_of(source, text, "");
  trace::change_key_of({"source.toolkit.fluxcd.io", "HelmChart", "a", "b"}, text, text);
  trace::base_key(text);
  if (!key.empty() && key.find('@') == std::string::npos)
    expect(trace::base_key(trace::incarnation_key(key, timestamp{std::chrono::seconds{1}})) == key,
           "a key is found again in that of an incarnation");
  trace::read_change_log(text);
  trace::between(text, "'", "'");

  if (auto at = parse_rfc3339(text))
    expect(parse_rfc3339(to_rfc3339(*at)) == at, "a time can be written and read");
  if (auto span = parse_go_duration(text))
    expect(parse_go_duration(to_go_duration(*span)) == span, "a duration can be written and read");
  if (auto id = trace_id::from_hex(text))
    expect(id->to_hex() == exporting::ascii_lower(text), "an ID can be written");
  span_id::from_hex(text);
  const std::chrono::system_clock::time_point now{std::chrono::seconds{1'800'000'000}};
  if (auto wait = runtime::parse_retry_after(text, now))
    expect(wait->count() >= 0, "nobody is asked back before now");
  if (auto address = runtime::parse_listen_address(text))
    expect(runtime::parse_listen_address(address->to_string()) == *address,
           "an address can be written and read");
  runtime::label_selector_problem(text);

  expect(exporting::is_valid_utf8(exporting::to_valid_utf8(text)), "repaired text is UTF-8");
  expect(!exporting::is_valid_utf8(text) || exporting::to_valid_utf8(text) == text,
         "good text is not repaired");
  std::string json;
  exporting::append_json_string(json, text);
  expect(exporting::is_valid_utf8(json), "JSON is UTF-8");
  expect(exporting::is_valid_utf8(exporting::printable_excerpt(text, 16)), "an excerpt is UTF-8");
  exporting::percent_decoded(text);
  expect(runtime::display_columns(runtime::shorten_middle(text, 9, "...")) <= 9, "what is shortened fits");
  expect(runtime::display_columns(runtime::shorten_end(text, 9, "...")) <= 9, "what is shortened fits");
  runtime::printable(text);
  expect(runtime::cut_to_bytes(std::string{text}, 7).size() <= 7, "what is cut fits");
}

} // namespace tc::fuzz
