#include "kube/exec_plugin.hpp"
#include "kube/in_cluster.hpp"
#include "kube/kubeconfig_access.hpp"

#include "tests/support/certificates.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <thread>

using namespace tc;
using namespace tc::kube;
using namespace tc::testing;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

access_result get(access_source& source) {
  auto done = std::make_shared<std::promise<access_result>>();
  auto result = done->get_future();
  source.get([done](access_result access) { done->set_value(std::move(access)); });
  if (result.wait_for(generous_limit) != std::future_status::ready)
    throw std::runtime_error{"no access in time"};
  return result.get();
}

std::string config(const std::string& user, const std::string& cluster = "server: https://127.0.0.1:1") {
  return "current-context: c\nclusters: [{name: k, cluster: {" + cluster + "}}]\nusers: [{name: u, user: {" +
         user + "}}]\ncontexts: [{name: c, context: {cluster: k, user: u, namespace: n}}]\n";
}

std::string exec_user(const std::string& command, const std::string& version = "v1") {
  return "exec: {apiVersion: client.authentication.k8s.io/" + version + ", command: " + command + "}";
}

std::string credential(const std::string& status, const std::string& version = "v1") {
  return R"({"apiVersion":"client.authentication.k8s.io/)" + version +
         R"(","kind":"ExecCredential","status":)" + status + "}";
}

environment with(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const std::string& name) {
    auto found = values.find(name);
    return found == values.end() ? std::string{} : found->second;
  };
}

class access : public ::testing::Test {
protected:
  std::shared_ptr<access_source> from_config(const std::string& text) {
    kubeconfig_access_options options;
    options.files = {folder.write("config", text)};
    options.clock = clock();
    options.plugin_timeout = plugin_timeout;
    return kubeconfig_access(std::move(options)).value();
  }

  tl::expected<std::shared_ptr<access_source>, access_error>
  from_pod(const std::map<std::string, std::string>& variables = {{"KUBERNETES_SERVICE_HOST", "10.0.0.1"},
                                                                  {"KUBERNETES_SERVICE_PORT", "443"}}) {
    return in_cluster_access({with(variables), clock(), folder.path("pod")});
  }

  std::function<timestamp()> clock() {
    return [this] { return now.load(); };
  }

  temporary_folder folder;
  std::atomic<timestamp> now{timestamp{std::chrono::system_clock::now()}};
  std::chrono::milliseconds plugin_timeout{60'000};
};

} // namespace

// -- kubeconfig ---------------------------------------------------------------

TEST_F(access, a_token_becomes_a_header) {
  auto source = from_config(config("token: abc"));
  auto result = get(*source).value();
  EXPECT_EQ(result.server, "https://127.0.0.1:1");
  EXPECT_THAT(result.headers, ElementsAre("Authorization: Bearer abc"));
  EXPECT_EQ(source->default_namespace(), "n");
  EXPECT_THAT(source->description(), AllOf(HasSubstr("context c"), Not(HasSubstr("abc"))));
}

TEST_F(access, basic_authentication_and_impersonation) {
  auto result = get(*from_config(config("username: me, password: pw, as: other"))).value();
  EXPECT_THAT(result.headers, ElementsAre("Impersonate-User: other", "Authorization: Basic bWU6cHc="));
}

TEST_F(access, a_token_file_is_read_again_when_it_changes) {
  folder.write("token", "one\n");
  auto source = from_config(config("tokenFile: token"));
  EXPECT_THAT(get(*source).value().headers, ElementsAre("Authorization: Bearer one"));
  folder.write("token", "two two\n");
  EXPECT_THAT(get(*source).value().headers, ElementsAre("Authorization: Bearer two two"));
  std::filesystem::remove(folder.path("token"));
  EXPECT_THAT(get(*source).value().headers, ElementsAre("Authorization: Bearer two two")); // gone for now
}

