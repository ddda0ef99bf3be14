#include "export/endpoint.hpp"
#include "export/grpc_message.hpp"
#include "export/grpc_status.hpp"
#include "export/gzip.hpp"
#include "export/otlp_json_reader.hpp"
#include "export/retry.hpp"
#include "export/text.hpp"
#include "tests/fuzz/targets.hpp"

#include <array>

namespace tc::fuzz {

namespace {

void check(const exporting::attempt_result& result) {
  expect(result.rejected_spans >= 0, "no backend refuses less than nothing");
  expect(exporting::is_valid_utf8(result.message), "messages are UTF-8");
  expect(result.outcome == exporting::attempt_outcome::delivered || !result.reason.empty(),
         "a failure has a reason");
}

} // namespace

/// The first two bytes choose status and kind of content; the next line is the gRPC message and details.
void backend_answers(std::string_view bytes) {
  constexpr std::array statuses = {200, 202, 204, 301, 400, 401, 413, 429, 500, 502, 503, 504};
  constexpr std::array<std::string_view, 5> contents = {"application/x-protobuf", "application/json",
                                                        "application/grpc", "text/html", ""};
  if (bytes.size() < 2)
    return;
  exporting::http_answer answer;
  answer.status = statuses[static_cast<unsigned char>(bytes[0]) % statuses.size()];
  answer.content_type = contents[static_cast<unsigned char>(bytes[1]) % contents.size()];
  answer.body = bytes.substr(2);
  check(exporting::read_otlp_answer(answer));
  check(exporting::read_zipkin_answer(answer));
  check(exporting::read_grpc_answer(answer)); // without a status
  auto line = answer.body.substr(0, answer.body.find('\n'));
  answer.grpc_message = line;
  answer.grpc_status_details = line;
  for (std::string_view code : {"0", "4", "8", "14", "16", "99"}) {
    answer.grpc_status = code;
    check(exporting::read_grpc_answer(answer));
  }
  answer.grpc_status = line;
  check(exporting::read_grpc_answer(answer));
  check(exporting::read_grpc_failure(8, line, answer.body));
  exporting::gunzip(answer.body, 1 << 20);
  exporting::read_otlp_json_lines(answer.body);
  for (const char* type : {"otel", "jaeger", "zipkin"})
    if (auto target = exporting::resolve_endpoint(type, line))
      target->for_display();
}

} // namespace tc::fuzz
