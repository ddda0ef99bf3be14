#include "runtime/command_flags.hpp"

#include <algorithm>
#include <iterator>

namespace tc::runtime {

namespace {

constexpr std::size_t help_width = 110;

struct command_help {
  const char* name;
  const char* summary;
  const char* usage;
  const char* text;
  const char* examples;
};

constexpr command_help helps[] = {
    {"run", "follow a cluster and send one trace for every change", "run [FLAGS]",
     "Watches Flux's objects in the cluster and sends one trace for every change to the Provider that a "
     "Trace resource "
     "names.",
     "  trace-controller run --kubeconfig ~/.kube/config --log-encoding console\n"
     "  trace-controller run --namespace team-a --metrics-addr :9090 --config "
     "/etc/trace-controller/config.yaml\n"},
    {"replay", "turn a recording into traces, in virtual time", "replay --stream FILE [FLAGS]",
     "Runs the same code on a recording, draws the traces and writes them as OTLP/JSON.",
     "  trace-controller replay --stream stream.jsonl.gz\n"
     "  trace-controller replay --stream stream.jsonl --posts posts.jsonl --output http://localhost:4318\n"
     "  trace-controller replay --stream stream.jsonl --output - --shuffle 7 | jq .\n"},
    {"record", "write what a cluster's watches send to a file", "record --output FILE [FLAGS]",
     "Watches Flux's objects, workloads and Events, and writes every line as the API server sent it. Never "
     "Secrets.",
     "  trace-controller record --output stream.jsonl\n"
     "  trace-controller record --output - -n flux-system | gzip > stream.jsonl.gz\n"},
    {"explain", "say why the runs of an object are in their traces", "explain --stream FILE --object OBJECT",
     "Prints for each run, fetched content or rollout of the object the evidence and the decision.",
     "  trace-controller explain --stream stream.jsonl --object HelmRelease/apps/podinfo\n"},
};

const command_help& help_of(std::string_view name) {
  return *std::find_if(std::begin(helps), std::end(helps), [&](const auto& x) { return x.name == name; });
}

} // namespace

std::string render_help(std::string_view name, const flag_table& flags) {
  const auto& help = help_of(name);
  return std::string{help.text} + "\n\nUsage:\n  trace-controller " + help.usage + '\n' +
         render_flags(flags, help_width) + "\nExamples:\n" + help.examples;
}

std::string render_main_help(offered_commands offered) {
  std::string out = "Draws one trace for every change that Flux brings into a Kubernetes cluster.\n\nUsage:\n"
                    "  trace-controller COMMAND [FLAGS]\n\nCommands:\n";
  auto line = [&](std::string_view name, std::string_view summary) {
    out += "  " + std::string{name} + std::string(10 - name.size(), ' ') + std::string{summary} + '\n';
  };
  for (const auto& help : helps)
    if (std::string_view{help.name} != "explain" || offered.explain)
      line(help.name, help.summary);
  line("version", "print the version");
  return out + "\n\"trace-controller COMMAND --help\" lists a command's flags.\n";
}

} // namespace tc::runtime
