#include "runtime/store/journal.hpp"

#include <algorithm>

namespace tc::store {

namespace {

constexpr auto prune_every = std::chrono::seconds{5};
constexpr auto sync_every = std::chrono::seconds{1};
/// An observation that is older than this before the newest is needed by no open change.
constexpr auto longest_change = std::chrono::hours{24};

/// For a new file: all that the one before it had, but for the observations.
void add_all_known(changes& to, const contents& known) {
  for (const auto& each : known.traces)
    to.traces.try_emplace(each.key, each);
  for (const auto& [provider, keys] : known.sent)
    to.sent[provider] = keys; // with what is to be added anyway
  for (const auto& [uid, progress] : known.progress)
    to.progress.try_emplace(uid, progress);
}

tl::unexpected<problem> no_store() {
  return tl::unexpected(problem{problem_kind::other, "no store is open"});
}

std::string remedy(problem_kind kind) {
  switch (kind) {
  case problem_kind::full:
    return "free some room on the volume or raise --data-dir-limit";
  case problem_kind::newer:
    return "run that version, or move the folder away to begin anew";
  case problem_kind::device:
    return "check the volume, its room and its health";
  case problem_kind::corrupt:
  case problem_kind::other:
    break;
  }
  return "check the volume and its permissions";
}

} // namespace

// -- opening and ending -------------------------------------------------------

tl::expected<std::unique_ptr<journal>, std::string> journal::open(journal_options options,
                                                                  journal_outside outside) {
  auto folder = directory::take(options.path);
  if (!folder)
    return tl::unexpected(folder.error());
  std::unique_ptr<journal> made{new journal(std::move(options), std::move(outside), std::move(*folder))};
  if (auto begun = made->begin(); !begun)
    return tl::unexpected(begun.error());
  return made;
}

journal::journal(journal_options options, journal_outside outside, directory folder)
    : options_(std::move(options)), outside_(std::move(outside)), folder_(std::move(folder)),
      window_(options_.commit_wait, options_.commit_observations) {
  // nop
}

tl::expected<void, std::string> journal::begin() {
  auto path = folder_.store_path();
  trace_taker take;
  if (outside_.found_trace)
    take = [this](waiting_trace found) { take_found(std::move(found)); };
  auto take_fact = outside_.found_observation;
  if (take_fact)
    take_fact = [this](const observation_ptr& fact) {
      newest_ = std::max(newest_, fact->received_at);
      outside_.found_observation(fact);
    };
  auto opened = database::open(path, options_.database, found_, take, take_fact);
  if (!opened && opened.error().kind != problem_kind::newer && opened.error().kind != problem_kind::other) {
    traces_.clear();
    newest_ = {};
    if (outside_.found_observation)
      outside_.found_observation(nullptr);
    found_ = database::salvage(path, take);
    if (opened.error().kind == problem_kind::corrupt) {
      give_up_file(opened.error().message);
      contents none;
      opened = database::open(path, options_.database, none);
      add_all_known(waiting_, found_);
      count_given();
    }
  }
  if (opened) {
    database_ = std::move(*opened);
    rescue();
  } else if (opened.error().kind == problem_kind::newer || opened.error().kind == problem_kind::other)
    return tl::unexpected("--data-dir " + options_.path + " cannot be used: " + opened.error().message +
                          "; " + remedy(opened.error().kind));
  else
    note_state(opened.error().message + "; " + remedy(opened.error().kind));
  for (const auto& each : found_.traces)
    traces_.emplace(each.key, known_trace{each, waiting_.traces.count(each.key) == 0});
  for (const auto& [provider, keys] : found_.sent)
    sent_[provider].assign(keys.begin(), keys.end());
  progress_ = found_.progress;
  for (const auto& [uid, progress] : progress_)
    open_since_[uid] = progress.settled_until;
  cluster_ = found_.cluster;
  for (const auto& fact : found_.observations)
    newest_ = std::max(newest_, fact->received_at);
  books_.stored = database_ ? database_->books() : database_books{};
  thread_ = std::thread{[this] { run(); }};
  return {};
}

/// Its content is told, and stays in the file.
void journal::take_found(waiting_trace found) {
  outside_.found_trace(found);
  found.trace.reset();
  auto key = found.key;
  traces_.insert_or_assign(std::move(key), known_trace{std::move(found), true});
}

journal::~journal() {
  {
    std::lock_guard guard{mutex_};
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable())
    thread_.join();
}

// -- taking in ----------------------------------------------------------------

/// With the mutex held.
void journal::count_given(std::uint64_t more) {
  given_ += more;
  window_.given(std::chrono::steady_clock::now());
}

void journal::begin_cluster(const std::string& name) {
  {
    std::lock_guard guard{mutex_};
    waiting_.cluster = cluster_ = name;
    waiting_.observations.clear();
    waiting_.positions.clear();
    count_given();
  }
  changed_.notify_all();
}

void journal::add(const std::vector<observation_ptr>& facts) {
  {
    std::lock_guard guard{mutex_};
    for (const auto& fact : facts) {
      waiting_.observations.push_back(fact);
      newest_ = std::max(newest_, fact->received_at);
    }
    count_given(facts.size());
    bound_waiting();
  }
  changed_.notify_all();
}

/// With the mutex held: memory is no place to keep everything.
void journal::bound_waiting() {
  auto& all = waiting_.observations;
  if (all.size() <= options_.most_waiting)
    return;
  auto more = all.size() - options_.most_waiting;
  books_.observations_lost += more;
  waiting_.after_gap = true;
  waiting_.positions.clear();
  all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(more));
}