TEST_F(access, certificates_come_from_files_and_follow_them) {
  certificate_authority authority;
  auto first = authority.issue_client("first");
  auto second = authority.issue_client("second");
  folder.write("ca", authority.pem());
  folder.write("crt", first.certificate_pem);
  folder.write("key", first.key_pem);
  auto source = from_config(config("client-certificate: crt, client-key: key",
                                   "server: https://h, certificate-authority: ca, tls-server-name: s"));
  auto before = get(*source).value();
  EXPECT_EQ(before.tls->ca_pem, authority.pem());
  EXPECT_EQ(before.tls->certificate_pem, first.certificate_pem);
  EXPECT_EQ(before.tls->server_name, "s");
  EXPECT_TRUE(before.tls->verify);
  EXPECT_EQ(get(*source).value().tls, before.tls); // the same object, so that connections are shared
  folder.write("crt", second.certificate_pem);
  folder.write("key", second.key_pem);
  EXPECT_EQ(get(*source).value().tls->key_pem, second.key_pem);
}

TEST_F(access, a_missing_file_is_one_clear_error) {
  auto source = from_config(config("client-certificate: crt, client-key: key"));
  EXPECT_THAT(get(*source).error().message, AllOf(HasSubstr(folder.path("config")), HasSubstr("context c"),
                                                  HasSubstr("user u"), HasSubstr("client-certificate"),
                                                  HasSubstr(folder.path("crt")), HasSubstr("No such file")));
}

TEST_F(access, an_expired_client_certificate_is_one_clear_error) {
  certificate_authority authority;
  auto client = authority.issue_client("me");
  folder.write("crt", client.certificate_pem);
  folder.write("key", client.key_pem);
  auto source = from_config(config("client-certificate: crt, client-key: key"));
  EXPECT_TRUE(get(*source));
  now = now.load() + 25h;
  EXPECT_THAT(get(*source).error().message,
              AllOf(HasSubstr("user u"), HasSubstr("client certificate expired on 20"), HasSubstr("renew")));
}

TEST_F(access, a_certificate_that_is_none_is_said) {
  folder.write("crt", "hello");
  folder.write("key", "hello");
  EXPECT_THAT(get(*from_config(config("client-certificate: crt, client-key: key"))).error().message,
              HasSubstr("not a PEM certificate"));
}

TEST_F(access, a_refused_token_makes_it_read_the_kubeconfig_again) {
  auto source = from_config(config("token: old"));
  folder.write("config", config("token: new"));
  EXPECT_THAT(get(*source).value().headers, ElementsAre("Authorization: Bearer old"));
  source->refused();
  EXPECT_THAT(get(*source).value().headers, ElementsAre("Authorization: Bearer new"));
  folder.write("config", "broken: [");
  source->refused();
  EXPECT_THAT(get(*source).value().headers, ElementsAre("Authorization: Bearer new"));
}

// -- credential plugins -------------------------------------------------------

TEST_F(access, a_plugin_is_run_once_until_its_answer_expires) {
  folder.write_script("login", "echo run >> \"$(dirname \"$0\")/runs\"\n"
                               "echo '" +
                                   credential(R"({"token":"t1","expirationTimestamp":")" +
                                              to_rfc3339(now.load() + 1h) + "\"}") +
                                   "'\n");
  auto runs = [&] {
    std::ifstream in{folder.path("runs")};
    return std::count(std::istreambuf_iterator<char>{in}, {}, '\n');
  };
  auto source = from_config(config(exec_user("./login")));
  EXPECT_THAT(get(*source).value().headers, ElementsAre("Authorization: Bearer t1"));
  EXPECT_THAT(get(*source).value().headers, ElementsAre("Authorization: Bearer t1"));
  EXPECT_EQ(runs(), 1);
  now = now.load() + 59min + 55s;
  EXPECT_TRUE(get(*source));
  EXPECT_EQ(runs(), 2);
  now = now.load() - 30min;
  EXPECT_TRUE(get(*source));
  EXPECT_EQ(runs(), 2);
  source->refused();
  EXPECT_TRUE(get(*source));
  EXPECT_EQ(runs(), 3);
}

