#pragma once

// One running request of the loop: the libcurl handle with its options, and what has arrived so far. Internal
// to http_client/; callers see http_loop.hpp only.

#include "runtime/http_client/http_loop.hpp"

#include <curl/curl.h>

#include <array>
#include <optional>

namespace tc::runtime {

struct transfer {
  transfer(http_handle name, http_request given, const std::string& user_agent);
  ~transfer();
  transfer(const transfer&) = delete;
  transfer& operator=(const transfer&) = delete;

  /// Returns what the end of the transfer with that code means, with a text for people.
  std::pair<http_failure, std::string> verdict(CURLcode code) const;

  /// Returns when the server will have been silent for too long; never, without an idle_timeout.
  std::chrono::steady_clock::time_point idle_deadline() const;

  bool on_header_line(std::string_view line);
  bool on_body(std::string_view piece);
  /// Whether the receiver takes nothing at present.
  bool must_wait();

  // -- data members ---

  http_handle handle;
  http_request request;
  http_result result;
  CURL* easy = nullptr;
  bool added = false;             ///< known to the multi handle
  bool cancelled = false;         ///< nothing more is delivered
  bool paused = false;            ///< nothing is read until the receiver takes more
  bool shares_connection = false; ///< HTTP/2
  bool head_seen = false;
  bool too_large = false;
  std::string invalid;               ///< why the request cannot be sent
  std::optional<std::string> thrown; ///< what a callback threw
  std::chrono::steady_clock::time_point last_activity;

private:
  void set_version();
  void set_method();
  void set_tls();
  void set_server_name();
  bool deliver(const std::function<void()>& call);

  std::array<char, CURL_ERROR_SIZE> error_text_{};
  curl_slist* headers_ = nullptr;
  curl_slist* connect_to_ = nullptr;
};

} // namespace tc::runtime
