#include "runtime/program/fresh_sink.hpp"

#include <utility>

namespace tc::runtime {

namespace {

using exporting::attempt_outcome;
using exporting::attempt_result;

/// Whether the backend said that it does not know or does not trust us.
bool is_about_credentials(const attempt_result& result) {
  return result.status == 401 || result.status == 403 || result.reason == "grpc_unauthenticated" ||
         result.reason == "grpc_permission_denied";
}

attempt_result not_now() {
  attempt_result out;
  out.outcome = attempt_outcome::retry;
  out.reason = "provider_changed";
  out.message = "the Provider changed or cannot be used; what waits is sent as the Provider then says";
  return out;
}

/// One batch on its way; kept by whoever has to call back.
struct errand {
  fresh_sink::outside outside;
  std::shared_ptr<const exporting::span_encoder> format;
  std::shared_ptr<const exporting::encoded_batch> batch;
  exporting::span_sink::done_function done;

  /// Whether a sink takes what was encoded for another.
  bool fits(const fresh_sink::sink_ptr& sink) const {
    return sink && sink->encoder()->content_type() == format->content_type();
  }
};

void refused(const std::shared_ptr<errand>& what, const fresh_sink::sink_ptr& by, attempt_result result) {
  what->outside.current({}, [what, by, result = std::move(result)](const fresh_sink::sink_ptr& latest) {
    if (latest == by || !what->fits(latest))
      return what->done(result);
    latest->send(what->batch, what->done);
  });
}

void attempt(const std::shared_ptr<errand>& what, const fresh_sink::sink_ptr& sink) {
  if (!what->fits(sink))
    return what->done(not_now());
  sink->send(what->batch, [what, sink](attempt_result result) {
    if (!is_about_credentials(result))
      return what->done(std::move(result));
    what->outside.post([what, sink, result = std::move(result)] { refused(what, sink, result); });
  });
}

} // namespace

fresh_sink::fresh_sink(sink_ptr made, outside functions)
    : made_(std::move(made)), outside_(std::move(functions)) {
  // nop
}

void fresh_sink::send(std::shared_ptr<const exporting::encoded_batch> batch, done_function done) {
  auto what = std::make_shared<errand>(errand{outside_, made_->encoder(), std::move(batch), std::move(done)});
  outside_.post(
      [what] { what->outside.current(fresh_for, [what](const sink_ptr& sink) { attempt(what, sink); }); });
}

} // namespace tc::runtime
