#pragma once

// The certificates that a server shows, from files that somebody else renews (cert-manager, a mounted
// Secret): read at start, and again when they change. Only http_server.cpp needs more than this; OpenSSL's
// context stays in server_tls.cpp and there.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>

namespace boost::asio::ssl {
class context;
} // namespace boost::asio::ssl

namespace tc::runtime {

/// A file and the flag that names it, for error messages.
struct flagged_file {
  std::string flag; ///< with its dashes
  std::string path; ///< "" = not given
};

struct server_tls_files {
  flagged_file certificate; ///< PEM, the server's own first, then intermediate ones
  flagged_file key;         ///< PEM, not encrypted
  flagged_file client_ca;   ///< PEM; when given, only clients with a certificate of these are served
};

class server_tls {
public:
  /// Reads the files. The error names flag, file and remedy.
  static tl::expected<std::unique_ptr<server_tls>, std::string> load(server_tls_files files);

  ~server_tls();

  /// Reads the files again. Returns nothing when they are as before, else whether they are in use now: an
  /// error as load() has it leaves the former certificate in use. It is told once, and only when the files
  /// are still so at the next reading: while they are replaced one after the other they do not fit together.
  std::optional<tl::expected<void, std::string>> refresh();

  /// Returns what a new connection is to use: TLS 1.2 or later. It lives as long as anybody holds it.
  std::shared_ptr<boost::asio::ssl::context> context() const { return context_; }

private:
  struct contents;

  explicit server_tls(server_tls_files files);

  server_tls_files files_;
  std::unique_ptr<contents> seen_; ///< of the last reading, whether good or not
  std::string untold_;             ///< what is wrong with them, until it is told
  std::shared_ptr<boost::asio::ssl::context> context_;
};

} // namespace tc::runtime
