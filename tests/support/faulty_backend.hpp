#pragma once

// A tracing backend that has one fault until it is healed, over each protocol that traces leave by: the table
// of faults that delivery is tested with. Remembers every span that it took, by ID and content.

#include "export/http_sink.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/scripted_server.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <ostream>
#include <set>
#include <string>
#include <vector>

namespace tc::testing {

enum class wire { otlp_protobuf, otlp_json, zipkin, grpc };

std::string name_of(wire value);

/// What is expected of a request that meets the fault.
enum class verdict {
  retried,        ///< sent again until it is taken
  refused,        ///< never sent again, counted as refused
  partly_refused, ///< taken but for one span, never sent again, that span counted
  delivered,      ///< to this protocol it is no fault
};

struct fault {
  enum class place { answer, certificate, name, black_hole };

  std::string name;
  place where = place::answer;
  std::function<scripted_response(wire)> answer; ///< with place::answer
  std::map<wire, verdict> expected;              ///< protocols that it cannot happen to are not named
  std::map<wire, std::string> reason;            ///< of the attempt
  std::chrono::seconds quiet{0};                 ///< no attempt for so long after the first
  /// The backend may have the spans though the answer did not arrive: they come again under the same IDs.
  bool maybe_taken = false;
  bool slow = false; ///< every attempt lasts until its timeout
};

/// The whole table.
const std::vector<fault>& all_faults();

/// One protocol with one fault.
struct fault_case {
  wire over = wire::otlp_protobuf;
  const fault* what = nullptr;
};
std::vector<fault_case> all_fault_cases();
void PrintTo(const fault_case& value, std::ostream* out);
std::string test_name(const fault_case& value);

class faulty_backend {
public:
  explicit faulty_backend(const fault_case& which);

  /// From now on everything is taken. A sink made before still leads there, unless the name was the fault.
  void heal();
  /// Returns a sink that sends here.
  std::shared_ptr<exporting::span_sink> make_sink(runtime::http_loop& loop) const;

  /// IDs of trace and span, in hexadecimal, and how often each was taken.
  std::map<std::string, int> taken() const;
  /// The IDs in requests that were answered with the fault, and how often each was in one.
  std::map<std::string, int> met_the_fault() const;
  /// Returns how many spans came again with other content.
  int changed() const;

private:
  scripted_response respond(const scripted_request& request);
  std::map<std::string, std::string> read(const scripted_request& request) const;
  std::optional<server_tls> identity(const certificate_authority& of) const;

  fault_case which_;
  certificate_authority trusted_{"trusted"}, other_{"other"};
  mutable std::mutex mutex_;
  bool healed_ = false;
  std::map<std::string, int> taken_, faulted_;
  std::map<std::string, std::string> contents_;
  int changed_ = 0;
  std::unique_ptr<scripted_server> server_; ///< last: its threads use the rest
};

} // namespace tc::testing
