#include "tests/runtime/store/random_values.hpp"

#include <random>

namespace tc::test {

namespace {

using source = std::mt19937_64;

std::uint64_t below(source& from, std::uint64_t limit) {
  return std::uniform_int_distribution<std::uint64_t>{0, limit - 1}(from);
}

// Types of ours, taken apart by structured bindings: a new field does not compile until it is drawn too.
void fill(object_id& value, source& from);
void fill(condition& value, source& from);
void fill(struct artifact& value, source& from);
void fill(apply_record& value, source& from);
void fill(release_record& value, source& from);
void fill(workload_state& value, source& from);
void fill(object_state& value, source& from);
void fill(message_fact& value, source& from);
void fill(notification_fact& value, source& from);
void fill(attribute& value, source& from);
void fill(span_event& value, source& from);
void fill(span_link& value, source& from);
void fill(span& value, source& from);

void fill(std::string& value, source& from) {
  value.clear();
  for (auto size = below(from, 4) == 0 ? 0 : below(from, 40); size > 0; --size)
    value += static_cast<char>(below(from, 256)); // zero bytes and broken UTF-8 too
}

void fill(bool& value, source& from) {
  value = below(from, 2) == 1;
}

void fill(std::int64_t& value, source& from) {
  value = static_cast<std::int64_t>(from() >> below(from, 64)) * (below(from, 2) == 0 ? 1 : -1);
}

void fill(std::uint64_t& value, source& from) {
  value = from() >> below(from, 64);
}

void fill(double& value, source& from) {
  value = std::uniform_real_distribution<double>{-1e9, 1e9}(from);
}

void fill(timestamp& value, source& from) {
  std::int64_t number = 0;
  fill(number, from);
  value = timestamp{duration{number}};
}

void fill(duration& value, source& from) {
  std::int64_t number = 0;
  fill(number, from);
  value = duration{number};
}

void fill(trace_id& value, source& from) {
  for (auto& byte : value.bytes)
    byte = static_cast<std::uint8_t>(below(from, 256));
}

void fill(span_id& value, source& from) {
  for (auto& byte : value.bytes)
    byte = static_cast<std::uint8_t>(below(from, 256));
}

void fill(observation_kind& value, source& from) {
  value = static_cast<observation_kind>(below(from, 5));
}

void fill(span_kind& value, source& from) {
  value = static_cast<span_kind>(1 + below(from, 5));
}

void fill(span_status& value, source& from) {
  value = static_cast<span_status>(below(from, 3));
}

template <class T>
void fill(std::optional<T>& value, source& from) {
  value.reset();
  if (below(from, 2) == 1)
    fill(value.emplace(), from);
}

template <class T>
void fill(std::vector<T>& value, source& from) {
  value.clear();
  for (auto size = below(from, 2) * below(from, 4); size > 0; --size)
    fill(value.emplace_back(), from);
}

void fill(std::map<std::string, std::string>& value, source& from) {
  value.clear();
  for (auto size = below(from, 4); size > 0; --size) {
    std::string key;
    fill(key, from);
    fill(value[key], from);
  }
}

void fill(attribute_value& value, source& from) {
  switch (below(from, 5)) {
  case 0:
    fill(value.emplace<std::string>(), from);
    break;
  case 1:
    fill(value.emplace<bool>(), from);
    break;
  case 2:
    fill(value.emplace<std::int64_t>(), from);
    break;
  case 3:
    fill(value.emplace<double>(), from);
    break;
  default:
    fill(value.emplace<std::vector<std::string>>(), from);
  }
}

template <class... Fields>
void fill_each(source& from, Fields&... fields) {
  (fill(fields, from), ...);
}

void fill(attribute& value, source& from) {
  auto& [key_, value_] = value;
  fill_each(from, key_, value_);
}

void fill(object_id& value, source& from) {
  auto& [group_, kind_, namespace_name_, name_] = value;
  fill_each(from, group_, kind_, namespace_name_, name_);
}

void fill(condition& value, source& from) {
  auto& [type_, status_, reason_, message_, last_transition_, observed_generation_] = value;
  fill_each(from, type_, status_, reason_, message_, last_transition_, observed_generation_);
}

void fill(struct artifact& value, source& from) {
  auto& [revision_, digest_, last_update_, origin_revision_, origin_source_, created_] = value;
  fill_each(from, revision_, digest_, last_update_, origin_revision_, origin_source_, created_);
}

void fill(apply_record& value, source& from) {
  auto& [digest_, first_reconciled_, last_reconciled_, last_duration_, last_status_, total_, revision_,
         origin_revision_] = value;
  fill_each(from, digest_, first_reconciled_, last_reconciled_, last_duration_, last_status_, total_,
            revision_, origin_revision_);
}

void fill(release_record& value, source& from) {
  auto& [chart_name_, chart_version_, config_digest_, oci_digest_, status_, action_, version_,
         first_deployed_, last_deployed_, deleted_] = value;
  fill_each(from, chart_name_, chart_version_, config_digest_, oci_digest_, status_, action_, version_,
            first_deployed_, last_deployed_, deleted_);
}

void fill(workload_state& value, source& from) {
  auto& [desired_, current_, updated_, ready_, available_, images_] = value;
  fill_each(from, desired_, current_, updated_, ready_, available_, images_);
}

void fill(object_state& value, source& from) {
  auto& [generation_, observed_generation_, created_, deleted_, applied_at_, edited_at_, labels_,
         requested_at_, requested_by_, last_handled_at_, suspended_, interval_, retry_interval_, timeout_,
         conditions_, artifact_, url_, ref_type_, ref_name_, observed_source_revision_, chart_,
         chart_version_, last_push_commit_, last_push_time_, source_ref_, chart_ref_, sources_, depends_on_,
         values_from_, inventory_, owners_, last_attempted_revision_, last_applied_revision_,
         last_applied_origin_revision_, applies_, waits_, helm_chart_, last_attempted_generation_,
         last_attempted_revision_digest_, last_attempted_config_digest_, last_action_, last_action_duration_,
         failures_, install_failures_, upgrade_failures_, releases_, workload_] = value;
  fill_each(from, generation_, observed_generation_, created_, deleted_, applied_at_, edited_at_, labels_,
            requested_at_, requested_by_, last_handled_at_, suspended_, interval_, retry_interval_, timeout_,
            conditions_, artifact_, url_, ref_type_, ref_name_, observed_source_revision_, chart_,
            chart_version_, last_push_commit_, last_push_time_, source_ref_, chart_ref_, sources_,
            depends_on_, values_from_, inventory_, owners_, last_attempted_revision_, last_applied_revision_,
            last_applied_origin_revision_, applies_, waits_, helm_chart_, last_attempted_generation_,
            last_attempted_revision_digest_, last_attempted_config_digest_, last_action_,
            last_action_duration_, failures_, install_failures_, upgrade_failures_, releases_, workload_);
}

void fill(message_fact& value, source& from) {
  auto& [name_, reason_, text_, severity_, controller_, first_, last_, exact_first_, count_, revision_,
         origin_revision_, digest_, oci_digest_, token_, combined_] = value;
  fill_each(from, name_, reason_, text_, severity_, controller_, first_, last_, exact_first_, count_,
            revision_, origin_revision_, digest_, oci_digest_, token_, combined_);
}

void fill(notification_fact& value, source& from) {
  auto& [receiver_, sender_, event_, reason_, revision_, occurred_, began_, ended_, attempts_, error_] =
      value;
  fill_each(from, receiver_, sender_, event_, reason_, revision_, occurred_, began_, ended_, attempts_,
            error_);
}

void fill(observation& value, source& from) {
  auto& [kind_, received_at_, initial_, relisted_, object_, api_version_, uid_, resource_version_, state_,
         message_, notification_] = value;
  fill_each(from, kind_, received_at_, initial_, relisted_, object_, api_version_, uid_, resource_version_,
            state_, message_, notification_);
}

void fill(span_event& value, source& from) {
  auto& [at_, name_, attributes_] = value;
  fill_each(from, at_, name_, attributes_);
}

void fill(span_link& value, source& from) {
  auto& [trace_, span_, attributes_] = value;
  fill_each(from, trace_, span_, attributes_);
}

void fill(span& value, source& from) {
  auto& [id_, parent_, name_, kind_, start_, end_, attributes_, events_, links_, status_, status_message_,
         service_] = value;
  fill_each(from, id_, parent_, name_, kind_, start_, end_, attributes_, events_, links_, status_,
            status_message_, service_);
}

void fill(completed_trace& value, source& from) {
  auto& [id_, change_key_, revision_, root_, outcome_, settled_at_, addition_, trace_state_, trace_namespace_,
         trace_name_, resource_attributes_, spans_] = value;
  fill_each(from, id_, change_key_, revision_, root_, outcome_, settled_at_, addition_, trace_state_,
            trace_namespace_, trace_name_, resource_attributes_, spans_);
}

} // namespace

observation random_observation(std::uint64_t seed) {
  source from{seed};
  observation out;
  fill(out, from);
  return out;
}

completed_trace random_trace(std::uint64_t seed) {
  source from{seed};
  completed_trace out;
  fill(out, from);
  return out;
}

} // namespace tc::test
