#include "runtime/store/sqlite.hpp"

#include <cerrno>
#include <cstring>

#include <sqlite3.h>

namespace tc::store {

namespace {

problem problem_of(sqlite3* handle, int code) {
  problem out;
  switch (code & 0xff) {
  case SQLITE_FULL:
    out.kind = problem_kind::full;
    break;
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
  case SQLITE_ERROR: // our statements are sound, so the tables are not
  case SQLITE_FORMAT:
  case SQLITE_SCHEMA:
  case SQLITE_MISMATCH:
  case SQLITE_CONSTRAINT:
    out.kind = problem_kind::corrupt;
    break;
  case SQLITE_IOERR: {
    auto unreadable = code == SQLITE_IOERR_READ || code == SQLITE_IOERR_SHORT_READ ||
                      code == SQLITE_IOERR_DATA || code == SQLITE_IOERR_CORRUPTFS;
    out.kind = unreadable ? problem_kind::corrupt : problem_kind::device;
  } break;
  default:
    out.kind = problem_kind::other;
  }
  out.message = sqlite3_errstr(code);
  if (handle == nullptr)
    return out;
  auto system = sqlite3_system_errno(handle);
  if (system == ENOSPC || system == EDQUOT || system == EFBIG)
    out.kind = out.kind == problem_kind::corrupt ? out.kind : problem_kind::full;
  if (system != 0)
    out.message.append(": ").append(std::strerror(system));
  return out;
}

} // namespace

// -- statements ---------------------------------------------------------------

void statement::end::operator()(sqlite3_stmt* what) const {
  sqlite3_finalize(what);
}

statement& statement::bind(int place, std::int64_t value) {
  sqlite3_bind_int64(prepared_.get(), place, value);
  return *this;
}

statement& statement::bind_text(int place, std::string_view value) {
  // A null pointer would be NULL.
  sqlite3_bind_text64(prepared_.get(), place, value.empty() ? "" : value.data(), value.size(), nullptr,
                      SQLITE_UTF8);
  return *this;
}

statement& statement::bind_bytes(int place, std::string_view value) {
  sqlite3_bind_blob64(prepared_.get(), place, value.empty() ? "" : value.data(), value.size(), nullptr);
  return *this;
}

result<bool> statement::step() {
  auto code = sqlite3_step(prepared_.get());
  if (code == SQLITE_ROW)
    return true;
  auto* handle = sqlite3_db_handle(prepared_.get());
  auto failed = code != SQLITE_DONE ? problem_of(handle, sqlite3_extended_errcode(handle)) : problem{};
  sqlite3_reset(prepared_.get());
  if (code != SQLITE_DONE)
    return tl::unexpected(std::move(failed));
  return false;
}

result<void> statement::run() {
  auto stepped = step();
  if (!stepped)
    return tl::unexpected(std::move(stepped.error()));
  if (*stepped)
    reset();
  return {};
}

void statement::reset() {
  sqlite3_reset(prepared_.get());
}

std::int64_t statement::number(int column) const {
  return sqlite3_column_int64(prepared_.get(), column);
}

std::string_view statement::bytes(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(prepared_.get(), column));
  auto size = static_cast<std::size_t>(sqlite3_column_bytes(prepared_.get(), column));
  return data == nullptr ? std::string_view{} : std::string_view{data, size};
}

// -- connections --------------------------------------------------------------

void connection::end::operator()(sqlite3* what) const {
  sqlite3_close_v2(what);
}

result<connection> connection::open(const std::string& path) {
  sqlite3* handle = nullptr;
  auto code = sqlite3_open_v2(path.c_str(), &handle,
                              SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  connection out;
  out.handle_.reset(handle);
  if (code != SQLITE_OK)
    return tl::unexpected(problem_of(handle, handle != nullptr ? sqlite3_extended_errcode(handle) : code));
  sqlite3_extended_result_codes(handle, 1);
  // A damaged schema must not be able to do anything but fail.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  return out;
}

result<statement> connection::prepare(std::string_view sql) const {
  sqlite3_stmt* prepared = nullptr;
  auto code = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                 SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
  if (code != SQLITE_OK)
    return tl::unexpected(problem_of(handle_.get(), sqlite3_extended_errcode(handle_.get())));
  return statement{prepared};
}

result<void> connection::execute(const std::string& sql) const {
  if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    return tl::unexpected(problem_of(handle_.get(), sqlite3_extended_errcode(handle_.get())));
  return {};
}

result<std::int64_t> connection::number(const std::string& sql) const {
  auto query = prepare(sql);
  if (!query)
    return tl::unexpected(std::move(query.error()));
  auto row = query->step();
  if (!row)
    return tl::unexpected(std::move(row.error()));
  return *row ? query->number(0) : 0;
}

std::int64_t connection::last_row() const {
  return sqlite3_last_insert_rowid(handle_.get());
}

bool connection::is_busy() const {
  return sqlite3_get_autocommit(handle_.get()) == 0;
}

} // namespace tc::store
