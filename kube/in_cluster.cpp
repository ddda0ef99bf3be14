#include "kube/in_cluster.hpp"

#include "kube/kubeconfig_access.hpp"
#include "kube/watched_file.hpp"

#include <filesystem>
#include <mutex>

namespace tc::kube {

namespace {

std::string without_line_end(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
    text.pop_back();
  return text;
}

class pod_source : public access_source {
public:
  pod_source(in_cluster_options options, std::string server)
      : options_(std::move(options)), server_(std::move(server)), token_(options_.directory + "/token"),
        ca_(options_.directory + "/ca.crt") {
    if (auto text = read_small_file(options_.directory + "/namespace"))
      namespace_ = without_line_end(*text);
  }

  void get(std::function<void(access_result)> done) override { done(compose()); }

  void refused() override {
    std::lock_guard guard{mutex_};
    token_.forget();
    ca_.forget();
  }

  std::string default_namespace() const override { return namespace_; }
  std::string description() const override { return "service account of the pod, API server " + server_; }

private:
  access_result compose() {
    std::lock_guard guard{mutex_};
    auto now = options_.clock();
    auto token = token_.text(now);
    auto ca = ca_.text(now);
    for (auto [text, file] : {std::pair{&token, &token_}, {&ca, &ca_}})
      if (!*text || (*text)->empty())
        return tl::unexpected(access_error{"service account: cannot read " + file->path() + ": " +
                                           (*text ? "it is empty" : text->error()) +
                                           "; set automountServiceAccountToken: true, or give --kubeconfig"});
    if (!tls_ || tls_->ca_pem != *ca)
      tls_ = std::make_shared<runtime::tls_options>(runtime::tls_options{.ca_pem = *ca});
    cluster_access result;
    result.server = server_;
    result.tls = tls_;
    result.headers.push_back("Authorization: Bearer " + without_line_end(std::move(*token)));
    result.proxy = ""; // the cluster's own address needs none
    return result;
  }

  in_cluster_options options_;
  std::string server_;
  std::string namespace_;
  std::mutex mutex_; ///< guards what follows
  watched_file token_;
  watched_file ca_;
  std::shared_ptr<const runtime::tls_options> tls_;
};

} // namespace

bool is_in_cluster(const in_cluster_options& options) {
  return !options.env("KUBERNETES_SERVICE_HOST").empty() &&
         std::filesystem::exists(options.directory + "/token");
}

tl::expected<std::shared_ptr<access_source>, access_error> in_cluster_access(in_cluster_options options) {
  auto host = options.env("KUBERNETES_SERVICE_HOST");
  auto port = options.env("KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty())
    return tl::unexpected(access_error{"KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, so "
                                       "this is no pod; give --kubeconfig"});
  if (host.find(':') != std::string::npos)
    host = '[' + host + ']'; // IPv6
  auto made = std::make_shared<pod_source>(std::move(options), "https://" + host + ':' + port);
  access_error problem;
  made->get([&](access_result result) {
    if (!result)
      problem = result.error();
  });
  if (!problem.message.empty())
    return tl::unexpected(std::move(problem));
  return made;
}

tl::expected<std::shared_ptr<access_source>, access_error> find_access(find_access_options options) {
  const auto& env = options.pod.env;
  if (options.kubeconfig.empty() && env("KUBECONFIG").empty() && is_in_cluster(options.pod))
    return in_cluster_access(std::move(options.pod));
  auto files = kubeconfig_files(options.kubeconfig, env);
  if (files.empty())
    return tl::unexpected(access_error{"no cluster is configured: HOME and KUBECONFIG are not set and this "
                                       "is no pod; give --kubeconfig FILE"});
  kubeconfig_access_options chosen;
  chosen.files = std::move(files);
  chosen.context = std::move(options.context);
  chosen.clock = std::move(options.pod.clock);
  return kubeconfig_access(std::move(chosen));
}

} // namespace tc::kube
