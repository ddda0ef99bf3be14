#include "kube/api_error.hpp"
#include "kube/discovery.hpp"
#include "kube/exec_plugin.hpp"
#include "kube/json_pieces.hpp"
#include "kube/lease.hpp"
#include "kube/object_meta.hpp"
#include "tests/fuzz/targets.hpp"

namespace tc::fuzz {

void api_answers(std::string_view bytes) {
  static kube::meta_reader reader;
  kube::list_splitter list{1 << 14};
  auto on_item = [](std::string_view item) {
    if (reader.read_object(item)) { // valid JSON, as both ask for
      kube::raw_member(item, "metadata");
      kube::with_type(item, "GitRepository", "source.toolkit.fluxcd.io/v1");
    }
  };
  auto cut = bytes.empty() ? 0 : static_cast<unsigned char>(bytes.back()) * bytes.size() / 256;
  list.feed(bytes.substr(0, cut), on_item, [](std::size_t) {});
  list.feed(bytes.substr(cut), on_item, [](std::size_t) {});
  reader.read_list_meta(list.metadata());
  reader.read_status(bytes);

  runtime::http_result result;
  result.body = bytes;
  result.headers = {{"content-type", "application/json"}, {"retry-after", std::string{bytes.substr(0, 40)}}};
  const std::chrono::system_clock::time_point now{std::chrono::seconds{1'800'000'000}};
  for (int status : {200, 403, 409, 410, 422, 429, 500}) {
    result.status = status;
    auto error = kube::to_api_error(result, "GET /", now);
    expect(error.has_value() == (status >= 300), "every status but success is an error");
    if (error && error->retry_after)
      expect(error->retry_after->count() >= 0, "nobody is asked back before now");
  }

  kube::parse_group_versions(bytes);
  kube::parse_resource_list(bytes);
  kube::parse_exec_credential(bytes, "client.authentication.k8s.io/v1");
  if (auto lease = kube::parse_lease(bytes)) {
    auto again = kube::parse_lease(kube::to_json(*lease, "flux-system", "leader"));
    expect(again.has_value(), "a Lease that was written can be read");
  }
}

} // namespace tc::fuzz
