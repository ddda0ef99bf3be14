#pragma once

// Credentials on their way to a backend: how basic authentication is written, and how every credential is
// kept out of messages. What a Provider's Secret holds is read elsewhere.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tc::exporting {

/// Returns the value of an Authorization header for "user:password".
std::string basic_authorization(std::string_view user_and_password);

/// Knows the secrets of one backend and takes them out of texts.
class redactor {
public:
  /// Header values, also without "Bearer " or "Basic " before them.
  void add_headers(const std::vector<std::pair<std::string, std::string>>& headers);
  /// "user:password", its base64 form, and the password alone; "" adds nothing.
  void add_user_and_password(std::string_view pair);
  /// Anything else; texts under four bytes are no secrets.
  void add(std::string_view secret);

  /// Returns `text` with every secret replaced by "[redacted]", as one line of at most 512 bytes. Cutting
  /// comes last: half a secret would not be recognized.
  std::string clean(std::string text) const;

private:
  std::vector<std::string> secrets_; ///< longest first: one may be a part of another
};

} // namespace tc::exporting
