#include "kube/kubeconfig.hpp"

#include "kube/pem.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

using namespace tc::kube;
using namespace tc::testing;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

environment with(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const std::string& name) {
    auto found = values.find(name);
    return found == values.end() ? std::string{} : found->second;
  };
}

const char* two_contexts = R"(
apiVersion: v1
kind: Config
current-context: one
clusters:
- name: near
  cluster:
    server: https://127.0.0.1:6443/
    certificate-authority: pki/ca.crt
- name: far
  cluster:
    server: https://far.example/k8s/clusters/c-1
    certificate-authority-data: Q0EgdGV4dA==
    tls-server-name: kubernetes
    proxy-url: http://proxy:3128
users:
- name: admin
  user:
    client-certificate: /abs/admin.crt
    client-key: admin.key
- name: bot
  user:
    token: s3cret
    tokenFile: bot.token
    as: system:serviceaccount:flux-system:trace
    as-groups: [a, b]
    as-user-extra: {example.com/scope: [x, y]}
contexts:
- name: one
  context: {cluster: near, user: admin, namespace: flux-system}
- name: two
  context: {cluster: far, user: bot}
- name: lost-cluster
  context: {cluster: nowhere, user: bot}
- name: lost-user
  context: {cluster: near, user: nobody}
- name: no-user
  context: {cluster: near}
)";

std::string error_of(const temporary_folder& folder, const std::string& text,
                     const std::string& context = {}) {
  auto result = load_kubeconfig({folder.write("config", text)}, context);
  return result ? "no error" : result.error().message;
}

std::string with_cluster(const std::string& cluster, const std::string& user = "{token: t}") {
  return "current-context: c\nclusters: [{name: k, cluster: " + cluster +
         "}]\nusers: [{name: u, user: " + user +
         "}]\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n";
}

} // namespace

TEST(kubeconfig, reads_the_current_context) {
  temporary_folder folder;
  auto file = folder.write("config", two_contexts);
  auto context = load_kubeconfig({file}, {}).value();
  EXPECT_EQ(context.name, "one");
  EXPECT_EQ(context.namespace_name, "flux-system");
  EXPECT_EQ(context.server, "https://127.0.0.1:6443");
  EXPECT_EQ(context.ca_file, folder.path("pki/ca.crt"));
  EXPECT_EQ(context.certificate_file, "/abs/admin.crt");
  EXPECT_EQ(context.key_file, folder.path("admin.key"));
  EXPECT_EQ(context.place(), "kubeconfig " + file + ", context one");
}

TEST(kubeconfig, reads_the_named_context) {
  temporary_folder folder;
  auto context = load_kubeconfig({folder.write("config", two_contexts)}, "two").value();
  EXPECT_EQ(context.server, "https://far.example/k8s/clusters/c-1");
  EXPECT_EQ(context.ca_pem, "CA text");
  EXPECT_EQ(context.tls_server_name, "kubernetes");
  EXPECT_EQ(context.proxy_url, "http://proxy:3128");
  EXPECT_EQ(context.token, "s3cret");
  EXPECT_EQ(context.token_file, folder.path("bot.token"));
  EXPECT_THAT(context.impersonation,
              ElementsAre("Impersonate-User: system:serviceaccount:flux-system:trace", "Impersonate-Group: a",
                          "Impersonate-Group: b", "Impersonate-Extra-example.com%2Fscope: x",
                          "Impersonate-Extra-example.com%2Fscope: y"));
}

TEST(kubeconfig, may_be_json) {
  temporary_folder folder;
  auto text = R"({"current-context":"c","clusters":[{"name":"k","cluster":{"server":"http://x"}}],
                  "users":null,"contexts":[{"name":"c","context":{"cluster":"k"}}]})";
  EXPECT_EQ(load_kubeconfig({folder.write("config", text)}, {}).value().server, "http://x");
}

TEST(kubeconfig, files_merge_and_the_first_wins) {
  temporary_folder folder;
  auto first = folder.write("first", "contexts: [{name: one, context: {cluster: near, namespace: mine}}]\n");
  auto second = folder.write("sub/second", two_contexts);
  auto context = load_kubeconfig({folder.path("missing"), first, second}, {}).value();
  EXPECT_EQ(context.namespace_name, "mine");
  EXPECT_EQ(context.ca_file, folder.path("sub/pki/ca.crt")); // relative to the file that says it
  EXPECT_EQ(context.file, first);
}

TEST(kubeconfig, which_files) {
  EXPECT_THAT(kubeconfig_files("/x", with({{"KUBECONFIG", "/a"}})), ElementsAre("/x"));
  EXPECT_THAT(kubeconfig_files("", with({{"KUBECONFIG", "/a::/b:"}, {"HOME", "/h"}})),
              ElementsAre("/a", "/b"));
  EXPECT_THAT(kubeconfig_files("", with({{"HOME", "/h"}})), ElementsAre("/h/.kube/config"));
  EXPECT_THAT(kubeconfig_files("", with({})), ElementsAre());
}

