#pragma once

// Waits in a test for what the loop's thread reports.

#include "runtime/http_client/http_loop.hpp"
#include "tests/support/scripted_server.hpp"

#include <future>
#include <stdexcept>

namespace tc::testing {

/// Submits the request and returns what its on_done will get.
inline std::future<runtime::http_result> submit(runtime::http_loop& loop, runtime::http_request request,
                                                runtime::http_handle* handle = nullptr) {
  auto done = std::make_shared<std::promise<runtime::http_result>>();
  auto result = done->get_future();
  request.on_done = [done](runtime::http_result outcome) { done->set_value(std::move(outcome)); };
  auto given = loop.submit(std::move(request));
  if (handle)
    *handle = given;
  return result;
}

template <class T>
T wait(std::future<T> result) {
  if (result.wait_for(generous_limit) != std::future_status::ready)
    throw std::runtime_error{"nothing arrived in time"};
  return result.get();
}

/// Submits the request and waits for its end.
inline runtime::http_result fetch(runtime::http_loop& loop, runtime::http_request request) {
  return wait(submit(loop, std::move(request)));
}

} // namespace tc::testing
