#pragma once

// In which API version a cluster serves a kind, of those that we can read. The answers are kept for some
// seconds, so that many reflectors that start together ask once. When to ask again is for the caller to
// decide.

#include "kube/cluster.hpp"
#include "kube/resources.hpp"
#include "messages/time.hpp"

#include <tl/expected.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tc::kube {

/// Returns the versions in the response to GET /apis/GROUP, in the server's order; nothing when it is no such
/// response.
std::optional<std::vector<std::string>> parse_group_versions(std::string_view json);

/// Returns kind and plural of each resource in the response to GET /apis/GROUP/VERSION, without subresources;
/// nothing when it is no such response.
std::optional<std::vector<std::pair<std::string, std::string>>> parse_resource_list(std::string_view json);

/// Use on the loop's thread only; the cluster's loop must outlive it.
class discovery {
public:
  /// The resource, or nothing when the cluster does not serve the kind in a version that we can read, or why
  /// that is unknown.
  using answer = tl::expected<std::optional<resource_ref>, std::string>;

  discovery(cluster& target, std::function<timestamp()> clock, duration keep = std::chrono::seconds{5});
  ~discovery();
  discovery(const discovery&) = delete;
  discovery& operator=(const discovery&) = delete;

  /// Calls `done` once, later, on the loop's thread.
  void resolve(const watched_kind& kind, std::function<void(answer)> done);

private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

} // namespace tc::kube
