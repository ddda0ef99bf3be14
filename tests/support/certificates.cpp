#include "tests/support/certificates.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>

namespace tc::testing {

namespace {

template <class Writer>
std::string to_pem(Writer&& write) {
  std::unique_ptr<BIO, decltype(&BIO_free)> out{BIO_new(BIO_s_mem()), &BIO_free};
  write(out.get());
  char* data = nullptr;
  auto size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string key_to_pem(EVP_PKEY* key) {
  return to_pem([&](BIO* out) { PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr); });
}

std::string certificate_to_pem(X509* made) {
  return to_pem([&](BIO* out) { PEM_write_bio_X509(out, made); });
}

void add_extension(X509* made, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, made, nullptr, nullptr, 0);
  auto* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  if (extension == nullptr)
    throw std::runtime_error{"bad extension " + value};
  X509_add_ext(made, extension, -1);
  X509_EXTENSION_free(extension);
}

X509* make(EVP_PKEY* key, const std::string& name, validity when, X509* issuer) {
  auto* made = X509_new();
  X509_set_version(made, 2);
  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(made), serial >> 1);
  X509_gmtime_adj(X509_getm_notBefore(made), std::chrono::seconds{when.from}.count());
  X509_gmtime_adj(X509_getm_notAfter(made), std::chrono::seconds{when.until}.count());
  X509_set_pubkey(made, key);
  auto* subject = X509_get_subject_name(made);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(made, issuer ? X509_get_subject_name(issuer) : subject);
  return made;
}

} // namespace

certificate_authority::certificate_authority(const std::string& common_name) {
  auto* key = EVP_EC_gen("P-256");
  auto* made = make(key, common_name, {}, nullptr);
  add_extension(made, made, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(made, made, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(made, made, NID_subject_key_identifier, "hash");
  X509_sign(made, key, EVP_sha256());
  key_ = key;
  certificate_ = made;
  pem_ = certificate_to_pem(made);
}

certificate_authority::~certificate_authority() {
  X509_free(static_cast<X509*>(certificate_));
  EVP_PKEY_free(static_cast<EVP_PKEY*>(key_));
}

certificate certificate_authority::issue_server(const std::string& name, validity when) const {
  return issue(name, when, true);
}

certificate certificate_authority::issue_client(const std::string& name, validity when) const {
  return issue(name, when, false);
}

certificate certificate_authority::issue(const std::string& name, validity when, bool server) const {
  auto* authority = static_cast<X509*>(certificate_);
  auto* key = EVP_EC_gen("P-256");
  auto* made = make(key, name, when, authority);
  add_extension(made, authority, NID_basic_constraints, "critical,CA:FALSE");
  add_extension(made, authority, NID_ext_key_usage, server ? "serverAuth" : "clientAuth");
  if (server)
    add_extension(made, authority, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost,DNS:" + name);
  X509_sign(made, static_cast<EVP_PKEY*>(key_), EVP_sha256());
  certificate result{certificate_to_pem(made), key_to_pem(key)};
  X509_free(made);
  EVP_PKEY_free(key);
  return result;
}

} // namespace tc::testing
