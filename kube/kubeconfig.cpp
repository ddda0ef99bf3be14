#include "kube/kubeconfig.hpp"

#include "kube/resources.hpp"
#include "kube/watched_file.hpp"
#include "runtime/http_client/base64.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <map>

namespace tc::kube {

namespace {

/// What reading throws within this file; load_kubeconfig returns it.
struct failure {
  std::string message;
};

std::string in_quotes(const std::string& name) {
  return '"' + name + '"';
}

/// A named entry and the file it stands in.
struct entry {
  std::string file;
  YAML::Node body;
};

struct merged {
  std::string current_context;
  std::map<std::string, entry> clusters;
  std::map<std::string, entry> users;
  std::map<std::string, entry> contexts;
};

/// Reads fields of one mapping; errors name the file, the mapping and the field.
class fields {
public:
  fields(const entry& source, std::string what)
      : file_(source.file), body_(source.body), what_(std::move(what)) {}
  fields(std::string file, const YAML::Node& body, std::string what)
      : file_(std::move(file)), body_(body), what_(std::move(what)) {}

  std::string text(const char* key) const {
    auto node = at(key);
    if (!node || node.IsNull())
      return {};
    if (!node.IsScalar())
      fail(key, "must be a text");
    return node.Scalar();
  }

  bool flag(const char* key) const {
    auto value = text(key);
    if (value.empty() || value == "false")
      return false;
    if (value != "true")
      fail(key, "must be true or false");
    return true;
  }

  /// Returns the decoded value of a "-data" field.
  std::string data(const char* key) const {
    auto value = text(key);
    auto decoded = runtime::decode_base64(value);
    if (!decoded || (decoded->empty() && !value.empty()))
      fail(key, "is not base64; it holds what `base64 -w0 FILE` prints");
    return *decoded;
  }

  /// Returns a path; relative ones start at the folder of the kubeconfig file.
  std::string path(const char* key) const {
    auto value = text(key);
    return value.empty() ? value : absolute(value);
  }

  std::string absolute(const std::string& value) const {
    return (std::filesystem::absolute(file_).parent_path() / value).lexically_normal().string();
  }

  std::vector<YAML::Node> sequence(const char* key) const {
    auto node = at(key);
    std::vector<YAML::Node> result;
    if (!node || node.IsNull())
      return result;
    if (!node.IsSequence())
      fail(key, "must be a list");
    for (const auto& item : node)
      result.push_back(item);
    return result;
  }

  std::vector<std::string> keys() const {
    std::vector<std::string> result;
    for (const auto& member : body_)
      result.push_back(member.first.as<std::string>(""));
    return result;
  }

  std::optional<fields> child(const char* key) const {
    auto node = at(key);
    if (!node || node.IsNull())
      return std::nullopt;
    if (!node.IsMap())
      fail(key, "must be a mapping");
    return fields{file_, node, what_ + ' ' + key};
  }

  [[noreturn]] void fail(const std::string& key, const std::string& problem) const {
    throw failure{"kubeconfig " + file_ + ": " + what_ + ": " + key + ' ' + problem};
  }

private:
  YAML::Node at(const char* key) const {
    if (!body_ || body_.IsNull())
      return {};
    if (!body_.IsMap())
      throw failure{"kubeconfig " + file_ + ": " + what_ + " must be a mapping"};
    const YAML::Node& body = body_; // the const operator does not insert
    auto found = body[key];
    return found ? YAML::Node{found} : YAML::Node{};
  }

