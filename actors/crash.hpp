#pragma once

// What every actor does with an exception in a handler: it ends with an error that names the exception, and
// its supervisor decides. Without this CAF prints to standard error.

#include <caf/error.hpp>
#include <caf/make_message.hpp>
#include <caf/sec.hpp>

#include <exception>
#include <string>

namespace tc::actors {

/// Returns an error that carries the exception's text.
inline caf::error error_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    return caf::make_error(caf::sec::runtime_error, std::string{error.what()});
  } catch (...) {
    return caf::make_error(caf::sec::runtime_error, std::string{"unknown exception"});
  }
}

template <class Actor>
void report_exceptions_as_errors(Actor* self) {
  self->set_exception_handler([](std::exception_ptr& failure) -> caf::error { return error_of(failure); });
}

/// Returns the text that error_of() put in, for logs.
inline std::string text_of(const caf::error& reason) {
  if (reason.category() == caf::atom("system") && reason.context().match_elements<std::string>())
    return reason.context().get_as<std::string>(0);
  return caf::to_string(reason);
}

} // namespace tc::actors
