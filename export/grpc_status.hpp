#pragma once

// What the end of an OTLP/gRPC call means, as a pure function (OTLP specification, "OTLP/gRPC Response"). The
// call itself is grpc_message.hpp.

#include "export/attempt.hpp"

#include <string_view>

namespace tc::exporting {

/// Returns the name of a gRPC status code ("UNAVAILABLE"), or its number.
std::string grpc_code_name(int code);

/// Reads a call that failed: its status code (not 0), its message and the trailer `grpc-status-details-bin`.
/// CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE and DATA_LOSS mean retry;
/// RESOURCE_EXHAUSTED only when the details hold a RetryInfo; the others mean never.
attempt_result read_grpc_failure(int code, std::string_view message, std::string_view details);

} // namespace tc::exporting
