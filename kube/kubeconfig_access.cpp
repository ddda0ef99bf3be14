#include "kube/kubeconfig_access.hpp"

#include "kube/exec_plugin.hpp"
#include "kube/pem.hpp"
#include "kube/watched_file.hpp"
#include "runtime/http_client/base64.hpp"

#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace tc::kube {

namespace {

/// A plugin's credentials are renewed that long before they end, so that a request in flight keeps its own.
constexpr std::chrono::seconds renewal_margin{10};

std::string trimmed(std::string text) {
  auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  while (!text.empty() && is_space(text.back()))
    text.pop_back();
  std::size_t start = 0;
  while (start < text.size() && is_space(text[start]))
    ++start;
  return text.substr(start);
}

class source : public access_source {
public:
  source(kubeconfig_access_options options, kubeconfig_context context)
      : options_(std::move(options)), context_(std::move(context)) {
    watch_files();
  }

  ~source() override {
    plugin_stop_.request_stop();
    if (plugin_thread_.get_id() == std::this_thread::get_id())
      plugin_thread_.detach(); // one of those who waited held the last reference
    else if (plugin_thread_.joinable())
      plugin_thread_.join();
  }

  void get(std::function<void(access_result)> done) override {
    std::unique_lock lock{mutex_};
    auto now = options_.clock();
    reload_if_refused();
    if (context_.exec && !plugin_answer_is_good(now)) {
      waiting_.push_back(std::move(done));
      run_plugin();
      return;
    }
    auto result = compose(now);
    lock.unlock();
    done(std::move(result));
  }

  void refused() override {
    std::lock_guard guard{mutex_};
    refused_ = true;
    answer_.reset();
    for (auto* file : {&ca_, &certificate_, &key_, &token_})
      file->forget();
  }

  std::string default_namespace() const override {
    std::lock_guard guard{mutex_};
    return context_.namespace_name;
  }

  std::string description() const override {
    std::lock_guard guard{mutex_};
    return context_.place();
  }

private:
  void watch_files() {
    ca_ = watched_file{context_.ca_file};
    certificate_ = watched_file{context_.certificate_file};
    key_ = watched_file{context_.key_file};
    token_ = watched_file{context_.token_file};
  }

  /// The kubeconfig may have been renewed under us. One that is broken at the moment is not taken.
  void reload_if_refused() {
    if (!std::exchange(refused_, false))
      return;
    if (auto fresh = load_kubeconfig(options_.files, options_.context)) {
      context_ = std::move(*fresh);
      watch_files();
    }
  }

  std::string user_place() const { return context_.place() + ", user " + context_.user_name; }

  // -- plugin ---

  bool plugin_answer_is_good(timestamp now) const {
    return answer_ && (!answer_->expires || *answer_->expires - renewal_margin > now);
  }

  /// Only one run at a time; all who wait get its answer.
  void run_plugin() {
    if (std::exchange(plugin_running_, true))
      return;
    // The previous run is over but for its last callbacks, which may want our mutex: it is not waited for
    // here.
    plugin_thread_ =
        std::thread{[this, previous = std::move(plugin_thread_), context = context_,
                     timeout = options_.plugin_timeout, stop = plugin_stop_.get_token()]() mutable {
          if (previous.joinable())
            previous.join();
          auto answer = run_exec_plugin(context, timeout, stop);
          std::unique_lock lock{mutex_};
          access_result result = tl::unexpected(access_error{});
          if (answer) {
            answer_ = std::move(*answer);
            result = compose(options_.clock());
          } else {
            result = tl::unexpected(access_error{user_place() + ": the credential plugin " +
                                                 context.exec->command + ' ' + answer.error()});
          }
          auto waiting = std::move(waiting_);
          waiting_.clear();
          plugin_running_ = false;
          lock.unlock();
          for (auto& done : waiting)
            done(result);
        }};
  }

  // -- composition ---

