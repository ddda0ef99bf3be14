#include "export/make_sink.hpp"

#ifdef TC_WITH_GRPC
#include "export/otlp_grpc_sink.hpp"
#endif

namespace tc::exporting {

tl::expected<std::unique_ptr<span_sink>, endpoint_error> make_sink(runtime::http_loop& loop,
                                                                   const endpoint& target,
                                                                   http_sink_options options,
                                                                   encoder_options encoding) {
#ifdef TC_WITH_GRPC
  if (target.transport == protocol::otlp_grpc)
    return otlp_grpc_sink::make(target, std::move(options), std::move(encoding));
#endif
  return make_http_sink(loop, target, std::move(options), std::move(encoding));
}

} // namespace tc::exporting
