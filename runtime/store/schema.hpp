#pragma once

// The tables of the store, and how those of an older version become the present ones.

#include "runtime/store/sqlite.hpp"

namespace tc::store {

/// Marks the file as ours: "tcst".
inline constexpr std::int64_t application_id = 0x74637374;

/// Brings the tables to `wanted`, the version of this program, from whatever version they are of. A file
/// without tables gets them.
result<void> bring_schema_to(std::int64_t wanted, const connection& file);

/// Makes the tables of an old version, for tests of migration.
result<void> make_schema_of(std::int64_t version, const connection& file);

} // namespace tc::store
