#include "export/grpc_message.hpp"

#include "export/grpc_status.hpp"
#include "export/gzip.hpp"
#include "export/text.hpp"
#include "runtime/http_client/base64.hpp"

#include <charconv>

namespace tc::exporting {

namespace {

constexpr std::size_t frame_head = 5;

attempt_result undecodable(const http_answer& answer) {
  attempt_result out;
  out.outcome = attempt_outcome::rejected;
  out.reason = "undecodable_response";
  out.status = answer.status;
  out.message = "the backend answered with something that is no OTLP response; check that the Provider's "
                "address is an OTLP/gRPC receiver";
  return out;
}

/// A binary header field; senders may leave out its padding.
std::string binary_field(std::string_view value) {
  std::string padded{value};
  padded.append((4 - padded.size() % 4) % 4, '=');
  return runtime::decode_base64(padded).value_or(std::string{});
}

/// The one message of the answer; nothing when there is none, or it cannot be decompressed. Servers answer a
/// compressed call in gzip too (grpc-go does so whatever the client says it accepts).
std::optional<std::string> unframed(std::string_view body) {
  if (body.size() < frame_head || (body[0] != 0 && body[0] != 1))
    return std::nullopt;
  std::size_t size = 0;
  for (std::size_t i = 1; i < frame_head; ++i)
    size = size << 8 | static_cast<unsigned char>(body[i]);
  if (body.size() - frame_head != size)
    return std::nullopt;
  auto message = body.substr(frame_head);
  return body[0] == 1 ? gunzip(message, longest_response) : std::string{message};
}

} // namespace

std::string grpc_frame(std::string_view message, bool compressed) {
  std::string out;
  out.reserve(frame_head + message.size());
  out += compressed ? '\1' : '\0';
  for (int shift = 24; shift >= 0; shift -= 8)
    out += static_cast<char>(message.size() >> shift & 0xff);
  out += message;
  return out;
}

std::string grpc_timeout(duration timeout) {
  constexpr std::int64_t most = 99'999'999;
  auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  if (ms <= most)
    return std::to_string(ms) + 'm';
  return std::to_string(std::min(std::chrono::ceil<std::chrono::seconds>(timeout).count(), most)) + 'S';
}

attempt_result read_grpc_answer(const http_answer& answer) {
  bool http_success = answer.status >= 200 && answer.status < 300;
  int code = -1;
  auto [end, error] =
      std::from_chars(answer.grpc_status.data(), answer.grpc_status.data() + answer.grpc_status.size(), code);
  if (error != std::errc{} || end != answer.grpc_status.data() + answer.grpc_status.size()) {
    if (!http_success)
      return read_otlp_answer(answer);
    if (!ascii_lower(answer.content_type).starts_with("application/grpc"))
      return undecodable(answer);
    attempt_result out;
    out.outcome = attempt_outcome::retry;
    out.reason = "interrupted";
    out.status = answer.status;
    out.message = "the backend's answer broke off before its gRPC status";
    return out;
  }
  if (code != 0) {
    auto message = percent_decoded(answer.grpc_message).value_or(std::string{answer.grpc_message});
    auto out = read_grpc_failure(code, message, binary_field(answer.grpc_status_details));
    out.status = answer.status;
    return out;
  }
  if (auto message = unframed(answer.body))
    if (auto read = read_export_response("application/x-protobuf", *message)) {
      read->status = answer.status;
      return *read;
    }
  return undecodable(answer);
}

} // namespace tc::exporting
