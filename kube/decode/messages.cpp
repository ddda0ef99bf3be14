// core/v1 Events and the HTTP events of Flux controllers.

#include "kube/decode/kinds.hpp"
#include "messages/kinds.hpp"

#include <algorithm>
#include <charconv>

namespace tc::kube {

namespace {

constexpr std::size_t message_limit = 39000; // what Flux's event API allows
constexpr std::string_view combined_prefix = "(combined from similar events): ";

/// Flux puts "<group>/revision" and the like on Events as annotations and on posts as metadata; a generic
/// Provider of notification-controller forwards them without the group.
void read_metadata_keys(const node& keys, const std::string& group, message_fact& out) {
  keys.for_each_member([&](std::string_view key, const node& value) {
    auto slash = key.rfind('/');
    if (slash != std::string_view::npos) {
      if (key.substr(0, slash) != group)
        return;
      key = key.substr(slash + 1);
    }
    if (key == "revision")
      out.revision = value.text();
    else if (key == "originRevision")
      out.origin_revision = value.text();
    else if (key == "digest" || key == "checksum")
      out.digest = value.text();
    else if (key == "oci-digest")
      out.oci_digest = value.text();
    else if (key == "token")
      out.token = value.text();
  });
}

/// An OCIRepository's message ends with "…, origin revision 'main@sha1:…'"; source-controller puts that into
/// the annotations since its pull request 2127 only.
void read_origin_in_text(const observation& about, message_fact& out) {
  constexpr std::string_view before = ", origin revision '";
  if (about.object.kind != "OCIRepository" || out.reason != "NewArtifact" || !out.origin_revision.empty())
    return;
  auto begin = out.text.rfind(before);
  if (begin == std::string::npos || !out.text.ends_with('\''))
    return;
  begin += before.size();
  if (begin < out.text.size())
    out.origin_revision = out.text.substr(begin, out.text.size() - 1 - begin);
}

void read_involved(const node& involved, observation& out) {
  out.object.kind = involved.at("kind").text();
  out.object.namespace_name = involved.at("namespace").text();
  out.object.name = involved.at("name").text();
  out.api_version = involved.at("apiVersion").text();
  out.object.group = group_of(out.api_version);
  out.uid = involved.at("uid").text();
  if (out.object.kind.empty())
    involved.at("kind").fail("is missing");
}

void take_text(std::string text, message_fact& out) {
  if (text.starts_with(combined_prefix)) {
    out.combined = true;
    text.erase(0, combined_prefix.size());
  }
  out.text = std::move(text);
}

/// client-go names an Event "<object>.<nanoseconds since 1970 in hexadecimal>".
timestamp time_in_name(std::string_view name) {
  auto dot = name.rfind('.');
  if (dot == std::string_view::npos)
    return {};
  auto digits = name.substr(dot + 1);
  if (digits.size() < 15 || digits.size() > 16)
    return {};
  std::uint64_t nanoseconds = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), nanoseconds, 16);
  if (error != std::errc{} || end != digits.data() + digits.size() ||
      nanoseconds > static_cast<std::uint64_t>(INT64_MAX))
    return {};
  return timestamp{duration{static_cast<std::int64_t>(nanoseconds)}};
}

} // namespace

void read_event(const node& root, observation& out) {
  message_fact read;
  auto metadata = root.at("metadata");
  read.name = metadata.at("name").text();
  // events.k8s.io/v1 has other names for the same
  auto involved = root.at("involvedObject");
  auto regarding = root.at("regarding");
  read_involved(involved.present() ? involved : regarding, out);
  read.reason = root.at("reason").text();
  auto note = root.at("note");
  take_text((note.present() ? note : root.at("message")).text_up_to(message_limit), read);
  read.severity = root.at("type").text() == "Warning" ? "error" : "info";
  read.controller = root.at("source").at("component").text();
  if (read.controller.empty())
    read.controller = root.at("reportingComponent").text();
  if (read.controller.empty())
    read.controller = root.at("reportingController").text();
  read.first = root.at("firstTimestamp").time();
  read.last = root.at("lastTimestamp").time();
  auto event_time = root.at("eventTime").time();
  if (!is_known(read.first))
    read.first = event_time;
  auto series = root.at("series");
  if (!is_known(read.last))
    read.last = series.present() ? series.at("lastObservedTime").time() : read.first;
  read.count = std::max<std::int64_t>(1, root.at("count").integer(series.at("count").integer(1)));
  read.exact_first = time_in_name(read.name);
  read_metadata_keys(metadata.at("annotations"), out.object.group, read);
  read_origin_in_text(out, read);
  out.message = std::move(read);
}

bool read_failed_dispatch(observation& out) {
  if (out.object.kind != "Alert" || out.message->reason != "NotificationDispatchFailed")
    return false;
  // "failed to send notification for Kind/namespace/name: what went wrong", also with "dispatch"
  std::string_view text = out.message->text;
  constexpr std::string_view mark = " notification for ";
  auto begin = text.find(mark);
  if (!text.starts_with("failed to ") || begin == std::string_view::npos)
    return false;
  auto subject = text.substr(begin + mark.size());
  auto colon = subject.find(": ");
  auto error = colon == std::string_view::npos ? std::string_view{} : subject.substr(colon + 2);
  subject = subject.substr(0, colon);
  auto first = subject.find('/');
  auto last = subject.rfind('/');
  if (first == std::string_view::npos || first == last)
    return false;
  notification_fact told;
  told.receiver = "Alert/" + out.object.namespace_name + '/' + out.object.name;
  told.sender = "notification-controller"; // whatever the Event says: anybody may write one
  told.event = out.message->name + ' ' + std::to_string(out.message->count);
  told.occurred = told.began = told.ended = out.message->last;
  told.error = error.empty() ? "not delivered" : std::string{error};
  out.object.kind = std::string{subject.substr(0, first)};
  out.object.group = std::string{usual_group(out.object.kind)};
  out.object.namespace_name = std::string{subject.substr(first + 1, last - first - 1)};
  out.object.name = std::string{subject.substr(last + 1)};
  out.uid.clear();
  out.kind = observation_kind::notification;
  out.message.reset();
  out.notification = std::move(told);
  return true;
}

void read_post(const node& root, observation& out) {
  message_fact read;
  read_involved(root.at("involvedObject"), out);
  read.reason = root.at("reason").text();
  take_text(root.at("message").text_up_to(message_limit), read);
  read.severity = root.at("severity").text();
  read.controller = root.at("reportingController").text();
  read.first = root.at("timestamp").time();
  read.last = read.first;
  read_metadata_keys(root.at("metadata"), out.object.group, read);
  read_origin_in_text(out, read);
  out.message = std::move(read);
}

} // namespace tc::kube
