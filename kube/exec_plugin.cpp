#include "kube/exec_plugin.hpp"

#include "runtime/http_client/base64.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ; // NOLINT: POSIX names it

namespace tc::kube {

using nlohmann::json;
using clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t max_output = 1 << 20;
constexpr int kill_check_ms = 50;

std::string text(const json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

class pipe_pair {
public:
  pipe_pair() {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0)
      ends_ = {-1, -1};
  }
  ~pipe_pair() {
    close_end(0);
    close_end(1);
  }
  pipe_pair(const pipe_pair&) = delete;
  pipe_pair& operator=(const pipe_pair&) = delete;

  int end(std::size_t which) const { return ends_[which]; }
  void close_end(std::size_t which) {
    if (ends_[which] >= 0)
      ::close(ends_[which]);
    ends_[which] = -1;
  }
  /// Reads what is there; closes at the end of the stream.
  void drain(std::string& into) {
    char piece[4096];
    auto count = ::read(ends_[0], piece, sizeof piece);
    if (count > 0)
      into.append(piece,
                  std::min(static_cast<std::size_t>(count), max_output - std::min(max_output, into.size())));
    else if (count == 0 || errno != EINTR)
      close_end(0);
  }

private:
  std::array<int, 2> ends_{-1, -1};
};

struct child_result {
  std::string output;
  std::string error_output;
  int wait_status = 0;
  std::string failure; ///< why it did not end by itself
};

/// Kills the child with all that it started: it leads a process group.
void kill_group(pid_t child) {
  ::kill(-child, SIGKILL);
}

int spawn(pid_t& child, const exec_plugin& plugin, const std::string& info, pipe_pair& out, pipe_pair& err) {
  std::vector<std::string> variables;
  auto overridden = [&](std::string_view variable) {
    auto name = variable.substr(0, variable.find('='));
    if (name == "KUBERNETES_EXEC_INFO")
      return true;
    for (const auto& [key, value] : plugin.environment)
      if (key == name)
        return true;
    return false;
  };
  for (char** variable = environ; *variable != nullptr; ++variable)
    if (!overridden(*variable))
      variables.emplace_back(*variable);
  for (const auto& [key, value] : plugin.environment)
    variables.push_back(std::string{key}.append("=").append(value));
  variables.push_back("KUBERNETES_EXEC_INFO=" + info);

  std::vector<char*> argv{const_cast<char*>(plugin.command.c_str())};
  for (const auto& argument : plugin.arguments)
    argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> envp;
  envp.reserve(variables.size() + 1);
  for (auto& variable : variables)
    envp.push_back(variable.data());
  envp.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.end(1), 1);
  posix_spawn_file_actions_adddup2(&actions, err.end(1), 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD})
    sigaddset(&defaults, signal);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  int result = posix_spawnp(&child, plugin.command.c_str(), &actions, &attributes, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  out.close_end(1);
  err.close_end(1);
  return result;
}

/// Waits until the child has closed its outputs and ended. Kills it when it takes too long.
child_result await(pid_t child, pipe_pair& out, pipe_pair& err, std::chrono::milliseconds timeout,
                   const std::stop_token& stop) {
  child_result result;
  auto deadline = clock::now() + timeout;
  auto overdue = [&] {
    if (stop.stop_requested())
      result.failure = "was ended because we are shutting down";
    else if (clock::now() >= deadline)
      result.failure =
          "did not end within " + std::to_string(timeout.count()) + " ms; run it by hand to see why";
    return !result.failure.empty();
  };
  while ((out.end(0) >= 0 || err.end(0) >= 0) && !overdue()) {
    std::array<pollfd, 2> waiting{pollfd{out.end(0), POLLIN, 0}, pollfd{err.end(0), POLLIN, 0}};
    if (::poll(waiting.data(), waiting.size(), kill_check_ms) <= 0)
      continue;
    if (waiting[0].revents != 0)
      out.drain(result.output);
    if (waiting[1].revents != 0)
      err.drain(result.error_output);
  }
  // Its outputs are closed, so it is about to end, unless it is too late for that.
  while (result.failure.empty() && !overdue()) {
    auto ended = ::waitpid(child, &result.wait_status, WNOHANG);
    if (ended == child || (ended < 0 && errno != EINTR))
      return result;
    ::poll(nullptr, 0, 5);
  }
  kill_group(child);
  while (::waitpid(child, &result.wait_status, 0) < 0 && errno == EINTR) {
  }
  return result;
}

