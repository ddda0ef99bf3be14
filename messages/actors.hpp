#pragma once

// Every typed actor interface of the program, with a comment per message, and the CAF registration of what
// the messages carry. Reading this file is knowing who says what to whom. Behaviour lives in actors/.

#include "messages/observation.hpp"
#include "messages/span.hpp"
#include "messages/trace_spec.hpp"

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/atom.hpp>
#include <caf/replies_to.hpp>
#include <caf/type_id.hpp>
#include <caf/typed_actor.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tc {

/// Observations travel in batches, shared between all who get them.
using observation_batch = std::vector<observation_ptr>;
using observation_batch_ptr = std::shared_ptr<const observation_batch>;

using trace_resource_ptr = std::shared_ptr<const trace_resource>;

/// What became of a submitted trace.
struct delivery_report {
  std::uint64_t submission = 0;
  bool delivered = false;
  std::size_t spans = 0;    ///< accepted by the backend, or already there
  std::size_t rejected = 0; ///< refused by the backend as partial success
  std::string reason;       ///< why not, without secrets
};
using delivery_report_ptr = std::shared_ptr<const delivery_report>;

/// What a revision actor concluded about its change.
struct change_report {
  std::string key;
  bool settled = false;
  timestamp ask_again; ///< when not settled; unknown for "not before something new arrives"
  timestamp first_activity;
  timestamp last_activity;
  bool wanted = true; ///< false: nothing that the Trace selects took it, or it is of a kind not asked for
  std::string why;    ///< complete, superseded, timeout, …
  completed_trace_ptr trace; ///< when settled, or in part with spec.export Progressive; may be null
  std::size_t observations = 0;
  duration assembly_time{0};
};
using change_report_ptr = std::shared_ptr<const change_report>;

/// The books of one Trace resource (DESIGN.md, section 6). `opened` equals the sum of the other changes.
struct trace_books {
  std::uint64_t observations = 0;
  std::uint64_t changes_opened = 0;
  std::uint64_t changes_exported = 0;
  std::uint64_t changes_history = 0; ///< had settled before the first list
  std::uint64_t changes_sampled_out = 0;
  std::uint64_t changes_filtered = 0; ///< nothing selected took them
  std::uint64_t changes_dropped = 0;
  std::uint64_t changes_pending = 0;     ///< open, settled and waiting for credit, or unacknowledged
  std::uint64_t changes_handed_over = 0; ///< were pending when another process took the Trace over
  std::uint64_t traces_waiting = 0;      ///< settled, and without an answer of the backend yet
  std::uint64_t traces_stranded = 0;     ///< those of them that have no usable Provider
  std::uint64_t traces_spilled = 0;      ///< those of them whose spans are in the data directory only
  std::uint64_t spans_exported = 0;
  std::uint64_t spans_dropped = 0;    ///< of traces that were given up before an exporter took them
  std::uint64_t changes_reopened = 0; ///< open once more, by later evidence; their fate is among the others
  std::uint64_t spans_late = 0;       ///< already sent, and different by later evidence
  std::uint64_t spans_faded = 0; ///< already sent, and different since evidence of the change was let go of
  std::uint64_t restarts = 0;    ///< of revision actors

  bool operator==(const trace_books&) const = default;
};

/// Spans of one trace that a backend has, or has refused for good.
struct delivered_trace {
  trace_id id;
  std::vector<span_id> spans;

  bool operator==(const delivered_trace&) const = default;
};

/// What the status of a Trace says of the deliveries of another process.
struct delivered_spans {
  std::string uid; ///< of the Trace
  std::vector<delivered_trace> traces;
  timestamp until; ///< status.exportedUntil: what was quiet before has its fate; unknown when not given
};
using delivered_spans_ptr = std::shared_ptr<const delivered_spans>;

