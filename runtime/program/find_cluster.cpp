#include "runtime/program/find_cluster.hpp"

#include "kube/in_cluster.hpp"
#include "runtime/program/wall_clock.hpp"

#include <chrono>
#include <cstdlib>
#include <future>

namespace tc::runtime {

namespace {

/// How long a credential plugin may take before the first requests have to wait for it instead.
constexpr auto plugin_limit = std::chrono::seconds{15};

} // namespace

tl::expected<std::shared_ptr<kube::access_source>, std::string> find_cluster(const cluster_options& options) {
  kube::find_access_options find;
  find.kubeconfig = options.kubeconfig;
  find.context = options.context;
  find.pod.env = [](const std::string& name) {
    const auto* value = std::getenv(name.c_str());
    return std::string{value ? value : ""};
  };
  find.pod.clock = wall_clock;
  auto access = kube::find_access(std::move(find));
  if (!access)
    return tl::unexpected(access.error().message);
  // Shared: the answer may come when nobody waits any more.
  auto promised = std::make_shared<std::promise<std::string>>();
  auto problem = promised->get_future();
  (*access)->get([promised](const kube::access_result& result) {
    promised->set_value(result ? std::string{} : result.error().message);
  });
  if (problem.wait_for(plugin_limit) == std::future_status::ready)
    if (auto message = problem.get(); !message.empty())
      return tl::unexpected(std::move(message));
  return std::move(*access);
}

} // namespace tc::runtime
