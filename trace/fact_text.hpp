#pragma once

// What is concluded from facts repeats their texts many times over. A text here refers to the fact's, which
// outlives what is concluded from it; one that was made for the purpose is owned, and shared by its copies.
// Internal to trace/.

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace tc::trace {

class fact_text : public std::string_view {
public:
  fact_text() = default;
  /// Refers to a text of a fact, or to a constant.
  fact_text(const std::string& of_a_fact) : std::string_view(of_a_fact) {}
  fact_text(const char* constant) : std::string_view(constant) {}
  /// Owns one that was made.
  fact_text(std::string&& made) : fact_text(std::make_shared<const std::string>(std::move(made))) {}
  /// Refers to a part of a text of a fact.
  static fact_text part(std::string_view of_a_fact) {
    fact_text result;
    static_cast<std::string_view&>(result) = of_a_fact;
    return result;
  }

  void clear() { *this = fact_text{}; }

  operator std::string() const { return std::string{std::string_view{*this}}; }

private:
  explicit fact_text(std::shared_ptr<const std::string> made)
      : std::string_view(*made), owned_(std::move(made)) {}

  std::shared_ptr<const std::string> owned_;
};

inline std::string operator+(std::string left, const fact_text& right) {
  return left += std::string_view{right};
}

} // namespace tc::trace
