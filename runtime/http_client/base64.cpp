#include "runtime/http_client/base64.hpp"

#include <openssl/evp.h>

#include <memory>

namespace tc::runtime {

std::optional<std::string> decode_base64(std::string_view text) {
  std::unique_ptr<EVP_ENCODE_CTX, decltype(&EVP_ENCODE_CTX_free)> context{EVP_ENCODE_CTX_new(),
                                                                          &EVP_ENCODE_CTX_free};
  std::string result(text.size() / 4 * 3 + 64, '\0');
  auto* out = reinterpret_cast<unsigned char*>(result.data());
  int first = 0;
  int last = 0;
  EVP_DecodeInit(context.get());
  if (EVP_DecodeUpdate(context.get(), out, &first, reinterpret_cast<const unsigned char*>(text.data()),
                       static_cast<int>(text.size())) < 0 ||
      EVP_DecodeFinal(context.get(), out + first, &last) < 0)
    return std::nullopt;
  result.resize(static_cast<std::size_t>(first) + static_cast<std::size_t>(last));
  return result;
}

std::string encode_base64(std::string_view bytes) {
  std::string result((bytes.size() + 2) / 3 * 4 + 1, '\0');
  auto size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(result.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  result.resize(static_cast<std::size_t>(size));
  return result;
}

} // namespace tc::runtime
