// `trace-controller explain`: why the runs of an object are in the traces they are in.

#include "trace/explain.hpp"
#include "runtime/logging.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/recording_source.hpp"

#include <cstdio>

namespace tc::runtime {

namespace {

/// Returns the object as the recording knows it: the command line names no API group.
std::optional<object_id> find_object(const trace::ledger& facts, const object_id& wanted) {
  for (const auto& [id, timeline] : facts.objects())
    if (id.kind == wanted.kind && id.namespace_name == wanted.namespace_name && id.name == wanted.name)
      return id;
  return std::nullopt;
}

} // namespace

int explain(const explain_options& options) {
  logger log(options.logging);
  auto complain = [](const std::string& problem) {
    std::fprintf(stderr, "trace-controller explain: %s\n", problem.c_str());
    return 2;
  };
  auto source = recording_source::open(options.stream, options.posts);
  if (!source)
    return complain(source.error());
  trace::ledger facts;
  while (auto item = source->next())
    facts.add(std::move(item->fact));
  for (const auto& problem : source->problems())
    log.error("line skipped", {{"place", problem}});
  if (!source->failure().empty())
    return complain("--stream: " + source->failure());
  auto object = find_object(facts, options.object);
  if (!object)
    return complain(
        "--object " + options.object.to_string() + ": " + options.stream +
        " does not show that object; names are KIND/NAMESPACE/NAME, as in HelmRelease/apps/podinfo");
  std::fputs(trace::explain(facts, *object, {}).c_str(), stdout);
  return 0;
}

} // namespace tc::runtime
