#pragma once

// Writes OTLP/JSON to a file or to standard output, one request a line, as the OpenTelemetry Collector's file
// exporter does. Each line is written through to the operating system before the batch counts as delivered.

#include "export/endpoint.hpp"
#include "export/sink.hpp"

#include <tl/expected.hpp>

#include <mutex>

namespace tc::exporting {

class otlp_json_file_sink : public span_sink {
public:
  /// Opens `path` for writing, from its start unless `append`; "-" is standard output. The error names the
  /// path and the system's reason.
  static tl::expected<std::unique_ptr<otlp_json_file_sink>, endpoint_error>
  open(const std::string& path, bool append = false, encoder_options options = {});

  ~otlp_json_file_sink() override;

  /// Writes at once, on the calling thread. A full disk is a reason to retry: a line cut short by it is cut
  /// off again where the file allows it.
  void send(std::shared_ptr<const encoded_batch> batch, done_function done) override;
  std::shared_ptr<const span_encoder> encoder() const override { return encoder_; }
  std::string description() const override { return path_; }

private:
  otlp_json_file_sink(int file, std::string path, encoder_options options);
  attempt_result write_line(std::string_view body);

  int file_; ///< descriptor
  std::string path_;
  std::shared_ptr<const span_encoder> encoder_;
  std::mutex mutex_; ///< lines do not mix
};

} // namespace tc::exporting
