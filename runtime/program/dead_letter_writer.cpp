#include "runtime/program/dead_letter_writer.hpp"

#include "export/batch.hpp"

#include <utility>

namespace tc::runtime {

dead_letter_writer::dead_letter_writer(const std::filesystem::path& folder,
                                       exporting::dead_letter_limits limits, logger log,
                                       std::shared_ptr<const metrics> counters)
    : folder_(folder, limits), path_(folder.string()), log_(std::move(log)), counters_(std::move(counters)),
      thread_([this] { write_all(); }) {
  // nop
}

dead_letter_writer::~dead_letter_writer() {
  {
    std::lock_guard guard{mutex_};
    ending_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void dead_letter_writer::post(exporting::dead_letter letter) {
  auto size = exporting::approximate_bytes(*letter.trace);
  std::lock_guard guard{mutex_};
  if (waiting_.size() >= most_letters || waiting_bytes_ + size > most_bytes) {
    counters_->dead_letters_lost.add(1, "overflow");
    return;
  }
  waiting_bytes_ += size;
  waiting_.push_back(std::move(letter));
  changed_.notify_one();
}

void dead_letter_writer::write_all() {
  std::unique_lock lock{mutex_};
  for (;;) {
    changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty())
      return;
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_bytes_ -= exporting::approximate_bytes(*next.trace);
    lock.unlock();
    write(next);
    lock.lock();
  }
}

void dead_letter_writer::write(const exporting::dead_letter& letter) {
  auto done = folder_.put(letter);
  if (done.removed > 0) {
    counters_->dead_letters_lost.add(static_cast<double>(done.removed), "room");
    log_.error("the oldest dead letters were removed to make room",
               {{"folder", path_}, {"letters", done.removed}});
  }
  if (done.error.empty()) {
    counters_->dead_letters.add(1, letter.reason);
    if (!std::exchange(last_error_, {}).empty())
      log_.info("dead letters can be written again", {{"folder", path_}});
    return;
  }
  counters_->dead_letters_lost.add(1, "unwritable");
  // Once for each cause: a full disk must not fill the log as well.
  if (last_error_ != done.error)
    log_.error("a dead letter cannot be written and is lost", {{"folder", path_}, {"error", done.error}});
  last_error_ = done.error;
}

} // namespace tc::runtime
