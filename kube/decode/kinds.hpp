#pragma once

// One function for each family of kinds: fills in what that family's spec and status say. Private to the
// decoder.

#include "kube/decode/json_reader.hpp"
#include "messages/observation.hpp"
#include "messages/trace_spec.hpp"

#include <string>
#include <string_view>

namespace tc::kube {

/// Returns the group of "group/version", "" for "v1".
std::string group_of(std::string_view api_version);

/// Reads {apiVersion?, kind, name, namespace?}; a missing kind is `default_kind`, a missing namespace the
/// object's own.
object_id read_reference(const node& reference, std::string_view own_namespace,
                         std::string_view default_kind = {});

void read_metadata(const node& metadata, const object_id& self, object_state& out);
void read_common(const node& root, object_state& out);
void read_source(const node& root, const object_id& self, object_state& out);
void read_kustomization(const node& root, const object_id& self, object_state& out);
void read_helm_release(const node& root, const object_id& self, object_state& out);
void read_workload(const node& root, const object_id& self, object_state& out);

/// An Event on an Alert says that an event about another object was not delivered: makes it a notification
/// about that object. Returns false, and changes nothing, when it says anything else.
bool read_failed_dispatch(observation& out);

/// Reads a core/v1 Event or events.k8s.io/v1 Event into `out.object` and `out.message`.
void read_event(const node& root, observation& out);
void read_post(const node& root, observation& out);

trace_resource read_trace(const node& root);
provider_resource read_provider(const node& root);

} // namespace tc::kube
