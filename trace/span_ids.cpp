#include "trace/span_ids.hpp"

#include <algorithm>
#include <string>

namespace tc::trace {

trace_id derive_trace_id(std::string_view change_key, std::string_view scope_prefix) {
  auto hash = sha256(std::string{scope_prefix} + std::string{change_key});
  trace_id result;
  std::copy_n(hash.begin(), result.bytes.size(), result.bytes.begin());
  return result;
}

span_id derive_span_id(const trace_id& trace, const object_id& object, std::string_view discriminator) {
  std::string text{reinterpret_cast<const char*>(trace.bytes.data()), trace.bytes.size()};
  text += object.group + '/' + object.kind + '/' + object.namespace_name + '/' + object.name + '\n';
  text += discriminator;
  auto hash = sha256(text);
  span_id result;
  std::copy_n(hash.begin(), result.bytes.size(), result.bytes.begin());
  if (result.is_zero()) // stands for "no parent"
    result.bytes.back() = 1;
  return result;
}

} // namespace tc::trace
