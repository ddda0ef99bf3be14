#include "kube/reflector.hpp"

#include <future>
#include <mutex>

namespace tc::kube {

using runtime::http_failure;

namespace {

/// A list that stops arriving for that long is begun again.
constexpr std::chrono::seconds list_silence{30};

reflector_reply to_reply(const runtime::http_result& result, timestamp now) {
  reflector_reply reply;
  reply.complete = result.failure == http_failure::none;
  reply.interrupted = result.failure == http_failure::interrupted || result.failure == http_failure::timeout;
  reply.status = result.status;
  reply.failure = result.error;
  if (auto header = result.header("retry-after"))
    reply.retry_after = runtime::parse_retry_after(
        *header, std::chrono::time_point_cast<std::chrono::system_clock::duration>(now));
  return reply;
}

} // namespace

/// Everything but start, stop and counts runs on the loop's thread.
struct reflector::impl : reflector_port, std::enable_shared_from_this<reflector::impl> {
  impl(reflector_context c, const watched_kind& k, reflector_options options)
      : context(std::move(c)), kind(k),
        state({std::string{k.group}, {}, std::string{k.kind}, {}}, std::move(options), context.sink, *this) {
    view.resource = state.resource();
    // What a server may keep elsewhere is Events (--etcd-servers-overrides).
    if (context.order != nullptr)
      place = context.order->join(k.kind == "Event");
  }

  // -- reflector_port ---

  void resolve() override {
    context.versions.resolve(kind, [weak = weak_from_this()](discovery::answer answer) {
      if (auto self = weak.lock())
        self->enter([&](auto now) { self->state.on_resolved(std::move(answer), now); });
    });
  }

  void send(const reflector_request& request) override {
    auto own = ++request_number;
    runtime::http_request out;
    out.url = request.path;
    out.headers = {"Accept: application/json"};
    out.total_timeout = request.limit;
    if (!request.watch)
      out.idle_timeout = list_silence;
    out.may_read = context.may_read;
    if (request.watch && place)
      out.in_turn = [this, weak = weak_from_this(), own] {
        auto self = weak.lock();
        return !self || own != request_number ||
               context.order->may_read(*place, !context.may_read || context.may_read());
      };
    out.on_head = [this, weak = weak_from_this(), own](int status, const runtime::http_headers&) {
      if (auto self = weak.lock(); self && own == request_number)
        enter([&](auto now) { state.on_head(status, now); });
    };
    out.on_data = [this, weak = weak_from_this(), own](std::string_view piece) {
      if (auto self = weak.lock(); self && own == request_number)
        enter([&](auto now) { state.on_data(piece, now); });
    };
    out.on_done = [this, weak = weak_from_this(), own](runtime::http_result result) {
      // Cancelled: by ourselves, who know, or by the end of the loop.
      if (auto self = weak.lock(); self && own == request_number && result.failure != http_failure::cancelled)
        enter([&](auto now) { state.on_done(to_reply(result, now), now); });
    };
    open = context.target.send(std::move(out));
  }

  void cancel_request() override {
    ++request_number;
    open.cancel();
  }

  void set_timer(duration delay) override {
    auto own = ++timer_number;
    context.target.loop().cancel_timer(timer);
    timer = context.target.loop().after(delay, [this, weak = weak_from_this(), own] {
      if (auto self = weak.lock(); self && own == timer_number)
        enter([&](auto now) { state.on_timer(now); });
    });
  }

  // -- life ---

  template <class Input>
  void enter(Input&& input) {
    if (stopped)
      return;
    input(context.clock());
    note_place();
    std::lock_guard guard{mutex};
    view.status = state.status();
    view.synced = state.synced();
    view.objects = state.known_objects();
    view.counts = state.counts();
    if (view.reason != state.reason())
      view.reason = state.reason();
    if (view.resource != state.resource())
      view.resource = state.resource();
  }

  void note_place() {
    if (!place)
      return;
    if (auto version = state.watched_version(); version == 0)
      context.order->closed(*place);
    else
      context.order->came(*place, version);
  }

  void end() {
    if (std::exchange(stopped, true))
      return;
    cancel_request();
    if (place)
      context.order->closed(*place);
    context.target.loop().cancel_timer(timer);
  }

  // -- data members ---

  reflector_context context;
  const watched_kind& kind;
  reflector_state state;
  bool stopped = false;
  std::optional<std::size_t> place; ///< among those whose watches are in order
  std::uint64_t request_number = 0; ///< answers to earlier requests come to nothing
  std::uint64_t timer_number = 0;
  cluster_request open;
  runtime::timer_handle timer = 0;
  mutable std::mutex mutex;
  snapshot view; ///< guarded by the mutex
};

reflector::reflector(reflector_context context, const watched_kind& kind, reflector_options options)
    : impl_(std::make_shared<impl>(std::move(context), kind, std::move(options))) {
  // nop
}

reflector::~reflector() {
  stop();
}

void reflector::start(bool trusting) {
  impl_->context.target.loop().post([self = impl_, trusting] {
    self->enter([&](auto now) {
      if (!trusting)
        self->state.distrust();
      self->state.start(now);
    });
  });
}

void reflector::stop() {
  auto& loop = impl_->context.target.loop();
  if (loop.on_loop_thread()) {
    impl_->end();
    return;
  }
  auto ended = std::make_shared<std::promise<void>>();
  auto waiting = ended->get_future();
  bool accepted = loop.post([self = impl_, ended] {
    self->end();
    ended->set_value();
  });
  // When the loop ends with the task undone, the promise goes with it: that ends the wait as well.
  ended.reset();
  if (accepted)
    waiting.wait();
}

reflector::snapshot reflector::look() const {
  std::lock_guard guard{impl_->mutex};
  return impl_->view;
}

} // namespace tc::kube
