#include "runtime/store/database.hpp"

#include "runtime/store/codec.hpp"
#include "runtime/store/schema.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

namespace tc::store {

namespace {

/// Observations and waiting traces share the file; what one may take of its limit, in percent.
constexpr std::uint64_t share_of_observations = 40;
/// Pages that go back to the disk in one step.
constexpr const char* give_back = "PRAGMA incremental_vacuum(1024)";

std::int64_t checksum_of(std::string_view bytes) {
  return static_cast<std::int64_t>(
      ::crc32_z(::crc32_z(0, nullptr, 0), reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

tl::unexpected<problem> damaged(const char* what) {
  return tl::unexpected(problem{problem_kind::corrupt, what});
}

std::string pack(const std::vector<std::uint64_t>& keys) {
  std::string out(keys.size() * sizeof(std::uint64_t), '\0');
  if (!keys.empty())
    std::memcpy(out.data(), keys.data(), out.size());
  return out;
}

void unpack(std::string_view bytes, std::vector<std::uint64_t>& to) {
  auto count = bytes.size() / sizeof(std::uint64_t);
  auto before = to.size();
  to.resize(before + count);
  if (count > 0)
    std::memcpy(to.data() + before, bytes.data(), count * sizeof(std::uint64_t));
}

std::uint64_t size_of_file(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? static_cast<std::uint64_t>(found.st_size) : 0;
}

std::uint64_t inode_of(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? static_cast<std::uint64_t>(found.st_ino) : 0;
}

void give(waiting_trace found, contents& out, const trace_taker& take) {
  if (take)
    take(std::move(found));
  else
    out.traces.push_back(std::move(found));
}

/// To whose watch an observation belongs; "" for what no watch tells.
std::string position_of(const observation& fact) {
  if (fact.kind == observation_kind::event)
    return "Event";
  if (fact.kind != observation_kind::state && fact.kind != observation_kind::deleted)
    return {};
  return fact.object.group.empty() ? fact.object.kind : fact.object.kind + '.' + fact.object.group;
}

bool is_later(const std::string& version, std::uint64_t than) {
  std::uint64_t number = 0;
  auto [end, code] = std::from_chars(version.data(), version.data() + version.size(), number);
  return code == std::errc{} && end == version.data() + version.size() && number > than;
}

constexpr const char* select_traces =
    "SELECT trace_uid, number, change_key, whole, checksum, content FROM traces ORDER BY rowid";
constexpr const char* select_sent = "SELECT row, provider, checksum, spans FROM sent ORDER BY row";

} // namespace

// -- opening ------------------------------------------------------------------

result<std::unique_ptr<database>> database::open(const std::string& path, const database_options& options,
                                                 contents& out, const trace_taker& take,
                                                 const observation_taker& take_fact) {
  // SQLite's files beside it take their permissions from it.
  if (auto file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600); file >= 0)
    ::close(file);
  auto opened = connection::open(path);
  if (!opened)
    return tl::unexpected(std::move(opened.error()));
  std::unique_ptr<database> made{new database};
  made->path_ = path;
  made->options_ = options;
  made->connection_ = std::move(*opened);
  made->inode_ = inode_of(path);
  for (auto step : {&database::migrate, &database::prepare})
    if (auto done = (made.get()->*step)(); !done)
      return tl::unexpected(std::move(done.error()));
  if (auto loaded = made->load(out, take, take_fact); !loaded)
    return tl::unexpected(std::move(loaded.error()));
  return made;
}

result<void> database::migrate() {
  // Exclusive before anything else: no memory is shared with other processes, so there is no mapped file that
  // a full disk could take away.
  if (auto done = connection_.execute("PRAGMA locking_mode=EXCLUSIVE"); !done)
    return done;
  auto size = connection_.number("PRAGMA page_count");
  if (!size)
    return tl::unexpected(std::move(size.error()));
  // Of a file that exists this would be a write, and on a full disk it must open all the same.
  if (*size == 0)
    if (auto done = connection_.execute("PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL"); !done)
      return done;
  auto pages = std::max<std::uint64_t>(options_.limit_bytes / 4096, 64);
  for (const auto& setting :
       {std::string{"PRAGMA journal_mode=WAL"},
        std::string{"PRAGMA synchronous="} + (options_.sync == sync_policy::full  ? "FULL"
                                              : options_.sync == sync_policy::off ? "OFF"
                                                                                  : "NORMAL"),
        "PRAGMA max_page_count=" + std::to_string(pages), std::string{"PRAGMA journal_size_limit=4194304"},
        std::string{"PRAGMA cell_size_check=ON"}, std::string{"PRAGMA temp_store=MEMORY"}})
    if (auto done = connection_.execute(setting); !done)
      return done;
  auto check = connection_.prepare("PRAGMA quick_check(1)");
  if (!check)
    return tl::unexpected(std::move(check.error()));
  auto row = check->step();
  if (!row)
    return tl::unexpected(std::move(row.error()));
  if (!*row || check->bytes(0) != "ok")
    return damaged("its pages are damaged");
  check->reset();
  return bring_schema_to(schema_version, connection_);
}

result<void> database::prepare() {
  for (auto [into, text] : {
           std::pair{&sql_.add_observation, "INSERT INTO observations(checksum, content) VALUES(?1, ?2)"},
           {&sql_.drop_observation, "DELETE FROM observations WHERE row=?1"},
           {&sql_.read_observation, "SELECT checksum, content FROM observations WHERE row=?1"},
           {&sql_.read_observations, "SELECT row, checksum, content FROM observations WHERE row>?1 AND "
                                     "row<=?2 ORDER BY row LIMIT ?3"},
           {&sql_.change_observation, "UPDATE observations SET checksum=?2, content=?3 WHERE row=?1"},
           {&sql_.set_position, "INSERT OR REPLACE INTO positions VALUES(?1, ?2)"},
           {&sql_.drop_positions, "DELETE FROM positions"},
           {&sql_.add_trace, "INSERT OR REPLACE INTO traces VALUES(?1, ?2, ?3, ?4, ?5, ?6)"},
           {&sql_.drop_trace, "DELETE FROM traces WHERE trace_uid=?1 AND number=?2"},
           {&sql_.read_trace, "SELECT checksum, content FROM traces WHERE trace_uid=?1 AND number=?2"},
           {&sql_.add_sent, "INSERT INTO sent(provider, checksum, spans) VALUES(?1, ?2, ?3)"},
           {&sql_.drop_sent, "DELETE FROM sent WHERE row=?1"},
           {&sql_.set_progress, "INSERT OR REPLACE INTO progress VALUES(?1, ?2, ?3)"},
           {&sql_.add_cluster, "INSERT INTO cluster VALUES(?1)"},
           {&sql_.drop_progress, "DELETE FROM progress WHERE trace_uid=?1"},
       }) {
    auto made = connection_.prepare(text);
    if (!made) // a table or a column is not there
      return tl::unexpected(problem{problem_kind::corrupt, std::move(made.error().message)});
    *into = std::move(*made);
  }
  return {};
}

result<void> database::load(contents& out, const trace_taker& take, const observation_taker& take_fact) {
  auto each_row = [this](const char* text, auto keep) -> result<void> {
    auto query = connection_.prepare(text);
    if (!query)
      return tl::unexpected(problem{problem_kind::corrupt, std::move(query.error().message)});
    for (;;) {
      auto row = query->step();
      if (!row)
        return tl::unexpected(std::move(row.error()));
      if (!*row)
        return {};
      if (!keep(*query))
        return damaged("a row is damaged");
    }
  };
  auto read = each_row("SELECT row, checksum, content FROM observations ORDER BY row", [&](statement& row) {
    auto bytes = row.bytes(2);
    if (checksum_of(bytes) != row.number(1))
      return false;
    auto fact = decode_observation(bytes);
    if (!fact)
      return false;
    out.last_observation = row.number(0);
    index_.observations.add(out.last_observation, *fact, bytes.size());
    auto found = std::make_shared<observation>(std::move(*fact));
    if (take_fact)
      take_fact(found);
    else
      out.observations.push_back(std::move(found));
    return true;
  });
  if (read)
    read = each_row(select_traces, [&](statement& row) {
      auto bytes = row.bytes(5);
      if (checksum_of(bytes) != row.number(4))
        return false;
      auto trace = decode_trace(bytes);
      if (!trace)
        return false;
      trace_key key{std::string{row.bytes(0)}, static_cast<std::uint64_t>(row.number(1))};
      index_.traces[key] = bytes.size();
      give({std::move(key), std::string{row.bytes(2)}, row.number(3) != 0,
            std::make_shared<completed_trace>(std::move(*trace))},
           out, take);
      return true;
    });
  if (read)
    read = each_row(select_sent, [&](statement& row) {
      auto bytes = row.bytes(3);
      if (checksum_of(bytes) != row.number(2))
        return false;
      std::string provider{row.bytes(1)};
      auto count = bytes.size() / sizeof(std::uint64_t);
      auto& known = index_.sent[provider];
      known.rows.emplace_back(row.number(0), count);
      known.spans += count;
      unpack(bytes, out.sent[provider]);
      return true;
    });
  if (read)
    read = each_row("SELECT trace_uid, settled_before, settled_until FROM progress", [&](statement& row) {
      out.progress[std::string{row.bytes(0)}] = {timestamp{duration{row.number(1)}},
                                                 timestamp{duration{row.number(2)}}};
      return true;
    });
  if (read)
    read = each_row("SELECT kind, version FROM positions", [&](statement& row) {
      index_.positions[std::string{row.bytes(0)}] = std::string{row.bytes(1)};
      return true;
    });
  if (read)
    read = each_row("SELECT name FROM cluster", [&](statement& row) {
      out.cluster = std::string{row.bytes(0)};
      return true;
    });
  out.positions = index_.positions;
  return read;
}

contents database::salvage(const std::string& path, const trace_taker& take) {
  contents out;
  auto opened = connection::open(path);
  if (!opened || !opened->execute("PRAGMA locking_mode=EXCLUSIVE"))
    return out;
  if (auto traces = opened->prepare(select_traces)) {
    for (auto row = traces->step(); row && *row; row = traces->step()) {
      auto bytes = traces->bytes(5);
      auto trace = checksum_of(bytes) == traces->number(4)
                       ? decode_trace(bytes)
                       : tl::expected<completed_trace, std::string>{tl::unexpected(std::string{})};
      if (trace)
        give({{std::string{traces->bytes(0)}, static_cast<std::uint64_t>(traces->number(1))},
              std::string{traces->bytes(2)},
              traces->number(3) != 0,
              std::make_shared<completed_trace>(std::move(*trace))},
             out, take);
    }
  }
  if (auto sent = opened->prepare(select_sent)) {
    for (auto row = sent->step(); row && *row; row = sent->step())
      if (checksum_of(sent->bytes(3)) == sent->number(2))
        unpack(sent->bytes(3), out.sent[std::string{sent->bytes(1)}]);
  }
  return out;
}

// -- writing ------------------------------------------------------------------

template <class Work>
result<void> database::transaction(Work work) {
  added_.clear();
  undo_.clear();
  auto done = connection_.execute("BEGIN IMMEDIATE");
  if (done)
    done = work();
  if (done)
    done = connection_.execute("COMMIT");
  if (!done) {
    std::for_each(undo_.rbegin(), undo_.rend(), [](const auto& undo) { undo(); });
    if (connection_.is_busy())
      (void)connection_.execute("ROLLBACK");
    return done;
  }
  for (const auto& each : added_)
    index_.observations.add(each.row, *each.fact, each.bytes);
  return done;
}

result<void> database::write(const changes& what) {
  return transaction([&]() -> result<void> {
    if (auto done = remove(what); !done)
      return done;
    return insert(what);
  });
}

result<void> database::write_removals(const changes& what) {
  return transaction([&]() -> result<void> {
    // In this order: what is acknowledged must not be unknown as sent.
    for (const auto& [provider, keys] : what.sent)
      if (auto done = add_sent(provider, keys); !done)
        return done;
    return remove(what);
  });
}

result<void> database::remove(const changes& what) {
  for (const auto& [uid, progress] : what.progress) {
    if (progress)
      continue;
    if (auto done = sql_.drop_progress.bind_text(1, uid).run(); !done)
      return done;
    for (auto at = index_.traces.lower_bound({uid, 0});
         at != index_.traces.end() && at->first.trace_uid == uid;) {
      auto key = (at++)->first;
      if (auto done = remove(key); !done)
        return done;
    }
  }
  for (const auto& [key, trace] : what.traces)
    if (!trace && index_.traces.count(key) != 0)
      if (auto done = remove(key); !done)
        return done;
  return {};
}

result<void> database::remove(const trace_key& key) {
  auto known = index_.traces.extract(key);
  undo_.push_back([this, key, bytes = known.mapped()] { index_.traces[key] = bytes; });
  return sql_.drop_trace.bind_text(1, key.trace_uid).bind(2, static_cast<std::int64_t>(key.number)).run();
}

result<void> database::begin_cluster(const std::string& name) {
  auto before = std::make_shared<observation_rows>(std::move(index_.observations));
  undo_.push_back([this, before, positions = index_.positions] {
    index_.observations = std::move(*before);
    index_.positions = positions;
  });
  if (auto done = connection_.execute("DELETE FROM observations; DELETE FROM positions; DELETE FROM cluster");
      !done)
    return done;
  index_.observations = {};
  index_.positions.clear();
  return sql_.add_cluster.bind_text(1, name).run();
}

result<void> database::insert(const changes& what) {
  if (what.cluster)
    if (auto done = begin_cluster(*what.cluster); !done)
      return done;
  if (auto done = write_observations(what); !done)
    return done;
  for (const auto& [key, trace] : what.traces) {
    if (!trace)
      continue;
    auto bytes = encode(*trace->trace);
    if (index_.traces.insert_or_assign(key, bytes.size()).second)
      undo_.push_back([this, key = key] { index_.traces.erase(key); });
    if (auto done = sql_.add_trace.bind_text(1, key.trace_uid)
                        .bind(2, static_cast<std::int64_t>(key.number))
                        .bind_text(3, trace->change_key)
                        .bind(4, trace->whole ? 1 : 0)
                        .bind(5, checksum_of(bytes))
                        .bind_bytes(6, bytes)
                        .run();
        !done)
      return done;
  }
  for (const auto& [provider, keys] : what.sent)
    if (auto done = add_sent(provider, keys); !done)
      return done;
  for (const auto& [uid, progress] : what.progress)
    if (progress)
      if (auto done = sql_.set_progress.bind_text(1, uid)
                          .bind(2, progress->settled_before.time_since_epoch().count())
                          .bind(3, progress->settled_until.time_since_epoch().count())
                          .run();
          !done)
        return done;
  return {};
}

result<void> database::write_observations(const changes& what) {
  undo_.push_back([this, positions = index_.positions, after_gap = index_.after_gap] {
    index_.positions = positions;
    index_.after_gap = after_gap;
  });
  if (what.after_gap) {
    index_.after_gap = true;
    index_.seen_after_gap.clear();
    index_.positions.clear();
    if (auto done = sql_.drop_positions.run(); !done)
      return done;
  }
  std::set<std::string> moved;
  if (!index_.after_gap)
    for (const auto& [kind, version] : what.positions) {
      index_.positions[kind] = version;
      moved.insert(kind);
    }
  for (const auto& fact : what.observations) {
    std::string bytes;
    if (index_.after_gap && fact->state && index_.seen_after_gap.insert(fact->object).second &&
        !fact->initial && !fact->relisted) {
      undo_.push_back([this, object = fact->object] { index_.seen_after_gap.erase(object); });
      auto copy = *fact; // states before it are not here
      copy.relisted = true;
      bytes = encode(copy);
    } else {
      bytes = encode(*fact);
    }
    if (auto done = sql_.add_observation.bind(1, checksum_of(bytes)).bind_bytes(2, bytes).run(); !done)
      return done;
    added_.push_back({connection_.last_row(), fact.get(), bytes.size()});
    // What a list tells is in no order: it moves nothing before its end.
    if (fact->initial || fact->relisted || index_.after_gap)
      continue;
    auto position = index_.positions.find(position_of(*fact));
    if (position != index_.positions.end() && !is_later(position->second, fact->resource_version)) {
      position->second = std::to_string(fact->resource_version);
      moved.insert(position->first);
    }
  }
  for (const auto& kind : moved)
    if (auto done = sql_.set_position.bind_text(1, kind).bind_text(2, index_.positions.at(kind)).run(); !done)
      return done;
  return {};
}

result<void> database::add_sent(const std::string& provider, const std::vector<std::uint64_t>& keys) {
  if (keys.empty())
    return {};
  auto bytes = pack(keys);
  if (auto done = sql_.add_sent.bind_text(1, provider).bind(2, checksum_of(bytes)).bind_bytes(3, bytes).run();
      !done)
    return done;
  auto& known = index_.sent[provider];
  known.rows.emplace_back(connection_.last_row(), keys.size());
  known.spans += keys.size();
  undo_.push_back([&known, count = keys.size()] {
    known.rows.pop_back();
    known.spans -= count;
  });
  while (known.rows.size() > 1 && known.spans - known.rows.front().second >= options_.sent_limit) {
    if (auto done = sql_.drop_sent.bind(1, known.rows.front().first).run(); !done)
      return done;
    undo_.push_back([&known, first = known.rows.front()] {
      known.rows.push_front(first);
      known.spans += first.second;
    });
    known.spans -= known.rows.front().second;
    known.rows.pop_front();
  }
  return {};
}

result<completed_trace_ptr> database::read_trace(const trace_key& key) {
  sql_.read_trace.bind_text(1, key.trace_uid).bind(2, static_cast<std::int64_t>(key.number));
  auto row = sql_.read_trace.step();
  if (!row)
    return tl::unexpected(std::move(row.error()));
  if (!*row)
    return tl::unexpected(problem{problem_kind::other, "the trace is not in the store"});
  auto bytes = sql_.read_trace.bytes(1);
  auto sound = checksum_of(bytes) == sql_.read_trace.number(0);
  auto trace = decode_trace(bytes);
  sql_.read_trace.reset();
  if (!sound || !trace)
    return damaged("a row is damaged");
  return completed_trace_ptr{std::make_shared<completed_trace>(std::move(*trace))};
}

result<observation_page> database::read_observations(std::int64_t after, std::int64_t upto,
                                                     std::size_t most) {
  observation_page out;
  out.last = upto;
  auto& query = sql_.read_observations.bind(1, after).bind(2, upto).bind(3, static_cast<std::int64_t>(most));
  while (true) {
    auto row = query.step();
    if (!row)
      return tl::unexpected(std::move(row.error()));
    if (!*row)
      break;
    auto bytes = query.bytes(2);
    auto sound = checksum_of(bytes) == query.number(1);
    auto fact = decode_observation(bytes);
    if (!sound || !fact) {
      query.reset();
      return damaged("a row is damaged");
    }
    out.facts.push_back(std::make_shared<observation>(std::move(*fact)));
    if (out.facts.size() == most)
      out.last = query.number(0);
  }
  query.reset();
  return out;
}

// -- room ---------------------------------------------------------------------

/// The earliest state left of an object is told as from a list: it is no creation.
result<void> database::mark_first(std::int64_t row) {
  auto found = sql_.read_observation.bind(1, row).step();
  if (!found)
    return tl::unexpected(std::move(found.error()));
  if (!*found)
    return damaged("a row is missing");
  auto bytes = sql_.read_observation.bytes(1);
  auto sound = checksum_of(bytes) == sql_.read_observation.number(0);
  auto fact = decode_observation(bytes);
  sql_.read_observation.reset();
  if (!sound || !fact)
    return damaged("a row is damaged");
  fact->initial = true;
  auto changed = encode(*fact);
  return sql_.change_observation.bind(1, row).bind(2, checksum_of(changed)).bind_bytes(3, changed).run();
}

result<void> database::prune(timestamp horizon) {
  observation_rows::pruning due;
  auto most = static_cast<std::size_t>(options_.limit_bytes * share_of_observations / 100);
  auto forced = index_.observations.bytes() > most;
  due = index_.observations.prune(horizon, options_.keep_newest, most);
  if (due.gone.empty())
    return connection_.execute(give_back);
  auto done = transaction([&]() -> result<void> {
    for (auto row : due.gone)
      if (auto dropped = sql_.drop_observation.bind(1, row).run(); !dropped)
        return dropped;
    for (auto row : due.first_left)
      if (auto marked = mark_first(row); !marked)
        return marked;
    return {};
  });
  if (!done)
    return done;
  index_.observations.apply(due);
  (forced ? evicted_ : pruned_) += due.gone.size();
  return connection_.execute(give_back);
}

result<void> database::sync() {
  auto file = ::open((path_ + "-wal").c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return {}; // nothing has been written since the last checkpoint
  auto failed = ::fdatasync(file) != 0;
  auto code = errno;
  ::close(file);
  if (failed)
    return tl::unexpected(problem{problem_kind::other, std::strerror(code)});
  return {};
}

database_books database::books() const {
  database_books out;
  out.bytes = size_of_file(path_) + size_of_file(path_ + "-wal");
  out.observations = index_.observations.size();
  out.traces = index_.traces.size();
  for (const auto& [provider, known] : index_.sent)
    out.sent_spans += known.spans;
  out.pruned = pruned_;
  out.evicted = evicted_;
  return out;
}

bool database::is_in_place() const {
  return inode_ != 0 && inode_of(path_) == inode_;
}

} // namespace tc::store