/// Returns the last line that the plugin wrote to its standard error, shortened.
std::string last_line(std::string_view output) {
  while (!output.empty() && (output.back() == '\n' || output.back() == '\r'))
    output.remove_suffix(1);
  if (auto start = output.rfind('\n'); start != std::string_view::npos)
    output.remove_prefix(start + 1);
  return output.empty() ? std::string{} : ": " + std::string{output.substr(0, 300)};
}

} // namespace

tl::expected<exec_credential, std::string> parse_exec_credential(std::string_view body,
                                                                 const std::string& api_version) {
  auto root = json::parse(body, nullptr, false);
  if (!root.is_object() || text(root, "kind") != "ExecCredential")
    return tl::unexpected(std::string{"printed no ExecCredential"});
  if (text(root, "apiVersion") != api_version)
    return tl::unexpected("answered in apiVersion \"" + text(root, "apiVersion") +
                          "\", but the kubeconfig asks for \"" + api_version + '"');
  if (!root.contains("status") || !root["status"].is_object())
    return tl::unexpected(std::string{"printed an ExecCredential without status"});
  const auto& status = root["status"];
  exec_credential result;
  result.token = text(status, "token");
  result.certificate_pem = text(status, "clientCertificateData");
  result.key_pem = text(status, "clientKeyData");
  if (result.certificate_pem.empty() != result.key_pem.empty())
    return tl::unexpected(std::string{"printed only one of clientCertificateData and clientKeyData"});
  if (result.token.empty() && result.certificate_pem.empty())
    return tl::unexpected(std::string{"printed neither a token nor a client certificate"});
  if (auto expires = text(status, "expirationTimestamp"); !expires.empty()) {
    result.expires = parse_rfc3339(expires);
    if (!result.expires)
      return tl::unexpected("printed an expirationTimestamp that is not RFC 3339: \"" +
                            expires.substr(0, 40) + '"');
  }
  return result;
}

std::string exec_info(const kubeconfig_context& context) {
  json info = {{"apiVersion", context.exec->api_version},
               {"kind", "ExecCredential"},
               {"spec", {{"interactive", false}}}};
  if (context.exec->provide_cluster_info) {
    json cluster = {{"server", context.server}};
    if (!context.ca_pem.empty())
      cluster["certificate-authority-data"] = runtime::encode_base64(context.ca_pem);
    if (!context.tls_server_name.empty())
      cluster["tls-server-name"] = context.tls_server_name;
    if (!context.proxy_url.empty())
      cluster["proxy-url"] = context.proxy_url;
    if (context.insecure)
      cluster["insecure-skip-tls-verify"] = true;
    info["spec"]["cluster"] = cluster;
  }
  return info.dump(-1, ' ', false, json::error_handler_t::replace);
}

tl::expected<exec_credential, std::string> run_exec_plugin(const kubeconfig_context& context,
                                                           std::chrono::milliseconds timeout,
                                                           const std::stop_token& stop) {
  const auto& plugin = *context.exec;
  auto hint = plugin.install_hint.empty() ? std::string{} : " (" + plugin.install_hint + ')';
  if (plugin.always_interactive)
    return tl::unexpected(
        std::string{"wants to talk to a person (interactiveMode: Always), which a controller is not"});
  pipe_pair out;
  pipe_pair err;
  pid_t child = -1;
  if (auto error = spawn(child, plugin, exec_info(context), out, err); error != 0)
    return tl::unexpected("cannot be started: " + std::string{std::strerror(error)} +
                          "; install it or correct the command" + hint);
  auto result = await(child, out, err, timeout, stop);
  if (!result.failure.empty())
    return tl::unexpected(result.failure + last_line(result.error_output));
  if (!WIFEXITED(result.wait_status) || WEXITSTATUS(result.wait_status) != 0) {
    auto how = WIFEXITED(result.wait_status) ? "exit code " + std::to_string(WEXITSTATUS(result.wait_status))
                                             : "signal " + std::to_string(WTERMSIG(result.wait_status));
    return tl::unexpected("failed with " + how + hint + last_line(result.error_output));
  }
  return parse_exec_credential(result.output, plugin.api_version);
}

} // namespace tc::kube
