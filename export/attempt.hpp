#pragma once

// What became of one attempt to send a batch, in terms that delivery acts upon. How a server's answer is read
// is in retry.hpp; who keeps batches and repeats them, in delivery_queue.hpp.

#include "messages/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tc::exporting {

enum class attempt_outcome : std::uint8_t {
  delivered, ///< the backend has it; with rejected_spans > 0 it refused those and must not get them again
  retry,     ///< the backend may take the same bytes later
  rejected,  ///< the backend will never take these bytes
};

/// Returns "delivered", "retry" or "rejected".
std::string_view to_string(attempt_outcome outcome);

struct attempt_result {
  attempt_outcome outcome = attempt_outcome::delivered;
  /// One word for metrics, of a small set: "ok", "partial_success", "status_503", "timeout", "connect", ….
  std::string reason = "ok";
  /// For people: what the backend said, on one line, "" when there is nothing to say. Never holds a
  /// credential.
  std::string message;
  /// How long the backend asked to be left alone (Retry-After), not yet bounded.
  std::optional<duration> retry_after;
  std::int64_t rejected_spans = 0; ///< of a partial success
  int status = 0;                  ///< HTTP status, 0 when there was no answer
};

} // namespace tc::exporting
