#include "kube/decode/decode.hpp"

#include "kube/decode/json_reader.hpp"
#include "kube/decode/kinds.hpp"
#include "messages/kinds.hpp"

#include <charconv>

namespace tc::kube {

namespace {

/// Configuration, and kinds whose objects say nothing of a change.
bool concerns_us(std::string_view group, std::string_view kind) {
  if (group == "apps")
    return is_workload_kind(kind);
  if (group == "notification.toolkit.fluxcd.io")
    return false;
  // A Trace may follow other makers' controllers that read Flux sources; groups of Kubernetes itself never
  // do.
  auto ours = usual_group(kind);
  if (!ours.empty())
    return group == ours;
  return group.find('.') != std::string_view::npos && !group.ends_with(".k8s.io");
}

void read_state(const node& root, simdjson::dom::element json, const object_id& self, object_state& out) {
  read_metadata(root.at("metadata"), self, out);
  if (usual_group(self.kind).empty()) {
    // Kinds of other makers may give these fields other types: what cannot be read is left out.
    reading unheeded;
    node lenient{unheeded, json};
    read_common(lenient, out);
    read_kustomization(lenient, self, out);
    return;
  }
  if (is_workload_kind(self.kind) && self.group == "apps") {
    read_workload(root, self, out);
    return;
  }
  read_common(root, out);
  if (self.kind == "Kustomization")
    read_kustomization(root, self, out);
  else if (self.kind == "HelmRelease")
    read_helm_release(root, self, out);
  else
    read_source(root, self, out);
}

} // namespace

std::string decode_error::to_string() const {
  auto result = object.empty() ? std::string{"input"} : object;
  if (!place.empty())
    result += ": " + place;
  return result + ' ' + problem;
}

struct decoder::impl {
  simdjson::dom::parser parser;

  tl::expected<simdjson::dom::element, decode_error> parse(std::string_view json) {
    simdjson::dom::element root;
    auto error = parser.parse(json.data(), json.size()).get(root);
    if (error != simdjson::SUCCESS)
      return tl::unexpected(
          decode_error{"", "", std::string{"is not JSON: "} + simdjson::error_message(error)});
    return root;
  }

