#pragma once

// Keeps the Providers that Traces name ready for use: reads their Secrets, makes their sinks, and tells what
// came of it. Secrets are read again before use (fresh_sink.hpp), from time to time, and soon when something
// is missing, so that a rotation or a mended Provider takes effect without a restart. All functions belong to
// the HTTP client's thread.

#include "export/environment.hpp"
#include "messages/actors.hpp"
#include "runtime/program/fresh_sink.hpp"
#include "runtime/program/provider_resolution.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tc::runtime {

/// Why a Secret cannot be had.
struct secret_failure {
  bool missing = false;
  bool forbidden = false;
  std::string message; ///< without secrets
};

class provider_registry {
public:
  using secret_result = tl::expected<secret_data, secret_failure>;
  struct outside {
    std::function<void(const std::string& namespace_name, const std::string& name,
                       std::function<void(secret_result)>)>
        read_secret;
    std::function<tl::expected<exporter_setup_ptr, std::string>(const std::string& provider,
                                                                const resolved_provider&)>
        make_setup;
    std::function<void(provider_binding_ptr)> bind;
    std::function<timestamp()> clock;
    /// Runs a task on the thread of this registry, soon; may be called on any.
    std::function<void(std::function<void()>)> post;
    provider_defaults defaults = {};
  };
  /// Secrets of a Provider in use are read again this often …
  static constexpr duration reread = std::chrono::seconds{30};
  /// … and those of one that cannot be used this often.
  static constexpr duration retry = std::chrono::seconds{5};
  /// A request waits so long for its Secrets to be read again; then it uses those that are known.
  static constexpr duration patience = std::chrono::seconds{2};

  explicit provider_registry(outside functions) : outside_(std::move(functions)) {}

  void apply(provider_resource provider);
  void remove(const std::string& namespace_name, const std::string& name);
  /// A Trace names a Provider; `provider` is "namespace/name", "" when the Trace is gone.
  void reference(const std::string& trace_uid, const std::string& provider);
  /// Reads again what is due.
  void tick();
  /// Calls `then` with the sink of the Provider "namespace/name" when its Secrets have been read at most
  /// `age` ago: at once, or when they have been; with nullptr when it cannot be used.
  void current_sink(const std::string& key, duration age, fresh_sink::sink_receiver then);

private:
  struct entry {
    std::optional<provider_resource> resource;
    std::set<std::string> users; ///< UIDs of Traces
    provider_secrets secrets;
    std::uint64_t reading = 0; ///< number of the reading that is under way, 0 for none
    bool changed_while_reading = false;
    bool usable = false;
    bool resource_changed = true; ///< since its sink was made
    std::string problem;
    timestamp next_read;
    timestamp reading_since, read_at; ///< when the reading under way, and the last one, began
    fresh_sink::sink_ptr sink;        ///< while usable
    std::vector<std::pair<timestamp, fresh_sink::sink_receiver>> waiting; ///< requests, and since when
  };

  void refresh(const std::string& key);
  void gathered(const std::string& key, std::uint64_t reading, const provider_resource& resource,
                provider_secrets secrets, std::optional<provider_problem> problem);
  void resolved(const std::string& key, entry& what, const provider_resource& resource,
                provider_secrets secrets, std::optional<provider_problem> problem);
  exporter_setup_ptr kept_fresh(const std::string& key, const exporter_setup_ptr& made);
  static void answer_waiting(entry& what, timestamp until = timestamp::max());
  void forget(const std::string& key);
  void forget_if_unused(const std::string& key);
  void announce_problem(const std::string& key, entry& what, provider_problem problem);

  outside outside_;
  std::map<std::string, entry> entries_;
  std::map<std::string, std::string> provider_of_trace_;
  std::uint64_t readings_ = 0;
};

} // namespace tc::runtime
