// Kubernetes Events about what was lost.

#include "runtime/program/trace_warnings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace tc;
using namespace tc::runtime;
using namespace std::chrono_literals;
using ::testing::EndsWith;

namespace {

struct trace_warnings_test : ::testing::Test {
  trace_warnings_test() {
    about.namespace_name = "apps";
    about.name = "web";
    about.uid = "uid-1";
  }

  trace_resource about;
  timestamp now{1h};
  std::vector<nlohmann::json> posted;
  trace_warnings warnings{[this](const std::string& space, const std::string& json) {
                            EXPECT_EQ(space, "apps");
                            posted.push_back(nlohmann::json::parse(json));
                          },
                          [this] { return now; }};
};

} // namespace

TEST_F(trace_warnings_test, are_events_on_the_trace) {
  warnings.warn(about, "ChangeDropped", "the backend answered 400");
  ASSERT_EQ(posted.size(), 1U);
  const auto& event = posted[0];
  EXPECT_EQ(event.at("kind"), "Event");
  EXPECT_EQ(event.at("type"), "Warning");
  EXPECT_EQ(event.at("reason"), "ChangeDropped");
  EXPECT_EQ(event.at("message"), "the backend answered 400");
  EXPECT_EQ(event.at("involvedObject").at("uid"), "uid-1");
  EXPECT_EQ(event.at("firstTimestamp"), "1970-01-01T01:00:00Z");
}

TEST_F(trace_warnings_test, come_at_most_once_a_minute_for_each_trace) {
  for (int i = 0; i < 100; ++i)
    warnings.warn(about, "ChangeDropped", "no");
  EXPECT_EQ(posted.size(), 1U);
  auto other = about;
  other.uid = "uid-2";
  warnings.warn(other, "ChangeDropped", "no");
  EXPECT_EQ(posted.size(), 2U);
  now += trace_warnings::spacing;
  warnings.warn(about, "ChangeDropped", "no");
  ASSERT_EQ(posted.size(), 3U);
  EXPECT_THAT(posted[2].at("message").get<std::string>(), EndsWith("(and 99 more since the last warning)"));
}

TEST_F(trace_warnings_test, forget_a_deleted_trace) {
  warnings.warn(about, "ChangeDropped", "no");
  warnings.gone("uid-1");
  warnings.warn(about, "ChangeDropped", "no");
  EXPECT_EQ(posted.size(), 2U);
}