  decode_result read(std::string_view type, simdjson::dom::element json, timestamp received_at, arrival how) {
    if (type == "BOOKMARK")
      return std::optional<observation_ptr>{};
    reading log;
    node root{log, json};
    auto fact = std::make_shared<observation>();
    fact->received_at = received_at;
    fact->initial = how == arrival::first_list;
    fact->relisted = how == arrival::later_list;
    object_id self;
    auto api_version = root.at("apiVersion").text();
    self.group = group_of(api_version);
    self.kind = root.at("kind").text();
    auto metadata = root.at("metadata");
    self.namespace_name = metadata.at("namespace").text();
    self.name = metadata.at("name").text();
    auto failed = [&] { return tl::unexpected(decode_error{self.to_string(), log.place, log.problem}); };
    if (type == "ERROR") {
      log.fail("", "is an error of the API server: " + root.at("message").text());
      return failed();
    }
    if (type != "ADDED" && type != "MODIFIED" && type != "DELETED") {
      log.fail("type", "is '" + std::string{type} + "', not ADDED, MODIFIED, DELETED or BOOKMARK");
      return failed();
    }
    if (!metadata.is_object())
      metadata.fail("is missing");
    if (self.kind.empty())
      root.at("kind").fail("is missing");
    if (log.failed())
      return failed();
    bool is_event = self.kind == "Event" && (self.group.empty() || self.group == "events.k8s.io");
    if (!is_event && !concerns_us(self.group, self.kind))
      return std::optional<observation_ptr>{};
    auto version = metadata.at("resourceVersion").text();
    auto [end, code] =
        std::from_chars(version.data(), version.data() + version.size(), fact->resource_version);
    if (code != std::errc{} || end != version.data() + version.size())
      metadata.at("resourceVersion").fail("is '" + version + "', not a number");
    if (is_event) {
      if (type == "DELETED") // garbage collection of Events says nothing
        return std::optional<observation_ptr>{};
      fact->kind = observation_kind::event;
      read_event(root, *fact);
      if (log.failed())
        return failed();
      read_failed_dispatch(*fact);
      if (is_workload_kind(fact->object.kind) || !concerns_us(fact->object.group, fact->object.kind))
        return std::optional<observation_ptr>{};
    } else {
      if (self.name.empty())
        metadata.at("name").fail("is missing");
      fact->kind = type == "DELETED" ? observation_kind::deleted : observation_kind::state;
      if (type == "DELETED" && fact->relisted)
        ++fact->resource_version; // that of the last state, which it came after
      fact->object = self;
      fact->api_version = std::move(api_version);
      fact->uid = metadata.at("uid").text();
      fact->state.emplace();
      read_state(root, json, self, *fact->state);
      if (log.failed())
        return failed();
    }
    return std::optional<observation_ptr>{std::move(fact)};
  }
};

decoder::decoder() : impl_(std::make_unique<impl>()) {}
decoder::~decoder() = default;
decoder::decoder(decoder&&) noexcept = default;
decoder& decoder::operator=(decoder&&) noexcept = default;

decode_result decoder::decode_watch(std::string_view json, timestamp received_at, bool initial) {
  auto parsed = impl_->parse(json);
  if (!parsed)
    return tl::unexpected(parsed.error());
  std::string_view type;
  simdjson::dom::element object;
  if (!parsed->is_object() || parsed->at_key("type").get(type) != simdjson::SUCCESS)
    return tl::unexpected(decode_error{"", "type", "is missing: not a watch event"});
  if (parsed->at_key("object").get(object) != simdjson::SUCCESS)
    return tl::unexpected(decode_error{"", "object", "is missing: not a watch event"});
  return impl_->read(type, object, received_at, initial ? arrival::first_list : arrival::live);
}

decode_result decoder::decode_object(std::string_view type, std::string_view json, timestamp received_at,
                                     arrival how) {
  auto parsed = impl_->parse(json);
  if (!parsed)
    return tl::unexpected(parsed.error());
  return impl_->read(type, *parsed, received_at, how);
}

decode_result decoder::decode_post(std::string_view json, timestamp received_at) {
  auto parsed = impl_->parse(json);
  if (!parsed)
    return tl::unexpected(parsed.error());
  reading log;
  node root{log, *parsed};
  auto fact = std::make_shared<observation>();
  fact->kind = observation_kind::post;
  fact->received_at = received_at;
  read_post(root, *fact);
  if (!log.failed() && fact->object.name.empty())
    log.fail("involvedObject.name", "is missing");
  if (log.failed())
    return tl::unexpected(decode_error{fact->object.kind.empty() ? "HTTP event" : fact->object.to_string(),
                                       log.place, log.problem});
  if (!concerns_us(fact->object.group, fact->object.kind))
    return std::optional<observation_ptr>{};
  return std::optional<observation_ptr>{std::move(fact)};
}

namespace {

template <class Read>
auto read_resource(simdjson::dom::element json, std::string_view kind, Read read)
    -> tl::expected<decltype(read(std::declval<const node&>())), decode_error> {
  reading log;
  node root{log, json};
  auto written = root.at("kind").text();
  if (!log.failed() && written != kind && !written.empty())
    log.fail("kind", "is '" + written + "', not " + std::string{kind});
  auto result = read(root);
  if (log.failed())
    return tl::unexpected(
        decode_error{object_id{"", std::string{kind}, result.namespace_name, result.name}.to_string(),
                     log.place, log.problem});
  return result;
}

} // namespace

tl::expected<trace_resource, decode_error> decoder::decode_trace(std::string_view json) {
  auto parsed = impl_->parse(json);
  if (!parsed)
    return tl::unexpected(parsed.error());
  return read_resource(*parsed, "Trace", read_trace);
}

tl::expected<provider_resource, decode_error> decoder::decode_provider(std::string_view json) {
  auto parsed = impl_->parse(json);
  if (!parsed)
    return tl::unexpected(parsed.error());
  return read_resource(*parsed, "Provider", read_provider);
}

} // namespace tc::kube
