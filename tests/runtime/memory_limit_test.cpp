#include "runtime/memory_limit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace tc::runtime {
namespace {

using testing::HasSubstr;

constexpr std::size_t mebi = std::size_t{1} << 20;

class memory_limit : public testing::Test {
protected:
  surroundings outside() {
    surroundings out;
    out.read_file = [this](const std::string& path) -> tl::expected<std::string, std::string> {
      auto found = files.find(path);
      if (found == files.end())
        return tl::unexpected<std::string>("no such file or directory");
      return found->second;
    };
    return out;
  }

  std::map<std::string, std::string> files;
};

TEST_F(memory_limit, is_a_share_of_the_pods) {
  files["/proc/self/cgroup"] = "0::/\n";
  files["/sys/fs/cgroup/memory.max"] = "1073741824\n";
  auto found = find_memory_limits(std::nullopt, outside());
  EXPECT_EQ(found.process, std::size_t{1073741824} / 100 * 85);
  EXPECT_THAT(found.source, HasSubstr("85 %"));
}

TEST_F(memory_limit, that_cannot_be_held_is_a_problem_that_says_what_to_give) {
  files["/proc/self/cgroup"] = "0::/\n";
  files["/sys/fs/cgroup/memory.max"] = "134217728\n";
  EXPECT_EQ(find_memory_limits(std::nullopt, outside()).problem,
            "--memory-limit=auto is 85 % of the cgroup's memory limit of 134217728 bytes, which is too "
            "small, it could "
            "not be held: the least is 134217728 bytes; give the pod or its cgroup at least 151Mi, or "
            "--memory-limit=0 "
            "for no limit");
  files["/sys/fs/cgroup/memory.max"] = std::to_string(151 * mebi);
  EXPECT_EQ(find_memory_limits(std::nullopt, outside()).problem, "");
  files["/sys/fs/cgroup/memory.max"] = std::to_string(150 * mebi);
  EXPECT_NE(find_memory_limits(std::nullopt, outside()).problem, "");
  EXPECT_EQ(find_memory_limits(0, outside()).problem, "");
}

TEST_F(memory_limit, is_the_least_of_those_around_the_process) {
  files["/proc/self/cgroup"] = "0::/system.slice/trace-controller.service\n";
  files["/sys/fs/cgroup/system.slice/trace-controller.service/memory.max"] = "max\n";
  files["/sys/fs/cgroup/system.slice/memory.max"] = "4294967296\n";
  EXPECT_EQ(cgroup_memory_limit(outside()), std::size_t{1} << 32);
  files["/sys/fs/cgroup/system.slice/trace-controller.service/memory.max"] = "134217728\n";
  EXPECT_EQ(cgroup_memory_limit(outside()), 128 * mebi);
}

TEST_F(memory_limit, is_found_where_the_path_is_the_hosts) {
  files["/proc/self/cgroup"] = "0::/kubepods.slice/kubepods-pod1.slice/cri-2.scope\n";
  files["/sys/fs/cgroup/memory.max"] = "268435456\n";
  EXPECT_EQ(cgroup_memory_limit(outside()), 256 * mebi);
}

TEST_F(memory_limit, is_found_in_the_first_version_of_cgroups) {
  files["/proc/self/cgroup"] = "5:cpu,cpuacct:/a\n4:memory:/kubepods/pod1\n";
  files["/sys/fs/cgroup/memory/kubepods/pod1/memory.limit_in_bytes"] = "134217728\n";
  files["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = "9223372036854771712\n";
  EXPECT_EQ(cgroup_memory_limit(outside()), 128 * mebi);
}

TEST_F(memory_limit, is_none_where_there_is_none) {
  EXPECT_EQ(cgroup_memory_limit(outside()), std::nullopt);
  files["/proc/self/cgroup"] = "nonsense\n0::/\n1:memory\n";
  files["/sys/fs/cgroup/memory.max"] = "max\n";
  EXPECT_EQ(cgroup_memory_limit(outside()), std::nullopt);
  EXPECT_EQ(find_memory_limits(std::nullopt, outside()).process, 0U);
  EXPECT_EQ(find_memory_limits(std::nullopt, outside()).sent_spans, std::size_t{1} << 20);
}

TEST_F(memory_limit, is_what_was_asked_for_and_bounds_what_is_remembered) {
  files["/proc/self/cgroup"] = "0::/\n";
  files["/sys/fs/cgroup/memory.max"] = "1073741824\n";
  EXPECT_EQ(find_memory_limits(0, outside()).process, 0U);
  auto found = find_memory_limits(128 * mebi, outside());
  EXPECT_EQ(found.process, 128 * mebi);
  EXPECT_EQ(found.sent_spans, std::size_t{1} << 18);
  EXPECT_EQ(found.unwritten, 4096U);
  EXPECT_EQ(found.remembered, 16 * mebi);
  EXPECT_LT(found.unread, 2000U);
  EXPECT_LT(found.recent, 4096U);
  EXPECT_EQ(find_memory_limits(0, outside()).recent, 4096U);
  EXPECT_GT(find_memory_limits(0, outside()).unread, 1'000'000U);
}

} // namespace
} // namespace tc::runtime