/// What the status of a Trace resource should say.
struct trace_status {
  std::string namespace_name;
  std::string name;
  std::string uid;
  std::int64_t generation = 0;
  bool ready = false;
  bool stalled = false; ///< cannot become ready without a change of the spec
  std::string reason;
  std::string message;
  trace_books books;
  std::string last_trace_id; ///< "" before the first export
  std::string last_revision;
  std::string last_change_key;
  timestamp last_export;
  /// Of the latest trace that the backend refused for good, if none was exported since: which, and what it
  /// said, without secrets; "" for none.
  std::string last_refusal;
  /// What was quiet before needs no export by a later process; unknown before the first export.
  timestamp exported_until;
  /// Its last: all that was handed out is delivered, or nobody takes it, and nothing more is.
  bool drained = false;
  /// The latest deliveries, oldest first, for a process that takes over; null where none is expected.
  std::shared_ptr<const std::vector<delivered_trace>> delivered;

  bool operator==(const trace_status&) const = default;
};
using trace_status_ptr = std::shared_ptr<const trace_status>;

/// Traces that another process follows from now on.
struct departure {
  std::vector<std::string> uids;
  /// What exporters have of them may not be sent any more: each is started anew, and what others handed out
  /// is handed out again.
  bool recall = false;
  std::function<void()> done; ///< nothing of them is there any more; on any thread
};
using departure_ptr = std::shared_ptr<const departure>;

/// The books of an exporter.
struct exporter_books {
  std::uint64_t spans_submitted = 0;
  std::uint64_t spans_delivered = 0;
  std::uint64_t spans_duplicate = 0; ///< already sent under the same ID
  std::uint64_t spans_rejected = 0;
  std::uint64_t spans_dropped = 0;
  std::uint64_t spans_pending = 0;
  std::uint64_t bytes_pending = 0; ///< about
  std::uint64_t attempts = 0;
  std::uint64_t failed_attempts = 0;
  std::string last_error;
  bool backend_away = false; ///< it failed several times in a row and is only probed

  bool operator==(const exporter_books&) const = default;
};

/// The books of the whole process.
struct controller_books {
  std::uint64_t observations = 0;
  std::uint64_t observations_unrouted = 0;                       ///< no Trace is interested in their object
  std::vector<std::pair<std::string, trace_books>> traces;       ///< by "namespace/name"
  std::vector<std::pair<std::string, exporter_books>> exporters; ///< by "namespace/name" of the Provider
  trace_books departed;                 ///< of Traces that were deleted; what was pending then is dropped
  std::uint64_t restarts = 0;           ///< of actors other than revision actors
  std::uint64_t statuses_unwritten = 0; ///< but for those that could not be written when last tried
};
using controller_books_ptr = std::shared_ptr<const controller_books>;
using trace_status_list_ptr = std::shared_ptr<const std::vector<trace_status>>;

/// The outcome of one send of one batch, as the sink's thread reports it.
struct send_result;
using send_result_ptr = std::shared_ptr<const send_result>;

/// How an exporter reaches its backend: made in main from a Provider and its Secrets, opaque here.
struct exporter_setup;
using exporter_setup_ptr = std::shared_ptr<const exporter_setup>;

/// A Provider as the controller uses it: how to reach it, or why it cannot be used.
struct provider_binding {
  std::string namespace_name;
  std::string name;
  exporter_setup_ptr setup; ///< null when the Provider cannot be used
  std::string problem;      ///< then: the reason, for the Trace's Ready condition
  std::string reason;       ///< then: in CamelCase, for example ProviderInvalid
  bool forgotten = false;   ///< it is gone and nobody names it: nothing is kept of it
};
using provider_binding_ptr = std::shared_ptr<const provider_binding>;

} // namespace tc

CAF_BEGIN_TYPE_ID_BLOCK(trace_controller, caf::first_custom_type_id)