  std::string file_;
  YAML::Node body_;
  std::string what_;
};

void merge_named(const fields& root, const std::string& file, const char* list, const char* body,
                 std::map<std::string, entry>& into) {
  for (const auto& item : root.sequence(list)) {
    fields named{file, item, std::string{"an entry of "} + list};
    auto name = named.text("name");
    if (name.empty())
      named.fail("name", "is missing");
    into.emplace(name, entry{file, item[body]}); // keeps the first
  }
}

bool merge_file(const std::string& file, merged& into) {
  if (!std::filesystem::exists(file))
    return false;
  auto text = read_small_file(file);
  if (!text)
    throw failure{"cannot read kubeconfig " + file + ": " + text.error()};
  YAML::Node root;
  try {
    root = YAML::Load(*text);
  } catch (const YAML::Exception& error) {
    throw failure{"kubeconfig " + file + ", line " + std::to_string(error.mark.line + 1) +
                  " is not valid YAML: " + error.msg};
  }
  if (root.IsNull())
    return true;
  if (!root.IsMap())
    throw failure{"kubeconfig " + file + " is not a mapping of clusters, users and contexts"};
  fields top{file, root, "top level"};
  if (into.current_context.empty())
    into.current_context = top.text("current-context");
  merge_named(top, file, "clusters", "cluster", into.clusters);
  merge_named(top, file, "users", "user", into.users);
  merge_named(top, file, "contexts", "context", into.contexts);
  return true;
}

std::string list_of(const std::vector<std::string>& files) {
  std::string result;
  for (const auto& file : files)
    result += (result.empty() ? "" : ", ") + file;
  return result;
}

void read_cluster(const fields& in, kubeconfig_context& out) {
  out.server = in.text("server");
  if (out.server.empty())
    in.fail("server", "is missing");
  if (!out.server.starts_with("https://") && !out.server.starts_with("http://"))
    in.fail("server", "must begin with https:// or http://, not be " + in_quotes(out.server));
  while (out.server.back() == '/')
    out.server.pop_back();
  out.ca_pem = in.data("certificate-authority-data");
  out.ca_file = out.ca_pem.empty() ? in.path("certificate-authority") : std::string{};
  out.tls_server_name = in.text("tls-server-name");
  out.proxy_url = in.text("proxy-url");
  out.insecure = in.flag("insecure-skip-tls-verify");
  if (out.insecure && !(out.ca_pem.empty() && out.ca_file.empty()))
    in.fail("insecure-skip-tls-verify",
            "contradicts the certificate-authority beside it; remove one of them");
}

exec_plugin read_exec(const fields& in) {
  exec_plugin result;
  result.api_version = in.text("apiVersion");
  if (result.api_version != "client.authentication.k8s.io/v1" &&
      result.api_version != "client.authentication.k8s.io/v1beta1")
    in.fail("apiVersion",
            "is " + in_quotes(result.api_version) +
                ", but only client.authentication.k8s.io/v1 and v1beta1 exist; update the plugin");
  result.command = in.text("command");
  if (result.command.empty())
    in.fail("command", "is missing");
  if (result.command.find('/') != std::string::npos)
    result.command = in.absolute(result.command);
  for (const auto& argument : in.sequence("args")) {
    if (!argument.IsScalar())
      in.fail("args", "must be a list of texts");
    result.arguments.push_back(argument.Scalar());
  }
  for (const auto& item : in.sequence("env")) {
    if (!item.IsMap() || !item["name"])
      in.fail("env", "must be a list of name and value");
    result.environment.emplace_back(item["name"].as<std::string>(), item["value"].as<std::string>(""));
  }
  result.install_hint = in.text("installHint");
  result.provide_cluster_info = in.flag("provideClusterInfo");
  result.always_interactive = in.text("interactiveMode") == "Always";
  return result;
}

void read_impersonation(const fields& in, kubeconfig_context& out) {
  auto add = [&](const std::string& header, const std::string& value) {
    if (!value.empty())
      out.impersonation.push_back(header + ": " + value);
  };
  add("Impersonate-User", in.text("as"));
  add("Impersonate-Uid", in.text("as-uid"));
  for (const auto& group : in.sequence("as-groups"))
    add("Impersonate-Group", group.as<std::string>(""));
  if (auto extra = in.child("as-user-extra"))
    for (const auto& key : extra->keys())
      for (const auto& value : extra->sequence(key.c_str()))
        add("Impersonate-Extra-" + url_encode(key), value.as<std::string>(""));
}

void read_user(const fields& in, kubeconfig_context& out) {
  out.certificate_pem = in.data("client-certificate-data");
  out.certificate_file = out.certificate_pem.empty() ? in.path("client-certificate") : std::string{};
  out.key_pem = in.data("client-key-data");
  out.key_file = out.key_pem.empty() ? in.path("client-key") : std::string{};
  bool certificate = !(out.certificate_pem.empty() && out.certificate_file.empty());
  bool key = !(out.key_pem.empty() && out.key_file.empty());
  if (certificate && !key)
    in.fail("client-key", "is missing beside the client-certificate; give client-key or client-key-data");
  if (key && !certificate)
    in.fail("client-certificate", "is missing beside the client-key; give client-certificate or "
                                  "client-certificate-data");
  out.token = in.text("token");
  out.token_file = in.path("tokenFile"); // wins over the token, as with kubectl
  out.user = in.text("username");
  out.password = in.text("password");
  if (auto exec = in.child("exec"))
    out.exec = read_exec(*exec);
  if (auto provider = in.child("auth-provider"))
    in.fail("auth-provider", in_quotes(provider->text("name")) +
                                 " is not supported, Kubernetes has removed it too; use an exec plugin");
  read_impersonation(in, out);
}

std::string known_names(const std::map<std::string, entry>& entries) {
  std::string result;
  for (const auto& [name, body] : entries)
    result += (result.empty() ? "" : ", ") + name;
  return result.empty() ? "none" : result;
}

kubeconfig_context select(const merged& all, const std::vector<std::string>& files,
                          const std::string& wanted) {
  kubeconfig_context out;
  out.name = wanted.empty() ? all.current_context : wanted;
  if (out.name.empty())
    throw failure{
        "kubeconfig " + list_of(files) +
        " sets no current-context; name one with --context or run `kubectl config use-context NAME`"};
  auto context = all.contexts.find(out.name);
  if (context == all.contexts.end())
    throw failure{"kubeconfig " + list_of(files) + " has no context " + in_quotes(out.name) +
                  "; it has: " + known_names(all.contexts)};
  out.file = context->second.file;
  fields in{context->second, "context " + in_quotes(out.name)};
  out.namespace_name = in.text("namespace");
  out.cluster_name = in.text("cluster");
  out.user_name = in.text("user");
  auto cluster = all.clusters.find(out.cluster_name);
  if (cluster == all.clusters.end())
    in.fail("cluster", "names " + in_quotes(out.cluster_name) +
                           ", which is not defined; defined are: " + known_names(all.clusters));
  read_cluster({cluster->second, "cluster " + in_quotes(out.cluster_name)}, out);
  if (out.user_name.empty())
    return out;
  auto user = all.users.find(out.user_name);
  if (user == all.users.end())
    in.fail("user", "names " + in_quotes(out.user_name) +
                        ", which is not defined; defined are: " + known_names(all.users));
  read_user({user->second, "user " + in_quotes(out.user_name)}, out);
  return out;
}

} // namespace

std::string kubeconfig_context::place() const {
  return "kubeconfig " + file + ", context " + name;
}

std::vector<std::string> kubeconfig_files(const std::string& explicit_path, const environment& env) {
  if (!explicit_path.empty())
    return {explicit_path};
  std::vector<std::string> result;
  auto listed = env("KUBECONFIG");
  for (std::size_t start = 0; start < listed.size();) {
    auto end = std::min(listed.find(':', start), listed.size());
    if (end > start)
      result.push_back(listed.substr(start, end - start));
    start = end + 1;
  }
  if (result.empty())
    if (auto home = env("HOME"); !home.empty())
      result.push_back(home + "/.kube/config");
  return result;
}

tl::expected<kubeconfig_context, access_error> load_kubeconfig(const std::vector<std::string>& files,
                                                               const std::string& context) {
  try {
    merged all;
    bool found = false;
    for (const auto& file : files)
      found = merge_file(file, all) || found;
    if (!found)
      throw failure{"there is no kubeconfig " + list_of(files) +
                    "; give an existing file with --kubeconfig or in KUBECONFIG"};
    return select(all, files, context);
  } catch (const failure& error) {
    return tl::unexpected(access_error{error.message});
  } catch (const YAML::Exception& error) {
    return tl::unexpected(access_error{"kubeconfig " + list_of(files) + " cannot be read: " + error.msg});
  }
}

} // namespace tc::kube