void journal::note_position(const std::string& kind, const std::string& version) {
  {
    std::lock_guard guard{mutex_};
    waiting_.positions[kind] = version;
    count_given();
  }
  changed_.notify_all();
}

void journal::put(waiting_trace trace) {
  {
    std::lock_guard guard{mutex_};
    auto key = trace.key;
    traces_.insert_or_assign(key, known_trace{trace, false});
    waiting_.traces[std::move(key)] = std::move(trace);
    count_given();
  }
  changed_.notify_all();
}

keeping journal::let_go(const trace_key& key) {
  std::lock_guard guard{mutex_};
  auto found = traces_.find(key);
  if (found == traces_.end() || !found->second.written)
    return books_.problem.empty() ? keeping::not_yet : keeping::failing;
  found->second.what.trace.reset();
  return keeping::kept;
}

void journal::acknowledged(const trace_key& key) {
  {
    std::lock_guard guard{mutex_};
    traces_.erase(key);
    waiting_.traces[key] = std::nullopt;
    count_given();
  }
  changed_.notify_all();
}

void journal::note_sent(const std::string& provider, const std::vector<std::uint64_t>& keys) {
  {
    std::lock_guard guard{mutex_};
    auto& fresh = waiting_.sent[provider];
    fresh.insert(fresh.end(), keys.begin(), keys.end());
    auto& known = sent_[provider];
    known.insert(known.end(), keys.begin(), keys.end());
    while (known.size() > options_.database.sent_limit)
      known.pop_front();
    count_given();
  }
  changed_.notify_all();
}

void journal::note_progress(const std::string& trace_uid, const trace_progress& progress,
                            timestamp open_since) {
  {
    std::lock_guard guard{mutex_};
    open_since_[trace_uid] = open_since;
    auto [known, added] = progress_.try_emplace(trace_uid, progress);
    if (!added && known->second == progress)
      return;
    known->second = progress;
    waiting_.progress[trace_uid] = progress;
    count_given();
  }
  changed_.notify_all();
}

void journal::forget_trace(const std::string& trace_uid) {
  {
    std::lock_guard guard{mutex_};
    progress_.erase(trace_uid);
    open_since_.erase(trace_uid);
    waiting_.progress[trace_uid] = std::nullopt;
    for (auto at = traces_.lower_bound({trace_uid, 0});
         at != traces_.end() && at->first.trace_uid == trace_uid;)
      at = traces_.erase(at);
    std::erase_if(waiting_.traces, [&](const auto& each) { return each.first.trace_uid == trace_uid; });
    count_given();
  }
  changed_.notify_all();
}

void journal::read(const trace_key& key, std::function<void(result<completed_trace_ptr>)> then) {
  {
    std::lock_guard guard{mutex_};
    reads_.emplace_back([key, then = std::move(then)](database* from) {
      then(from != nullptr ? from->read_trace(key) : result<completed_trace_ptr>{no_store()});
    });
  }
  changed_.notify_all();
}

void journal::read_observations(std::int64_t after, std::int64_t upto, std::size_t most,
                                std::function<void(result<observation_page>)> then) {
  {
    std::lock_guard guard{mutex_};
    reads_.emplace_back([=, then = std::move(then)](database* from) {
      then(from != nullptr ? from->read_observations(after, upto, most)
                           : result<observation_page>{no_store()});
    });
  }
  changed_.notify_all();
}

journal_books journal::books() const {
  std::lock_guard guard{mutex_};
  auto out = books_;
  out.observations_waiting = waiting_.observations.size();
  out.traces_waiting = waiting_.traces.size();
  return out;
}

void journal::when_written(std::function<void()> then) {
  {
    std::lock_guard guard{mutex_};
    told_when_tried_.emplace_back(given_, std::move(then));
    hurry_ = true;
  }
  changed_.notify_all();
}

