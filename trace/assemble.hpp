#pragma once

// The heart: from a set of observations to the traces of the changes in it. Pure: no clock, no I/O, no hidden
// state; any order of the same observations gives the same spans, byte for byte. Deciding when to call it is
// settle.hpp's and the actors' business.

#include "messages/span.hpp"
#include "messages/trace_spec.hpp"
#include "trace/ledger.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tc::trace {

/// How one `Trace` resource wants its traces.
struct assembly_options {
  std::string trace_namespace;
  std::string trace_name;
  std::string trace_uid;
  std::vector<event_source> event_sources; ///< empty: everything
  trace_scope scope = trace_scope::change;
  std::map<std::string, std::string> attributes; ///< spec.attributes
  bool include_drift = false;
  bool include_unused = false;
  /// No object's states come at all, only messages: changes are concluded from these as they come. Where some
  /// states come, messages open no change.
  bool messages_only = false;
  duration settle_after = std::chrono::seconds{10};
  duration timeout = std::chrono::minutes{30};
  std::string cluster_name; ///< "" for none
  /// Says whether a message becomes a span event (inclusionList, exclusionList); empty: all do.
  std::function<bool(std::string_view)> message_filter;

  /// Returns the options a Trace resource asks for.
  static assembly_options from(const trace_resource& resource, std::string cluster_name = {});
};

/// Names one change in a ledger.
struct change_ref {
  std::string
      key; ///< change key, with its incarnation ("<key>@<T>") where it has one; without any scope prefix
  std::string revision; ///< as Flux writes it, of the root
  object_id root;       ///< the source that had it first
  bool drift = false;   ///< a drift correction: only wanted with include_drift
  bool unused = false;  ///< nothing took it (yet): only exported with include_unused

  bool operator==(const change_ref&) const = default;
};

/// Returns the changes that the ledger shows, as far as the options select them, by key.
std::vector<change_ref> changes_in(const ledger& facts, const assembly_options& options);

/// Returns the trace of one change; without spans when the ledger does not show that change. `settled_at` is
/// the time of the last thing known of it.
completed_trace assemble(const ledger& facts, const std::string& key, const assembly_options& options);

/// Returns the traces of all changes that are to be exported, with one analysis of the ledger.
std::vector<completed_trace> assemble_all(const ledger& facts, const assembly_options& options);

} // namespace tc::trace
