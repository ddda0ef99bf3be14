#pragma once

// An API server for tests: answers discovery itself and asks the test for everything else.

#include "tests/support/scripted_server.hpp"

#include <atomic>
#include <mutex>

namespace tc::testing {

class scripted_cluster {
public:
  using answer_function = scripted_server::handler;

  explicit scripted_cluster(answer_function answer, std::optional<server_tls> tls = std::nullopt)
      : server([this, answer = std::move(answer)](
                   const scripted_request& request) { return route(request, answer); },
               std::move(tls)) {}

  /// The CRDs are not installed.
  void serve_nothing() { serve(""); }

  /// Kustomizations are served in this version, which is v1 at first.
  void serve(const std::string& version) {
    std::lock_guard guard{mutex_};
    version_ = version;
  }

private:
  scripted_response route(const scripted_request& request, const answer_function& answer) {
    const std::string group = "/apis/kustomize.toolkit.fluxcd.io";
    std::unique_lock lock{mutex_};
    auto version = version_;
    lock.unlock();
    auto path = request.path();
    if (path != group && path.rfind('/') != group.size())
      return answer(request);
    if (version.empty() || (path != group && path != group + '/' + version))
      return scripted_response::json("404 page not found", 404);
    if (path == group)
      return scripted_response::json(R"({"kind":"APIGroup","versions":[{"version":")" + version + "\"}]}");
    return scripted_response::json(
        R"({"kind":"APIResourceList","resources":[{"name":"kustomizations","kind":"Kustomization"},)"
        R"({"name":"kustomizations/status","kind":"Kustomization"}]})");
  }

  std::mutex mutex_;
  std::string version_ = "v1";

public:
  scripted_server server; ///< last: ends before what its handler uses
};

} // namespace tc::testing
