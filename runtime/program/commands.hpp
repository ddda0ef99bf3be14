#pragma once

// The commands of the program, one file each. They wire the other folders together and return an exit status:
// 0 done, 1 failed, 2 bad input.

#include "runtime/options.hpp"

namespace tc::runtime {

int run(const run_options& options);
int replay(const replay_options& options);
int record(const record_options& options);
int explain(const explain_options& options);

} // namespace tc::runtime
