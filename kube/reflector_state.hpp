#pragma once

// The list-watch protocol of one resource as a pure state machine: what came (responses, bytes, timers, the
// time) goes in, what to do (requests, timers) and what to tell (the sink) comes out. No sockets, no threads,
// no clock; the driver is kube/reflector.hpp. The rules are those that Kubernetes documents for clients
// ("Efficient detection of changes"): list, watch from the list's resourceVersion, resume from the last one
// seen, list again when it has expired.

#include "kube/backoff.hpp"
#include "kube/json_pieces.hpp"
#include "kube/object_meta.hpp"
#include "kube/reflector_sink.hpp"

#include <tl/expected.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tc::kube {

/// What an earlier process knew of a kind. A reflector that gets it goes on from there: what has changed
/// since then comes from the watch, or, where the server no longer has that, from a list after an outage.
struct reflector_memory {
  struct object {
    std::string key; ///< "namespace/name"
    std::string uid;
    std::string resource_version;
    std::string metadata; ///< as JSON, for a deletion that was missed
  };
  std::vector<object> objects;
  std::string resource_version; ///< up to which nothing is missing; "" where that is not known
};

struct reflector_options {
  std::string namespace_name; ///< "" for the whole cluster
  std::string label_selector; ///< "" for all
  std::size_t max_object_bytes = std::size_t{16} << 20;
  int page_size = 500;
  bool use_watch_list = true; ///< ask for WatchList first; a server that refuses gets a list request
  duration first_delay = std::chrono::milliseconds{500};
  duration first_forbidden_delay = std::chrono::seconds{1};
  duration longest_delay = std::chrono::seconds{30};
  duration longest_unreachable_delay =
      std::chrono::seconds{10}; ///< when nobody answers at all, which costs nobody much
  duration longest_absent_delay =
      std::chrono::seconds{15};                           ///< between two looks for a kind that is not served
  duration longest_retry_after = std::chrono::minutes{5}; ///< a server that asks for more gets this
  duration shortest_watch = std::chrono::minutes{5};      ///< timeoutSeconds is between this …
  duration longest_watch = std::chrono::minutes{10};      ///< … and this
  duration watch_list_patience = std::chrono::seconds{30}; ///< silence before the initial events have ended
  std::uint64_t seed = 1;                                  ///< of the jitter
  /// How long a watch that goes on from an earlier process may tell what was missed before all counts as
  /// told.
  duration catching_up = std::chrono::seconds{1};
  std::shared_ptr<const reflector_memory> memory; ///< null for none
};

/// A request that the state machine wants sent. There is never more than one open.
struct reflector_request {
  std::string path; ///< with the query
  bool watch = false;
  std::chrono::seconds limit{0}; ///< the longest it may take
};

/// How a request ended.
struct reflector_reply {
  bool complete = false; ///< the response is complete; else `failure` says why not
  bool interrupted =
      false;      ///< a connection that broke or fell silent, which is usual, and not e.g. a bad certificate
  int status = 0; ///< HTTP status, 0 for none
  std::string failure; ///< for people
  std::optional<std::chrono::seconds> retry_after;
};

/// What the state machine needs from the outside. Each answer comes later, never within the call.
class reflector_port {
public:
  virtual ~reflector_port() = default;
  /// Finds out in which version the resource is served; answered by on_resolved.
  virtual void resolve() = 0;
  /// Sends a request; answered by on_head, on_data and, once, on_done.
  virtual void send(const reflector_request& request) = 0;
  /// Ends the open request; no answer to it may follow.
  virtual void cancel_request() = 0;
  /// Replaces the timer, if any; answered by on_timer.
  virtual void set_timer(duration delay) = 0;
};

/// What happened so far, for metrics.
struct reflector_counts {
  std::uint64_t lists = 0;     ///< begun, first ones and repeated ones
  std::uint64_t watches = 0;   ///< begun
  std::uint64_t delivered = 0; ///< objects told to the sink
  std::uint64_t unchanged = 0; ///< objects that a repeated list showed as already known
  std::uint64_t synthetic = 0; ///< deletions that were missed and told afterwards
  std::uint64_t broken = 0;    ///< objects skipped
  std::uint64_t failures = 0;  ///< requests and resolutions that failed
  std::uint64_t expired = 0;   ///< 410
};

