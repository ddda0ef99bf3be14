#include "messages/ids.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

namespace tc {

namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

template <std::size_t N>
std::string hex_of(const std::array<std::uint8_t, N>& bytes) {
  std::string out;
  out.reserve(2 * N);
  for (auto byte : bytes) {
    out.push_back(hex_digits[byte >> 4]);
    out.push_back(hex_digits[byte & 15]);
  }
  return out;
}

int digit_of(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

template <class Id>
std::optional<Id> parse_hex(std::string_view text) {
  Id id;
  if (text.size() != 2 * id.bytes.size())
    return std::nullopt;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) {
    auto high = digit_of(text[2 * i]);
    auto low = digit_of(text[2 * i + 1]);
    if (high < 0 || low < 0)
      return std::nullopt;
    id.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return id;
}

template <std::size_t N>
bool all_zero(const std::array<std::uint8_t, N>& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](auto byte) { return byte == 0; });
}

/// IDs are cut from SHA-256, so their bytes already are a hash.
template <std::size_t N>
std::size_t leading_bytes(const std::array<std::uint8_t, N>& bytes) {
  std::size_t out = 0;
  std::memcpy(&out, bytes.data(), sizeof(out));
  return out;
}

} // namespace

bool trace_id::is_zero() const {
  return all_zero(bytes);
}

std::string trace_id::to_hex() const {
  return hex_of(bytes);
}

std::optional<trace_id> trace_id::from_hex(std::string_view text) {
  return parse_hex<trace_id>(text);
}

bool span_id::is_zero() const {
  return all_zero(bytes);
}

std::string span_id::to_hex() const {
  return hex_of(bytes);
}

std::optional<span_id> span_id::from_hex(std::string_view text) {
  return parse_hex<span_id>(text);
}

std::array<std::uint8_t, 32> sha256(std::string_view text) {
  // OpenSSL's one call for all looks the algorithm up each time, which costs more than the hash of a short
  // text.
  static const auto* algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  thread_local std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                               &EVP_MD_CTX_free};
  std::array<std::uint8_t, 32> out{};
  if (EVP_DigestInit_ex2(context.get(), algorithm, nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), text.data(), text.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), out.data(), nullptr) != 1)
    throw std::bad_alloc{}; // nothing else can fail
  return out;
}

std::string object_id::to_string() const {
  return kind + '/' + namespace_name + '/' + name;
}

} // namespace tc

std::size_t std::hash<tc::object_id>::operator()(const tc::object_id& x) const noexcept {
  // Name and namespace tell nearly all objects apart.
  std::hash<std::string_view> hasher;
  return (hasher(x.name) * 1099511628211ULL ^ hasher(x.namespace_name)) * 1099511628211ULL +
         x.kind.size() * 31 + static_cast<unsigned char>(x.kind.empty() ? 0 : x.kind[0]);
}

std::size_t std::hash<tc::trace_id>::operator()(const tc::trace_id& x) const noexcept {
  return tc::leading_bytes(x.bytes);
}

std::size_t std::hash<tc::span_id>::operator()(const tc::span_id& x) const noexcept {
  return tc::leading_bytes(x.bytes);
}