CAF_ADD_ATOM(trace_controller, tc, attach_atom, "attach")
CAF_ADD_ATOM(trace_controller, tc, submit_atom, "submit")
CAF_ADD_ATOM(trace_controller, tc, report_atom, "report")
CAF_ADD_ATOM(trace_controller, tc, observe_atom, "observe")
CAF_ADD_ATOM(trace_controller, tc, judge_atom, "judge")
CAF_ADD_ATOM(trace_controller, tc, apply_atom, "apply")
CAF_ADD_ATOM(trace_controller, tc, remove_atom, "remove")
CAF_ADD_ATOM(trace_controller, tc, bind_atom, "bind")
CAF_ADD_ATOM(trace_controller, tc, unbind_atom, "unbind")
CAF_ADD_ATOM(trace_controller, tc, tick_atom, "tick")
CAF_ADD_ATOM(trace_controller, tc, synced_atom, "synced")
CAF_ADD_ATOM(trace_controller, tc, sent_atom, "sent")
CAF_ADD_ATOM(trace_controller, tc, books_atom, "books")
CAF_ADD_ATOM(trace_controller, tc, status_atom, "status")
CAF_ADD_ATOM(trace_controller, tc, drain_atom, "drain")
CAF_ADD_ATOM(trace_controller, tc, lead_atom, "lead")
CAF_ADD_ATOM(trace_controller, tc, read_atom, "read")

CAF_END_TYPE_ID_BLOCK(trace_controller)

// Payloads never leave the process: they are shared, not copied, and need no inspect().
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tc::observation_batch_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tc::completed_trace_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tc::trace_resource_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tc::delivery_report_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tc::change_report_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tc::trace_status_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tc::delivered_spans_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tc::departure_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tc::controller_books_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tc::send_result_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tc::exporter_setup_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tc::provider_binding_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tc::trace_books)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tc::exporter_books)

namespace tc {

/// Feeds an exporter. A report also returns the one credit that the submission cost.
using producer_actor = caf::typed_actor<caf::reacts_to<report_atom, delivery_report_ptr>>;

} // namespace tc

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tc::producer_actor)

namespace tc {

/// One per Provider: a bounded queue in front of one backend.
using exporter_actor = caf::typed_actor<
    // A producer announces itself; the answer is its credit in submissions.
    caf::replies_to<attach_atom, producer_actor>::with<std::uint32_t>,
    // Costs one credit. The number is the producer's own and comes back in the report.
    caf::reacts_to<submit_atom, std::uint64_t, completed_trace_ptr>,
    // A new address or new Secrets: holds from the next request on.
    caf::reacts_to<apply_atom, exporter_setup_ptr>,
    // From the sink's thread: the request of that number has come to an end.
    caf::reacts_to<sent_atom, std::uint64_t, send_result_ptr>,
    // Time; retries whose wait is over are sent.
    caf::reacts_to<tick_atom, caf::timestamp>>;

} // namespace tc

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tc::exporter_actor)

