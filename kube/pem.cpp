#include "kube/pem.hpp"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>

namespace tc::kube {

std::optional<timestamp> certificate_end(const std::string& pem) {
  std::unique_ptr<BIO, decltype(&BIO_free)> input{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                  &BIO_free};
  std::unique_ptr<X509, decltype(&X509_free)> read{PEM_read_bio_X509(input.get(), nullptr, nullptr, nullptr),
                                                   &X509_free};
  if (!read)
    return std::nullopt;
  std::tm fields{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(read.get()), &fields) != 1)
    return std::nullopt;
  return timestamp{std::chrono::seconds{timegm(&fields)}};
}

} // namespace tc::kube
