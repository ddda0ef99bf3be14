#include "runtime/http_client/http_loop.hpp"

#include "runtime/http_client/transfer.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace tc::runtime {

namespace {

using clock = std::chrono::steady_clock;

/// How long a receiver that takes nothing is left alone before it is asked again.
constexpr std::chrono::milliseconds paused_for{5};
constexpr std::chrono::milliseconds longest_wait{60'000};

/// libcurl's own set-up, once per process; it lives until the process ends.
void prepare_curl() {
  [[maybe_unused]] static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

} // namespace

struct http_loop::impl {
  explicit impl(http_loop_options given) : options(std::move(given)) {
    prepare_curl();
    multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    if (options.max_connections_per_host > 0)
      curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, options.max_connections_per_host);
  }

  ~impl() { curl_multi_cleanup(multi); }

  // -- the loop's thread ---

  void run() {
    for (;;) {
      if (!take_in())
        break;
      run_due_timers();
      go_on_reading();
      int active = 0;
      curl_multi_perform(multi, &active);
      finish_ended();
      finish_idle();
      curl_multi_poll(multi, nullptr, 0, milliseconds_to_wait(), nullptr);
    }
    end_all();
  }

  /// Starts what was submitted and ends what was cancelled since the last round. Returns false to stop.
  bool take_in() {
    std::vector<std::pair<http_handle, http_request>> fresh;
    std::vector<http_handle> ended;
    std::vector<std::function<void()>> work;
    {
      std::lock_guard guard{mutex};
      if (stopping)
        return false;
      fresh.swap(incoming);
      ended.swap(cancelled);
      work.swap(tasks);
    }
    for (auto& [handle, request] : fresh)
      start(handle, std::move(request));
    for (auto handle : ended)
      if (running.contains(handle))
        finish(handle, http_failure::cancelled, "cancelled");
    for (auto& task : work)
      guarded(task);
    return true;
  }

  void start(http_handle handle, http_request request) {
    auto owned = std::make_unique<transfer>(handle, std::move(request), options.user_agent);
    auto* raw = owned.get();
    running.emplace(handle, std::move(owned));
    if (raw->invalid.empty() && curl_multi_add_handle(multi, raw->easy) != CURLM_OK)
      raw->invalid = "libcurl does not accept the request";
    else
      raw->added = raw->invalid.empty();
    if (!raw->invalid.empty())
      finish(handle, http_failure::invalid, std::string{raw->invalid});
  }

  void go_on_reading() {
    // Who reads may be what another one waits for.
    for (bool any = true; any;) {
      any = any_paused = false;
      for (const auto& [handle, open] : running) {
        if (open->paused && !open->must_wait()) {
          curl_easy_pause(open->easy, CURLPAUSE_CONT); // may deliver, and pause again, at once
          any = true;
        }
        any_paused = any_paused || open->paused;
      }
    }
  }

  void finish_ended() {
    int left = 0;
    while (auto* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE)
        continue;
      void* found = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &found);
      auto* ended = static_cast<transfer*>(found);
      auto [failure, text] = ended->verdict(message->data.result);
      finish(ended->handle, failure, std::move(text));
    }
  }

  void finish_idle() {
    auto now = clock::now();
    std::vector<http_handle> late;
    for (const auto& [handle, open] : running)
      if (open->idle_deadline() <= now)
        late.push_back(handle);
    for (auto handle : late) {
      auto limit = std::to_string(running.at(handle)->request.idle_timeout.count());
      finish(handle, http_failure::timeout, "no byte received for " + limit + " ms");
    }
  }

  void finish(http_handle handle, http_failure failure, std::string text) {
    auto node = running.extract(handle);
    if (!node)
      return;
    auto& ended = *node.mapped();
    if (ended.added)
      curl_multi_remove_handle(multi, ended.easy);
    ended.added = false;
    ended.result.failure = failure;
    ended.result.error = std::move(text);
    open_count.fetch_sub(1);
    if (ended.request.on_done)
      guarded([&] { ended.request.on_done(std::move(ended.result)); });
    if (ended.thrown && options.on_exception)
      options.on_exception(*ended.thrown);
  }

  void run_due_timers() {
    for (;;) {
      std::function<void()> task;
      {
        std::lock_guard guard{mutex};
        if (timers.empty() || timers.begin()->first.first > clock::now())
          return;
        timer_times.erase(timers.begin()->first.second);
        task = std::move(timers.begin()->second);
        timers.erase(timers.begin());
      }
      guarded(task);
    }
  }

  int milliseconds_to_wait() {
    auto next = clock::now() + (any_paused ? paused_for : longest_wait);
    {
      std::lock_guard guard{mutex};
      if (!timers.empty())
        next = std::min(next, timers.begin()->first.first);
    }
    for (const auto& [handle, open] : running)
      next = std::min(next, open->idle_deadline());
    auto left = std::chrono::ceil<std::chrono::milliseconds>(next - clock::now()).count();
    return static_cast<int>(std::max<decltype(left)>(left, 0));
  }

  void end_all() {
    decltype(incoming) fresh;
    decltype(tasks) dropped_tasks;
    decltype(timers) dropped_timers;
    {
      std::lock_guard guard{mutex};
      stopped = true;
      fresh.swap(incoming);
      dropped_tasks.swap(tasks);
      dropped_timers.swap(timers);
      timer_times.clear();
      cancelled.clear();
    }
    for (auto& [handle, request] : fresh)
      end_unstarted(request);
    while (!running.empty())
      finish(running.begin()->first, http_failure::cancelled, "the HTTP client has stopped");
  }

  void end_unstarted(http_request& request) {
    open_count.fetch_sub(1);
    http_result result;
    result.failure = http_failure::cancelled;
    result.error = "the HTTP client has stopped";
    if (request.on_done)
      guarded([&] { request.on_done(std::move(result)); });
  }

  /// A callback that throws must not end the thread that every watch and every export needs.
  template <class Task>
  void guarded(Task&& task) {
    try {
      task();
    } catch (const std::exception& error) {
      if (options.on_exception)
        options.on_exception(error.what());
    } catch (...) {
      if (options.on_exception)
        options.on_exception("unknown exception");
    }
  }

  void wake() { curl_multi_wakeup(multi); } // the one multi function that may cross threads

  // -- data members ---

  http_loop_options options;
  CURLM* multi = nullptr;
  std::unordered_map<http_handle, std::unique_ptr<transfer>> running; ///< the loop's thread only
  bool any_paused = false;                                            ///< the loop's thread only
  std::atomic<std::size_t> open_count{0};

  std::mutex mutex; ///< guards what follows
  bool stopping = false;
  bool stopped = false;
  std::uint64_t last_handle = 0;
  std::vector<std::pair<http_handle, http_request>> incoming;
  std::vector<http_handle> cancelled;
  std::vector<std::function<void()>> tasks;
  std::map<std::pair<clock::time_point, timer_handle>, std::function<void()>> timers;
  std::unordered_map<timer_handle, clock::time_point> timer_times;

  std::thread thread;
};

