#pragma once

// Sends batches by OTLP/gRPC with grpc++. Built only with the CMake option TC_GRPC, as a library of its own
// (tc_export_grpc), because grpc++ is large. The bytes are those of otlp_protobuf_encoder: no generated stub
// and no second message tree is involved. What the end of a call means is in grpc_status.hpp.

#include "export/http_sink.hpp"

#include <memory>

namespace tc::exporting {

class otlp_grpc_sink : public span_sink {
public:
  /// Returns the sink for an endpoint whose transport is otlp_grpc ("https://" for TLS). Headers become
  /// metadata. The error says which option gRPC does not know: tls_options::verify = false.
  static tl::expected<std::unique_ptr<otlp_grpc_sink>, endpoint_error>
  make(const endpoint& target, http_sink_options options = {}, encoder_options encoding = {});

  ~otlp_grpc_sink() override;

  /// `done` runs on a thread of gRPC.
  void send(std::shared_ptr<const encoded_batch> batch, done_function done) override;
  std::shared_ptr<const span_encoder> encoder() const override;
  std::string description() const override;

private:
  struct shared_parts;
  explicit otlp_grpc_sink(std::shared_ptr<const shared_parts> shared);

  std::shared_ptr<const shared_parts> shared_; ///< an open call keeps it too
};

} // namespace tc::exporting
