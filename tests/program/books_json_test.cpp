// The books as JSON, and whether they add up.

#include "runtime/program/books_json.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace tc;
using namespace tc::runtime;
using nlohmann::json;

namespace {

controller_books sample() {
  controller_books out;
  out.observations = 100;
  out.observations_unrouted = 7;
  out.restarts = 1;
  trace_books trace;
  trace.changes_opened = 21;
  trace.changes_exported = 1;
  trace.changes_history = 2;
  trace.changes_sampled_out = 3;
  trace.changes_filtered = 4;
  trace.changes_dropped = 5;
  trace.changes_pending = 6;
  out.traces.emplace_back("flux-system/all", trace);
  exporter_books exporter;
  exporter.spans_submitted = 10;
  exporter.spans_delivered = 1;
  exporter.spans_duplicate = 2;
  exporter.spans_dropped = 3;
  exporter.spans_pending = 4;
  exporter.last_error = "bytes \xff that are no text";
  out.exporters.emplace_back("flux-system/backend", exporter);
  return out;
}

} // namespace

TEST(books_json, what_adds_up) {
  auto books = sample();
  EXPECT_TRUE(balanced(books));
  auto text = json::parse(books_json(books));
  EXPECT_EQ(text.at("balanced"), true);
  EXPECT_EQ(text.at("observations"), 100);
  EXPECT_EQ(text.at("observationsUnrouted"), 7);
  EXPECT_EQ(text.at("actorRestarts"), 1);
  const auto& trace = text.at("traces").at("flux-system/all");
  EXPECT_EQ(trace.at("opened"), 21);
  EXPECT_EQ(trace.at("filtered"), 4);
  EXPECT_EQ(trace.at("balanced"), true);
  const auto& exporter = text.at("exporters").at("flux-system/backend");
  EXPECT_EQ(exporter.at("submitted"), 10);
  EXPECT_EQ(exporter.at("balanced"), true);
}

TEST(books_json, what_does_not) {
  auto books = sample();
  ++books.traces[0].second.changes_opened;
  EXPECT_FALSE(balanced(books));
  auto text = json::parse(books_json(books));
  EXPECT_EQ(text.at("balanced"), false);
  EXPECT_EQ(text.at("traces").at("flux-system/all").at("balanced"), false);
  EXPECT_EQ(text.at("exporters").at("flux-system/backend").at("balanced"), true);

  books = sample();
  ++books.exporters[0].second.spans_delivered;
  EXPECT_FALSE(balanced(books));
  EXPECT_EQ(json::parse(books_json(books)).at("exporters").at("flux-system/backend").at("balanced"), false);
}

TEST(books_json, nothing_balances) {
  EXPECT_EQ(json::parse(books_json({})).at("traces"), json::object());
  EXPECT_TRUE(balanced({}));
}
