#include "runtime/store/codec.hpp"

#include "store.pb.h"

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>
#include <variant>

namespace tc::store {

namespace {

// Every type is taken apart by a structured binding of all its fields, in both directions: it does not
// compile when there is one more.

std::int64_t number(timestamp at) {
  return at.time_since_epoch().count();
}

timestamp time(std::int64_t nanoseconds) {
  return timestamp{duration{nanoseconds}};
}

template <class Enum>
bool read_enum(std::uint32_t value, Enum first, Enum last, Enum& to) {
  if (value < static_cast<std::uint32_t>(first) || value > static_cast<std::uint32_t>(last))
    return false;
  to = static_cast<Enum>(value);
  return true;
}

template <class Id>
bool read_id(const std::string& bytes, Id& to) {
  if (bytes.size() != to.bytes.size())
    return false;
  std::copy(bytes.begin(), bytes.end(), to.bytes.begin());
  return true;
}

// What there are lists of.
bool read(v1::ObjectId& from, object_id& to);
bool read(v1::Condition& from, condition& to);
bool read(v1::ApplyRecord& from, apply_record& to);
bool read(v1::ReleaseRecord& from, release_record& to);
bool read(v1::Attribute& from, attribute& to);
bool read(v1::SpanEvent& from, span_event& to);
bool read(v1::SpanLink& from, span_link& to);
bool read(v1::Span& from, span& to);

template <class From, class To>
bool read_all(From& from, std::vector<To>& to) {
  to.reserve(static_cast<std::size_t>(from.size()));
  return std::all_of(from.begin(), from.end(), [&](auto& each) { return read(each, to.emplace_back()); });
}

void write(const object_id& from, v1::ObjectId& to) {
  const auto& [group_, kind_, namespace_name_, name_] = from;
  to.set_group(group_);
  to.set_kind(kind_);
  to.set_namespace_name(namespace_name_);
  to.set_name(name_);
}

bool read(v1::ObjectId& from, object_id& to) {
  auto& [group_, kind_, namespace_name_, name_] = to;
  group_ = std::move(*from.mutable_group());
  kind_ = std::move(*from.mutable_kind());
  namespace_name_ = std::move(*from.mutable_namespace_name());
  name_ = std::move(*from.mutable_name());
  return true;
}

void write(const condition& from, v1::Condition& to) {
  const auto& [type_, status_, reason_, message_, last_transition_, observed_generation_] = from;
  to.set_type(type_);
  to.set_status(status_);
  to.set_reason(reason_);
  to.set_message(message_);
  to.set_last_transition(number(last_transition_));
  to.set_observed_generation(observed_generation_);
}

bool read(v1::Condition& from, condition& to) {
  auto& [type_, status_, reason_, message_, last_transition_, observed_generation_] = to;
  type_ = std::move(*from.mutable_type());
  status_ = std::move(*from.mutable_status());
  reason_ = std::move(*from.mutable_reason());
  message_ = std::move(*from.mutable_message());
  last_transition_ = time(from.last_transition());
  observed_generation_ = from.observed_generation();
  return true;
}

void write(const struct artifact& from, v1::Artifact& to) {
  const auto& [revision_, digest_, last_update_, origin_revision_, origin_source_, created_] = from;
  to.set_revision(revision_);
  to.set_digest(digest_);
  to.set_last_update(number(last_update_));
  to.set_origin_revision(origin_revision_);
  to.set_origin_source(origin_source_);
  to.set_created(number(created_));
}

bool read(v1::Artifact& from, struct artifact& to) {
  auto& [revision_, digest_, last_update_, origin_revision_, origin_source_, created_] = to;
  revision_ = std::move(*from.mutable_revision());
  digest_ = std::move(*from.mutable_digest());
  last_update_ = time(from.last_update());
  origin_revision_ = std::move(*from.mutable_origin_revision());
  origin_source_ = std::move(*from.mutable_origin_source());
  created_ = time(from.created());
  return true;
}

void write(const apply_record& from, v1::ApplyRecord& to) {
  const auto& [digest_, first_reconciled_, last_reconciled_, last_duration_, last_status_, total_, revision_,
               origin_revision_] = from;
  to.set_digest(digest_);
  to.set_first_reconciled(number(first_reconciled_));
  to.set_last_reconciled(number(last_reconciled_));
  to.set_last_duration(last_duration_.count());
  to.set_last_status(last_status_);
  to.set_total(total_);
  to.set_revision(revision_);
  to.set_origin_revision(origin_revision_);
}

bool read(v1::ApplyRecord& from, apply_record& to) {
  auto& [digest_, first_reconciled_, last_reconciled_, last_duration_, last_status_, total_, revision_,
         origin_revision_] = to;
  digest_ = std::move(*from.mutable_digest());
  first_reconciled_ = time(from.first_reconciled());
  last_reconciled_ = time(from.last_reconciled());
  last_duration_ = duration{from.last_duration()};
  last_status_ = std::move(*from.mutable_last_status());
  total_ = from.total();
  revision_ = std::move(*from.mutable_revision());
  origin_revision_ = std::move(*from.mutable_origin_revision());
  return true;
}

void write(const release_record& from, v1::ReleaseRecord& to) {
  const auto& [chart_name_, chart_version_, config_digest_, oci_digest_, status_, action_, version_,
               first_deployed_, last_deployed_, deleted_] = from;
  to.set_chart_name(chart_name_);
  to.set_chart_version(chart_version_);
  to.set_config_digest(config_digest_);
  to.set_oci_digest(oci_digest_);
  to.set_status(status_);
  to.set_action(action_);
  to.set_version(version_);
  to.set_first_deployed(number(first_deployed_));
  to.set_last_deployed(number(last_deployed_));
  to.set_deleted(number(deleted_));
}

bool read(v1::ReleaseRecord& from, release_record& to) {
  auto& [chart_name_, chart_version_, config_digest_, oci_digest_, status_, action_, version_,
         first_deployed_, last_deployed_, deleted_] = to;
  chart_name_ = std::move(*from.mutable_chart_name());
  chart_version_ = std::move(*from.mutable_chart_version());
  config_digest_ = std::move(*from.mutable_config_digest());
  oci_digest_ = std::move(*from.mutable_oci_digest());
  status_ = std::move(*from.mutable_status());
  action_ = std::move(*from.mutable_action());
  version_ = from.version();
  first_deployed_ = time(from.first_deployed());
  last_deployed_ = time(from.last_deployed());
  deleted_ = time(from.deleted());
  return true;
}

void write(const workload_state& from, v1::WorkloadState& to) {
  const auto& [desired_, current_, updated_, ready_, available_, images_] = from;
  to.set_desired(desired_);
  to.set_current(current_);
  to.set_updated(updated_);
  to.set_ready(ready_);
  to.set_available(available_);
  for (const auto& each : images_)
    to.add_images(each);
}

bool read(v1::WorkloadState& from, workload_state& to) {
  auto& [desired_, current_, updated_, ready_, available_, images_] = to;
  desired_ = from.desired();
  current_ = from.current();
  updated_ = from.updated();
  ready_ = from.ready();
  available_ = from.available();
  for (auto& each : *from.mutable_images())
    images_.push_back(std::move(each));
  return true;
}

void write(const object_state& from, v1::ObjectState& to) {
  const auto& [generation_, observed_generation_, created_, deleted_, applied_at_, edited_at_, labels_,
               requested_at_, requested_by_, last_handled_at_, suspended_, interval_, retry_interval_,
               timeout_, conditions_, artifact_, url_, ref_type_, ref_name_, observed_source_revision_,
               chart_, chart_version_, last_push_commit_, last_push_time_, source_ref_, chart_ref_, sources_,
               depends_on_, values_from_, inventory_, owners_, last_attempted_revision_,
               last_applied_revision_, last_applied_origin_revision_, applies_, waits_, helm_chart_,
               last_attempted_generation_, last_attempted_revision_digest_, last_attempted_config_digest_,
               last_action_, last_action_duration_, failures_, install_failures_, upgrade_failures_,
               releases_, workload_] = from;
  to.set_generation(generation_);
  to.set_observed_generation(observed_generation_);
  to.set_created(number(created_));
  if (deleted_)
    to.set_deleted(number(*deleted_));
  to.set_applied_at(number(applied_at_));
  to.set_edited_at(number(edited_at_));
  for (const auto& [key, value] : labels_) {
    auto& pair = *to.add_labels();
    pair.set_key(key);
    pair.set_value(value);
  }
  to.set_requested_at(requested_at_);
  to.set_requested_by(number(requested_by_));
  to.set_last_handled_at(last_handled_at_);
  to.set_suspended(suspended_);
  if (interval_)
    to.set_interval(interval_->count());
  if (retry_interval_)
    to.set_retry_interval(retry_interval_->count());
  if (timeout_)
    to.set_timeout(timeout_->count());
  for (const auto& each : conditions_)
    write(each, *to.add_conditions());
  if (artifact_)
    write(*artifact_, *to.mutable_artifact());
  to.set_url(url_);
  to.set_ref_type(ref_type_);
  to.set_ref_name(ref_name_);
  to.set_observed_source_revision(observed_source_revision_);
  to.set_chart(chart_);
  to.set_chart_version(chart_version_);
  to.set_last_push_commit(last_push_commit_);
  to.set_last_push_time(number(last_push_time_));
  if (source_ref_)
    write(*source_ref_, *to.mutable_source_ref());
  if (chart_ref_)
    write(*chart_ref_, *to.mutable_chart_ref());
  for (const auto& each : sources_)
    write(each, *to.add_sources());
  for (const auto& each : depends_on_)
    write(each, *to.add_depends_on());
  for (const auto& each : values_from_)
    write(each, *to.add_values_from());
  for (const auto& each : inventory_)
    write(each, *to.add_inventory());
  for (const auto& each : owners_)
    write(each, *to.add_owners());
  to.set_last_attempted_revision(last_attempted_revision_);
  to.set_last_applied_revision(last_applied_revision_);
  to.set_last_applied_origin_revision(last_applied_origin_revision_);
  for (const auto& each : applies_)
    write(each, *to.add_applies());
  to.set_waits(waits_);
  to.set_helm_chart(helm_chart_);
  to.set_last_attempted_generation(last_attempted_generation_);
  to.set_last_attempted_revision_digest(last_attempted_revision_digest_);
  to.set_last_attempted_config_digest(last_attempted_config_digest_);
  to.set_last_action(last_action_);
  if (last_action_duration_)
    to.set_last_action_duration(last_action_duration_->count());
  to.set_failures(failures_);
  to.set_install_failures(install_failures_);
  to.set_upgrade_failures(upgrade_failures_);
  for (const auto& each : releases_)
    write(each, *to.add_releases());
  if (workload_)
    write(*workload_, *to.mutable_workload());
}

bool read(v1::ObjectState& from, object_state& to) {
  auto& [generation_, observed_generation_, created_, deleted_, applied_at_, edited_at_, labels_,
         requested_at_, requested_by_, last_handled_at_, suspended_, interval_, retry_interval_, timeout_,
         conditions_, artifact_, url_, ref_type_, ref_name_, observed_source_revision_, chart_,
         chart_version_, last_push_commit_, last_push_time_, source_ref_, chart_ref_, sources_, depends_on_,
         values_from_, inventory_, owners_, last_attempted_revision_, last_applied_revision_,
         last_applied_origin_revision_, applies_, waits_, helm_chart_, last_attempted_generation_,
         last_attempted_revision_digest_, last_attempted_config_digest_, last_action_, last_action_duration_,
         failures_, install_failures_, upgrade_failures_, releases_, workload_] = to;
  generation_ = from.generation();
  observed_generation_ = from.observed_generation();
  created_ = time(from.created());
  if (from.has_deleted())
    deleted_ = time(from.deleted());
  applied_at_ = time(from.applied_at());
  edited_at_ = time(from.edited_at());
  for (auto& each : *from.mutable_labels())
    labels_.emplace(std::move(*each.mutable_key()), std::move(*each.mutable_value()));
  requested_at_ = std::move(*from.mutable_requested_at());
  requested_by_ = time(from.requested_by());
  last_handled_at_ = std::move(*from.mutable_last_handled_at());
  suspended_ = from.suspended();
  if (from.has_interval())
    interval_ = duration{from.interval()};
  if (from.has_retry_interval())
    retry_interval_ = duration{from.retry_interval()};
  if (from.has_timeout())
    timeout_ = duration{from.timeout()};
  url_ = std::move(*from.mutable_url());
  ref_type_ = std::move(*from.mutable_ref_type());
  ref_name_ = std::move(*from.mutable_ref_name());
  observed_source_revision_ = std::move(*from.mutable_observed_source_revision());
  chart_ = std::move(*from.mutable_chart());
  chart_version_ = std::move(*from.mutable_chart_version());
  last_push_commit_ = std::move(*from.mutable_last_push_commit());
  last_push_time_ = time(from.last_push_time());
  last_attempted_revision_ = std::move(*from.mutable_last_attempted_revision());
  last_applied_revision_ = std::move(*from.mutable_last_applied_revision());
  last_applied_origin_revision_ = std::move(*from.mutable_last_applied_origin_revision());
  waits_ = from.waits();
  helm_chart_ = std::move(*from.mutable_helm_chart());
  last_attempted_generation_ = from.last_attempted_generation();
  last_attempted_revision_digest_ = std::move(*from.mutable_last_attempted_revision_digest());
  last_attempted_config_digest_ = std::move(*from.mutable_last_attempted_config_digest());
  last_action_ = std::move(*from.mutable_last_action());
  if (from.has_last_action_duration())
    last_action_duration_ = duration{from.last_action_duration()};
  failures_ = from.failures();
  install_failures_ = from.install_failures();
  upgrade_failures_ = from.upgrade_failures();
  return read_all(*from.mutable_conditions(), conditions_) &&
         (!from.has_artifact() || read(*from.mutable_artifact(), artifact_.emplace())) &&
         (!from.has_source_ref() || read(*from.mutable_source_ref(), source_ref_.emplace())) &&
         (!from.has_chart_ref() || read(*from.mutable_chart_ref(), chart_ref_.emplace())) &&
         read_all(*from.mutable_sources(), sources_) && read_all(*from.mutable_depends_on(), depends_on_) &&
         read_all(*from.mutable_values_from(), values_from_) &&
         read_all(*from.mutable_inventory(), inventory_) && read_all(*from.mutable_owners(), owners_) &&
         read_all(*from.mutable_applies(), applies_) && read_all(*from.mutable_releases(), releases_) &&
         (!from.has_workload() || read(*from.mutable_workload(), workload_.emplace()));
}

void write(const message_fact& from, v1::MessageFact& to) {
  const auto& [name_, reason_, text_, severity_, controller_, first_, last_, exact_first_, count_, revision_,
               origin_revision_, digest_, oci_digest_, token_, combined_] = from;
  to.set_name(name_);
  to.set_reason(reason_);
  to.set_text(text_);
  to.set_severity(severity_);
  to.set_controller(controller_);
  to.set_first(number(first_));
  to.set_last(number(last_));
  to.set_exact_first(number(exact_first_));
  to.set_count(count_);
  to.set_revision(revision_);
  to.set_origin_revision(origin_revision_);
  to.set_digest(digest_);
  to.set_oci_digest(oci_digest_);
  to.set_token(token_);
  to.set_combined(combined_);
}

bool read(v1::MessageFact& from, message_fact& to) {
  auto& [name_, reason_, text_, severity_, controller_, first_, last_, exact_first_, count_, revision_,
         origin_revision_, digest_, oci_digest_, token_, combined_] = to;
  name_ = std::move(*from.mutable_name());
  reason_ = std::move(*from.mutable_reason());
  text_ = std::move(*from.mutable_text());
  severity_ = std::move(*from.mutable_severity());
  controller_ = std::move(*from.mutable_controller());
  first_ = time(from.first());
  last_ = time(from.last());
  exact_first_ = time(from.exact_first());
  count_ = from.count();
  revision_ = std::move(*from.mutable_revision());
  origin_revision_ = std::move(*from.mutable_origin_revision());
  digest_ = std::move(*from.mutable_digest());
  oci_digest_ = std::move(*from.mutable_oci_digest());
  token_ = std::move(*from.mutable_token());
  combined_ = from.combined();
  return true;
}

void write(const notification_fact& from, v1::NotificationFact& to) {
  const auto& [receiver_, sender_, event_, reason_, revision_, occurred_, began_, ended_, attempts_, error_] =
      from;
  to.set_receiver(receiver_);
  to.set_sender(sender_);
  to.set_event(event_);
  to.set_reason(reason_);
  to.set_revision(revision_);
  to.set_occurred(number(occurred_));
  to.set_began(number(began_));
  to.set_ended(number(ended_));
  to.set_attempts(attempts_);
  to.set_error(error_);
}

bool read(v1::NotificationFact& from, notification_fact& to) {
  auto& [receiver_, sender_, event_, reason_, revision_, occurred_, began_, ended_, attempts_, error_] = to;
  receiver_ = std::move(*from.mutable_receiver());
  sender_ = std::move(*from.mutable_sender());
  event_ = std::move(*from.mutable_event());
  reason_ = std::move(*from.mutable_reason());
  revision_ = std::move(*from.mutable_revision());
  occurred_ = time(from.occurred());
  began_ = time(from.began());
  ended_ = time(from.ended());
  attempts_ = from.attempts();
  error_ = std::move(*from.mutable_error());
  return true;
}

void write(const observation& from, v1::Observation& to) {
  const auto& [kind_, received_at_, initial_, relisted_, object_, api_version_, uid_, resource_version_,
               state_, message_, notification_] = from;
  to.set_kind(static_cast<std::uint32_t>(kind_));
  to.set_received_at(number(received_at_));
  to.set_initial(initial_);
  to.set_relisted(relisted_);
  write(object_, *to.mutable_object());
  to.set_api_version(api_version_);
  to.set_uid(uid_);
  to.set_resource_version(resource_version_);
  if (state_)
    write(*state_, *to.mutable_state());
  if (message_)
    write(*message_, *to.mutable_message());
  if (notification_)
    write(*notification_, *to.mutable_notification());
}

bool read(v1::Observation& from, observation& to) {
  auto& [kind_, received_at_, initial_, relisted_, object_, api_version_, uid_, resource_version_, state_,
         message_, notification_] = to;
  received_at_ = time(from.received_at());
  initial_ = from.initial();
  relisted_ = from.relisted();
  api_version_ = std::move(*from.mutable_api_version());
  uid_ = std::move(*from.mutable_uid());
  resource_version_ = from.resource_version();
  return read_enum(from.kind(), observation_kind::state, observation_kind::notification, kind_) &&
         read(*from.mutable_object(), object_) &&
         (!from.has_state() || read(*from.mutable_state(), state_.emplace())) &&
         (!from.has_message() || read(*from.mutable_message(), message_.emplace())) &&
         (!from.has_notification() || read(*from.mutable_notification(), notification_.emplace()));
}

void write(const attribute& from, v1::Attribute& to) {
  const auto& [key_, value_] = from;
  to.set_key(key_);
  std::visit(
      [&to](const auto& value) {
        using type = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<type, std::string>) {
          to.set_text(value);
        } else if constexpr (std::is_same_v<type, bool>) {
          to.set_flag(value);
        } else if constexpr (std::is_same_v<type, std::int64_t>) {
          to.set_whole(value);
        } else if constexpr (std::is_same_v<type, double>) {
          to.set_number(value);
        } else {
          auto& list = *to.mutable_list();
          for (const std::string& each : value)
            list.add_texts(each);
        }
      },
      value_);
}

bool read(v1::Attribute& from, attribute& to) {
  auto& [key_, value_] = to;
  key_ = std::move(*from.mutable_key());
  switch (from.value_case()) {
  case v1::Attribute::kText:
    value_ = std::move(*from.mutable_text());
    return true;
  case v1::Attribute::kFlag:
    value_ = from.flag();
    return true;
  case v1::Attribute::kWhole:
    value_ = static_cast<std::int64_t>(from.whole());
    return true;
  case v1::Attribute::kNumber:
    value_ = from.number();
    return true;
  case v1::Attribute::kList: {
    std::vector<std::string> list;
    for (auto& each : *from.mutable_list()->mutable_texts())
      list.push_back(std::move(each));
    value_ = std::move(list);
    return true;
  }
  case v1::Attribute::VALUE_NOT_SET:
    break;
  }
  return false;
}

void write(const span_event& from, v1::SpanEvent& to) {
  const auto& [at_, name_, attributes_] = from;
  to.set_at(number(at_));
  to.set_name(name_);
  for (const auto& each : attributes_)
    write(each, *to.add_attributes());
}

bool read(v1::SpanEvent& from, span_event& to) {
  auto& [at_, name_, attributes_] = to;
  at_ = time(from.at());
  name_ = std::move(*from.mutable_name());
  return read_all(*from.mutable_attributes(), attributes_);
}

void write(const span_link& from, v1::SpanLink& to) {
  const auto& [trace_, span_, attributes_] = from;
  to.set_trace(trace_.bytes.data(), trace_.bytes.size());
  to.set_span(span_.bytes.data(), span_.bytes.size());
  for (const auto& each : attributes_)
    write(each, *to.add_attributes());
}

bool read(v1::SpanLink& from, span_link& to) {
  auto& [trace_, span_, attributes_] = to;
  return read_id(from.trace(), trace_) && read_id(from.span(), span_) &&
         read_all(*from.mutable_attributes(), attributes_);
}

void write(const span& from, v1::Span& to) {
  const auto& [id_, parent_, name_, kind_, start_, end_, attributes_, events_, links_, status_,
               status_message_, service_] = from;
  to.set_id(id_.bytes.data(), id_.bytes.size());
  to.set_parent(parent_.bytes.data(), parent_.bytes.size());
  to.set_name(name_);
  to.set_kind(static_cast<std::uint32_t>(kind_));
  to.set_start(number(start_));
  to.set_end(number(end_));
  for (const auto& each : attributes_)
    write(each, *to.add_attributes());
  for (const auto& each : events_)
    write(each, *to.add_events());
  for (const auto& each : links_)
    write(each, *to.add_links());
  to.set_status(static_cast<std::uint32_t>(status_));
  to.set_status_message(status_message_);
  to.set_service(service_);
}

bool read(v1::Span& from, span& to) {
  auto& [id_, parent_, name_, kind_, start_, end_, attributes_, events_, links_, status_, status_message_,
         service_] = to;
  name_ = std::move(*from.mutable_name());
  start_ = time(from.start());
  end_ = time(from.end());
  status_message_ = std::move(*from.mutable_status_message());
  service_ = std::move(*from.mutable_service());
  return read_id(from.id(), id_) && read_id(from.parent(), parent_) &&
         read_enum(from.kind(), span_kind::internal, span_kind::consumer, kind_) &&
         read_all(*from.mutable_attributes(), attributes_) && read_all(*from.mutable_events(), events_) &&
         read_all(*from.mutable_links(), links_) &&
         read_enum(from.status(), span_status::unset, span_status::error, status_);
}

void write(const completed_trace& from, v1::CompletedTrace& to) {
  const auto& [id_, change_key_, revision_, root_, outcome_, settled_at_, addition_, trace_state_,
               trace_namespace_, trace_name_, resource_attributes_, spans_] = from;
  to.set_id(id_.bytes.data(), id_.bytes.size());
  to.set_change_key(change_key_);
  to.set_revision(revision_);
  write(root_, *to.mutable_root());
  to.set_outcome(outcome_);
  to.set_settled_at(number(settled_at_));
  to.set_addition(addition_);
  to.set_trace_state(trace_state_);
  to.set_trace_namespace(trace_namespace_);
  to.set_trace_name(trace_name_);
  for (const auto& each : resource_attributes_)
    write(each, *to.add_resource_attributes());
  for (const auto& each : spans_)
    write(each, *to.add_spans());
}

bool read(v1::CompletedTrace& from, completed_trace& to) {
  auto& [id_, change_key_, revision_, root_, outcome_, settled_at_, addition_, trace_state_, trace_namespace_,
         trace_name_, resource_attributes_, spans_] = to;
  change_key_ = std::move(*from.mutable_change_key());
  revision_ = std::move(*from.mutable_revision());
  outcome_ = std::move(*from.mutable_outcome());
  settled_at_ = time(from.settled_at());
  addition_ = from.addition();
  trace_state_ = std::move(*from.mutable_trace_state());
  trace_namespace_ = std::move(*from.mutable_trace_namespace());
  trace_name_ = std::move(*from.mutable_trace_name());
  return read_id(from.id(), id_) && read(*from.mutable_root(), root_) &&
         read_all(*from.mutable_resource_attributes(), resource_attributes_) &&
         read_all(*from.mutable_spans(), spans_);
}

template <class Message, class Value>
std::string bytes_of(const Value& value) {
  Message message;
  write(value, message);
  return message.SerializeAsString();
}

template <class Message, class Value>
tl::expected<Value, std::string> value_of(std::string_view bytes, const char* what) {
  Message message;
  Value out;
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || !read(message, out))
    return tl::unexpected(std::string{"not "} + what + " as this version writes it");
  return out;
}

} // namespace

std::string encode(const observation& fact) {
  return bytes_of<v1::Observation>(fact);
}

std::string encode(const completed_trace& trace) {
  return bytes_of<v1::CompletedTrace>(trace);
}

tl::expected<observation, std::string> decode_observation(std::string_view bytes) {
  return value_of<v1::Observation, observation>(bytes, "an observation");
}

tl::expected<completed_trace, std::string> decode_trace(std::string_view bytes) {
  return value_of<v1::CompletedTrace, completed_trace>(bytes, "a trace");
}

} // namespace tc::store
