#pragma once

// A sink that writes down what a reflector tells, and lets a test wait for it.

#include "kube/reflector_sink.hpp"
#include "tests/support/scripted_server.hpp"

#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace tc::testing {

struct told_object {
  std::string type;
  std::string json;
  bool initial = false;
  bool relisted = false;
  timestamp received_at;
};

/// What a reflector has told.
struct told_things {
  std::vector<std::string> positions;
  kube::resource_ref last_resource;
  std::vector<told_object> objects;
  std::vector<std::string> bookmarks;
  std::vector<std::string> errors;
  std::vector<std::string> states;
  std::vector<std::string> reasons;
  int synced = 0;
};

/// The members may be read without told() only where the reflector has no thread of its own.
class recording_sink : public kube::reflector_sink, public told_things {
public:
  void on_object(const kube::resource_ref& resource, kube::watch_type type, std::string_view json,
                 timestamp at, arrival how) override {
    std::lock_guard guard{mutex};
    last_resource = resource;
    objects.push_back({std::string{to_string(type)}, std::string{json}, how == arrival::first_list,
                       how == arrival::later_list, at});
    changed.notify_all();
    if (!refuse.empty() && json.find(refuse) != std::string_view::npos)
      throw std::runtime_error{"cannot bear it"};
  }

  void on_synced(const kube::resource_ref& resource) override {
    std::lock_guard guard{mutex};
    last_resource = resource;
    ++synced;
    changed.notify_all();
  }

  void on_bookmark(const kube::resource_ref&, std::string_view json, timestamp) override {
    std::lock_guard guard{mutex};
    bookmarks.emplace_back(json);
    changed.notify_all();
  }

  void on_position(const kube::resource_ref&, std::string_view version) override {
    std::lock_guard guard{mutex};
    positions.emplace_back(version);
  }

  void on_error(const kube::resource_ref&, std::string_view object, std::string_view problem) override {
    std::lock_guard guard{mutex};
    errors.push_back(std::string{object} + ": " + std::string{problem});
    changed.notify_all();
  }

  void on_state(const kube::resource_ref&, kube::reflector_status status, std::string_view reason) override {
    std::lock_guard guard{mutex};
    states.push_back(std::string{to_string(status)});
    reasons.emplace_back(reason);
    changed.notify_all();
  }

  /// Waits until the condition, which may read the members, holds. Returns false after generous_limit.
  template <class Condition>
  bool wait_until(Condition&& condition) {
    std::unique_lock lock{mutex};
    return changed.wait_for(lock, generous_limit, condition);
  }

  /// A copy of what has been told until now, which the reflector's thread does not change.
  told_things told() {
    std::lock_guard guard{mutex};
    return *this;
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::string refuse; ///< throws for objects that contain this
};

} // namespace tc::testing
