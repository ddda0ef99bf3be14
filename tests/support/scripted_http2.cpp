#include "tests/support/scripted_connection.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <thread>

namespace tc::testing {

namespace {

using fields = std::vector<std::pair<std::string, std::string>>;

struct stream_state {
  scripted_request request;
  fields trailers;
  std::string body;       ///< of the response, what is still to be sent
  bool more_body = false; ///< more will be added to it
};

struct http2_connection {
  const std::function<scripted_response(scripted_request)>& answer;
  connection& peer;
  nghttp2_session* session = nullptr;
  std::map<std::int32_t, stream_state> streams;

  void respond(std::int32_t id);
  bool send_due();
};

http2_connection& self(void* user) {
  return *static_cast<http2_connection*>(user);
}

std::vector<nghttp2_nv> as_pairs(const fields& given) {
  std::vector<nghttp2_nv> out;
  for (const auto& [name, value] : given)
    out.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                   reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(),
                   value.size(), NGHTTP2_NV_FLAG_NONE});
  return out;
}

int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
              const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
  auto& request = self(user).streams[frame->hd.stream_id].request;
  std::string key{reinterpret_cast<const char*>(name), name_size};
  std::string text{reinterpret_cast<const char*>(value), value_size};
  if (key == ":method")
    request.method = text;
  else if (key == ":path")
    request.target = text;
  else
    request.headers[key] = text;
  return 0;
}

int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size,
            void* user) {
  self(user).streams[id].request.body.append(reinterpret_cast<const char*>(data), size);
  return 0;
}

int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  bool whole = (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
               (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (whole)
    self(user).respond(frame->hd.stream_id);
  return 0;
}

ssize_t read_body(nghttp2_session* session, std::int32_t id, std::uint8_t* to, std::size_t size,
                  std::uint32_t* flags, nghttp2_data_source*, void* user) {
  auto& stream = self(user).streams[id];
  if (stream.body.empty() && stream.more_body)
    return NGHTTP2_ERR_DEFERRED;
  auto count = std::min(size, stream.body.size());
  std::memcpy(to, stream.body.data(), count);
  stream.body.erase(0, count);
  if (stream.body.empty() && !stream.more_body) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!stream.trailers.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      auto pairs = as_pairs(stream.trailers);
      nghttp2_submit_trailer(session, id, pairs.data(), pairs.size());
    }
  }
  return static_cast<ssize_t>(count);
}

void http2_connection::respond(std::int32_t id) {
  auto& stream = streams[id];
  auto response = answer(stream.request);
  if (response.no_answer && response.end == ending::hang)
    return;
  if (response.no_answer) {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR);
    return;
  }
  fields head{{":status", std::to_string(response.status)}};
  head.insert(head.end(), response.headers.begin(), response.headers.end());
  auto pairs = as_pairs(head);
  if (response.end != ending::complete) {
    nghttp2_submit_headers(session, NGHTTP2_FLAG_NONE, id, nullptr, pairs.data(), pairs.size(), nullptr);
    if (response.end == ending::hang)
      return;
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR);
    return;
  }
  stream.trailers = response.trailers;
  nghttp2_data_provider body{{}, &read_body};
  bool headers_only = response.chunks.empty() && stream.trailers.empty();
  stream.more_body = response.pace.count() > 0;
  if (!stream.more_body)
    for (const auto& piece : response.chunks)
      stream.body += piece;
  nghttp2_submit_response(session, id, pairs.data(), pairs.size(), headers_only ? nullptr : &body);
  if (!stream.more_body)
    return;
  for (const auto& piece : response.chunks) {
    std::this_thread::sleep_for(response.pace);
    stream.body += piece;
    nghttp2_session_resume_data(session, id);
    if (!send_due())
      return;
  }
  stream.more_body = false;
  nghttp2_session_resume_data(session, id);
}

/// Sends whatever is due. Returns false when the client has gone.
bool http2_connection::send_due() {
  for (;;) {
    const std::uint8_t* data = nullptr;
    auto size = nghttp2_session_mem_send(session, &data);
    if (size <= 0)
      return size == 0;
    if (!peer.write({reinterpret_cast<const char*>(data), static_cast<std::size_t>(size)}))
      return false;
  }
}

} // namespace

void serve_http2(connection& peer, const std::function<scripted_response(scripted_request)>& answer) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, &on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &on_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &on_frame);
  http2_connection state{answer, peer, nullptr, {}};
  nghttp2_session_server_new(&state.session, callbacks, &state);
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_submit_settings(state.session, NGHTTP2_FLAG_NONE, nullptr, 0);
  while (state.send_due()) {
    auto piece = peer.read_some();
    if (piece.empty() ||
        nghttp2_session_mem_recv(state.session, reinterpret_cast<const std::uint8_t*>(piece.data()),
                                 piece.size()) < 0)
      break;
  }
  nghttp2_session_del(state.session);
}

} // namespace tc::testing