void journal::flush() {
  std::unique_lock guard{mutex_};
  hurry_ = true;
  changed_.notify_all();
  auto wanted = given_;
  changed_.wait(guard, [&] { return tried_ >= wanted; });
}

// -- writing ------------------------------------------------------------------

void journal::run() {
  auto wait = options_.first_retry;
  for (;;) {
    changes group;
    std::uint64_t upto = 0;
    bool last = false;
    {
      std::unique_lock guard{mutex_};
      auto due = [this] {
        auto until = window_.due(waiting_.observations.size());
        return ending_ || hurry_ || (database_ && !reads_.empty()) ||
               (until && *until <= std::chrono::steady_clock::now());
      };
      changed_.wait_for(guard, sync_every, [&] { return due() || !waiting_.empty(); });
      if (auto until = window_.due(waiting_.observations.size()))
        changed_.wait_until(guard, *until, due);
      group = std::exchange(waiting_, {});
      window_.taken();
      upto = given_;
      last = ending_;
      hurry_ = false;
    }
    auto done = group.empty() && database_ ? result<void>{} : write(group);
    if (done)
      note_written(group);
    else
      put_back(std::move(group));
    note_state(done ? std::string{} : done.error().message + "; " + remedy(done.error().kind));
    answer_reads();
    if (done)
      look_after(std::chrono::steady_clock::now());
    note_tried(upto, done.has_value());
    {
      std::unique_lock guard{mutex_};
      if (last)
        return;
      if (done)
        wait = options_.first_retry;
      else
        changed_.wait_for(guard, std::exchange(wait, std::min(wait * 2, options_.longest_retry)),
                          [this] { return ending_ || hurry_ || (database_ && !reads_.empty()); });
    }
  }
}

void journal::note_tried(std::uint64_t upto, bool done) {
  decltype(told_when_tried_) told;
  {
    std::lock_guard guard{mutex_};
    books_.commits += done ? 1 : 0;
    books_.failed_writes += done ? 0 : 1;
    if (database_)
      books_.stored = database_->books();
    tried_ = upto;
    for (; !told_when_tried_.empty() && told_when_tried_.front().first <= tried_;
         told_when_tried_.pop_front())
      told.push_back(std::move(told_when_tried_.front()));
  }
  changed_.notify_all();
  for (auto& [number, then] : told)
    then();
}

/// On success `what` is written; on failure what is left of it is to be written still.
result<void> journal::write(changes& what) {
  if (database_ && !database_->is_in_place()) {
    former_ = std::move(database_);
    leave_file();
    what.after_gap = true; // what the lost file had is not in the next one
  }
  for (int attempt = 0;; ++attempt) {
    if (!database_)
      if (auto opened = open_again(what); !opened)
        return opened;
    auto done = database_->write(what);
    if (done)
      return done;
    if (done.error().kind == problem_kind::corrupt && attempt == 0) {
      database_.reset();
      give_up_file(done.error().message);
      what.after_gap = true;
      continue;
    }
    // Without room for all, what makes room may still be written.
    if (done.error().kind == problem_kind::full && database_->write_removals(what)) {
      what.sent.clear();
      std::erase_if(what.traces, [](const auto& each) { return !each.second; });
      std::erase_if(what.progress, [](const auto& each) { return !each.second; });
      (void)database_->prune(horizon());
    }
    return done;
  }
}

result<void> journal::open_again(changes& what) {
  if (!folder_.restore())
    return tl::unexpected(problem{problem_kind::other, "the folder is gone and cannot be made again"});
  contents there;
  std::size_t traces_there = 0;
  auto count = [&](const waiting_trace&) { ++traces_there; };
  auto pass = [](const observation_ptr&) {};
  auto opened = database::open(folder_.store_path(), options_.database, there, count, pass);
  if (!opened && opened.error().kind == problem_kind::corrupt) {
    traces_there = 0;
    give_up_file(opened.error().message);
    opened = database::open(folder_.store_path(), options_.database, there, count, pass);
  }
  if (!opened)
    return tl::unexpected(std::move(opened.error()));
  database_ = std::move(*opened);
  rescue();
  std::lock_guard guard{mutex_};
  if (!there.sent.empty() || traces_there != 0)
    return {};
  if (there.cluster.empty() && !cluster_.empty())
    what.cluster = cluster_;
  contents known;
  for (const auto& [key, trace] : traces_)
    if (trace.what.trace)
      known.traces.push_back(trace.what);
  for (const auto& [provider, keys] : sent_)
    known.sent[provider].assign(keys.begin(), keys.end());
  known.progress = progress_;
  add_all_known(what, known);
  return {};
}

