// Which content a source had, when, as messages alone tell: it says when it has stored something, and at each
// interval what it found still. What it said can be lost; that it is at a content now is believed at once,
// that it has been at it all the time since it last said so is not.

#include "messages/kinds.hpp"
#include "trace/revision.hpp"
#include "trace/tellings.hpp"

#include <algorithm>

namespace tc::trace {

namespace {

/// Only said when the digest of what it stores has changed; said again when its status could not be written.
bool is_stored(const telling& of) {
  const auto& reason = of.says.reason;
  return reason == "NewArtifact" || reason == "ChartPullSucceeded" || reason == "ChartPackageSucceeded";
}

constexpr duration time_to_say_again = std::chrono::seconds{5};

bool is_known_by(const occurrence& content, const std::string& key, const std::string& revision) {
  return content.key == key || content.has_revision(revision);
}

} // namespace

std::string told_content(const telling& of) {
  if (of.says.severity == "error")
    return {};
  if (!of.revision().empty())
    return of.revision();
  for (auto before : {"observed revision '", "with remote revision: '", "stored artifact with revision '",
                      " chart with version '"})
    if (auto found = between(of.says.text, before, "'"))
      return *found;
  return {};
}

void read_origin_revisions(const object_id& object, const std::vector<telling>& messages,
                           told_origin_revisions& to) {
  for (const auto& each : messages) {
    bool says_it = object.kind == "Kustomization" || is_stored(each);
    if (!says_it || each.revision().empty())
      continue;
    auto& known = to[each.revision()];
    if (known.empty())
      known = each.says.origin_revision;
  }
}

std::vector<occurrence> message_contents(const object_id& object, const std::vector<telling>& messages,
                                         const told_origin_revisions& origins) {
  std::vector<occurrence> result;
  if (!is_source_kind(object.kind))
    return result;
  timestamp something_stored; // since then it may be at anything
  for (const auto& each : messages) {
    auto revision = told_content(each);
    if (revision.empty()) {
      if (is_stored(each))
        something_stored = each.second;
      continue;
    }
    auto origin = origins.find(revision);
    bool may_have_origin = object.kind == "OCIRepository" || object.kind == "ExternalArtifact";
    auto key = change_key_of(object, revision, origin == origins.end() ? std::string{} : origin->second);
    if (key.empty())
      continue;
    if (!result.empty() && is_known_by(result.back(), key, revision)) {
      auto& same = result.back();
      bool stored_again = is_stored(each) && !each.says.digest.empty() && each.says.digest == same.digest &&
                          each.second > same.latest + time_to_say_again;
      if (!stored_again && !is_known(something_stored)) {
        same.latest = each.second;
        if (!same.has_revision(revision))
          same.revisions.push_back(std::string{revision});
        if (is_stored(each))
          same.digest = std::string{each.says.digest};
        continue;
      }
    }
    occurrence made;
    made.source = object;
    made.maybe_returned = !result.empty() && is_known_by(result.back(), key, revision);
    made.unsure = made.maybe_returned || (may_have_origin && origin == origins.end());
    made.key = made.change = key;
    made.revision = std::string{revision};
    made.revisions.push_back(made.revision);
    if (origin != origins.end())
      made.origin_revision = std::string{origin->second};
    made.digest = std::string{each.says.digest};
    made.updated = is_known(something_stored) && !is_stored(each) ? something_stored : each.second;
    made.latest = each.second;
    made.stored = is_stored(each) || is_known(something_stored);
    made.begin = {0, made.updated == each.second ? each.earliest() : made.updated, false};
    made.end = {no_version, {}, false};
    if (!result.empty())
      result.back().end.at = made.begin.at;
    something_stored = {};
    result.push_back(std::move(made));
  }
  return result;
}

} // namespace tc::trace