  /// Returns the embedded text or that of the file.
  tl::expected<std::string, access_error> material(const std::string& embedded, watched_file& file,
                                                   const char* field, timestamp now) {
    if (!embedded.empty() || file.path().empty())
      return embedded;
    auto read = file.text(now);
    if (!read)
      return tl::unexpected(access_error{user_place() + ": cannot read the " + field + ' ' + file.path() +
                                         ": " + read.error() +
                                         "; restore the file or correct the kubeconfig"});
    return *read;
  }

  access_result compose(timestamp now) {
    auto ca = material(context_.ca_pem, ca_, "certificate-authority", now);
    auto certificate = material(context_.certificate_pem, certificate_, "client-certificate", now);
    auto key = material(context_.key_pem, key_, "client-key", now);
    for (const auto* part : {&ca, &certificate, &key})
      if (!*part)
        return tl::unexpected(part->error());
    auto token = context_.token;
    if (!context_.token_file.empty()) {
      auto read = material({}, token_, "tokenFile", now);
      if (!read && token.empty())
        return tl::unexpected(read.error());
      if (read)
        token = trimmed(std::move(*read));
    }
    if (answer_) {
      token = answer_->token.empty() ? token : answer_->token;
      if (!answer_->certificate_pem.empty()) {
        certificate = answer_->certificate_pem;
        key = answer_->key_pem;
      }
    }
    if (auto problem = certificate_problem(*certificate, now))
      return tl::unexpected(access_error{std::move(*problem)});
    runtime::tls_options tls;
    tls.ca_pem = std::move(*ca);
    tls.certificate_pem = std::move(*certificate);
    tls.key_pem = std::move(*key);
    tls.verify = !context_.insecure;
    tls.server_name = context_.tls_server_name;
    if (!tls_ || *tls_ != tls)
      tls_ = std::make_shared<runtime::tls_options>(std::move(tls));
    cluster_access result;
    result.server = context_.server;
    result.tls = tls_;
    result.headers = context_.impersonation;
    if (!token.empty())
      result.headers.push_back("Authorization: Bearer " + token);
    else if (!context_.user.empty())
      result.headers.push_back("Authorization: Basic " +
                               runtime::encode_base64(context_.user + ':' + context_.password));
    if (!context_.proxy_url.empty())
      result.proxy = context_.proxy_url;
    return result;
  }

  /// Without this, an expired certificate shows as a TLS alert whose text differs from server to server.
  std::optional<std::string> certificate_problem(const std::string& pem, timestamp now) {
    if (pem.empty())
      return std::nullopt;
    if (pem != checked_pem_) {
      checked_pem_ = pem;
      certificate_end_ = certificate_end(pem);
    }
    if (!certificate_end_)
      return user_place() + ": the client certificate is not a PEM certificate; it begins with "
                            "-----BEGIN CERTIFICATE-----";
    if (*certificate_end_ <= now)
      return user_place() + ": the client certificate expired on " + to_rfc3339(*certificate_end_) +
             "; renew it (a kubeconfig made anew by the cluster's administrator has a new one)";
    return std::nullopt;
  }

  // -- data members ---
  kubeconfig_access_options options_;
  mutable std::mutex mutex_; ///< guards what follows
  kubeconfig_context context_;
  watched_file ca_;
  watched_file certificate_;
  watched_file key_;
  watched_file token_;
  bool refused_ = false;
  std::optional<exec_credential> answer_;
  std::vector<std::function<void(access_result)>> waiting_;
  bool plugin_running_ = false;
  std::shared_ptr<const runtime::tls_options> tls_;
  std::string checked_pem_;
  std::optional<timestamp> certificate_end_;
  std::stop_source plugin_stop_;
  std::thread plugin_thread_;
};

} // namespace

tl::expected<std::shared_ptr<access_source>, access_error>
kubeconfig_access(kubeconfig_access_options options) {
  auto context = load_kubeconfig(options.files, options.context);
  if (!context)
    return tl::unexpected(context.error());
  return std::make_shared<source>(std::move(options), std::move(*context));
}

} // namespace tc::kube
