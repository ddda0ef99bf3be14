#include "trace/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace tc::trace {

namespace {

constexpr std::uint64_t randomness_range = std::uint64_t{1} << 56U;

/// The last 7 bytes of the trace ID: uniformly distributed, as the ID is a hash.
std::uint64_t randomness_of(const trace_id& id) {
  std::uint64_t result = 0;
  for (std::size_t at = 9; at < 16; ++at)
    result = result << 8U | id.bytes[at];
  return result;
}

/// "ot=th:<threshold>", hexadecimal without trailing zeros; the threshold is what randomness must reach.
std::string trace_state_of(std::uint64_t threshold) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 52; shift >= 0; shift -= 4)
    text += digits[threshold >> static_cast<unsigned>(shift) & 0xFU];
  while (text.size() > 1 && text.back() == '0')
    text.pop_back();
  return "ot=th:" + text;
}

} // namespace

sampling_decision sample(const completed_trace& trace, const sampling_spec& spec) {
  sampling_decision result;
  auto ratio = std::clamp(spec.ratio, 0.0, 1.0);
  auto threshold =
      static_cast<std::uint64_t>(std::llround((1.0 - ratio) * static_cast<double>(randomness_range)));
  if (threshold == 0) {
    result.rule = "ratio";
    return result;
  }
  if (threshold < randomness_range && randomness_of(trace.id) >= threshold) {
    result.rule = "ratio";
    result.trace_state = trace_state_of(threshold);
    return result;
  }
  if (spec.keep_errors && trace.outcome == "failed") {
    result.rule = "keepErrors";
    return result;
  }
  if (spec.keep_slower_than && !trace.spans.empty()) {
    auto first = trace.spans.front().start;
    auto last = trace.spans.front().end;
    for (const auto& span : trace.spans) {
      if (span.text("flux.span.kind") == "notification")
        continue; // a slow receiver does not make the change slow
      first = std::min(first, span.start);
      last = std::max(last, span.end);
    }
    if (last - first > *spec.keep_slower_than) {
      result.rule = "keepSlowerThan";
      return result;
    }
  }
  if (spec.keep_changed && std::any_of(trace.spans.begin(), trace.spans.end(), [](const span& each) {
        auto* changed = each.find("flux.changed");
        return changed && std::holds_alternative<bool>(*changed) && std::get<bool>(*changed);
      })) {
    result.rule = "keepChanged";
    return result;
  }
  result.keep = false;
  return result;
}

} // namespace tc::trace
