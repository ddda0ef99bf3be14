#include "tests/actors/world.hpp"

#include <gtest/gtest.h>

namespace tc::actors::test {

void expect_balance(const controller_books& books) {
  auto traces = books.traces;
  traces.emplace_back("deleted", books.departed);
  for (const auto& [name, trace] : traces) {
    SCOPED_TRACE(name);
    EXPECT_EQ(trace.changes_opened, trace.changes_exported + trace.changes_history +
                                        trace.changes_sampled_out + trace.changes_filtered +
                                        trace.changes_dropped + trace.changes_pending +
                                        trace.changes_handed_over);
  }
  for (const auto& [name, exporter] : books.exporters) {
    SCOPED_TRACE(name);
    EXPECT_EQ(exporter.spans_submitted, exporter.spans_delivered + exporter.spans_duplicate +
                                            exporter.spans_dropped + exporter.spans_pending);
  }
}

} // namespace tc::actors::test
