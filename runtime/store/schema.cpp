#include "runtime/store/schema.hpp"

#include <iterator>
#include <span>

namespace tc::store {

namespace {

/// What leads from each version to the next. What is here never changes again: files of it exist.
constexpr const char* steps[] = {
    // 1
    "CREATE TABLE format(version INTEGER NOT NULL);"
    "INSERT INTO format VALUES(1);"
    "CREATE TABLE observations(row INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, content BLOB NOT NULL);"
    "CREATE TABLE traces(trace_uid TEXT NOT NULL, number INTEGER NOT NULL, change_key TEXT NOT NULL,"
    " whole INTEGER NOT NULL, checksum INTEGER NOT NULL, content BLOB NOT NULL,"
    " PRIMARY KEY(trace_uid, number));"
    "CREATE TABLE sent(row INTEGER PRIMARY KEY, provider TEXT NOT NULL, checksum INTEGER NOT NULL,"
    " spans BLOB NOT NULL);"
    "CREATE TABLE progress(trace_uid TEXT PRIMARY KEY, settled_before INTEGER NOT NULL,"
    " settled_until INTEGER NOT NULL) WITHOUT ROWID;",
    // 2: watches go on from where they were
    "CREATE TABLE positions(kind TEXT PRIMARY KEY, version TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE cluster(name TEXT NOT NULL);",
};

result<void> apply_steps(std::int64_t from, std::int64_t to, const connection& file) {
  std::string sql = "BEGIN IMMEDIATE;";
  for (const auto* step :
       std::span{steps}.subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from)))
    sql += step;
  sql += "UPDATE format SET version=" + std::to_string(to) + ";PRAGMA user_version=" + std::to_string(to) +
         ";PRAGMA application_id=" + std::to_string(application_id) + ";COMMIT;";
  auto done = file.execute(sql);
  if (!done && file.is_busy())
    (void)file.execute("ROLLBACK");
  return done;
}

} // namespace

result<void> make_schema_of(std::int64_t version, const connection& file) {
  return apply_steps(0, version, file);
}

result<void> bring_schema_to(std::int64_t wanted, const connection& file) {
  auto tables = file.number("SELECT count(*) FROM sqlite_schema");
  auto claimed = file.number("PRAGMA user_version");
  auto owner = file.number("PRAGMA application_id");
  for (const auto* read : {&tables, &claimed, &owner})
    if (!*read)
      return tl::unexpected(read->error());
  if (*tables == 0 && *claimed == 0)
    return apply_steps(0, wanted, file);
  auto damaged = [](const char* why) { return tl::unexpected(problem{problem_kind::corrupt, why}); };
  if (*owner != application_id)
    return damaged("the file is no store of trace-controller");
  // Told twice: a flipped bit must not look like a newer program.
  auto noted = file.number("SELECT version FROM format");
  if (!noted)
    return noted.error().kind == problem_kind::other ? damaged("the file has no format")
                                                     : tl::unexpected(noted.error());
  if (*noted != *claimed || *noted < 1)
    return damaged("the file contradicts itself about its version");
  if (*noted > wanted)
    return tl::unexpected(problem{problem_kind::newer, "the file has version " + std::to_string(*noted) +
                                                           ", and this program knows versions up to " +
                                                           std::to_string(wanted)});
  return *noted == wanted ? result<void>{} : apply_steps(*noted, wanted, file);
}

static_assert(std::size(steps) == 2, "database::schema_version is the number of steps");

} // namespace tc::store