http_loop::http_loop(http_loop_options options) : impl_(std::make_unique<impl>(std::move(options))) {
  impl_->thread = std::thread{[this] { impl_->run(); }};
}

http_loop::~http_loop() {
  stop();
}

http_handle http_loop::submit(http_request request) {
  impl_->open_count.fetch_add(1);
  {
    std::lock_guard guard{impl_->mutex};
    if (!impl_->stopped) {
      auto handle = ++impl_->last_handle;
      impl_->incoming.emplace_back(handle, std::move(request));
      impl_->wake();
      return handle;
    }
  }
  impl_->end_unstarted(request);
  return 0;
}

void http_loop::cancel(http_handle handle) {
  if (on_loop_thread())
    if (auto found = impl_->running.find(handle); found != impl_->running.end())
      found->second->cancelled = true; // silences on_data within this very round
  std::lock_guard guard{impl_->mutex};
  impl_->cancelled.push_back(handle);
  impl_->wake();
}

bool http_loop::post(std::function<void()> task) {
  std::lock_guard guard{impl_->mutex};
  if (impl_->stopped)
    return false;
  impl_->tasks.push_back(std::move(task));
  impl_->wake();
  return true;
}

timer_handle http_loop::after(std::chrono::nanoseconds delay, std::function<void()> task) {
  std::lock_guard guard{impl_->mutex};
  if (impl_->stopped)
    return 0;
  auto handle = ++impl_->last_handle;
  auto due = clock::now() + std::max(delay, std::chrono::nanoseconds{0});
  impl_->timers.emplace(std::pair{due, handle}, std::move(task));
  impl_->timer_times.emplace(handle, due);
  impl_->wake();
  return handle;
}

void http_loop::cancel_timer(timer_handle handle) {
  std::function<void()> dropped; // destroyed without the lock
  std::lock_guard guard{impl_->mutex};
  auto found = impl_->timer_times.find(handle);
  if (found == impl_->timer_times.end())
    return;
  auto timer = impl_->timers.find({found->second, handle});
  dropped = std::move(timer->second);
  impl_->timers.erase(timer);
  impl_->timer_times.erase(found);
}

void http_loop::stop() {
  {
    std::lock_guard guard{impl_->mutex};
    impl_->stopping = true;
    impl_->wake();
  }
  if (impl_->thread.joinable())
    impl_->thread.join();
}

bool http_loop::on_loop_thread() const {
  return std::this_thread::get_id() == impl_->thread.get_id();
}

std::size_t http_loop::open_requests() const {
  return impl_->open_count.load();
}

} // namespace tc::runtime
