#pragma once

// One door to every transport of this build. Links all of them: a library of its own (tc_export_sinks), for
// the program; tests of single transports do without it.

#include "export/http_sink.hpp"

namespace tc::exporting {

/// Returns the sink for that endpoint. The error says what this build cannot do, and what to use instead.
tl::expected<std::unique_ptr<span_sink>, endpoint_error> make_sink(runtime::http_loop& loop,
                                                                   const endpoint& target,
                                                                   http_sink_options options = {},
                                                                   encoder_options encoding = {});

} // namespace tc::exporting
