// What a HelmRelease's messages alone tell of its attempts. Helm numbers the releases of a name: an attempt
// takes one, also one that fails, and so does a rollback; an uninstall ends them. So the number in a message
// tells whether an attempt before it is missing.

#include "trace/tellings.hpp"

#include <charconv>

namespace tc::trace {

namespace {

/// "... for release namespace/name.v3 with chart ...", "... to previous release namespace/name.v3 with ..."
std::optional<std::int64_t> number_in(std::string_view text) {
  auto release = between(text, " release ", " ");
  if (!release)
    return {};
  auto at = release->rfind(".v");
  if (at == std::string::npos)
    return {};
  std::int64_t result = 0;
  const char* end = release->data() + release->size();
  auto [stop, error] = std::from_chars(release->data() + at + 2, end, result);
  return error == std::errc{} && stop == end ? std::optional{result} : std::nullopt;
}

class reader {
public:
  explicit reader(const object_id& object) : object_(object) {}

  void read(const telling& each) {
    const auto& reason = each.says.reason;
    if (reason == "InstallSucceeded" || reason == "UpgradeSucceeded")
      attempted(each, outcome::succeeded);
    else if (reason == "InstallFailed" || reason == "UpgradeFailed")
      attempted(each, outcome::failed);
    else if (reason == "TestSucceeded" || reason == "TestFailed")
      tested(each);
    else if (reason == "RollbackSucceeded")
      rolled_back(each);
    else if (reason == "UninstallSucceeded")
      number_ = 0;
    else if (reason == "PendingRelease" || reason == "RollbackFailed" || reason == "UninstallFailed")
      number_.reset();
  }

  std::vector<told_release> take() { return std::move(out_); }

private:
  void attempted(const telling& each, outcome how) {
    auto number = number_in(each.says.text);
    told_release made;
    made.earliest = each.earliest();
    made.latest = each.latest();
    made.inputs_known = each.believed && !each.says.token.empty();
    // The first one follows nothing.
    if (number)
      made.numbered_next = number_ ? *number == *number_ + 1 : out_.empty() && *number == 1;
    auto& run = made.run;
    run.object = object_;
    run.uid = std::string{each.uid};
    run.action = each.says.reason.starts_with("Install") ? "install" : "upgrade";
    run.result = how;
    run.reason = std::string{each.says.reason};
    run.message = std::string{each.says.text};
    run.revision = std::string{each.revision()};
    if (auto chart = between(each.says.text, " with chart ", ":"); run.revision.empty() && chart)
      run.revision = chart->substr(std::min(chart->size(), chart->rfind('@') + 1));
    run.digest = std::string{each.says.oci_digest};
    run.config_digest = std::string{each.says.token};
    run.outcome_second = run.start_second = each.second;
    if (number) {
      run.release_version = *number;
      run.deployed_second = each.second;
      number_ = number;
    } else if (run.action == "install") {
      number_ = 1;
    } else if (number_) {
      ++*number_;
    }
    out_.push_back(std::move(made));
  }

  /// The tests of a release come after its action, in the same attempt.
  void tested(const telling& each) {
    auto number = number_in(each.says.text);
    if (!number)
      return;
    if (out_.empty() || out_.back().run.release_version != *number)
      return; // its action was not told of
    out_.back().earliest = each.earliest();
    out_.back().latest = each.latest();
    auto& run = out_.back().run;
    run.result = each.says.reason == "TestFailed" ? outcome::failed : outcome::succeeded;
    run.reason = std::string{each.says.reason};
    run.message = std::string{each.says.text};
    run.outcome_second = each.second;
  }

  /// It names the release that is restored: the failed one after it, and the rollback's own, have a number
  /// each.
  void rolled_back(const telling& each) {
    auto restored = number_in(each.says.text);
    number_ = restored ? std::optional{*restored + 2} : std::nullopt;
  }

  object_id object_;
  std::vector<told_release> out_;
  std::optional<std::int64_t> number_; ///< of the latest release that Helm has made
};

} // namespace

std::vector<told_release> message_releases(const object_id& object, const std::vector<telling>& messages) {
  reader reading{object};
  for (const auto& each : messages)
    reading.read(each);
  return reading.take();
}

} // namespace tc::trace
