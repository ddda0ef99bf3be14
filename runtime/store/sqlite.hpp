#pragma once

// SQLite, as far as the store needs it: a connection, prepared statements, errors as values. One thread at a
// time.

#include <tl/expected.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace tc::store {

enum class problem_kind : std::uint8_t {
  full,    ///< no room: on the disk, under a quota, or within --data-dir-limit
  corrupt, ///< the file is damaged, or is no store of ours
  newer,   ///< a later version of the program wrote it
  device,  ///< writing failed
  other,   ///< anything else: no permission, say
};

/// What went wrong with the data directory, for people; holds nothing that is in it.
struct problem {
  problem_kind kind = problem_kind::other;
  std::string message;
};

template <class T>
using result = tl::expected<T, problem>;

/// A prepared statement; its connection must outlive it.
class statement {
public:
  statement() = default;
  explicit statement(sqlite3_stmt* prepared) : prepared_(prepared) {}

  statement& bind(int place, std::int64_t value);
  /// The text must live until the statement has been stepped.
  statement& bind_text(int place, std::string_view value);
  statement& bind_bytes(int place, std::string_view value);

  /// Returns whether there is a row. After the last one, and after an error, it can be used anew.
  result<bool> step();
  /// For what gives no rows.
  result<void> run();
  void reset();

  std::int64_t number(int column) const;
  /// Valid until the next step.
  std::string_view bytes(int column) const;

private:
  struct end {
    void operator()(sqlite3_stmt* what) const;
  };
  std::unique_ptr<sqlite3_stmt, end> prepared_;
};

class connection {
public:
  /// Opens a file, made when it is not there.
  static result<connection> open(const std::string& path);

  result<statement> prepare(std::string_view sql) const;
  result<void> execute(const std::string& sql) const;
  /// Returns the first column of the first row as a number: of a PRAGMA, say.
  result<std::int64_t> number(const std::string& sql) const;
  std::int64_t last_row() const;
  /// Returns whether a transaction is open.
  bool is_busy() const;

private:
  struct end {
    void operator()(sqlite3* what) const;
  };
  std::unique_ptr<sqlite3, end> handle_;
};

} // namespace tc::store
