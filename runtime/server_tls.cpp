#include "runtime/server_tls.hpp"

#include <utility> // before asio, whose 1.74 headers use std::exchange without including it

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <system_error>

namespace tc::runtime {

namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using boost::system::error_code;

std::string wrong(const flagged_file& file, const std::string& problem, const std::string& remedy) {
  return file.flag + ": " + file.path + ' ' + problem + "; " + remedy;
}

tl::expected<std::string, std::string> read(const flagged_file& file) {
  if (file.path.empty())
    return std::string{};
  errno = 0;
  std::ifstream in{file.path, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
  if (!in.is_open() || in.bad())
    return tl::unexpected(wrong(file,
                                "cannot be read: " + std::system_category().message(errno != 0 ? errno : EIO),
                                "mount the Secret that holds it, or correct the path"));
  return text;
}

} // namespace

struct server_tls::contents {
  std::string certificate, key, client_ca;
  std::string problem; ///< why they could not be read, "" when they could

  bool operator==(const contents&) const = default;

  static contents of(const server_tls_files& files) {
    contents out;
    auto take = [&](const flagged_file& file, std::string& into) {
      auto text = read(file);
      if (text)
        into = std::move(*text);
      else if (out.problem.empty())
        out.problem = std::move(text.error());
    };
    take(files.certificate, out.certificate);
    take(files.key, out.key);
    take(files.client_ca, out.client_ca);
    return out;
  }

  tl::expected<std::shared_ptr<ssl::context>, std::string> to_context(const server_tls_files& files) const {
    if (!problem.empty())
      return tl::unexpected(problem);
    auto out = std::make_shared<ssl::context>(ssl::context::tls_server);
    auto* raw = out->native_handle();
    error_code failure;
    SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
    SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    // Sessions are not resumed: a certificate that was taken away from a client counts at once.
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(raw, SSL_OP_NO_TICKET);
    // An encrypted key would make OpenSSL ask for its password on the terminal.
    out->set_password_callback([](std::size_t, ssl::context::password_purpose) { return std::string{}; },
                               failure);
    ERR_clear_error();
    out->use_certificate_chain(asio::buffer(certificate), failure);
    if (failure)
      return tl::unexpected(
          wrong(files.certificate, "holds no certificate in PEM",
                "it must begin with the server's own and go on with the intermediate ones"));
    out->use_private_key(asio::buffer(key), ssl::context::pem, failure);
    // OpenSSL compares the two when the second one comes.
    auto reason = ERR_GET_REASON(static_cast<unsigned long>(failure.value()));
    if (failure && (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH))
      return tl::unexpected(wrong(files.key, "is not the key of the certificate in " + files.certificate.path,
                                  "give both files of one Secret"));
    if (failure)
      return tl::unexpected(wrong(files.key, "holds no private key in PEM",
                                  "give the key that belongs to the certificate, without a password"));
    if (SSL_CTX_check_private_key(raw) != 1) {
      ERR_clear_error();
      return tl::unexpected(wrong(files.key, "is not the key of the certificate in " + files.certificate.path,
                                  "give both files of one Secret"));
    }
    if (!files.client_ca.path.empty()) {
      out->add_certificate_authority(asio::buffer(client_ca), failure);
      if (failure || client_ca.find("-----BEGIN CERTIFICATE-----") == std::string::npos)
        return tl::unexpected(wrong(files.client_ca, "holds no certificate in PEM",
                                    "give the certificates of the authorities that signed the clients'"));
      out->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
    }
    ERR_clear_error();
    return out;
  }
};

server_tls::server_tls(server_tls_files files) : files_(std::move(files)) {
  // nop
}

server_tls::~server_tls() = default;

tl::expected<std::unique_ptr<server_tls>, std::string> server_tls::load(server_tls_files files) {
  auto out = std::unique_ptr<server_tls>{new server_tls{std::move(files)}};
  out->seen_ = std::make_unique<contents>(contents::of(out->files_));
  auto made = out->seen_->to_context(out->files_);
  if (!made)
    return tl::unexpected(made.error());
  out->context_ = std::move(*made);
  return out;
}

std::optional<tl::expected<void, std::string>> server_tls::refresh() {
  auto now = contents::of(files_);
  if (now == *seen_) {
    if (untold_.empty())
      return std::nullopt;
    return tl::expected<void, std::string>{tl::unexpected(std::exchange(untold_, {}))};
  }
  *seen_ = std::move(now);
  auto made = seen_->to_context(files_);
  untold_ = made ? std::string{} : made.error();
  if (!made)
    return std::nullopt;
  context_ = std::move(*made);
  return tl::expected<void, std::string>{};
}

} // namespace tc::runtime
