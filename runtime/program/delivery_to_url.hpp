#pragma once

// Sends the traces of a replay to a backend, once the replay is over: virtual time and a real network do not
// go together.

#include "messages/span.hpp"

#include <tl/expected.hpp>

#include <string>
#include <vector>

namespace tc::runtime {

/// How long a replay goes on trying: a backend that answers at all, and one that was never reached.
struct delivery_patience {
  duration answering = std::chrono::minutes{1};
  duration silent = std::chrono::seconds{5};
};

/// Sends to an OTLP URL (as resolve_endpoint reads it), with the defaults of the environment and with
/// retries. Returns how many spans arrived; the error names the URL and the backend's reason.
tl::expected<std::size_t, std::string> deliver_to_url(const std::string& url,
                                                      const std::vector<completed_trace_ptr>& traces,
                                                      delivery_patience patience = {});

} // namespace tc::runtime