TEST(kubeconfig, errors_name_file_place_and_remedy) {
  temporary_folder folder;
  auto missing = load_kubeconfig({folder.path("none")}, {});
  EXPECT_THAT(missing.error().message, AllOf(HasSubstr(folder.path("none")), HasSubstr("--kubeconfig")));
  EXPECT_THAT(error_of(folder, "a: [1,\n b: {"), AllOf(HasSubstr(folder.path("config")), HasSubstr("line")));
  EXPECT_THAT(error_of(folder, "just a text"), HasSubstr("is not a mapping"));
  EXPECT_THAT(error_of(folder, "clusters: {}"), HasSubstr("clusters must be a list"));
  EXPECT_THAT(error_of(folder, "contexts: []"), AllOf(HasSubstr("current-context"), HasSubstr("--context")));
  EXPECT_THAT(error_of(folder, two_contexts, "three"), AllOf(HasSubstr("\"three\""), HasSubstr("one, two")));
  EXPECT_THAT(error_of(folder, two_contexts, "lost-cluster"),
              AllOf(HasSubstr("\"nowhere\""), HasSubstr("far, near")));
  EXPECT_THAT(error_of(folder, two_contexts, "lost-user"),
              AllOf(HasSubstr("\"nobody\""), HasSubstr("admin, bot")));
  EXPECT_EQ(error_of(folder, two_contexts, "no-user"), "no error");
  EXPECT_THAT(error_of(folder, with_cluster("{}")), HasSubstr("server is missing"));
  EXPECT_THAT(error_of(folder, with_cluster("{server: 'host:6443'}")), HasSubstr("https://"));
  EXPECT_THAT(
      error_of(folder, with_cluster("{server: 'https://h', certificate-authority-data: 'a?b'}")),
      AllOf(HasSubstr("cluster \"k\""), HasSubstr("certificate-authority-data"), HasSubstr("base64")));
  EXPECT_THAT(error_of(folder, with_cluster("{server: 'https://h', insecure-skip-tls-verify: maybe}")),
              HasSubstr("true or false"));
  EXPECT_THAT(error_of(folder, with_cluster("{server: 'https://h', insecure-skip-tls-verify: true, "
                                            "certificate-authority: x}")),
              HasSubstr("contradicts"));
  EXPECT_THAT(error_of(folder, with_cluster("{server: 'https://h'}", "{client-certificate: x}")),
              HasSubstr("client-key is missing"));
  EXPECT_THAT(error_of(folder, with_cluster("{server: 'https://h'}", "{client-key: x}")),
              HasSubstr("client-certificate is missing"));
  EXPECT_THAT(error_of(folder, with_cluster("{server: 'https://h'}", "{auth-provider: {name: oidc}}")),
              AllOf(HasSubstr("\"oidc\""), HasSubstr("exec plugin")));
  EXPECT_THAT(error_of(folder, with_cluster("{server: 'https://h'}", "{exec: {command: x, apiVersion: v9}}")),
              AllOf(HasSubstr("user \"u\" exec"), HasSubstr("\"v9\"")));
  EXPECT_THAT(error_of(folder, with_cluster("{server: [1]}")), HasSubstr("server must be a text"));
}

TEST(kubeconfig, reads_an_exec_plugin) {
  temporary_folder folder;
  auto text =
      with_cluster("{server: 'https://h'}",
                   "{exec: {apiVersion: client.authentication.k8s.io/v1, command: bin/login, args: [a, b], "
                   "env: [{name: X, value: y}], provideClusterInfo: true, installHint: get it}}");
  auto plugin = load_kubeconfig({folder.write("config", text)}, {}).value().exec.value();
  EXPECT_EQ(plugin.command, folder.path("bin/login"));
  EXPECT_THAT(plugin.arguments, ElementsAre("a", "b"));
  EXPECT_THAT(plugin.environment, ElementsAre(std::pair<std::string, std::string>{"X", "y"}));
  EXPECT_TRUE(plugin.provide_cluster_info);
  EXPECT_EQ(plugin.install_hint, "get it");
}

TEST(pem, tells_when_a_certificate_ends) {
  certificate_authority authority;
  auto now = std::chrono::system_clock::now();
  auto end = certificate_end(authority.issue_client("x").certificate_pem).value();
  EXPECT_GT(end, now + std::chrono::hours{23});
  EXPECT_LT(end, now + std::chrono::hours{25});
  EXPECT_EQ(certificate_end("no certificate"), std::nullopt);
}
