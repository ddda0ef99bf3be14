#pragma once

// Whether a finished trace is sent: consistent by trace ID, with what the tail shows taken into account.

#include "messages/span.hpp"
#include "messages/trace_spec.hpp"

#include <string>

namespace tc::trace {

struct sampling_decision {
  bool keep = true;
  std::string trace_state; ///< W3C tracestate "ot=th:..." where the ratio decided and is below 1
  std::string rule;        ///< ratio, keepErrors, keepSlowerThan, keepChanged: what kept it
};

/// Decides by the ratio (OpenTelemetry's consistent probability sampling: the last 7 bytes of the trace ID
/// are its randomness) and by the rules that keep a trace whatever the ratio says.
sampling_decision sample(const completed_trace& trace, const sampling_spec& spec);

} // namespace tc::trace
