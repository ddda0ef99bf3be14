#pragma once

// A backend on loopback that reads requests, forgets them and answers "taken": HTTP/1.1 and, from the first
// byte, HTTP/2 with gRPC's trailers. It is a process of its own, so that its CPU time is nobody else's.

#include <cstdint>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace tc::bench {

class loopback_backend {
public:
  /// Starts the process. To be called before the first thread. Throws std::system_error.
  loopback_backend();
  /// Ends the process.
  ~loopback_backend();
  loopback_backend(const loopback_backend&) = delete;
  loopback_backend& operator=(const loopback_backend&) = delete;

  /// Returns "http://127.0.0.1:PORT" and the path.
  std::string url(std::string_view path = "") const;

private:
  pid_t process_ = -1;
  std::uint16_t port_ = 0;
};

} // namespace tc::bench
