#include "export/otlp_grpc_sink.hpp"

#include "export/credentials.hpp"
#include "export/grpc_status.hpp"
#include "export/otlp_encoder.hpp"
#include "export/text.hpp"
#include "version.hpp"

#include <grpc/grpc.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace tc::exporting {

namespace {

/// gRPC's own threads may still end a TLS connection while the process exits. OpenSSL's exit handler would
/// free what they use, so it is not installed; this must come before anyone else starts OpenSSL, hence before
/// main.
[[maybe_unused]] const bool openssl_outlives_its_users =
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr) == 1;

/// Holds gRPC open until the process ends. Without it gRPC shuts down with its last object and starts anew
/// with the next, which races with its own threads in 1.51: an assertion in ref_counted.h ends the process.
void keep_grpc_open() {
  [[maybe_unused]] static const bool once = (grpc_init(), true);
}

constexpr const char* export_method = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// gRPC waits up to two minutes before it tries to connect again, and fails calls meanwhile. When to try
/// again is the delivery queue's decision, so gRPC's own wait is kept short.
constexpr int longest_reconnect_ms = 2000;

tl::expected<std::string, endpoint_error> pem_of(const std::string& text, const std::string& path) {
  if (!text.empty() || path.empty())
    return text;
  std::ifstream file{path};
  std::stringstream content;
  content << file.rdbuf();
  if (!file)
    return tl::unexpected{endpoint_error{"cannot read the certificates in \"" + path + "\""}};
  return content.str();
}

tl::expected<std::shared_ptr<grpc::ChannelCredentials>, endpoint_error>
channel_credentials(const endpoint& target, const runtime::tls_options* tls) {
  if (!target.url.starts_with("https://"))
    return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  if (tls != nullptr) {
    if (!tls->verify)
      return tl::unexpected{endpoint_error{
          target.for_display() + ": gRPC cannot leave out the verification of certificates; give the "
                                 "authority's certificate (ca.crt), or use OTLP/HTTP"}};
    auto authorities = pem_of(tls->ca_pem, tls->ca_file);
    if (!authorities)
      return tl::unexpected{authorities.error()};
    options.pem_root_certs = *authorities;
    options.pem_cert_chain = tls->certificate_pem;
    options.pem_private_key = tls->key_pem;
  }
  return grpc::SslCredentials(options);
}

grpc::ChannelArguments channel_arguments(const http_sink_options& options) {
  grpc::ChannelArguments out;
  out.SetMaxReceiveMessageSize(static_cast<int>(longest_response));
  out.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  out.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 200);
  out.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, longest_reconnect_ms);
  out.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1); // sinks with other credentials share no connection
  out.SetUserAgentPrefix(options.user_agent.empty() ? std::string{"OTel-OTLP-Exporter-Cpp/"} + version
                                                    : options.user_agent);
  if (options.tls && !options.tls->server_name.empty())
    out.SetSslTargetNameOverride(options.tls->server_name);
  if (options.proxy) {
    if (options.proxy->empty()) {
      out.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    } else {
      auto proxy = *options.proxy;
      if (auto scheme = proxy.find("://");
          scheme != std::string::npos && !options.proxy_user_and_password.empty())
        proxy.insert(scheme + 3, options.proxy_user_and_password + "@");
      out.SetString(GRPC_ARG_HTTP_PROXY, proxy);
    }
  }
  return out;
}

/// Returns host:port. gRPC takes an address without a port for one of port 443.
std::string authority(const std::string& url) {
  auto out = url.substr(url.find("://") + 3);
  auto colon = out.rfind(':');
  if (colon == std::string::npos || (out.ends_with(']') && out.starts_with('[')))
    out += url.starts_with("https://") ? ":443" : ":4317";
  return out;
}

grpc::ByteBuffer as_buffer(const std::shared_ptr<const encoded_batch>& batch) {
  // The slice keeps the batch alive instead of copying it.
  auto* owner = new std::shared_ptr<const encoded_batch>(batch);
  grpc::Slice slice{const_cast<char*>(batch->body.data()), batch->body.size(),
                    [](void* user) { delete static_cast<std::shared_ptr<const encoded_batch>*>(user); },
                    owner};
  return {&slice, 1};
}

