#include "runtime/program/delivery_to_url.hpp"

#include "export/delivery_queue.hpp"
#include "export/http_sink.hpp"
#include "runtime/options.hpp"
#include "runtime/program/provider_resolution.hpp"
#include "runtime/program/wall_clock.hpp"

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <random>

namespace tc::runtime {

namespace {

std::string without_prefix(const std::string& text, const std::string& prefix) {
  return text.rfind(prefix, 0) == 0 ? text.substr(prefix.size()) : text;
}

} // namespace

tl::expected<std::size_t, std::string> deliver_to_url(const std::string& url,
                                                      const std::vector<completed_trace_ptr>& traces,
                                                      delivery_patience patience) {
  auto environment = exporting::read_export_environment([](const char* name) {
    const auto* value = std::getenv(name);
    return value ? std::optional<std::string>{value} : std::nullopt;
  });
  provider_resource provider;
  provider.type = "otlp";
  provider.address = url;
  auto resolved = resolve_provider(provider, {}, {environment, false});
  if (!resolved)
    return tl::unexpected("--output: " + resolved.error().message);
  if (auto taken = read_default_files(*resolved, surroundings::of_process().read_file); !taken)
    return tl::unexpected("--output: " + taken.error());
  const auto target = resolved->target;
  http_loop loop;
  exporting::encoder_options encoding;
  encoding.resource_attributes = environment.resource_attributes;
  encoding.default_service = environment.service_name;
  auto sink = exporting::make_sink(loop, target, std::move(resolved->options), std::move(encoding));
  exporting::delivery_options limits;
  limits.give_up_after = patience.answering;
  limits.max_spans = limits.max_bytes = std::numeric_limits<std::size_t>::max();
  std::mt19937_64 engine{std::random_device{}()};
  std::uniform_real_distribution<double> uniform{0, 1};
  exporting::delivery_queue queue(sink->encoder(), limits, [&] { return uniform(engine); });
  for (const auto& trace : traces)
    queue.push(trace);

  std::mutex mutex;
  std::condition_variable arrived;
  std::vector<std::pair<std::uint64_t, exporting::attempt_result>> results;
  std::string failure;
  auto now = wall_clock;
  auto silent_until = now() + patience.silent;
  bool reached = false;
  while (!queue.empty()) {
    while (auto attempt = queue.next(now()))
      sink->send(attempt->batch, [&, ticket = attempt->ticket](exporting::attempt_result result) {
        std::lock_guard guard{mutex};
        results.emplace_back(ticket, std::move(result));
        arrived.notify_one();
      });
    std::unique_lock guard{mutex};
    auto wake = queue.wake_at().value_or(now() + std::chrono::seconds{1});
    arrived.wait_until(guard, wake, [&] { return !results.empty(); });
    for (auto& [ticket, result] : std::exchange(results, {})) {
      reached = reached || result.status > 0;
      if (!reached && now() >= silent_until && result.outcome == exporting::attempt_outcome::retry)
        result.outcome = exporting::attempt_outcome::rejected; // most likely a wrong address
      for (const auto& done : queue.complete(ticket, result, now()))
        if (done.fate != exporting::trace_fate::delivered)
          failure = done.message.empty() ? done.reason : done.message;
    }
  }
  if (!failure.empty())
    return tl::unexpected("--output " + target.for_display() + ": " +
                          without_prefix(failure, target.for_display() + ": ") +
                          "; is this the address of an OTLP/HTTP receiver?");
  return static_cast<std::size_t>(queue.counts().delivered);
}

} // namespace tc::runtime
