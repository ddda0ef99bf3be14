#include "runtime/program/provider_registry.hpp"

#include "actors/exporter.hpp"

#include <tuple>
#include <utility>

namespace tc::runtime {

namespace {

std::pair<std::string, std::string> split(const std::string& key) {
  auto slash = key.find('/');
  return {key.substr(0, slash), key.substr(slash + 1)};
}

} // namespace

void provider_registry::apply(provider_resource provider) {
  auto key = provider.namespace_name + '/' + provider.name;
  auto& what = entries_[key];
  if (what.resource && *what.resource == provider)
    return;
  what.resource = std::move(provider);
  what.resource_changed = true;
  refresh(key);
}

void provider_registry::remove(const std::string& namespace_name, const std::string& name) {
  auto key = namespace_name + '/' + name;
  auto found = entries_.find(key);
  if (found == entries_.end())
    return;
  found->second.resource.reset();
  found->second.reading = 0; // what it still brings is of a Provider that is gone
  if (!found->second.users.empty())
    announce_problem(
        key, found->second,
        {"ProviderNotFound", "Provider '" + key + "' does not exist; what settles meanwhile waits for it"});
  else
    forget(key);
}

void provider_registry::reference(const std::string& trace_uid, const std::string& provider) {
  if (provider.empty() && provider_of_trace_.count(trace_uid) == 0)
    return;
  auto& named = provider_of_trace_[trace_uid];
  if (named == provider)
    return;
  if (auto before = entries_.find(named); before != entries_.end())
    before->second.users.erase(trace_uid);
  auto former = std::exchange(named, provider);
  forget_if_unused(former);
  if (provider.empty()) {
    provider_of_trace_.erase(trace_uid);
    return;
  }
  entries_[provider].users.insert(trace_uid);
  refresh(provider);
}

/// Names that nothing stands for do not stay for ever.
void provider_registry::forget_if_unused(const std::string& key) {
  if (auto found = entries_.find(key);
      found != entries_.end() && !found->second.resource && found->second.users.empty())
    forget(key);
}

void provider_registry::forget(const std::string& key) {
  auto gone = entries_.extract(key);
  if (!gone.empty()) {
    gone.mapped().sink = nullptr;
    answer_waiting(gone.mapped());
  }
  auto binding = std::make_shared<provider_binding>();
  std::tie(binding->namespace_name, binding->name) = split(key);
  binding->forgotten = true;
  outside_.bind(std::move(binding));
}

void provider_registry::tick() {
  auto now = outside_.clock();
  for (auto& [key, what] : entries_) {
    answer_waiting(what, now - patience);
    if (what.resource && !what.users.empty() && what.reading == 0 && what.next_read <= now)
      refresh(key);
  }
}

void provider_registry::current_sink(const std::string& key, duration age, fresh_sink::sink_receiver then) {
  auto found = entries_.find(key);
  if (found == entries_.end() || !found->second.sink)
    return then(nullptr);
  auto& what = found->second;
  auto now = outside_.clock();
  if (what.read_at >= now - age && age > duration::zero())
    return then(what.sink);
  what.waiting.emplace_back(now, std::move(then));
  if (what.reading != 0 && what.reading_since < now - age)
    what.changed_while_reading = true; // it may have begun before the change
  if (what.reading == 0)
    refresh(key);
}

/// Tells the requests that have waited since `until` or longer which sink to use.
void provider_registry::answer_waiting(entry& what, timestamp until) {
  auto waiting = std::exchange(what.waiting, {});
  auto sink = what.sink;
  for (auto& [since, then] : waiting)
    if (since <= until)
      then(sink);
    else
      what.waiting.emplace_back(since, std::move(then));
}

/// A setup whose sink asks for its Secrets before use.
exporter_setup_ptr provider_registry::kept_fresh(const std::string& key, const exporter_setup_ptr& made) {
  auto out = std::make_shared<exporter_setup>(*made);
  out->sink = std::make_shared<fresh_sink>(
      made->sink,
      fresh_sink::outside{outside_.post, [this, key](duration age, fresh_sink::sink_receiver then) {
                            current_sink(key, age, std::move(then));
                          }});
  return out;
}

void provider_registry::refresh(const std::string& key) {
  auto& what = entries_.at(key);
  if (!what.resource || what.users.empty())
    return; // nobody needs it: its Secrets are none of our business
  if (what.reading != 0) {
    what.changed_while_reading = true; // read again when the answers are there
    return;
  }
  auto resource = *what.resource;
  if (resource.suspend) {
    announce_problem(key, what,
                     {"ProviderSuspended", "Provider '" + key + "' is suspended; what settles waits"});
    return;
  }
  if (!is_tracing_type(resource.type)) {
    resolved(key, what, resource, {}, std::nullopt); // says what is wrong without reading a Secret
    return;
  }
  what.reading = ++readings_;
  what.reading_since = outside_.clock();
  what.changed_while_reading = false;
  // The answers come one by one on this thread; the last one resolves.
  struct gathering {
    provider_secrets secrets;
    std::optional<provider_problem> problem;
    std::size_t open = 1;
  };
  auto shared = std::make_shared<gathering>();
  auto arrived = [this, key, resource, shared, number = what.reading] {
    if (--shared->open == 0)
      gathered(key, number, resource, std::move(shared->secrets), std::move(shared->problem));
  };
  auto read = [&](const std::string& name, secret_data provider_secrets::*into) {
    if (name.empty())
      return;
    ++shared->open;
    outside_.read_secret(
        resource.namespace_name, name, [shared, arrived, into, name, key](secret_result result) {
          if (result)
            shared->secrets.*into = std::move(*result);
          else
            shared->problem =
                provider_problem{result.error().missing     ? "SecretNotFound"
                                 : result.error().forbidden ? "SecretForbidden"
                                                            : "SecretUnreadable",
                                 "Secret '" + split(key).first + '/' + name + "' of Provider '" + key +
                                     "' cannot be read: " + result.error().message};
          arrived();
        });
  };
  read(resource.secret_name, &provider_secrets::auth);
  read(resource.cert_secret_name, &provider_secrets::cert);
  read(resource.proxy_secret_name, &provider_secrets::proxy);
  arrived();
}

void provider_registry::gathered(const std::string& key, std::uint64_t reading,
                                 const provider_resource& resource, provider_secrets secrets,
                                 std::optional<provider_problem> problem) {
  auto found = entries_.find(key);
  if (found == entries_.end() || found->second.reading != reading)
    return; // the Provider went, and maybe came again, while its Secrets were read
  auto& what = found->second;
  what.reading = 0;
  if (std::exchange(what.changed_while_reading, false)) {
    refresh(key);
    return;
  }
  resolved(key, what, resource, std::move(secrets), std::move(problem));
}

void provider_registry::resolved(const std::string& key, entry& what, const provider_resource& resource,
                                 provider_secrets secrets, std::optional<provider_problem> problem) {
  auto now = outside_.clock();
  what.read_at = what.reading_since;
  if (problem) {
    // An API server that is away for a moment is no reason to stop using what worked.
    if (problem->reason == "SecretUnreadable" && what.usable) {
      what.next_read = now + retry;
      answer_waiting(what);
      return;
    }
    announce_problem(key, what, std::move(*problem));
    return;
  }
  auto names_secrets = !resource.secret_name.empty() || !resource.cert_secret_name.empty() ||
                       !resource.proxy_secret_name.empty();
  what.next_read = names_secrets ? now + reread : timestamp::max();
  auto same = secrets.auth == what.secrets.auth && secrets.cert == what.secrets.cert &&
              secrets.proxy == what.secrets.proxy;
  auto target = resolve_provider(resource, secrets, outside_.defaults);
  if (!target) {
    announce_problem(key, what, target.error());
    return;
  }
  if (what.usable && same && !what.resource_changed) {
    answer_waiting(what);
    return;
  }
  auto setup = outside_.make_setup(key, *target);
  if (!setup) {
    announce_problem(key, what, {"ProviderInvalid", setup.error()});
    return;
  }
  what.secrets = std::move(secrets);
  what.usable = true;
  what.resource_changed = false;
  what.problem.clear();
  what.sink = (*setup)->sink;
  auto binding = std::make_shared<provider_binding>();
  std::tie(binding->namespace_name, binding->name) = split(key);
  binding->setup = names_secrets ? kept_fresh(key, *setup) : std::move(*setup);
  outside_.bind(std::move(binding));
  answer_waiting(what);
}

void provider_registry::announce_problem(const std::string& key, entry& what, provider_problem problem) {
  what.next_read = outside_.clock() + retry;
  what.usable = false;
  what.sink = nullptr;
  answer_waiting(what);
  if (what.problem == problem.message)
    return;
  what.problem = problem.message;
  auto binding = std::make_shared<provider_binding>();
  std::tie(binding->namespace_name, binding->name) = split(key);
  binding->reason = std::move(problem.reason);
  binding->problem = std::move(problem.message);
  outside_.bind(std::move(binding));
}

} // namespace tc::runtime
