#include "kube/decode/decode.hpp"
#include "runtime/store/codec.hpp"
#include "tests/fuzz/targets.hpp"

#include <string>

namespace tc::fuzz {

namespace {

void read_back(std::string_view bytes) {
  if (auto fact = store::decode_observation(bytes)) {
    auto again = store::decode_observation(store::encode(*fact));
    expect(again.has_value() && store::encode(*again) == store::encode(*fact),
           "an observation stays the same");
  }
  if (auto trace = store::decode_trace(bytes)) {
    auto again = store::decode_trace(store::encode(*trace));
    expect(again.has_value() && store::encode(*again) == store::encode(*trace), "a trace stays the same");
  }
}

/// What was written, and the same with damage where the input says: most bytes that nobody wrote are refused
/// at once and would lead nowhere.
void read_damaged(const std::string& written, std::string_view where) {
  read_back(written);
  for (std::size_t i = 0; i + 2 < where.size() && i < 9; i += 3) {
    auto damaged = written;
    auto byte = [&](std::size_t at) { return static_cast<unsigned char>(where[where.size() - 1 - at]); };
    damaged[(byte(i) * 256U + byte(i + 1)) % damaged.size()] = static_cast<char>(byte(i + 2));
    read_back(damaged);
    damaged.resize(byte(i) * damaged.size() / 256);
    read_back(damaged);
  }
}

completed_trace made_of(std::string_view bytes) {
  auto next = [&](std::size_t size) {
    auto out = bytes.substr(0, size);
    bytes.remove_prefix(out.size());
    return std::string{out};
  };
  completed_trace out;
  out.change_key = next(8);
  out.revision = next(8);
  out.resource_attributes = {{next(4), next(4)}};
  while (!bytes.empty()) {
    span one;
    one.name = next(6);
    one.attributes = {
        {next(3), next(3)}, {"n", std::int64_t{7}}, {"list", std::vector<std::string>{next(2)}}};
    one.events = {{out.settled_at, next(3), {}}};
    one.links.emplace_back();
    out.spans.push_back(std::move(one));
  }
  return out;
}

} // namespace

/// What was stored; or a watch line, which is stored and read back.
void stored(std::string_view bytes) {
  if (!bytes.starts_with('{')) {
    read_back(bytes);
    read_damaged(store::encode(made_of(bytes.substr(0, 256))), bytes);
    return;
  }
  static kube::decoder decoder;
  auto decoded = decoder.decode_watch(bytes.substr(0, bytes.find('\n')),
                                      timestamp{std::chrono::seconds{1'800'000'000}}, false);
  if (!decoded || !*decoded)
    return;
  auto written = store::encode(***decoded);
  auto again = store::decode_observation(written);
  expect(again.has_value() && store::encode(*again) == written,
         "what was stored can be read and is the same");
  read_damaged(written, bytes);
}

} // namespace tc::fuzz
