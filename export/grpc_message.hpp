#pragma once

// A unary gRPC call as bytes of HTTP/2, as pure functions: the frame around a message, and what the answer
// with its trailers means ("gRPC over HTTP2", PROTOCOL-HTTP2.md of grpc/grpc). The transport is the HTTP
// client: grpc++ of Debian 12 (1.51) now and then ends the process with an assertion (ref_counted.h).

#include "export/retry.hpp"

#include <string>
#include <string_view>

namespace tc::exporting {

/// The path of OTLP's export call.
inline constexpr std::string_view grpc_export_path =
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Returns a message as it goes over the wire: a byte that says whether it is compressed, four bytes of
/// length, the message. `compressed` describes `message`; which way is in the header grpc-encoding.
std::string grpc_frame(std::string_view message, bool compressed);

/// Returns a wait in the form of the header grpc-timeout, at most eight digits.
std::string grpc_timeout(duration timeout);

/// Reads the answer to an OTLP/gRPC export. Without a gRPC status the HTTP status decides, as with OTLP/HTTP;
/// an answer that ends before its status means retry.
attempt_result read_grpc_answer(const http_answer& answer);

} // namespace tc::exporting
