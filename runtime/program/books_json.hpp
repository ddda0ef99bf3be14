#pragma once

// The books of the process as JSON, for GET /debug/books and for the log at the end.

#include "messages/actors.hpp"
#include "runtime/store/journal.hpp"

#include <optional>
#include <string>

namespace tc::runtime {

/// Returns one JSON object; every Trace with `balanced`, which is false only if the program miscounts.
/// `stored`: of the data directory, if there is one.
std::string books_json(const controller_books& books, const std::optional<store::journal_books>& stored = {});

/// Returns whether every Trace's and every exporter's counts add up.
bool balanced(const controller_books& books);

} // namespace tc::runtime
