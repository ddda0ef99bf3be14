#include "kube/cluster.hpp"

#include <mutex>
#include <utility>

namespace tc::kube {

using runtime::http_failure;
using runtime::http_request;
using runtime::http_result;

/// Until access is known there is no handle to cancel, so the wish is kept.
struct cluster_request::impl {
  explicit impl(runtime::http_loop& l) : loop(l) {}

  runtime::http_loop& loop;
  std::mutex mutex;
  bool cancelled = false;
  runtime::http_handle handle = 0;
};

namespace {

/// Ends a request that was never submitted, on the loop's thread as every other.
void refuse(runtime::http_loop& loop, http_request request, http_failure failure, std::string reason) {
  auto done = std::move(request.on_done);
  if (!done)
    return;
  http_result result;
  result.failure = failure;
  result.error = std::move(reason);
  auto call = std::make_shared<std::pair<decltype(done), http_result>>(std::move(done), std::move(result));
  if (!loop.post([call] { call->first(std::move(call->second)); }))
    call->first(std::move(call->second));
}

} // namespace

void cluster_request::cancel() {
  if (!impl_)
    return;
  std::lock_guard guard{impl_->mutex};
  impl_->cancelled = true;
  if (impl_->handle != 0)
    impl_->loop.cancel(impl_->handle);
}

cluster::cluster(runtime::http_loop& loop, std::shared_ptr<access_source> access)
    : loop_(&loop), access_(std::move(access)) {
  // nop
}

cluster_request cluster::send(http_request request) {
  cluster_request result;
  result.impl_ = std::make_shared<cluster_request::impl>(*loop_);
  auto own = std::make_shared<http_request>(std::move(request));
  access_->get([state = result.impl_, own, source = access_](access_result access) {
    std::unique_lock lock{state->mutex};
    bool unwanted = state->cancelled;
    lock.unlock(); // nothing is called with the lock held
    if (unwanted) {
      refuse(state->loop, std::move(*own), http_failure::cancelled, "cancelled");
      return;
    }
    if (!access) {
      refuse(state->loop, std::move(*own), http_failure::invalid, std::move(access.error().message));
      return;
    }
    own->url = access->server + own->url;
    own->tls = access->tls;
    own->proxy = access->proxy;
    own->headers.insert(own->headers.end(), access->headers.begin(), access->headers.end());
    own->on_done = [source, done = std::move(own->on_done)](http_result outcome) {
      if (outcome.status == 401)
        source->refused();
      if (done)
        done(std::move(outcome));
    };
    auto handle = state->loop.submit(std::move(*own));
    lock.lock();
    state->handle = handle;
    if (state->cancelled)
      state->loop.cancel(handle);
  });
  return result;
}

} // namespace tc::kube