TEST_F(access, a_plugin_gets_its_environment_and_may_answer_with_a_certificate) {
  certificate_authority authority;
  auto client = authority.issue_client("plugin");
  auto escaped = [](std::string text) {
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2)
      text.replace(at, 1, "\\n");
    return text;
  };
  folder.write("answer", credential(R"({"clientCertificateData":")" + escaped(client.certificate_pem) +
                                        R"(","clientKeyData":")" + escaped(client.key_pem) + "\"}",
                                    "v1beta1"));
  folder.write_script("login", "printf '%s' \"$KUBERNETES_EXEC_INFO\" > \"$1/info\"\n"
                               "test \"$ROLE\" = admin || exit 3\ncat \"$1/answer\"\n");
  auto user = "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: ./login, args: ['" +
              folder.path() + "'], env: [{name: ROLE, value: admin}], provideClusterInfo: true}";
  auto result = get(*from_config(config(user, "server: https://h, tls-server-name: s"))).value();
  EXPECT_EQ(result.tls->certificate_pem, client.certificate_pem);
  EXPECT_EQ(result.tls->key_pem, client.key_pem);
  auto info = std::ifstream{folder.path("info")};
  std::string text{std::istreambuf_iterator<char>{info}, {}};
  EXPECT_THAT(text,
              AllOf(HasSubstr("client.authentication.k8s.io/v1beta1"), HasSubstr("\"interactive\":false"),
                    HasSubstr("\"server\":\"https://h\""), HasSubstr("\"tls-server-name\":\"s\"")));
}

TEST_F(access, a_failing_plugin_is_one_clear_error) {
  folder.write_script("fails", "echo first >&2; echo 'no session, run login' >&2; exit 7\n");
  EXPECT_THAT(get(*from_config(config(exec_user("./fails")))).error().message,
              AllOf(HasSubstr("user u"), HasSubstr(folder.path("fails")), HasSubstr("exit code 7"),
                    HasSubstr("no session, run login")));
  EXPECT_THAT(get(*from_config(config(exec_user("./missing")))).error().message,
              AllOf(HasSubstr(folder.path("missing")), HasSubstr("cannot be started")));
  folder.write_script("chatty", "echo hello\n");
  EXPECT_THAT(get(*from_config(config(exec_user("./chatty")))).error().message,
              HasSubstr("no ExecCredential"));
  EXPECT_THAT(
      get(*from_config(config(
              "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Always}")))
          .error()
          .message,
      HasSubstr("interactiveMode"));
}

TEST_F(access, a_plugin_that_hangs_is_killed_with_its_children) {
  plugin_timeout = 50ms;
  folder.write_script("hangs", "sleep 1000 & echo $! > \"$(dirname \"$0\")/child\"; wait\n");
  EXPECT_THAT(get(*from_config(config(exec_user("./hangs")))).error().message,
              HasSubstr("did not end within 50 ms"));
}

TEST_F(access, the_end_of_the_source_ends_a_running_plugin) {
  folder.write_script("hangs", "echo started > \"$(dirname \"$0\")/started\"; sleep 1000\n");
  auto source = from_config(config(exec_user("./hangs")));
  std::promise<access_result> answer;
  source->get([&](access_result result) { answer.set_value(std::move(result)); });
  source.reset();
  EXPECT_THAT(answer.get_future().get().error().message, HasSubstr("shutting down"));
}

TEST_F(access, the_last_reference_may_go_with_the_answer_of_a_plugin) {
  folder.write_script("login", "echo '" + credential(R"({"token":"t"})") + "'\n");
  auto source = from_config(config(exec_user("./login")));
  struct holder {
    explicit holder(std::shared_ptr<access_source> kept) : held(std::move(kept)) {}
    ~holder() {
      held.reset();
      gone.set_value();
    }
    std::shared_ptr<access_source> held;
    std::promise<void> gone;
  };
  auto last = std::make_shared<holder>(source);
  auto gone = last->gone.get_future();
  auto* raw = source.get();
  source.reset();
  raw->get([last = std::move(last)](const access_result&) {});
  EXPECT_EQ(gone.wait_for(generous_limit), std::future_status::ready);
}

TEST(exec_credential, is_checked) {
  const std::string v1 = "client.authentication.k8s.io/v1";
  EXPECT_EQ(parse_exec_credential(credential(R"({"token":"t"})"), v1).value().token, "t");
  EXPECT_THAT(parse_exec_credential("", v1).error(), HasSubstr("no ExecCredential"));
  EXPECT_THAT(parse_exec_credential(credential(R"({"token":"t"})", "v1beta1"), v1).error(),
              HasSubstr("apiVersion"));
  EXPECT_THAT(parse_exec_credential(credential("{}"), v1).error(), HasSubstr("neither"));
  EXPECT_THAT(parse_exec_credential(credential("null"), v1).error(), HasSubstr("without status"));
  EXPECT_THAT(parse_exec_credential(credential(R"({"clientKeyData":"t"})"), v1).error(),
              HasSubstr("only one of"));
  EXPECT_THAT(parse_exec_credential(credential(R"({"token":"t","expirationTimestamp":"soon"})"), v1).error(),
              HasSubstr("RFC 3339"));
}

