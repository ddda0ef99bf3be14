#pragma once

// Sends batches by HTTP POST: OTLP/HTTP (protobuf or JSON), OTLP/gRPC and Zipkin v2 differ in encoder, URL
// and in how the answer is read; gRPC also in the frame around the body. One attempt each; repeating is the
// delivery queue's business.

#include "export/endpoint.hpp"
#include "export/retry.hpp"
#include "export/sink.hpp"
#include "runtime/http_client/http_loop.hpp"

#include <utility>
#include <vector>

namespace tc::exporting {

/// How to speak to a backend, beside where it is. Values may be credentials: they appear in no message.
struct http_sink_options {
  std::vector<std::pair<std::string, std::string>> headers; ///< an Authorization here wins over the address's
  std::string user_and_password;                            ///< basic authentication, "" for none
  std::shared_ptr<const runtime::tls_options> tls;          ///< nullptr for the system's authorities
  std::optional<std::string> proxy;                         ///< as runtime::http_request::proxy
  std::string proxy_user_and_password;
  bool gzip = true;
  /// For one attempt, from the first packet to the last byte of the answer.
  duration timeout = std::chrono::seconds{15};
  std::string user_agent; ///< "" for OTel-OTLP-Exporter-Cpp/VERSION
};

/// How a batch is put into a request.
enum class http_framing : std::uint8_t {
  plain, ///< the body is the batch
  grpc,  ///< a unary gRPC call over HTTP/2
};

class http_sink : public span_sink {
public:
  using answer_reader = attempt_result (*)(const http_answer&);

  /// `loop` must outlive the sink; attempts that are open when the loop stops end with `retry`.
  http_sink(runtime::http_loop& loop, std::string url, std::shared_ptr<const span_encoder> encoder,
            answer_reader read_answer, http_sink_options options = {},
            http_framing framing = http_framing::plain);

  void send(std::shared_ptr<const encoded_batch> batch, done_function done) override;
  std::shared_ptr<const span_encoder> encoder() const override { return encoder_; }
  std::string description() const override;

private:
  struct shared_parts;
  void add_fixed_headers();

  runtime::http_loop& loop_;
  std::string url_;
  std::shared_ptr<const span_encoder> encoder_;
  http_sink_options options_;
  http_framing framing_;
  std::vector<std::string> header_lines_;
  std::shared_ptr<const shared_parts> shared_; ///< what an attempt needs when the sink is gone
};

/// Returns the sink for that endpoint, whatever its transport.
std::unique_ptr<http_sink> make_sink(runtime::http_loop& loop, const endpoint& target,
                                     http_sink_options options = {}, encoder_options encoding = {});

} // namespace tc::exporting
