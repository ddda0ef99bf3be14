// What a Kustomization's messages alone tell of its reconciliations. Each says which revision it is about; an
// apply says what it changed, a health check that it passed, and the end how it ended.

#include "trace/tellings.hpp"

#include <algorithm>

namespace tc::trace {

namespace {

constexpr std::string_view finished = "Reconciliation finished in ";

std::optional<duration> duration_in(std::string_view text) {
  for (auto [before, after] :
       {std::pair{finished, std::string_view{","}},
        std::pair{std::string_view{"health check failed after "}, std::string_view{":"}}})
    if (text.starts_with(before))
      if (auto found = between(text, before, after))
        return parse_go_duration(*found);
  return {};
}

bool is_finish(const message_fact& message) {
  return message.reason == "ReconciliationSucceeded" && message.text.starts_with(finished);
}

std::optional<outcome> outcome_in(const message_fact& message) {
  if (is_finish(message))
    return outcome::succeeded;
  if (message.reason == "HealthCheckCanceled")
    return outcome::superseded;
  return message.severity == "error" ? std::optional{outcome::failed} : std::nullopt;
}

/// "Dependencies do not meet ready condition, retrying in 30s"
std::optional<timestamp> next_try(const telling& of) {
  constexpr std::string_view before = "retrying in ";
  auto at = of.says.text.find(before);
  if (at == std::string::npos)
    return {};
  auto pause = parse_go_duration(std::string_view{of.says.text}.substr(at + before.size()));
  return pause ? std::optional{of.second + *pause} : std::nullopt;
}

class reader {
public:
  explicit reader(const object_id& object) : object_(object) {}

  void read(const telling& each) {
    if (each.revision().empty())
      return;
    bool waits = each.says.reason == "DependencyNotReady";
    auto how = outcome_in(each.says);
    if (!waits && !how && each.says.reason != "Progressing")
      return;
    if (each.revision() != at_revision_)
      come_to(each);
    if (succeeded_)
      return; // an interval
    if (waits)
      note_wait(each);
    else if (how)
      conclude(each, *how);
    else if (!open_)
      begin(each);
  }

  told_runs take() { return std::move(out_); }

private:
  void come_to(const telling& each) {
    if (waiting_)
      out_.waits.back().next = each.second;
    waiting_ = open_ = succeeded_ = false; // what it has begun has no outcome that is known
    at_revision_ = each.revision();
  }

  void note_wait(const telling& each) {
    if (!waiting_) {
      // It has attempted this revision already: that is what is told of it.
      if (!out_.attempts.empty() && out_.attempts.back().revision == each.revision())
        return;
      out_.waits.push_back({each, each, {}, {}});
      waiting_ = true;
    }
    out_.waits.back().last = each;
    out_.waits.back().again_by = next_try(each);
  }

  attempt& begin(const telling& each) {
    if (waiting_)
      out_.waits.pop_back(); // no longer
    waiting_ = false;
    attempt made;
    made.object = object_;
    made.uid = std::string{each.uid};
    made.action = "reconcile";
    made.result = outcome::incomplete;
    made.reason = "NotTold";
    made.revision = std::string{each.revision()};
    made.origin_revision = std::string{each.says.origin_revision};
    made.start_second = each.second;
    made.start = each.earliest();
    made.start_noted = is_known(each.exact);
    out_.attempts.push_back(std::move(made));
    open_ = true;
    return out_.attempts.back();
  }

  void conclude(const telling& each, outcome how) {
    auto& now = open_ ? out_.attempts.back() : begin(each);
    now.result = how;
    now.reason = std::string{each.says.reason};
    now.message = std::string{each.says.text};
    now.outcome_second = each.second;
    now.reported = duration_in(each.says.text);
    if (now.reported) {
      now.start = each.earliest() - *now.reported;
      now.start_second = std::chrono::floor<std::chrono::seconds>(now.start);
      now.start_noted = is_known(each.exact);
    }
    open_ = false;
    succeeded_ = how == outcome::succeeded;
  }

  object_id object_;
  told_runs out_;
  std::string at_revision_;
  bool succeeded_ = false; ///< at that revision
  bool open_ = false;      ///< the last attempt has no outcome yet
  bool waiting_ = false;   ///< the last wait goes on
};

} // namespace

told_runs message_history(const object_id& object, const std::vector<telling>& messages) {
  reader reading{object};
  for (const auto& each : messages)
    reading.read(each);
  return reading.take();
}

} // namespace tc::trace
