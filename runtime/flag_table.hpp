#pragma once

// A command's flags as a table: name, help, how a text becomes a value and how the value reads. Parsing,
// --help, the configuration file, the logging of effective values and docs/options.md all follow this one
// table. Which flags exist is decided in options.cpp.

#include "messages/time.hpp"
#include "runtime/listen_address.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace tc::runtime {

/// Ties a flag to the variable that it fills. The variable must outlive the binding.
struct flag_binding {
  /// Takes the text of the value; the error says what is wrong with it and what to write instead.
  std::function<tl::expected<void, std::string>(std::string_view)> set;
  /// Returns the value as a user would write it, without secrets.
  std::function<std::string()> show;
  bool is_switch = false; ///< "--name" alone means true
  bool is_repeatable = false;
};

struct flag {
  std::string group;       ///< heading in --help
  std::string name;        ///< without dashes
  std::string value_name;  ///< "ADDRESS", what --help shows for the value; "" for a switch
  std::string description; ///< one or more sentences, wrapped by --help
  flag_binding binding;
  char letter = 0;          ///< one-letter form, 0 for none
  std::string other_name{}; ///< a second long name, "" for none
  bool in_file = true;      ///< also a key of the configuration file
};

using flag_table = std::vector<flag>;

/// Any text. Credentials in a URL ("https://user:secret@host") are not shown.
flag_binding bind_text(std::string& value);
/// A text for each time the flag is given.
flag_binding bind_texts(std::vector<std::string>& values);
/// true or false; the bare flag means true.
flag_binding bind_switch(bool& value);
/// Sets a value that may stay unset.
flag_binding bind_switch(std::optional<bool>& value);
/// A whole number between `least` and `most`.
flag_binding bind_count(std::size_t& value, std::size_t least = 0,
                        std::size_t most = std::numeric_limits<std::uint32_t>::max());
/// A whole number that may stay unset.
flag_binding bind_number(std::optional<std::uint64_t>& value);
/// A number of bytes, plain or with Ki, Mi, Gi, Ti or k, M, G, T, as a Kubernetes quantity.
flag_binding bind_bytes(std::size_t& value, std::size_t least);
/// The same, 0 for no limit, or "auto" for nothing.
flag_binding bind_limit(std::optional<std::size_t>& value, std::size_t least);
/// A Go duration, not negative.
flag_binding bind_duration(duration& value);
/// HOST:PORT; "" and "0" switch it off.
flag_binding bind_address(std::optional<listen_address>& value);
/// A Kubernetes label selector ("app=web,tier!=cache,env in (a,b),!old").
flag_binding bind_label_selector(std::string& value);

/// One of a few words.
template <class Enum>
flag_binding bind_choice(Enum& value, std::vector<std::pair<std::string, Enum>> choices) {
  auto set = [&value, choices](std::string_view text) -> tl::expected<void, std::string> {
    std::string words;
    for (const auto& [word, meaning] : choices) {
      if (word == text) {
        value = meaning;
        return {};
      }
      words += (words.empty() ? "" : &word == &choices.back().first ? " or " : ", ") + word;
    }
    return tl::unexpected<std::string>("is not known; use " + words);
  };
  auto show = [&value, choices] {
    for (const auto& [word, meaning] : choices)
      if (meaning == value)
        return word;
    return std::string{};
  };
  return {std::move(set), std::move(show)};
}

/// Returns a text that hides the password of a URL's "user:password@".
std::string without_credentials(std::string_view url);

/// Returns what is wrong with a label selector, or nothing.
std::optional<std::string> label_selector_problem(std::string_view text);

/// Returns the candidate that is most like `word`, or "" when none is close enough to be meant.
std::string nearest_name(std::string_view word, const std::vector<std::string>& candidates);

/// Renders the flags in groups for --help, wrapped to `width` columns.
std::string render_flags(const flag_table& flags, std::size_t width);

} // namespace tc::runtime
