#include "tests/program/running_program.hpp"

#include "tests/support/scripted_server.hpp"

#include <algorithm>
#include <csignal>
#include <stdexcept>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace tc::testing {

running_program::running_program(std::vector<std::string> arguments) {
  std::string path = TC_PROGRAM;
  std::vector<char*> words{path.data()};
  for (auto& word : arguments)
    words.push_back(word.data());
  words.push_back(nullptr);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw std::runtime_error{"no pipe"};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  auto failed = ::posix_spawn(&process_, TC_PROGRAM, &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (failed != 0) {
    ::close(ends[0]);
    throw std::runtime_error{"cannot start " TC_PROGRAM};
  }
  reader_ = std::thread{[this, pipe = ends[0]] { read_log(pipe); }};
}

running_program::~running_program() {
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    exit_status();
  }
  reader_.join();
}

void running_program::read_log(int pipe) {
  char piece[4096];
  for (;;) {
    auto got = ::read(pipe, piece, sizeof piece);
    if (got < 0 && errno == EINTR)
      continue;
    std::lock_guard guard{mutex_};
    if (got <= 0)
      ended_ = true;
    else
      log_.append(piece, static_cast<std::size_t>(got));
    changed_.notify_all();
    if (got <= 0)
      break;
  }
  ::close(pipe);
}

void running_program::signal(int number) {
  ::kill(process_, number);
}

int running_program::exit_status() {
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0 && errno == EINTR)
    ;
  process_ = -1;
  std::unique_lock guard{mutex_};
  changed_.wait_for(guard, generous_limit, [this] { return ended_; });
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::string running_program::wait_for_line(const std::vector<std::string>& texts) {
  std::string found;
  std::size_t from = 0;
  std::unique_lock guard{mutex_};
  changed_.wait_for(guard, generous_limit, [&] {
    for (std::size_t end = 0; (end = log_.find('\n', from)) != std::string::npos; from = end + 1) {
      auto line = log_.substr(from, end - from);
      if (std::all_of(texts.begin(), texts.end(),
                      [&](const auto& text) { return line.find(text) != std::string::npos; })) {
        found = line;
        return true;
      }
    }
    return ended_;
  });
  return found;
}

std::string running_program::log() const {
  std::lock_guard guard{mutex_};
  return log_;
}

int running_program::port_of(const std::string& flag) {
  auto line = wait_for_line({"\"serving\"", flag, "\"port\":"});
  auto at = line.find("\"port\":");
  auto digits = at == std::string::npos ? at : line.find_first_of("0123456789", at);
  return digits == std::string::npos ? 0 : std::stoi(line.substr(digits));
}

namespace {

std::pair<int, std::string> ask(int port, const std::string& request) {
  auto end = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (::connect(end, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    ::send(end, request.data(), request.size(), MSG_NOSIGNAL);
    char piece[4096];
    for (ssize_t got = 0; (got = ::recv(end, piece, sizeof piece, 0)) > 0;)
      answer.append(piece, static_cast<std::size_t>(got));
  }
  ::close(end);
  auto body = answer.find("\r\n\r\n");
  if (answer.rfind("HTTP/1.1 ", 0) != 0 || body == std::string::npos)
    return {0, {}};
  return {std::stoi(answer.substr(9)), answer.substr(body + 4)};
}

} // namespace

std::string kubeconfig_for(const std::string& server, const std::string& token) {
  return "current-context: c\n"
         "clusters: [{name: k, cluster: {server: '" +
         server +
         "'}}]\n"
         "users: [{name: u, user: {token: " +
         token +
         "}}]\n"
         "contexts: [{name: c, context: {cluster: k, user: u}}]\n";
}

std::pair<int, std::string> get(int port, const std::string& path) {
  return ask(port, "GET " + path + " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
}

std::pair<int, std::string> post(int port, const std::string& body, const std::string& headers) {
  return ask(port, "POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: " +
                       std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body);
}

} // namespace tc::testing
