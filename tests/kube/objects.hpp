#pragma once

// Texts as an API server writes them.

#include <string>
#include <vector>

namespace tc::testing {

/// Returns a Kustomization without its type, as it would stand in a typed list.
inline std::string untyped_object(const std::string& name, int version, const std::string& uid = {}) {
  return R"({"metadata":{"name":")" + name + R"(","namespace":"apps","uid":")" +
         (uid.empty() ? "uid-" + name : uid) + R"(","resourceVersion":")" + std::to_string(version) +
         R"(","labels":{"a":"b"},"managedFields":[{"manager":"x"}]},"spec":{"note":"brackets ]}, quotes \" and ü"}})";
}

/// Returns a Kustomization.
inline std::string object(const std::string& name, int version, const std::string& uid = {}) {
  return R"({"apiVersion":"kustomize.toolkit.fluxcd.io/v1","kind":"Kustomization",)" +
         untyped_object(name, version, uid).substr(1);
}

inline std::string event(const std::string& type, const std::string& object_json) {
  return R"({"type":")" + type + R"(","object":)" + object_json + "}\n";
}

inline std::string bookmark(int version, bool initial_events_end = false) {
  std::string annotations =
      initial_events_end ? R"("annotations":{"k8s.io/initial-events-end":"true"},)" : "";
  return event("BOOKMARK",
               R"({"apiVersion":"kustomize.toolkit.fluxcd.io/v1","kind":"Kustomization","metadata":{)" +
                   annotations + R"("resourceVersion":")" + std::to_string(version) + "\"}}");
}

inline std::string status(int code, const std::string& reason, const std::string& message) {
  return R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":")" + message +
         R"(","reason":")" + reason + R"(","code":)" + std::to_string(code) + "}";
}

inline std::string list(const std::vector<std::string>& items, int version,
                        const std::string& continue_token = {}) {
  std::string result =
      R"({"kind":"KustomizationList","apiVersion":"kustomize.toolkit.fluxcd.io/v1","metadata":{)";
  result += continue_token.empty() ? "" : R"("continue":")" + continue_token + "\",";
  result += R"("resourceVersion":")" + std::to_string(version) + R"("},"items":[)";
  for (std::size_t i = 0; i < items.size(); ++i)
    result += (i > 0 ? "," : "") + items[i];
  return result + "]}\n";
}

} // namespace tc::testing
