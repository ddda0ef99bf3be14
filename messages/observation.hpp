#pragma once

// What everything downstream of the inputs works on: one immutable fact about one object. An observation is a
// digest of a watch event, a core/v1 Event or an HTTP event post that keeps all that attribution needs and
// nothing else; the JSON is gone. How JSON becomes an observation lives in kube/decode/, what is concluded
// from observations in trace/.

#include "messages/ids.hpp"
#include "messages/time.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tc {

/// Where an observation comes from.
enum class observation_kind : std::uint8_t {
  state,        ///< ADDED or MODIFIED of a watched object
  deleted,      ///< DELETED of a watched object; carries its last state
  event,        ///< a core/v1 Event about an object
  post,         ///< an HTTP event that a Flux controller sent
  notification, ///< what became of the delivery of an HTTP event to somebody else
};

/// One entry of status.conditions.
struct condition {
  std::string type;
  std::string status; ///< "True", "False" or "Unknown"
  std::string reason;
  std::string message;
  timestamp last_transition; ///< whole seconds
  std::int64_t observed_generation = 0;

  bool operator==(const condition&) const = default;
  bool is_true() const { return status == "True"; }
  bool is_false() const { return status == "False"; }
};

/// status.artifact of a source.
struct artifact {
  std::string revision;
  std::string digest;          ///< of the tarball
  timestamp last_update;       ///< whole seconds
  std::string origin_revision; ///< metadata org.opencontainers.image.revision, "" for none
  std::string origin_source;   ///< metadata org.opencontainers.image.source, "" for none
  timestamp created;           ///< metadata org.opencontainers.image.created, the epoch for none

  bool operator==(const artifact&) const = default;
};

/// One entry of a Kustomization's status.history.
struct apply_record {
  std::string digest;
  timestamp first_reconciled; ///< whole seconds
  timestamp last_reconciled;  ///< whole seconds
  duration last_duration{};   ///< as the controller measured it
  std::string last_status;    ///< the Ready reason it ended with
  std::int64_t total = 0;
  std::string revision;
  std::string origin_revision;

  bool operator==(const apply_record&) const = default;
};

/// One entry of a HelmRelease's status.history.
struct release_record {
  std::string chart_name;
  std::string chart_version;
  std::string config_digest;
  std::string oci_digest;
  std::string status; ///< deployed, superseded, failed, uninstalled, ...
  std::string action; ///< install, upgrade, "" on older entries and controllers
  std::int64_t version = 0;
  timestamp first_deployed; ///< whole seconds
  timestamp last_deployed;  ///< whole seconds
  timestamp deleted;

  bool operator==(const release_record&) const = default;
};

/// What a Deployment, StatefulSet or DaemonSet wants and has.
struct workload_state {
  std::int64_t desired = 0;
  std::int64_t current = 0;
  std::int64_t updated = 0;
  std::int64_t ready = 0;
  std::int64_t available = 0;
  std::vector<std::string> images; ///< of the pod template, init containers after containers

  bool operator==(const workload_state&) const = default;
};

/// The digest of a watched object.
struct object_state {
  std::int64_t generation = 0;
  std::int64_t observed_generation = 0;
  timestamp created;                ///< metadata.creationTimestamp, whole seconds
  std::optional<timestamp> deleted; ///< metadata.deletionTimestamp
  timestamp applied_at; ///< when a Flux controller's apply last changed it (managedFields), whole seconds
  timestamp
      edited_at; ///< when anything else last changed a field of its spec that is still so, whole seconds
  std::map<std::string, std::string> labels;
  std::string requested_at; ///< annotation reconcile.fluxcd.io/requestedAt: any text
  timestamp requested_by; ///< who wrote that wrote last then (managedFields); the request is no later. Whole
                          ///< seconds
  std::string last_handled_at; ///< status.lastHandledReconcileAt: the requestedAt that was handled last
  bool suspended = false;
  std::optional<duration> interval;
  std::optional<duration> retry_interval;
  std::optional<duration> timeout;
  std::vector<condition> conditions;
  std::optional<struct artifact> artifact;

  // Sources
  std::string url; ///< spec.url, or the endpoint and bucket
  std::string
      ref_type; ///< of spec.ref or spec.reference: branch, tag, semver, commit, name, digest; "" for none
  std::string ref_name;                 ///< its value
  std::string observed_source_revision; ///< HelmChart status.observedSourceArtifactRevision
  std::string chart;                    ///< HelmChart spec.chart, HelmRelease spec.chart.spec.chart
  std::string chart_version;            ///< the version (range) asked for
  std::string last_push_commit;         ///< ImageUpdateAutomation status.lastPushCommit
  timestamp last_push_time;             ///< ImageUpdateAutomation status.lastPushTime

