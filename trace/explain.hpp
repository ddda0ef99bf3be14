#pragma once

// Why what an object did is in the traces it is in: the evidence and the decision for each attempt, content
// or rollout, for people who doubt a trace. The decisions themselves are attribution's.

#include "trace/assemble.hpp"

#include <string>

namespace tc::trace {

/// Returns a text of one paragraph for each attempt, wait and removal of the object that the ledger shows,
/// for each content that a source had or could not fetch, and for each rollout of a workload; one line that
/// says so when it shows none.
std::string explain(const ledger& facts, const object_id& object, const assembly_options& options);

} // namespace tc::trace
