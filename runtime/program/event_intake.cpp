#include "runtime/program/event_intake.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <strings.h>

#include <utility>

namespace tc::runtime {

namespace {

server_response status_only(int status) {
  server_response out;
  out.status = status;
  return out;
}

server_response refusal(int status, std::string text) {
  server_response out;
  out.status = status;
  out.body = std::move(text) + '\n';
  return out;
}

/// Takes as long whatever differs; only the length shows.
bool same_secret(std::string_view left, std::string_view right) {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

std::string_view without_line_end(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

/// Flux's generic-hmac Provider signs with "X-Signature: ALGORITHM=HEX" and sha256 unless told otherwise.
bool is_signed(std::string_view header, std::string_view key, std::string_view body) {
  auto equals = header.find('=');
  if (equals == std::string_view::npos)
    return false;
  auto name = std::string{header.substr(0, equals)};
  if (name != "sha224" && name != "sha256" && name != "sha384" && name != "sha512")
    return false;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (HMAC(EVP_get_digestbyname(name.c_str()), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(body.data()), body.size(), digest, &length) == nullptr)
    return false;
  std::string hex;
  for (unsigned i = 0; i < length; ++i)
    for (int digit : {digest[i] >> 4, digest[i] & 15})
      hex += "0123456789abcdef"[digit];
  return same_secret(header.substr(equals + 1), hex);
}

} // namespace

event_intake::event_intake(settings with)
    : with_(std::move(with)), hmac_key_(with_.hmac_key_file), token_(with_.token_file) {
  // nop
}

server_response event_intake::answer(const server_request& request) {
  std::string reason;
  auto out = decide(request, reason);
  if (with_.answered)
    with_.answered(out.status, reason);
  return out;
}

std::string event_intake::distrust(const server_request& request) {
  if (!with_.token_file.empty()) {
    auto token = token_.text(with_.clock());
    constexpr std::string_view scheme = "Bearer ";
    auto given = request.header("authorization");
    if (!token || without_line_end(*token).empty())
      return "token_unreadable";
    // The scheme's case does not count (RFC 9110, 11.1).
    bool is_bearer =
        given.size() >= scheme.size() && strncasecmp(given.data(), scheme.data(), scheme.size()) == 0;
    if (!is_bearer || !same_secret(given.substr(scheme.size()), without_line_end(*token)))
      return "token";
  }
  if (!with_.hmac_key_file.empty()) {
    auto key = hmac_key_.text(with_.clock());
    if (!key || without_line_end(*key).empty())
      return "key_unreadable";
    if (!is_signed(request.header("x-signature"), without_line_end(*key), request.body))
      return "signature";
  }
  return {};
}

server_response event_intake::decide(const server_request& request, std::string& reason) {
  if (request.method != "POST") {
    reason = "method";
    auto out = refusal(405, "use POST");
    out.headers.emplace_back("Allow", "POST");
    return out;
  }
  if (reason = distrust(request); !reason.empty())
    return refusal(401, "not authorized");
  auto decoded = decoder_.decode_post(request.body, with_.clock());
  if (!decoded) {
    reason = "unreadable";
    if (with_.broken)
      with_.broken(decoded.error().to_string());
    return refusal(400,
                   "not an event: " + (decoded.error().place.empty() ? "" : decoded.error().place + ' ') +
                       decoded.error().problem);
  }
  if (!*decoded) { // of a kind that we do not follow
    reason = "not_followed";
    if (with_.accepted)
      with_.accepted(request, nullptr);
    return status_only(202);
  }
  std::unique_lock guard{mutex_};
  auto bytes = (**decoded)->byte_size();
  if (load_->events >= with_.most_waiting || load_->bytes + bytes > with_.most_waiting_bytes) {
    reason = "full";
    auto out = status_only(503);
    out.headers.emplace_back("Retry-After", "1");
    return out;
  }
  reason = "accepted";
  waiting_.push_back(**decoded);
  waiting_bytes_ += bytes;
  ++load_->events;
  load_->bytes += bytes;
  guard.unlock();
  if (with_.accepted)
    with_.accepted(request, **decoded);
  return status_only(202);
}

observation_batch_ptr event_intake::take() {
  std::lock_guard guard{mutex_};
  if (waiting_.empty())
    return nullptr;
  auto events = waiting_.size();
  auto* batch = new observation_batch(std::exchange(waiting_, {}));
  return {batch, [load = load_, events, bytes = std::exchange(waiting_bytes_, 0)](observation_batch* done) {
            delete done;
            load->events -= events;
            load->bytes -= bytes;
          }};
}

} // namespace tc::runtime
