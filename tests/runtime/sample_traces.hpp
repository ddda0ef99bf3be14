#pragma once

// Traces as the heart makes them, for tests of what is drawn and shown.

#include "messages/span.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace tc::testing_samples {

using namespace std::chrono_literals;

/// Builds a trace span by span; times are milliseconds from its beginning.
class trace_builder {
public:
  trace_builder(const std::string& key, const std::string& revision, const std::string& outcome) {
    trace.id.bytes = {0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd,
                      0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c};
    trace.change_key = key;
    trace.revision = revision;
    trace.outcome = outcome;
    trace.root = {"source.toolkit.fluxcd.io", "GitRepository", "flux-system", "flux-system"};
    trace.trace_namespace = "flux-system";
    trace.trace_name = "everything";
  }

  span& add(const span* parent, const std::string& kind, long start, long end) {
    auto& out = trace.spans.emplace_back();
    out.id.bytes[7] = static_cast<std::uint8_t>(trace.spans.size());
    out.id.bytes[6] = static_cast<std::uint8_t>(trace.spans.size() >> 8);
    out.parent = parent != nullptr ? parent->id : span_id{};
    out.start = begin + std::chrono::milliseconds{start};
    out.end = begin + std::chrono::milliseconds{end};
    out.attributes.push_back({"flux.span.kind", kind});
    return out;
  }

  span& object(const span* parent, const std::string& kind, const std::string& resource,
               const std::string& home, const std::string& name, long start, long end) {
    auto& out = add(parent, kind, start, end);
    out.name = "reconcile " + resource + ' ' + name;
    out.attributes.push_back({"k8s.resource.kind", resource});
    out.attributes.push_back({"k8s.namespace.name", home});
    out.attributes.push_back({"k8s.resource.name", name});
    return out;
  }

  span& run(const span* parent, const std::string& resource, const std::string& home, const std::string& name,
            long start, long end, const std::string& outcome = "succeeded", const std::string& reason = "",
            const std::string& message = "") {
    auto& out = object(parent, "run", resource, home, name, start, end);
    out.attributes.push_back({"flux.outcome", outcome});
    if (!reason.empty())
      out.attributes.push_back({"flux.reason", reason});
    if (outcome == "failed")
      out.status = span_status::error;
    out.status_message = message;
    return out;
  }

  span& phase(const span* parent, const std::string& name, long start, long end) {
    auto& out = add(parent, "phase", start, end);
    out.name = name;
    return out;
  }

  completed_trace trace;
  timestamp begin = *parse_rfc3339("2026-11-21T08:57:58.25Z");
};

/// A change of two nested Kustomizations and a HelmRelease whose first upgrade fails; the usual bad day.
inline completed_trace failing_upgrade() {
  trace_builder b{"sha1:814448379fa3717a94a49b28621695b966bc7976",
                  "main@sha1:814448379fa3717a94a49b28621695b966bc7976", "succeeded"};
  b.trace.spans.reserve(64); // the builder hands out references
  auto* home = "flux-system";
  auto& root = b.object(nullptr, "source", "GitRepository", home, "flux-system", 0, 1180);
  b.phase(&root, "fetch", 40, 1150);
  auto& wait = b.phase(&root, "wait in queue", 1180, 1900);
  auto& cluster = b.run(&root, "Kustomization", home, "flux-system", 1900, 4100);
  wait.links.push_back({b.trace.id, cluster.id, {}});
  b.phase(&cluster, "build", 1910, 2300);
  b.phase(&cluster, "apply", 2300, 3050);
  b.phase(&cluster, "health check", 3050, 4090);
  auto& infrastructure = b.run(&cluster, "Kustomization", home, "infrastructure", 3000, 4800);
  infrastructure.attributes.push_back({"flux.changed", false});
  auto& dependency = b.phase(&cluster, "wait for dependencies", 3000, 9800);
  auto& apps = b.run(&cluster, "Kustomization", home, "apps", 9800, 47000);
  dependency.links.push_back({b.trace.id, apps.id, {}});
  b.phase(&apps, "build", 9810, 10300);
  b.phase(&apps, "apply", 10300, 11900);
  b.phase(&apps, "health check", 11900, 46900);
  auto& failed =
      b.run(&apps, "HelmRelease", "podinfo", "podinfo", 11600, 32000, "failed", "UpgradeFailed",
            "Helm upgrade failed for release podinfo/podinfo with chart podinfo@6.5.4: context deadline "
            "exceeded\n\nLast Helm logs:\n  Deployment is not ready: podinfo/podinfo. 0 out of 2 expected "
            "pods are ready");
  failed.attributes.push_back({"flux.action", std::string{"upgrade"}});
  failed.attributes.push_back({"flux.attempt", std::int64_t{1}});
  b.phase(&failed, "helm upgrade", 11700, 26700);
  b.phase(&failed, "helm rollback", 26700, 31900);
  auto& again = b.run(&apps, "HelmRelease", "podinfo", "podinfo", 33000, 45500);
  again.attributes.push_back({"flux.action", std::string{"upgrade"}});
  again.attributes.push_back({"flux.attempt", std::int64_t{2}});
  b.phase(&again, "helm upgrade", 33100, 45400);
  b.object(&again, "workload", "Deployment", "podinfo", "podinfo", 33900, 44800);
  b.object(&apps, "workload", "Deployment", "podinfo",
           "frontend-with-a-name-that-is-much-too-long-for-any-column", 11950, 19000);
  auto& gone = b.run(&apps, "ConfigMap", "podinfo", "old-settings", 11800, 11850);
  gone.attributes.push_back({"flux.action", std::string{"delete"}});
  b.run(&cluster, "Kustomization", "tenants", "team-a", 4000, 21000, "superseded", "HealthCheckCanceled");
  b.run(&cluster, "Kustomization", "tenants", "team-b", 4000, 15000, "incomplete");
  return b.trace;
}

} // namespace tc::testing_samples
