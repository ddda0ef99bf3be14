#pragma once

// From JSON, as the API server and Flux controllers send it, to the value types of messages/. All served
// versions of Flux 2.3 to 2.9 are read. What an observation means is decided in trace/.

#include "messages/arrival.hpp"
#include "messages/observation.hpp"
#include "messages/trace_spec.hpp"

#include <tl/expected.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tc::kube {

/// Names the object and the place in it that could not be read.
struct decode_error {
  std::string object; ///< "Kind/namespace/name", "" where the input is not even an object
  std::string place;  ///< a path such as "spec.eventSources[0].kind"
  std::string problem;

  /// Returns one line for a log.
  std::string to_string() const;
};

/// What a text could give: nothing for bookmarks and for objects that don't concern us.
using decode_result = tl::expected<std::optional<observation_ptr>, decode_error>;

/// Reads JSON. Owns a parser and its buffers: use one per thread.
class decoder {
public:
  decoder();
  ~decoder();
  decoder(decoder&&) noexcept;
  decoder& operator=(decoder&&) noexcept;

  /// Reads a watch event, {"type": ..., "object": ...}; other fields (a recording's receivedAt) are ignored.
  /// `initial` marks an object that is part of a list.
  decode_result decode_watch(std::string_view json, timestamp received_at, bool initial);

  /// Reads an object whose watch event type (ADDED, MODIFIED, DELETED, BOOKMARK) is known.
  decode_result decode_object(std::string_view type, std::string_view json, timestamp received_at,
                              arrival how);

  /// Reads the body of an HTTP event, as controllers send it or as a generic Provider forwards it.
  decode_result decode_post(std::string_view json, timestamp received_at);

  /// Reads a Trace resource, with defaults filled in.
  tl::expected<trace_resource, decode_error> decode_trace(std::string_view json);

  /// Reads a Provider resource, without its Secrets.
  tl::expected<provider_resource, decode_error> decode_provider(std::string_view json);

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace tc::kube
