#include "tests/export/sample_traces.hpp"

#include <random>

namespace tc::exporting::testing {

completed_trace_ptr small_trace() {
  auto out = std::make_shared<completed_trace>();
  out->id = *trace_id::from_hex("0102030405060708090a0b0c0d0e0f10");
  out->change_key = "sha1:c5";
  out->revision = "main@sha1:c5";
  out->root = {"source.toolkit.fluxcd.io", "GitRepository", "flux-system", "demo"};
  out->outcome = "failed";
  out->trace_state = "ot=th:0";
  out->resource_attributes = {{"k8s.cluster.name", "prod"}};
  span root;
  root.id = *span_id::from_hex("a1a2a3a4a5a6a7a8");
  root.name = "reconcile GitRepository demo";
  root.kind = span_kind::server;
  root.start = timestamp{std::chrono::nanoseconds{1'700'000'000'000'000'001}};
  root.end = timestamp{std::chrono::nanoseconds{1'700'000'001'500'000'002}};
  root.attributes = {{"flux.span.kind", "source"}};
  root.events = {{root.start + std::chrono::milliseconds{5}, "NewArtifact", {{"message", "stored \"x\"\n"}}}};
  root.service = "source-controller";
  span run;
  run.id = *span_id::from_hex("b1b2b3b4b5b6b7b8");
  run.parent = root.id;
  run.name = "reconcile Kustomization apps";
  run.start = root.end;
  run.end = root.end + std::chrono::seconds{2};
  run.attributes = {{"flux.outcome", "failed"},
                    {"flux.changed", true},
                    {"flux.attempt", std::int64_t{-2}},
                    {"ratio", 0.25},
                    {"list", std::vector<std::string>{"a", "b"}}};
  run.links = {{out->id, *span_id::from_hex("c1c2c3c4c5c6c7c8"), {{"flux.link", "dependsOn"}}}};
  run.status = span_status::error;
  run.status_message = "health check failed";
  run.service = "kustomize-controller";
  out->spans = {root, run};
  return out;
}

completed_trace_ptr random_trace(std::uint32_t seed, std::size_t span_count) {
  std::mt19937 random{seed};
  auto below = [&](std::uint32_t bound) { return static_cast<std::uint32_t>(random() % bound); };
  auto fill = [&](auto& id) {
    for (auto& byte : id.bytes)
      byte = static_cast<std::uint8_t>(below(255) + 1);
  };
  auto word = [&] { return std::string(below(60), static_cast<char>('a' + below(26))); };
  auto value = [&]() -> attribute_value {
    switch (below(5)) {
    case 0:
      return word();
    case 1:
      return below(2) == 0;
    case 2:
      return static_cast<std::int64_t>(random()) * (below(2) == 0 ? 1 : -1'000'000'007);
    case 3:
      return below(1000) / 8.0;
    default:
      return std::vector<std::string>(below(4), word());
    }
  };
  auto attributes = [&](std::uint32_t most) {
    std::vector<attribute> out;
    for (auto i = below(most + 1); i > 0; --i)
      out.push_back({"key" + std::to_string(i), value()});
    return out;
  };
  static const std::vector<std::string> services = {"source-controller", "kustomize-controller",
                                                    "helm-controller", "workloads", ""};
  auto out = std::make_shared<completed_trace>();
  fill(out->id);
  if (below(3) == 0)
    out->trace_state = "ot=th:c";
  if (below(2) == 0)
    out->resource_attributes = {{"k8s.cluster.name", "cluster" + std::to_string(below(3))}};
  for (std::size_t i = 0; i < span_count; ++i) {
    span next;
    fill(next.id);
    if (i > 0)
      next.parent = out->spans[below(static_cast<std::uint32_t>(i))].id;
    next.name = "reconcile " + word();
    next.kind = static_cast<span_kind>(1 + below(5));
    next.start =
        timestamp{std::chrono::nanoseconds{1'700'000'000'000'000'000 + static_cast<std::int64_t>(random())}};
    next.end = next.start + std::chrono::nanoseconds{static_cast<std::int64_t>(random())};
    next.attributes = attributes(6);
    for (auto n = below(3); n > 0; --n)
      next.events.push_back({next.start + std::chrono::nanoseconds{n}, word(), attributes(2)});
    for (auto n = below(3); n > 0; --n) {
      auto& link = next.links.emplace_back();
      fill(link.trace);
      fill(link.span);
      link.attributes = attributes(2);
    }
    next.status = static_cast<span_status>(below(3));
    if (next.status == span_status::error)
      next.status_message = word();
    next.service = services[below(5)];
    out->spans.push_back(std::move(next));
  }
  return out;
}

std::vector<completed_trace_ptr> random_traces(std::uint32_t seed, std::size_t count) {
  std::mt19937 random{seed};
  std::vector<completed_trace_ptr> out;
  for (std::size_t i = 0; i < count; ++i) {
    auto size = random() % 41;
    out.push_back(random_trace(static_cast<std::uint32_t>(random()), size));
  }
  return out;
}

} // namespace tc::exporting::testing
