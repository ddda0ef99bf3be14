#include "kube/decode/decode.hpp"
#include "kube/json_pieces.hpp"
#include "kube/object_meta.hpp"
#include "tests/fuzz/targets.hpp"
#include "trace/revision.hpp"
#include "trace/tellings.hpp"

#include <vector>

namespace tc::fuzz {

void watch_lines(std::string_view bytes) {
  static kube::decoder decoder;
  static kube::meta_reader reader;
  constexpr std::size_t longest = 1 << 16;
  kube::line_splitter lines{longest};
  std::vector<observation_ptr> messages;
  const timestamp now{std::chrono::seconds{1'800'000'000}};
  auto take = [&](std::string_view line) {
    expect(!line.empty() && line.size() <= longest, "a line is neither empty nor too long");
    auto decoded = decoder.decode_watch(line, now, false);
    if (decoded && *decoded) {
      const auto& fact = **decoded;
      trace::parse_revision(fact->object.to_string());
      messages.push_back(fact);
    }
    // The way that the reflector goes: metadata first, then the object as it was sent.
    if (auto split = reader.read_line(line); split && !split->object_json.empty()) {
      decoder.decode_object(split->type, split->object_json, now, arrival::live);
      decoder.decode_object("DELETED", split->meta.compact, now, arrival::later_list);
      kube::with_type(split->object_json, "Kustomization", "v1");
    }
    return true;
  };
  auto too_long = [](std::size_t size) {
    expect(size > longest, "only long lines are skipped");
    return true;
  };
  // In two pieces, as a connection may deliver it.
  auto cut = bytes.empty() ? 0 : static_cast<unsigned char>(bytes.back()) * bytes.size() / 256;
  lines.feed(bytes.substr(0, cut), take, too_long);
  lines.feed(bytes.substr(cut), take, too_long);
  if (!lines.rest().empty() && lines.rest().size() <= longest)
    take(lines.rest());
  trace::read_tellings(messages);
}

} // namespace tc::fuzz
