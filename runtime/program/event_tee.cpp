#include "runtime/program/event_tee.hpp"

#include <utility>

namespace tc::runtime {

namespace {

/// As long as Flux's client waits for an answer.
constexpr std::chrono::milliseconds request_limit{5'000};

/// The host of a URL, without the credentials that may stand in it.
std::string host_of(std::string_view url) {
  if (auto scheme = url.find("://"); scheme != std::string_view::npos)
    url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (auto at = url.rfind('@'); at != std::string_view::npos)
    url.remove_prefix(at + 1);
  return std::string{url};
}

/// About how much memory an event takes while it waits.
std::size_t size_of(const forwarded_event& event) {
  auto out = sizeof event + event.body.size() + (event.fact ? event.fact->byte_size() : 0);
  for (const auto& header : event.headers)
    out += header.size();
  return out;
}

enum class verdict : std::uint8_t { taken, again, refused };

/// As Flux's client reads an answer, save that it tries five times only: 429 means "known already".
verdict read(const http_result& result) {
  if (result.failure == http_failure::invalid)
    return verdict::refused;
  if (result.failure != http_failure::none)
    return verdict::again;
  if (result.ok() || result.status == 429)
    return verdict::taken;
  return result.status >= 500 && result.status != 501 ? verdict::again : verdict::refused;
}

} // namespace

event_tee::event_tee(settings with) : with_(std::move(with)), receiver_(host_of(with_.url)) {
  // nop
}

void event_tee::count(const std::string& outcome) const {
  if (with_.counted)
    with_.counted(outcome);
}

void event_tee::forward(forwarded_event event) {
  if (events_ >= with_.most_events || bytes_ + size_of(event) > with_.most_bytes) {
    count("overflow");
    return;
  }
  ++events_;
  bytes_ += size_of(event);
  // What is not followed has one order for all.
  auto key = event.fact ? event.fact->object.to_string() : std::string{};
  auto& into = lanes_[key];
  into.entries.push_back({std::move(event), {}, with_.clock(), 0});
  if (into.entries.size() > 1 || into.is_busy)
    return;
  ready_.push_back(std::move(key));
  begin_next();
}

void event_tee::begin_next() {
  while (requests_ < with_.most_requests && !ready_.empty()) {
    auto key = std::move(ready_.front());
    ready_.pop_front();
    begin(key);
  }
}

void event_tee::begin(const std::string& key) {
  auto& here = lanes_.at(key);
  auto& first = here.entries.front();
  here.is_busy = true;
  ++requests_;
  if (!is_known(first.began))
    first.began = with_.clock();
  http_request request;
  request.method = "POST";
  request.url = with_.url;
  request.headers = first.event.headers;
  request.body = first.event.body;
  request.total_timeout = request_limit;
  request.max_body = std::size_t{64} << 10;
  request.on_done = [this, key](const http_result& result) { ended(key, result); };
  with_.send(std::move(request));
}

void event_tee::ended(const std::string& key, const http_result& result) {
  --requests_;
  if (result.failure == http_failure::cancelled)
    return; // the process ends
  auto error =
      result.failure == http_failure::none ? "HTTP status " + std::to_string(result.status) : result.error;
  switch (read(result)) {
  case verdict::taken:
    finish(key, "forwarded", {});
    break;
  case verdict::refused:
    finish(key, "refused", error);
    break;
  case verdict::again: {
    auto& here = lanes_.at(key);
    auto& first = here.entries.front();
    ++first.failures;
    auto wait = exporting::backoff_delay(with_.backoff, first.failures, std::nullopt, with_.random);
    if (with_.clock() + wait - first.accepted > with_.give_up_after) {
      finish(key, "gave_up", error);
      break;
    }
    count("retried");
    with_.later(wait, [this, key] {
      ready_.push_back(key);
      begin_next();
    });
    break;
  }
  }
  begin_next();
}

void event_tee::finish(const std::string& key, const std::string& outcome, const std::string& error) {
  auto& here = lanes_.at(key);
  auto done = std::move(here.entries.front());
  here.entries.pop_front();
  here.is_busy = false;
  --events_;
  bytes_ -= size_of(done.event);
  if (here.entries.empty())
    lanes_.erase(key);
  else
    ready_.push_back(key);
  count(outcome);
  if (!with_.told || !done.event.fact)
    return;
  const auto& said = *done.event.fact;
  auto fact = std::make_shared<observation>();
  fact->kind = observation_kind::notification;
  fact->received_at = with_.clock();
  fact->object = said.object;
  fact->api_version = said.api_version;
  fact->uid = said.uid;
  fact->notification.emplace();
  auto& told = *fact->notification;
  told.receiver = receiver_;
  told.sender = "trace-controller";
  told.event = said.identity();
  told.reason = said.message->reason;
  told.revision = said.message->revision;
  told.occurred = said.message->last;
  told.began = done.began;
  told.ended = fact->received_at;
  told.attempts = done.failures + (outcome == "gave_up" ? 0 : 1);
  told.error = error;
  with_.told(std::move(fact));
}

} // namespace tc::runtime