void journal::give_up_file(const std::string& why) {
  auto stamp = to_rfc3339(std::chrono::floor<std::chrono::seconds>(outside_.clock()));
  auto aside = folder_.set_aside(stamp);
  aside_ = aside;
  leave_file();
  {
    std::lock_guard guard{mutex_};
    ++books_.files_set_aside;
  }
  if (outside_.damaged)
    outside_.damaged(aside, why);
}

/// What is in memory has to be written to another file.
void journal::leave_file() {
  std::lock_guard guard{mutex_};
  for (auto& [key, known] : traces_)
    if (known.what.trace)
      known.written = false;
}

/// What only the file before had goes over to this one, a few at a time. What cannot is missed when it is
/// read.
void journal::rescue() {
  constexpr std::size_t spans_at_a_time = 4096;
  auto former = std::exchange(former_, nullptr);
  auto aside = std::exchange(aside_, {});
  if (!former && aside.empty())
    return;
  std::map<trace_key, waiting_trace> only_there;
  {
    std::lock_guard guard{mutex_};
    for (const auto& [key, known] : traces_)
      if (!known.what.trace)
        only_there.emplace(key, known.what);
  }
  changes portion;
  std::size_t spans = 0;
  auto write_portion = [&] {
    if (!portion.empty())
      (void)database_->write(portion);
    portion = {};
    spans = 0;
  };
  auto take = [&](waiting_trace found) {
    spans += found.trace->spans.size();
    auto key = found.key;
    portion.traces[std::move(key)] = std::move(found);
    if (spans >= spans_at_a_time)
      write_portion();
  };
  if (former)
    for (auto& [key, known] : only_there) {
      if (auto found = former->read_trace(key))
        take({key, known.change_key, known.whole, std::move(*found)});
    }
  else if (!only_there.empty())
    (void)database::salvage(aside, [&](waiting_trace found) {
      if (only_there.count(found.key) != 0)
        take(std::move(found));
    });
  write_portion();
}

void journal::note_written(const changes& group) {
  std::lock_guard guard{mutex_};
  for (const auto& [key, trace] : group.traces)
    if (trace)
      if (auto found = traces_.find(key); found != traces_.end())
        found->second.written = true;
}

void journal::answer_reads() {
  decltype(reads_) reads;
  {
    std::lock_guard guard{mutex_};
    if (!database_ && !ending_)
      return; // there will be one: that there is none now is no loss
    reads.swap(reads_);
  }
  for (const auto& answer : reads)
    answer(database_.get());
}

void journal::put_back(changes failed) {
  std::lock_guard guard{mutex_};
  auto newer = std::exchange(waiting_, std::move(failed));
  if (newer.cluster) {
    waiting_.cluster = std::move(newer.cluster);
    waiting_.observations = std::move(newer.observations);
    newer.observations.clear();
    waiting_.positions.clear();
  }
  waiting_.observations.insert(waiting_.observations.end(), newer.observations.begin(),
                               newer.observations.end());
  for (auto& [kind, version] : newer.positions)
    waiting_.positions[kind] = std::move(version);
  for (auto& [uid, progress] : newer.progress) {
    waiting_.progress[uid] = progress;
    if (!progress)
      std::erase_if(waiting_.traces, [&, id = uid](const auto& each) { return each.first.trace_uid == id; });
  }
  for (auto& [key, trace] : newer.traces)
    waiting_.traces[key] = std::move(trace);
  for (auto& [provider, keys] : newer.sent) {
    auto& all = waiting_.sent[provider];
    all.insert(all.end(), keys.begin(), keys.end());
    if (all.size() > options_.database.sent_limit)
      all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(options_.database.sent_limit));
  }
  bound_waiting();
  if (!waiting_.empty())
    window_.given(std::chrono::steady_clock::now());
}

void journal::note_state(const std::string& problem) {
  {
    std::lock_guard guard{mutex_};
    // A disk that is full and then fails in another way is one problem: told once.
    auto same = problem.empty() == books_.problem.empty();
    books_.problem = problem;
    if (same)
      return;
  }
  if (outside_.state)
    outside_.state(problem);
}

void journal::look_after(std::chrono::steady_clock::time_point now) {
  if (options_.database.sync == sync_policy::interval && now >= next_sync_) {
    next_sync_ = now + sync_every;
    (void)database_->sync();
  }
  if (now < next_prune_)
    return;
  next_prune_ = now + prune_every;
  (void)database_->prune(horizon()); // fails when writing does, which the next group tells
}

timestamp journal::horizon() const {
  std::lock_guard guard{mutex_};
  auto out = newest_;
  for (const auto& [uid, since] : open_since_)
    out = std::min(out, since);
  return std::max(out, newest_ - longest_change) - options_.margin;
}

} // namespace tc::store