  // References, with the default namespace filled in
  std::optional<object_id>
      source_ref; ///< Kustomization, HelmChart, ExternalArtifact, HelmRelease's chart template
  std::optional<object_id> chart_ref; ///< HelmRelease spec.chartRef
  std::vector<object_id> sources;     ///< ArtifactGenerator spec.sources, GitRepository spec.include
  std::vector<object_id> depends_on;
  std::vector<object_id> values_from; ///< ConfigMaps and Secrets a HelmRelease or Kustomization reads
  std::vector<object_id> inventory;   ///< what it applied
  std::vector<object_id> owners;      ///< metadata.ownerReferences, same namespace

  // Kustomization
  std::string last_attempted_revision;
  std::string last_applied_revision;
  std::string last_applied_origin_revision;
  std::vector<apply_record> applies; ///< newest first
  bool waits = false;                ///< spec.wait or spec.healthChecks: there is a health check

  // HelmRelease
  std::string helm_chart; ///< status.helmChart, "namespace/name"
  std::int64_t last_attempted_generation = 0;
  std::string last_attempted_revision_digest;
  std::string last_attempted_config_digest;
  std::string last_action; ///< status.lastAttemptedReleaseAction
  std::optional<duration> last_action_duration;
  std::int64_t failures = 0;
  std::int64_t install_failures = 0;
  std::int64_t upgrade_failures = 0;
  std::vector<release_record> releases; ///< newest first

  std::optional<workload_state> workload;

  bool operator==(const object_state&) const = default;
  /// Returns the condition of that type, or nullptr.
  const condition* find_condition(std::string_view type) const;
  /// Returns the label's value, or "".
  std::string_view label(std::string_view key) const;
};

/// What a core/v1 Event or an HTTP event says.
struct message_fact {
  std::string name; ///< of the Event; "" for a post
  std::string reason;
  std::string text;
  std::string severity;   ///< info or error; an Event's Warning is error
  std::string controller; ///< source.component or reportingController
  timestamp first;        ///< firstTimestamp; a post's timestamp. Whole seconds
  timestamp last;         ///< lastTimestamp; a post's timestamp. Whole seconds
  timestamp
      exact_first; ///< the nanoseconds in an Event's name: its first occurrence. The epoch if it has none
  std::int64_t count = 1;
  std::string revision; ///< of the first occurrence only when count > 1
  std::string origin_revision;
  std::string digest;
  std::string oci_digest;
  std::string token;     ///< a HelmRelease's values digest
  bool combined = false; ///< "(combined from similar events)": the prefix is removed from the text

  bool operator==(const message_fact&) const = default;
};

/// How the delivery of an event about an object went: by our tee, or, where it failed, by
/// notification-controller for an Alert.
struct notification_fact {
  std::string receiver; ///< "Alert/namespace/name", or the host that the tee delivers to
  std::string sender;   ///< service.name of who delivered
  std::string event;    ///< which event it was: equal for two reports of one delivery
  std::string reason;   ///< of the event; "" where that is not known
  std::string revision; ///< of the event; "" where that is not known
  timestamp occurred;   ///< the event's own time. Whole seconds
  timestamp began;
  timestamp ended;
  std::int64_t attempts = 1;
  std::string error; ///< "" when it was taken

  bool operator==(const notification_fact&) const = default;
};

/// One immutable fact. `state` is set for state and deleted, `message` for event and post, `notification` for
/// that.
struct observation {
  observation_kind kind = observation_kind::state;
  timestamp received_at;
  bool initial = false; ///< from a list, not live: `received_at` says nothing of when it happened
  /// From a list after an outage of the watch: states before it may have been missed, and `received_at` says
  /// nothing of when it happened. A deletion that such a list implies has the version after the last known.
  bool relisted = false;
  object_id object;                   ///< for an Event and a post: the involved object
  std::string api_version;            ///< group/version it was seen with
  std::string uid;                    ///< of the object; "" where an Event does not say
  std::uint64_t resource_version = 0; ///< of what was observed: the object, or the Event; 0 for a post
  std::optional<object_state> state;
  std::optional<message_fact> message;
  std::optional<notification_fact> notification;

  /// Returns a text that is equal for two observations of the same fact: object and resource version, or
  /// Event name and count, or for a post its object, reason, message and time, or for a notification its
  /// event and receiver.
  std::string identity() const;
  /// Returns about how many bytes of memory it holds.
  std::size_t byte_size() const;
};

using observation_ptr = std::shared_ptr<const observation>;

} // namespace tc
