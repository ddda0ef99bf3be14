#include "export/http_sink.hpp"

#include "export/credentials.hpp"
#include "export/grpc_message.hpp"
#include "export/gzip.hpp"
#include "export/otlp_encoder.hpp"
#include "export/otlp_json.hpp"
#include "export/text.hpp"
#include "export/zipkin_encoder.hpp"
#include "version.hpp"

#include <algorithm>
#include <chrono>

namespace tc::exporting {

namespace {

using runtime::http_failure;
using runtime::http_result;

/// An attempt without a complete answer. The backend may be there again later, or the Provider repaired, so
/// all of these are repeated, save an answer too large to be read: the request has arrived.
attempt_result read_transport_failure(const http_result& result, http_framing framing) {
  attempt_result out;
  out.outcome =
      result.failure == http_failure::too_large ? attempt_outcome::rejected : attempt_outcome::retry;
  out.reason = runtime::to_string(result.failure);
  out.message = result.error.empty() ? out.reason : result.error;
  // What libcurl says of the HTTP/2 frames that a gRPC server greets with.
  if (out.message.find("HTTP/0.9") != std::string::npos)
    out.message =
        "the server does not answer in HTTP/1.1; if this is a gRPC port, use the backend's OTLP/HTTP port, "
        "usually 4318";
  // And of a server that answers the HTTP/2 preface with HTTP/1.1.
  if (framing == http_framing::grpc && result.failure == http_failure::interrupted && result.status == 0)
    out.message += "; if this is no gRPC port, write the address with its path, for example "
                   "http://HOST:4318/v1/traces";
  out.status = result.status;
  return out;
}

bool has_header(const http_sink_options& options, std::string_view name) {
  return std::any_of(options.headers.begin(), options.headers.end(),
                     [&](const auto& header) { return ascii_lower(header.first) == name; });
}

} // namespace

struct http_sink::shared_parts {
  answer_reader read_answer;
  http_framing framing;
  std::string target; ///< for messages
  redactor secrets;

  attempt_result read(const http_result& result) const {
    attempt_result out;
    if (result.failure != http_failure::none) {
      out = read_transport_failure(result, framing);
    } else {
      http_answer answer;
      answer.status = result.status;
      answer.content_type = result.header("content-type").value_or("");
      answer.body = result.body;
      if (auto text = result.header("retry-after"))
        answer.retry_after = runtime::parse_retry_after(*text, std::chrono::system_clock::now());
      for (const auto* fields : {&result.headers, &result.trailers})
        for (const auto& [name, value] : *fields)
          if (name == "grpc-status")
            answer.grpc_status = value;
          else if (name == "grpc-message")
            answer.grpc_message = value;
          else if (name == "grpc-status-details-bin")
            answer.grpc_status_details = value;
      out = read_answer(answer);
    }
    if (!out.message.empty())
      out.message = target + ": " + secrets.clean(std::move(out.message));
    return out;
  }
};

http_sink::http_sink(runtime::http_loop& loop, std::string url, std::shared_ptr<const span_encoder> encoder,
                     answer_reader read_answer, http_sink_options options, http_framing framing)
    : loop_(loop), url_(std::move(url)), encoder_(std::move(encoder)), options_(std::move(options)),
      framing_(framing) {
  add_fixed_headers();
  redactor secrets;
  secrets.add_headers(options_.headers);
  secrets.add_user_and_password(options_.user_and_password);
  secrets.add_user_and_password(options_.proxy_user_and_password);
  if (auto query = url_.find('?'); query != std::string::npos)
    secrets.add(std::string_view{url_}.substr(query + 1));
  secrets.add(hidden_path(url_));
  shared_ = std::make_shared<const shared_parts>(
      shared_parts{read_answer, framing_, description(), std::move(secrets)});
}

/// The headers that every request of this sink has.
void http_sink::add_fixed_headers() {
  if (framing_ == http_framing::grpc) {
    header_lines_.insert(header_lines_.end(), {"Content-Type: application/grpc", "TE: trailers",
                                               "grpc-accept-encoding: identity, gzip"});
    if (options_.gzip)
      header_lines_.push_back("grpc-encoding: gzip");
    if (options_.timeout.count() > 0)
      header_lines_.push_back("grpc-timeout: " + grpc_timeout(options_.timeout));
  } else {
    header_lines_.push_back("Content-Type: " + std::string{encoder_->content_type()});
    if (options_.gzip)
      header_lines_.push_back("Content-Encoding: gzip");
  }
  auto agent =
      options_.user_agent.empty() ? std::string{"OTel-OTLP-Exporter-Cpp/"} + version : options_.user_agent;
  if (!has_header(options_, "user-agent"))
    header_lines_.push_back("User-Agent: " + agent);
  if (!options_.user_and_password.empty() && !has_header(options_, "authorization"))
    header_lines_.push_back("Authorization: " + basic_authorization(options_.user_and_password));
  for (const auto& [name, value] : options_.headers) {
    auto lower = ascii_lower(name);
    // What describes the body is not the user's to change.
    if (lower == "content-type" || lower == "content-encoding" || lower == "content-length")
      continue;
    auto line = name;
    line += value.empty() ? ";" : ": "; // libcurl's form of an empty one
    line += value;
    header_lines_.push_back(std::move(line));
  }
}

std::string http_sink::description() const {
  return url_for_display(url_);
}

void http_sink::send(std::shared_ptr<const encoded_batch> batch, done_function done) {
  runtime::http_request request;
  request.method = "POST";
  request.url = url_;
  request.headers = header_lines_;
  request.body = options_.gzip ? gzip(batch->body) : batch->body;
  if (framing_ == http_framing::grpc) {
    request.url += grpc_export_path;
    request.body = grpc_frame(request.body, options_.gzip);
    request.version = runtime::http_version::http2;
  }
  request.tls = options_.tls;
  request.proxy = options_.proxy;
  request.proxy_user = options_.proxy_user_and_password;
  request.connect_timeout = std::chrono::duration_cast<std::chrono::milliseconds>(options_.timeout);
  request.total_timeout = request.connect_timeout;
  request.max_body = longest_response;
  request.on_done = [shared = shared_, done = std::move(done)](const http_result& result) {
    done(shared->read(result));
  };
  loop_.submit(std::move(request));
}

std::unique_ptr<http_sink> make_sink(runtime::http_loop& loop, const endpoint& target,
                                     http_sink_options options, encoder_options encoding) {
  if (options.user_and_password.empty())
    options.user_and_password = target.user_and_password;
  auto make = [&](auto encoder, http_sink::answer_reader read, http_framing framing = http_framing::plain) {
    return std::make_unique<http_sink>(loop, target.url, std::move(encoder), read, std::move(options),
                                       framing);
  };
  switch (target.transport) {
  case protocol::otlp_http_json:
    return make(std::make_shared<otlp_json_encoder>(std::move(encoding)), &read_otlp_answer);
  case protocol::zipkin_json:
    return make(std::make_shared<zipkin_encoder>(std::move(encoding)), &read_zipkin_answer);
  case protocol::otlp_grpc:
    return make(std::make_shared<otlp_protobuf_encoder>(std::move(encoding)), &read_grpc_answer,
                http_framing::grpc);
  case protocol::otlp_http_protobuf:
    break;
  }
  return make(std::make_shared<otlp_protobuf_encoder>(std::move(encoding)), &read_otlp_answer);
}

} // namespace tc::exporting
