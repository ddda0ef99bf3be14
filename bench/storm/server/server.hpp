#pragma once

// The stand-in on a socket: HTTP/1.1 on loopback, one thread, many clients. It plays the storm, and answers
// at /storm/… for those who drive it:
//   GET  /storm/status          where it stands, as JSON
//   POST /storm/play            begin, where it does not begin by itself
//   POST /storm/fault/NAME      cut, stall, expire, restart or slow, now
//   POST /storm/quiet           no further faults
//   GET  /storm/sent            for each event of the storm when it was first written out, ns since 1970, a
//   line each

#include "bench/storm/server/faults.hpp"
#include "bench/storm/server/player.hpp"
#include "bench/storm/server/recorded_storm.hpp"

#include <nlohmann/json.hpp>
#include <tl/expected.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tc::storm {

struct server_settings {
  std::uint16_t port = 0; ///< on 127.0.0.1; 0 lets the system choose
  pace with;
  /// Begins when that many watches of what is played are open; 0: only when told.
  std::size_t begin_at_watches = 0;
  duration bookmark_every = std::chrono::seconds{10};
  bool keep_times = false; ///< for /storm/sent
  fault_plan faults{0, duration{0}, {}};
};

class stand_in {
public:
  /// Listens. `objects` are put there first. The error names what is wrong.
  static tl::expected<std::unique_ptr<stand_in>, std::string>
  listen(recorded_storm storm, std::vector<nlohmann::json> objects, server_settings with);
  ~stand_in();
  stand_in(const stand_in&) = delete;
  stand_in& operator=(const stand_in&) = delete;

  std::uint16_t port() const;
  /// Serves until SIGTERM or SIGINT.
  void run();

private:
  class impl;
  explicit stand_in(std::unique_ptr<impl> made);
  std::unique_ptr<impl> impl_;
};

} // namespace tc::storm
