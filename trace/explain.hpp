#pragma once

// Why an object's runs are in the traces they are in: the evidence and the decision for each attempt, for
// people who doubt a trace. The decisions themselves are attribution's.

#include "trace/assemble.hpp"

#include <string>

namespace tc::trace {

/// Returns a text of one paragraph for each attempt, wait and removal of the object that the ledger shows, in
/// order; one line that says so when it shows none.
std::string explain(const ledger& facts, const object_id& object, const assembly_options& options);

} // namespace tc::trace
