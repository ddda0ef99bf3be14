#include "export/credentials.hpp"
#include "kube/decode/decode.hpp"
#include "runtime/program/delivered_json.hpp"
#include "runtime/program/provider_resolution.hpp"
#include "tests/fuzz/targets.hpp"

#include <nlohmann/json.hpp>

namespace tc::fuzz {

namespace {

/// Takes the text up to the next line of "---".
std::string_view next_part(std::string_view& rest) {
  constexpr std::string_view fence = "\n---\n";
  auto end = rest.find(fence);
  auto out = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + fence.size());
  return out;
}

/// What a status tells of deliveries is told the same way on.
void deliveries(std::string_view trace_json) {
  auto told = runtime::read_delivered(trace_json);
  if (!told || told->traces.empty())
    return;
  nlohmann::json again{{"metadata", {{"uid", told->uid}}},
                       {"status", {{"deliveredSpans", runtime::delivered_json(told->traces)}}}};
  auto read = runtime::read_delivered(again.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  expect(read && read->traces == told->traces, "deliveries survive being written");
}

} // namespace

/// A Provider or Trace as JSON, then the values of its Secrets, with "---" between.
void providers(std::string_view bytes) {
  static kube::decoder decoder;
  auto json = next_part(bytes);
  decoder.decode_trace(json);
  deliveries(json);
  auto provider = decoder.decode_provider(json);
  if (!provider)
    return;
  runtime::provider_secrets secrets;
  for (const char* key : {"address", "headers", "token", "username", "password"})
    if (auto value = next_part(bytes); !value.empty())
      secrets.auth[key] = value;
  for (const char* key : {"ca.crt", "tls.crt", "tls.key"})
    if (auto value = next_part(bytes); !value.empty())
      secrets.cert[key] = value;
  for (const char* key : {"address", "username", "password"})
    if (auto value = next_part(bytes); !value.empty())
      secrets.proxy[key] = value;
  auto resolved = runtime::resolve_provider(*provider, secrets);
  if (!resolved) {
    expect(!resolved.error().message.empty(), "a refusal says why");
    return;
  }
  for (const auto& [name, value] : resolved->options.headers)
    expect(name.find_first_of("\r\n:") == std::string::npos &&
               value.find_first_of("\r\n") == std::string::npos,
           "no header breaks out of its line");
  resolved->target.for_display();
  exporting::redactor hidden;
  hidden.add_headers(resolved->options.headers);
  hidden.clean(std::string{json});
}

} // namespace tc::fuzz
