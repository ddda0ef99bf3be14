#include "runtime/flag_table.hpp"

#include <gtest/gtest.h>

using namespace tc;
using namespace tc::runtime;
using namespace std::chrono_literals;

TEST(listen_address, forms) {
  EXPECT_EQ(parse_listen_address(":8080"), (listen_address{"", 8080}));
  EXPECT_EQ(parse_listen_address("localhost:0"), (listen_address{"localhost", 0}));
  EXPECT_EQ(parse_listen_address("[::1]:80"), (listen_address{"::1", 80}));
  EXPECT_EQ((listen_address{"::1", 80}).to_string(), "[::1]:80");
  for (auto* wrong :
       {"", "80", "host", "::1:80", ":", ":x", ":70000", ":-1", "http://a:1", "[]:1", "[a]b]:1", "a b:1"})
    EXPECT_FALSE(parse_listen_address(wrong)) << wrong;
}

TEST(flag_table, sizes) {
  std::size_t value = 0;
  auto binding = bind_bytes(value, 1);
  EXPECT_TRUE(binding.set("64Mi"));
  EXPECT_EQ(value, 64u << 20);
  EXPECT_EQ(binding.show(), "64Mi");
  EXPECT_TRUE(binding.set("2k"));
  EXPECT_EQ(value, 2000u);
  EXPECT_EQ(binding.show(), "2000");
  EXPECT_FALSE(binding.set("Mi"));
  EXPECT_FALSE(binding.set("-1"));
  EXPECT_EQ(value, 2000u) << "a wrong text leaves the value";
}

TEST(flag_table, durations_show_without_needless_zeros) {
  duration value{};
  auto binding = bind_duration(value);
  for (auto* text : {"5m", "1h", "1h0m5s", "1m30s", "250ms", "0s"}) {
    EXPECT_TRUE(binding.set(text));
    EXPECT_EQ(binding.show(), text);
  }
}

TEST(flag_table, label_selectors) {
  for (auto* right : {"", "a", "!a", "a=b", "a==b", "a!=b", "a=", "x.io/a=b", "a in (b, c)",
                      "a notin (b),c=d", "reconcile.fluxcd.io/watch=Enabled", " a = b , c "})
    EXPECT_FALSE(label_selector_problem(right))
        << right << ": " << label_selector_problem(right).value_or("");
  for (auto* wrong :
       {"a b", "a=b c", "=b", ",", "a,", "a in b", "a in (b", "-a", "a=b_", "a/b/c", "a of (b)", "a>1"})
    EXPECT_TRUE(label_selector_problem(wrong)) << wrong;
}

TEST(flag_table, credentials_are_hidden) {
  EXPECT_EQ(without_credentials("https://user:pass@host/x"), "https://***@host/x");
  EXPECT_EQ(without_credentials("https://token@host"), "https://***@host");
  EXPECT_EQ(without_credentials("https://a:b@c@host"), "https://***@host");
  EXPECT_EQ(without_credentials("https://host/a@b"), "https://host/a@b");
  EXPECT_EQ(without_credentials("mail@host"), "mail@host");
  EXPECT_EQ(without_credentials("https://host/x?key=abc"), "https://host/x?***");
  EXPECT_EQ(without_credentials("https://user:pass@host?key=abc"), "https://***@host?***");
}

TEST(flag_table, nearest_names) {
  std::vector<std::string> names{"metrics-addr", "health-addr", "log-level", "log-encoding", "namespace"};
  EXPECT_EQ(nearest_name("metrics-addres", names), "metrics-addr");
  EXPECT_EQ(nearest_name("loglevel", names), "log-level");
  EXPECT_EQ(nearest_name("lgo-level", names), "log-level");
  EXPECT_EQ(nearest_name("addr", names), "metrics-addr") << "a part of a name is a hint too";
  EXPECT_EQ(nearest_name("frobnicate", names), "");
  EXPECT_EQ(nearest_name("x", names), "");
}

TEST(flag_table, help_wraps_and_shows_defaults) {
  std::string name = "apps";
  bool on = false;
  flag_table flags{
      {"Things", "name", "NAME", "A rather long description that has to be broken.", bind_text(name), 'n'},
      {"Things", "on", "", "A switch.", bind_switch(on)}};
  EXPECT_EQ(render_flags(flags, 70),
            "\nThings:\n"
            "  -n, --name NAME                   A rather long description that has\n"
            "                                    to be broken. (default apps)\n"
            "      --on                          A switch.\n");
}