namespace tc {

/// One per change of one Trace resource: collects its ledger, judges, assembles.
using revision_actor = caf::typed_actor<
    // More evidence.
    caf::reacts_to<observe_atom, observation_batch_ptr>,
    // Is the change settled at this time? Answered by a change_report to the trace actor.
    caf::reacts_to<judge_atom, caf::timestamp>>;

/// One per Trace resource: owns the revision actors, and the ledgers until their export is acknowledged.
using trace_actor = producer_actor::extend<
    // Observations that may concern what the Trace selects, and the time of their arrival.
    caf::reacts_to<observe_atom, observation_batch_ptr, caf::timestamp>,
    // The exporter of its Provider, now or after a restart.
    caf::reacts_to<bind_atom, exporter_actor>,
    // There is no usable Provider: its reason and a message. What settles waits.
    caf::reacts_to<unbind_atom, std::string, std::string>,
    // Time: what is due is judged.
    caf::reacts_to<tick_atom, caf::timestamp>,
    // What another process has delivered is not handed out.
    caf::reacts_to<apply_atom, delivered_spans_ptr>,
    // Another process takes over: nothing more is judged, what was handed out is delivered.
    caf::reacts_to<drain_atom>,
    // From a revision actor.
    caf::reacts_to<report_atom, change_report_ptr>,
    // The submission of that number was read back from the data directory; null when it cannot be.
    caf::reacts_to<read_atom, std::uint64_t, completed_trace_ptr>>;

/// Fans observations out to the trace actors that select them, and supervises those.
using watcher_actor = caf::typed_actor<caf::reacts_to<observe_atom, observation_batch_ptr, caf::timestamp>,
                                       // A Trace resource is new or changed.
                                       caf::reacts_to<apply_atom, trace_resource_ptr>,
                                       // What another process has delivered of a Trace.
                                       caf::reacts_to<apply_atom, delivered_spans_ptr>,
                                       // A Trace resource is gone; its UID.
                                       caf::reacts_to<remove_atom, std::string>,
                                       // Another process takes over the Trace of that UID.
                                       caf::reacts_to<drain_atom, std::string>,
                                       // The Provider of that "namespace/name" has an exporter.
                                       caf::reacts_to<bind_atom, std::string, exporter_actor>,
                                       // The Provider of that "namespace/name" cannot be used: reason,
                                       // message. Without a reason: it is gone and nobody names it.
                                       caf::reacts_to<unbind_atom, std::string, std::string, std::string>,
                                       caf::reacts_to<tick_atom, caf::timestamp>,
                                       // From a trace actor: its status changed.
                                       caf::reacts_to<status_atom, trace_status_ptr>>;

/// Writes the status of Trace resources, the latest state only, one write a resource at a time.
using reporter_actor =
    caf::typed_actor<caf::reacts_to<status_atom, trace_status_ptr>,
                     // The Trace of that "namespace/name" is gone.
                     caf::reacts_to<remove_atom, std::string>,
                     // The write for that "namespace/name" has come to an end; "" or the error.
                     caf::reacts_to<sent_atom, std::string, std::string>,
                     // The process ends: what is left to write is written at once.
                     caf::reacts_to<drain_atom>, caf::reacts_to<tick_atom, caf::timestamp>>;

/// The root of supervision: starts and restarts watcher, exporters and reporter.
using controller_actor =
    caf::typed_actor<caf::reacts_to<observe_atom, observation_batch_ptr, caf::timestamp>,
                     caf::reacts_to<apply_atom, trace_resource_ptr>, caf::reacts_to<remove_atom, std::string>,
                     // A Provider is new, changed, gone, or cannot be used.
                     caf::reacts_to<apply_atom, provider_binding_ptr>,
                     // What another process has delivered of a Trace.
                     caf::reacts_to<apply_atom, delivered_spans_ptr>,
                     // This process leads: from now on it exports and writes statuses.
                     caf::reacts_to<lead_atom>,
                     // The first lists are complete: from now on, what is quiet may settle.
                     caf::reacts_to<synced_atom>, caf::reacts_to<tick_atom, caf::timestamp>,
                     // The process ends: the latest statuses are written without waiting.
                     caf::reacts_to<drain_atom>,
                     // Another process takes over the Trace of that UID: its last status is to be written.
                     caf::reacts_to<drain_atom, std::string>,
                     // Other processes follow these.
                     caf::reacts_to<remove_atom, departure_ptr>,
                     // From the watcher: the status of a Trace changed.
                     caf::reacts_to<status_atom, trace_status_ptr>,
                     // From an exporter: its books changed.
                     caf::reacts_to<books_atom, std::string, exporter_books>,
                     // From the watcher: observations so far, those that no Trace selects, and restarts of
                     // trace actors.
                     caf::reacts_to<books_atom, std::uint64_t, std::uint64_t, std::uint64_t>,
                     // The books as of the latest tick.
                     caf::replies_to<books_atom>::with<controller_books_ptr>>;

} // namespace tc
