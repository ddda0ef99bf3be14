#pragma once

// The root of supervision: starts the watcher, the status reporter and one exporter per Provider, and starts
// them again when they crash, with what they knew. Everything from outside enters here: observations, Trace
// and Provider resources, time.

#include "actors/exporter.hpp"
#include "actors/reporter.hpp"
#include "actors/restart_policy.hpp"
#include "actors/restored.hpp"
#include "actors/watcher.hpp"
#include "messages/actors.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace tc::actors {

struct controller_setup {
  watcher_setup watching;
  status_writer write_status; ///< empty: nobody is told (replay)
  std::shared_ptr<const trace_events> events;
  /// Told of a crash of an actor other than a revision actor: its name and the error.
  std::function<void(const std::string& actor, const std::string& error)> crashed;
  /// Told of the books once a second of the ticks' time, for metrics; on the actor's thread. Optional.
  std::function<void(controller_books_ptr)> publish_books;
  timestamp began; ///< when watching began
  /// Without it, everything is followed but nothing exported and no status written until lead_atom comes.
  bool leads = true;
  std::size_t spans_remembered = std::size_t{1} << 20; ///< of each Provider, as sent
};

struct controller_state {
  static inline const char* name = "controller";

  explicit controller_state(controller_actor::pointer selfptr) : self(selfptr) {}

  controller_actor::behavior_type make_behavior();
  void start_watcher();
  void start_reporter();
  void report(const trace_status_ptr& status);
  void apply(const provider_binding_ptr& binding);
  void start_exporter(const std::string& provider);
  void lead();
  void tick(timestamp at);
  void forget(const std::string& uid, bool handed_over);
  void depart(const departure_ptr& what);
  void on_recalled(const caf::actor_addr& exporter);
  void close_books(const trace_books& of, bool handed_over);
  controller_books_ptr books() const;

  controller_actor::pointer self;
  controller_setup setup;
  timestamp now;
  bool synced = false;
  bool leads = true;
  timestamp books_published;

  struct supervised {
    restart_policy restarts;
    bool waiting = false; ///< for its restart
  };
  struct provider {
    provider_binding_ptr binding;
    exporter_actor actor;
    std::shared_ptr<exporter_memory> memory;
    supervised supervision;
    exporter_books books;
  };

  watcher_actor watching;
  std::shared_ptr<watcher_memory> watcher_memory_;
  supervised watcher_supervision;
  reporter_actor reporting;
  std::shared_ptr<reporter_memory> reporter_memory_;
  supervised reporter_supervision;
  std::map<std::string, provider> providers; ///< by "namespace/name"
  std::set<caf::actor_addr> recalled;        ///< exporters that were asked to end
  std::vector<departure_ptr> departing;      ///< waiting for those

  // What a restarted watcher has to be told again, because its mailbox died with it.
  std::map<std::string, trace_resource_ptr> specs; ///< by UID
  std::deque<observation_ptr> journal;
  std::map<std::string, trace_status_ptr> statuses; ///< by UID
  trace_books departed;                             ///< of Traces that were deleted
  std::uint64_t observations = 0;
  std::uint64_t unrouted = 0;
  std::uint64_t trace_restarts = 0;
  std::uint64_t restarts = 0;
  std::uint64_t statuses_sent = 0; ///< to the reporter
};

controller_actor::behavior_type controller(controller_actor::stateful_pointer<controller_state> self,
                                           controller_setup setup);

} // namespace tc::actors