std::string as_text(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string out;
  if (buffer.Valid() && buffer.Dump(&slices).ok())
    for (const auto& slice : slices)
      out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return out;
}

} // namespace

struct otlp_grpc_sink::shared_parts {
  std::string target;
  std::shared_ptr<const span_encoder> encoder;
  std::vector<std::pair<std::string, std::string>> metadata;
  redactor secrets;
  bool gzip = true;
  duration timeout{};
  std::unique_ptr<grpc::GenericStub> stub;

  attempt_result read(const grpc::Status& status, const grpc::ByteBuffer& response) const {
    attempt_result out;
    if (!status.ok()) {
      out = read_grpc_failure(status.error_code(), status.error_message(), status.error_details());
    } else if (auto read = read_export_response("application/x-protobuf", as_text(response))) {
      out = *read;
    } else {
      out.outcome = attempt_outcome::rejected;
      out.reason = "undecodable_response";
      out.message = "the backend answered with something that is no OTLP response";
    }
    if (!out.message.empty())
      out.message = target + ": " + secrets.clean(std::move(out.message));
    return out;
  }
};

tl::expected<std::unique_ptr<otlp_grpc_sink>, endpoint_error>
otlp_grpc_sink::make(const endpoint& target, http_sink_options options, encoder_options encoding) {
  keep_grpc_open();
  auto credentials = channel_credentials(target, options.tls.get());
  if (!credentials)
    return tl::unexpected{credentials.error()};
  if (options.user_and_password.empty())
    options.user_and_password = target.user_and_password;
  auto shared = std::make_shared<shared_parts>();
  shared->target = target.for_display();
  shared->encoder = std::make_shared<otlp_protobuf_encoder>(std::move(encoding));
  shared->gzip = options.gzip;
  shared->timeout = options.timeout;
  shared->secrets.add_headers(options.headers);
  shared->secrets.add_user_and_password(options.user_and_password);
  shared->secrets.add_user_and_password(options.proxy_user_and_password);
  bool authorized = false;
  for (const auto& [name, value] : options.headers) {
    auto key = ascii_lower(name); // HTTP/2 knows no others
    authorized = authorized || key == "authorization";
    if (key != "user-agent" && key != "content-type")
      shared->metadata.emplace_back(std::move(key), value);
  }
  if (!options.user_and_password.empty() && !authorized)
    shared->metadata.emplace_back("authorization", basic_authorization(options.user_and_password));
  shared->stub = std::make_unique<grpc::GenericStub>(
      grpc::CreateCustomChannel(authority(target.url), *credentials, channel_arguments(options)));
  return std::unique_ptr<otlp_grpc_sink>{new otlp_grpc_sink{std::move(shared)}};
}

otlp_grpc_sink::otlp_grpc_sink(std::shared_ptr<const shared_parts> shared) : shared_(std::move(shared)) {
  // nop
}

otlp_grpc_sink::~otlp_grpc_sink() = default;

std::shared_ptr<const span_encoder> otlp_grpc_sink::encoder() const {
  return shared_->encoder;
}

std::string otlp_grpc_sink::description() const {
  return shared_->target;
}

void otlp_grpc_sink::send(std::shared_ptr<const encoded_batch> batch, done_function done) {
  struct call {
    std::shared_ptr<const shared_parts> shared;
    done_function done;
    grpc::ClientContext context;
    grpc::ByteBuffer request, response;
  };
  auto open = std::make_shared<call>();
  open->shared = shared_;
  open->done = std::move(done);
  open->request = as_buffer(batch);
  for (const auto& [name, value] : shared_->metadata)
    open->context.AddMetadata(name, value);
  if (shared_->gzip)
    open->context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  if (shared_->timeout.count() > 0)
    open->context.set_deadline(
        std::chrono::system_clock::now() +
        std::chrono::duration_cast<std::chrono::system_clock::duration>(shared_->timeout));
  auto& started = *open; // the callback below owns it
  shared_->stub->UnaryCall(
      &started.context, export_method, grpc::StubOptions{}, &started.request, &started.response,
      [open](const grpc::Status& status) { open->done(open->shared->read(status, open->response)); });
}

} // namespace tc::exporting
