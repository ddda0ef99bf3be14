#pragma once

// Certificates made while a test runs: an authority, and certificates that it signs for servers on 127.0.0.1
// and for clients. Nothing is written to disk and nothing expires between two runs of the tests.

#include <chrono>
#include <string>

namespace tc::testing {

struct certificate {
  std::string certificate_pem;
  std::string key_pem;
};

/// When a certificate is valid, relative to now.
struct validity {
  std::chrono::hours from{-24};
  std::chrono::hours until{24};
};

/// A certificate that ended an hour ago.
inline constexpr validity expired{std::chrono::hours{-48}, std::chrono::hours{-1}};

class certificate_authority {
public:
  explicit certificate_authority(const std::string& common_name = "test authority");
  ~certificate_authority();
  certificate_authority(const certificate_authority&) = delete;
  certificate_authority& operator=(const certificate_authority&) = delete;

  /// Returns the authority's own certificate.
  const std::string& pem() const { return pem_; }
  /// Returns a certificate for localhost, 127.0.0.1 and that name.
  certificate issue_server(const std::string& name = "localhost", validity when = {}) const;
  /// Returns a client certificate with that common name.
  certificate issue_client(const std::string& name, validity when = {}) const;

private:
  certificate issue(const std::string& name, validity when, bool server) const;

  void* key_ = nullptr;
  void* certificate_ = nullptr;
  std::string pem_;
};

} // namespace tc::testing