class reflector_state {
public:
  using resolution = tl::expected<std::optional<resource_ref>, std::string>;

  /// `kind` needs its group and kind only. `sink` and `port` must outlive the state.
  reflector_state(resource_ref kind, reflector_options options, reflector_sink& sink, reflector_port& port);

  /// What an earlier process knew is lost: everything is told anew. Before start().
  void distrust();
  /// Begins. The first output is resolve().
  void start(timestamp now);
  /// The version in which the resource is served; nothing when it is not; an error text when that is unknown.
  void on_resolved(resolution result, timestamp now);
  void on_head(int status, timestamp now);
  void on_data(std::string_view piece, timestamp now);
  void on_done(const reflector_reply& reply, timestamp now);
  void on_timer(timestamp now);

  bool synced() const { return synced_; }
  reflector_status status() const { return status_; }
  const std::string& reason() const { return reason_; }
  const resource_ref& resource() const { return resource_; }
  const reflector_counts& counts() const { return counts_; }
  /// Returns up to which version the watch that is open has been read; 0 while none is.
  std::uint64_t watched_version() const;
  std::size_t known_objects() const { return known_.size(); }

private:
  enum class phase : std::uint8_t { stopped, resolving, waiting, listing, watch_listing, watching };
  enum class next_step : std::uint8_t { resolve, collect, watch };

  struct known_object {
    std::string uid;
    std::string resource_version;
    std::string metadata;    ///< what a synthetic DELETED carries
    std::uint64_t round = 0; ///< the last list that showed it
  };

  // -- requests ---
  void resolve_now();
  void begin_collecting(timestamp now);
  void request_page();
  void begin_watch(timestamp now);
  std::string common_query() const;

  // -- responses ---
  void list_ended(timestamp now);
  void watch_ended(timestamp now);
  void handle_line(std::string_view line, timestamp now);
  void handle_item(std::string_view item, timestamp now);
  void handle_error_event(const watch_line& line, timestamp now);
  void collected(timestamp now);
  void synced_now();

  // -- failures ---
  void request_failed(const reflector_reply& reply, timestamp now);
  void status_failed(int status, const std::string& message, std::optional<duration> retry_after,
                     timestamp now);
  void expired(timestamp now);
  void gone_absent(const std::string& reason);
  void wait(duration delay, next_step then);
  void leave_watch_list(timestamp now);

  // -- objects ---
  void object_seen(watch_type type, std::string_view json, const object_meta& meta, timestamp now);
  void object_deleted(std::string_view json, const object_meta& meta, timestamp now);
  void tell_missed_deletion(const known_object& gone, timestamp now);
  void deliver(watch_type type, std::string_view json, const std::string& key, timestamp now, arrival how);
  void broken(const object_problem& problem);

  void report(reflector_status status, const std::string& reason = {});
  void progressed();

  // -- data members ---
  resource_ref resource_;
  reflector_options options_;
  reflector_sink& sink_;
  reflector_port& port_;
  meta_reader reader_;
  line_splitter lines_;
  list_splitter list_;
  backoff delays_;
  backoff forbidden_delays_;
  backoff absent_delays_;

  phase phase_ = phase::stopped;
  next_step next_ = next_step::resolve;
  reflector_status status_ = reflector_status::stopped;
  std::string reason_;
  bool watch_list_ = true;      ///< still worth asking for
  bool synced_ = false;         ///< the first list is complete
  bool remembers_ = false;      ///< goes on from what an earlier process knew
  bool resumes_ = false;        ///< and begins with a watch
  bool collecting_ = false;     ///< within a list or the initial events
  bool all_identified_ = true;  ///< within a list: no item was skipped whose name is unknown
  bool expired_before_ = false; ///< 410 again without anything in between
  std::uint64_t round_ = 0;
  std::uint64_t request_number_ = 0; ///< tells whether handling a line has ended its own request
  int http_status_ = 0;
  std::string error_body_;
  std::string continue_;
  std::string resource_version_;
  timestamp request_started_;
  timestamp last_data_;
  std::uint64_t events_in_watch_ = 0;
  int failed_watches_ = 0;
  std::unordered_map<std::string, known_object> known_; ///< by "namespace/name"
  reflector_counts counts_;
};

} // namespace tc::kube
