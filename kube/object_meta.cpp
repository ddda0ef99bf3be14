#include "kube/object_meta.hpp"

#include "kube/json_pieces.hpp"

#include <simdjson.h>

namespace tc::kube {

namespace dom = simdjson::dom;

namespace {

constexpr std::string_view last_applied = "kubectl.kubernetes.io/last-applied-configuration";

std::string text(const dom::element& object, std::string_view key) {
  std::string_view found;
  if (object.at_key(key).get(found) != simdjson::SUCCESS)
    return {};
  return std::string{found};
}

int number(const dom::element& object, std::string_view key) {
  std::int64_t found = 0;
  if (object.at_key(key).get(found) != simdjson::SUCCESS)
    return 0;
  return static_cast<int>(found);
}

/// Keys of labels and annotations need no escaping, but the API server is not the only one who writes JSON.
std::string quoted(std::string_view key) {
  std::string out = "\"";
  for (char c : key) {
    if (c == '"' || c == '\\')
      out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20)
      out += c;
  }
  return out + '"';
}

void append_member(std::string& out, std::string_view key, const std::string& value) {
  if (out.back() != '{')
    out += ',';
  out.append(quoted(key)).append(":").append(value);
}

std::string compact_annotations(const dom::object& annotations) {
  std::string out = "{";
  for (auto member : annotations)
    if (member.key != last_applied)
      append_member(out, member.key, simdjson::to_string(member.value));
  return out + '}';
}

std::string compact_metadata(const dom::object& metadata) {
  std::string out = "{";
  for (auto member : metadata) {
    if (member.key == "managedFields")
      continue;
    dom::object annotations;
    if (member.key == "annotations" && member.value.get(annotations) == simdjson::SUCCESS)
      append_member(out, member.key, compact_annotations(annotations));
    else
      append_member(out, member.key, simdjson::to_string(member.value));
  }
  return out + '}';
}

tl::expected<object_meta, object_problem> meta_of(const dom::element& object, bool bookmark) {
  object_meta result;
  dom::element metadata;
  if (!object.is_object())
    return tl::unexpected(object_problem{"", "is not a JSON object"});
  if (object.at_key("metadata").get(metadata) != simdjson::SUCCESS || !metadata.is_object())
    return tl::unexpected(object_problem{"", "has no metadata"});
  result.namespace_name = text(metadata, "namespace");
  result.name = text(metadata, "name");
  result.uid = text(metadata, "uid");
  result.resource_version = text(metadata, "resourceVersion");
  result.has_kind = !text(object, "kind").empty();
  result.has_api_version = !text(object, "apiVersion").empty();
  if (bookmark) {
    dom::element annotations;
    if (metadata.at_key("annotations").get(annotations) == simdjson::SUCCESS && annotations.is_object())
      result.initial_events_end = text(annotations, "k8s.io/initial-events-end") == "true";
    return result;
  }
  for (auto [field, value] :
       {std::pair{"name", &result.name}, {"uid", &result.uid}, {"resourceVersion", &result.resource_version}})
    if (value->empty())
      return tl::unexpected(
          object_problem{result.name.empty() ? "" : result.key(), std::string{"has no metadata."} + field});
  result.compact = compact_metadata(metadata.get_object());
  return result;
}

} // namespace

std::string object_meta::key() const {
  return namespace_name.empty() ? name : namespace_name + '/' + name;
}

struct meta_reader::impl {
  dom::parser parser;

  tl::expected<dom::element, object_problem> parse(std::string_view json) {
    dom::element root;
    if (auto error = parser.parse(json.data(), json.size(), true).get(root); error != simdjson::SUCCESS)
      return tl::unexpected(
          object_problem{"", "is not valid JSON: " + std::string{simdjson::error_message(error)}});
    return root;
  }
};

meta_reader::meta_reader() : impl_(std::make_unique<impl>()) {
  // nop
}

meta_reader::~meta_reader() = default;

tl::expected<watch_line, object_problem> meta_reader::read_line(std::string_view line) {
  auto root = impl_->parse(line);
  if (!root)
    return tl::unexpected(root.error());
  watch_line result;
  dom::element object;
  if (!root->is_object() || (result.type = text(*root, "type")).empty())
    return tl::unexpected(object_problem{"", "is not a watch event: it has no type"});
  if (root->at_key("object").get(object) != simdjson::SUCCESS)
    return tl::unexpected(object_problem{"", "is not a watch event: it has no object"});
  if (result.type == "ERROR") {
    result.error_code = number(object, "code");
    result.error_reason = text(object, "reason");
    result.error_message = text(object, "message");
    dom::element details;
    if (object.at_key("details").get(details) == simdjson::SUCCESS && details.is_object())
      result.retry_after_seconds = number(details, "retryAfterSeconds");
    return result;
  }
  auto meta = meta_of(object, result.type == "BOOKMARK");
  if (!meta)
    return tl::unexpected(meta.error());
  result.meta = std::move(*meta);
  result.object_json = raw_member(line, "object").value_or(std::string_view{});
  return result;
}

tl::expected<object_meta, object_problem> meta_reader::read_object(std::string_view json) {
  auto root = impl_->parse(json);
  if (!root)
    return tl::unexpected(root.error());
  return meta_of(*root, false);
}

tl::expected<list_meta, object_problem> meta_reader::read_list_meta(std::string_view json) {
  auto root = impl_->parse(json);
  if (!root)
    return tl::unexpected(root.error());
  return list_meta{text(*root, "resourceVersion"), text(*root, "continue")};
}

status_object meta_reader::read_status(std::string_view json) {
  status_object result;
  auto root = impl_->parse(json);
  if (!root || !root->is_object() || text(*root, "kind") != "Status")
    return result;
  result.code = number(*root, "code");
  result.reason = text(*root, "reason");
  result.message = text(*root, "message");
  dom::element details;
  if (root->at_key("details").get(details) == simdjson::SUCCESS && details.is_object()) {
    result.details_kind = text(details, "kind");
    result.details_name = text(details, "name");
    result.retry_after_seconds = number(details, "retryAfterSeconds");
  }
  return result;
}

} // namespace tc::kube