// -- in the cluster -----------------------------------------------------------

TEST_F(access, a_pod_uses_its_service_account_and_follows_its_token) {
  certificate_authority authority;
  folder.write("pod/token", "one");
  folder.write("pod/ca.crt", authority.pem());
  folder.write("pod/namespace", "flux-system\n");
  auto source = from_pod().value();
  auto result = get(*source).value();
  EXPECT_EQ(result.server, "https://10.0.0.1:443");
  EXPECT_EQ(result.tls->ca_pem, authority.pem());
  EXPECT_THAT(result.headers, ElementsAre("Authorization: Bearer one"));
  EXPECT_EQ(result.proxy, "");
  EXPECT_EQ(source->default_namespace(), "flux-system");
  folder.write("pod/token", "another");
  EXPECT_THAT(get(*source).value().headers, ElementsAre("Authorization: Bearer another"));
}

TEST_F(access, a_token_whose_change_shows_in_no_time_is_read_again_after_a_minute_or_a_refusal) {
  certificate_authority authority;
  folder.write("pod/ca.crt", authority.pem());
  auto path = folder.write("pod/token", "one");
  auto time = std::filesystem::last_write_time(path);
  auto rewrite = [&](const char* text) { // same inode, size and time
    std::ofstream{path, std::ios::binary} << text;
    std::filesystem::last_write_time(path, time);
  };
  auto source = from_pod().value();
  rewrite("two");
  EXPECT_THAT(get(*source).value().headers, ElementsAre("Authorization: Bearer one"));
  source->refused();
  EXPECT_THAT(get(*source).value().headers, ElementsAre("Authorization: Bearer two"));
  rewrite("six");
  now = now.load() + 61s;
  EXPECT_THAT(get(*source).value().headers, ElementsAre("Authorization: Bearer six"));
}

TEST_F(access, a_pod_with_an_ipv6_cluster) {
  folder.write("pod/token", "one");
  folder.write("pod/ca.crt", "ca");
  auto source =
      from_pod({{"KUBERNETES_SERVICE_HOST", "fd00::1"}, {"KUBERNETES_SERVICE_PORT", "443"}}).value();
  EXPECT_EQ(get(*source).value().server, "https://[fd00::1]:443");
}

TEST_F(access, what_a_pod_lacks_is_said) {
  EXPECT_THAT(from_pod({}).error().message,
              AllOf(HasSubstr("KUBERNETES_SERVICE_HOST"), HasSubstr("--kubeconfig")));
  EXPECT_THAT(from_pod().error().message,
              AllOf(HasSubstr(folder.path("pod/token")), HasSubstr("automountServiceAccountToken")));
}

TEST_F(access, the_cluster_is_looked_for_in_the_usual_order) {
  folder.write("pod/token", "pod");
  folder.write("pod/ca.crt", "ca");
  auto given = folder.write("given", config("token: given"));
  auto listed = folder.write("listed", config("token: listed"));
  folder.write("home/.kube/config", config("token: home"));
  auto find = [&](const std::string& flag, std::map<std::string, std::string> variables) {
    auto found = find_access({flag, "", {with(std::move(variables)), clock(), folder.path("pod")}});
    return found ? get(**found).value().headers.at(0) : found.error().message;
  };
  std::map<std::string, std::string> pod{{"KUBERNETES_SERVICE_HOST", "h"}, {"KUBERNETES_SERVICE_PORT", "1"}};
  auto pod_and_list = pod;
  pod_and_list["KUBECONFIG"] = listed;
  EXPECT_EQ(find(given, pod_and_list), "Authorization: Bearer given");
  EXPECT_EQ(find("", pod_and_list), "Authorization: Bearer listed");
  EXPECT_EQ(find("", pod), "Authorization: Bearer pod");
  EXPECT_EQ(find("", {{"HOME", folder.path("home")}}), "Authorization: Bearer home");
  EXPECT_THAT(find("", {}), HasSubstr("--kubeconfig"));
  EXPECT_THAT(find("", {{"HOME", folder.path("nobody")}}), HasSubstr("/nobody/.kube/config"));
}
