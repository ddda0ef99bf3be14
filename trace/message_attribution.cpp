// Who caused what, where only messages tell. Each rule asks for what rules out any other cause; where a
// message that is lost could be one, there is no run. docs/attribution.md, "what messages alone support",
// explains them.

#include "messages/kinds.hpp"
#include "trace/analysis.hpp"
#include "trace/change_activity.hpp"
#include "trace/revision.hpp"
#include "trace/tellings.hpp"

#include <algorithm>

namespace tc::trace {

namespace {

constexpr duration second = std::chrono::seconds{1};
/// A source says that it has stored something before anybody can see it.
constexpr duration time_to_be_seen = std::chrono::seconds{2};
/// So soon a source fetches for a new spec.
constexpr duration time_to_fetch = std::chrono::seconds{30};
constexpr duration usual_interval = std::chrono::minutes{1};

/// "Kind/namespace/name"
std::optional<object_id> read_reference(std::string_view text) {
  auto first = text.find('/');
  auto last = text.rfind('/');
  if (first == std::string_view::npos || first == last)
    return {};
  std::string kind{text.substr(0, first)};
  std::string group{usual_group(kind)};
  return object_id{std::move(group), std::move(kind), std::string{text.substr(first + 1, last - first - 1)},
                   std::string{text.substr(last + 1)}};
}

/// What an apply says that it changed.
struct told_log {
  object_id by;
  timestamp at;                       ///< when it was told at the earliest
  timestamp latest;                   ///< when it was told at the latest
  std::optional<std::size_t> attempt; ///< nothing for a corrected drift, or where it is not known which
  std::vector<log_line> lines;
};

/// That a log names an object.
struct naming {
  std::size_t log = 0;
  std::string verb;
};

/// Where a HelmRelease gets its chart from.
struct chart_reference {
  timestamp since;
  object_id chart;
  object_id origin;
};

class narrator {
public:
  explicit narrator(analysis& all) : all_(all) {}

  void run() {
    for (const auto& [object, line] : all_.timelines)
      told_[object] = read_tellings(line.messages);
    find_contents();
    for (auto& [object, messages] : told_)
      if (object.kind == "Kustomization")
        read_kustomization(object, messages);
    place_attempts();
    read_logs();
    adopt_contents();
    place_packaged_charts();
    for (auto& each : waits_)
      place_wait(each);
    hang_attempts();
    for (const auto& [object, messages] : told_)
      if (object.kind == "HelmRelease")
        attribute_releases(object, messages);
    all_.attempts_of.sort(); // the releases came after the Kustomizations
    find_removals();
  }

private:
  struct placed_wait {
    object_id object;
    told_wait told;
    std::string key;
  };

  // Contents

  void find_contents() {
    told_origin_revisions origins;
    for (const auto& [object, messages] : told_)
      read_origin_revisions(object, messages, origins);
    for (const auto& [object, messages] : told_) {
      auto stays = message_contents(object, messages, origins);
      split_stays(stays);
      for (auto& each : stays) {
        all_.contents_of[all_.kept(object)].push_back(all_.contents.size());
        all_.contents.push_back(std::move(each));
      }
    }
    name_incarnations(all_.contents, [&](const occurrence& content) { return was_left(content); });
    for (std::size_t index = 0; index < all_.contents.size(); ++index) {
      auto& each = all_.contents[index];
      if (each.unsure)
        each.change.clear();
      if (each.source.kind == "HelmChart")
        continue;
      for (const auto& revision : each.revisions)
        contents_at_[revision].push_back(index);
      contents_with_[each.key].push_back(index);
    }
  }

  static bool knows(const occurrence& content, const std::string& revision) {
    return content.has_revision(revision);
  }

  /// Whoever takes a source's content tells also that it had left it in the meantime.
  void split_stays(std::vector<occurrence>& stays) {
    std::set<std::string> known;
    for (const auto& each : stays)
      known.insert(each.revisions.begin(), each.revisions.end());
    for (std::size_t at = 0; at < stays.size(); ++at) {
      if (stays[at].source.kind == "HelmChart")
        continue;
      std::optional<timestamp> away;
      for (const auto& [object, messages] : told_) {
        if (object.kind != "Kustomization" ||
            std::none_of(messages.begin(), messages.end(),
                         [&](const telling& each) { return known.contains(each.revision()); }))
          continue;
        for (const auto& each : messages)
          if (!each.revision().empty() && !knows(stays[at], each.revision()) &&
              each.second > stays[at].updated + time_to_be_seen && each.second < stays[at].latest &&
              !is_late(each, stays, at) && (!away || each.second < *away))
            away = each.second;
      }
      if (!away)
        continue;
      // When it came back is not known, nor thus which incarnation of the change it is.
      auto rest = stays[at];
      stays[at].latest = *away;
      stays[at].end.at = *away;
      rest.maybe_returned = rest.unsure = true;
      rest.updated = *away;
      rest.begin.at = *away;
      stays.insert(stays.begin() + static_cast<std::ptrdiff_t>(at) + 1, std::move(rest));
      ++at;
    }
  }

  /// Whether the telling can be about what the source had before that stay: a long reconciliation.
  static bool is_late(const telling& of, const std::vector<occurrence>& stays, std::size_t at) {
    for (std::size_t before = 0; before < at; ++before)
      if (knows(stays[before], of.revision()))
        return true;
    return false;
  }

  /// Whether somebody has told of that content, and then of other content, before the source came to it.
  bool was_left(const occurrence& content) const {
    for (const auto& [object, messages] : told_) {
      if (object.kind != "Kustomization")
        continue;
      bool there = false;
      for (const auto& each : messages) {
        if (each.latest() >= content.begin.at)
          break;
        if (each.revision().empty())
          continue;
        if (knows(content, each.revision()))
          there = true;
        else if (there)
          return true;
      }
    }
    return false;
  }

  // Kustomizations

  /// The sources that had all that it took, when it took it.
  struct following {
    std::set<object_id> possible;
    std::optional<object_id> source; ///< where several are possible, the one of its own namespace
  };

  following followed_by(const object_id& object, const std::vector<telling>& messages) const {
    following result;
    std::optional<std::set<object_id>> common;
    for (const auto& each : messages) {
      if (auto named = between(each.says.text, "new reconciliation triggered by ", " ");
          named || each.says.reason == "HealthCheckCanceled") {
        auto text = std::string_view{each.says.text};
        if (auto source = read_reference(text.substr(text.rfind(' ') + 1))) {
          common = std::set{*source};
          break;
        }
      }
      auto found = contents_at_.find(each.revision());
      if (each.revision().empty() || found == contents_at_.end())
        continue;
      std::set<object_id> here;
      for (auto index : found->second)
        if (all_.contents[index].updated <= each.second + second)
          here.insert(all_.contents[index].source);
      if (here.empty())
        continue;
      if (!common)
        common = std::move(here);
      else
        std::erase_if(*common, [&](const object_id& known) { return !here.contains(known); });
    }
    if (common)
      result.possible = std::move(*common);
    if (result.possible.size() == 1) {
      result.source = *result.possible.begin();
    } else {
      std::vector<object_id> near;
      for (const auto& each : result.possible)
        if (each.namespace_name == object.namespace_name)
          near.push_back(each);
      if (near.size() == 1)
        result.source = near.front();
    }
    return result;
  }

  /// What an Event that occurred again is about: the content of the only source it can be, while that is
  /// known to have had it before and after.
  void believe_what_source_says(const following& of, std::vector<telling>& messages) const {
    if (of.possible.size() != 1)
      return;
    auto stays = all_.contents_of.find(*of.possible.begin());
    if (stays == all_.contents_of.end())
      return;
    auto first = messages.end();
    auto last = messages.end();
    for (auto here = messages.begin(); here != messages.end(); ++here)
      if (!here->revision().empty()) {
        first = first == messages.end() ? here : first;
        last = here;
      }
    for (auto here = messages.begin(); here != messages.end(); ++here) {
      if (!here->revision().empty() || here->believed || first == messages.end() || here < first)
        continue;
      // It may follow another source by now.
      if (several_sources() && here > last)
        continue;
      auto began = here->second - lasted_until(*here);
      for (auto index : stays->second) {
        const auto& stay = all_.contents[index];
        if (stay.unsure || began < stay.updated + time_to_be_seen || here->second > stay.latest)
          continue;
        here->says.revision = stay.revision;
        here->says.origin_revision = stay.origin_revision;
      }
    }
  }

  bool several_sources() const {
    return std::count_if(all_.contents_of.begin(), all_.contents_of.end(),
                         [](const auto& each) { return each.first.kind != "HelmChart"; }) > 1;
  }

  void read_kustomization(const object_id& object, std::vector<telling>& messages) {
    auto& follows = follows_[object];
    follows = followed_by(object, messages);
    believe_what_source_says(follows, messages);
    auto history = message_history(object, messages);
    for (auto& each : history.attempts) {
      each.source = follows.source;
      all_.attempts_of[all_.kept(object)].push_back(all_.attempts.size());
      all_.attempts.push_back(std::move(each));
    }
    for (auto& each : history.waits)
      waits_.push_back({object, std::move(each), {}});
    for (const auto& each : messages)
      if (auto interval = between(each.says.text + '\n', "next run in ", "\n"))
        if (auto read = parse_go_duration(*interval))
          interval_[object] = *read;
  }

  /// The stay whose content was taken then: the latest one, if its source had not left it by then.
  /// Nothing when there is none; `unsure` when it was, or when the object itself had been elsewhere since.
  struct stay_found {
    std::optional<std::size_t> content;
    bool unsure = false;
  };

  stay_found stay_of(const object_id& object, const std::string& revision, const std::string& key,
                     timestamp began, bool beginning_known, bool to_the_nanosecond) const {
    std::set<std::size_t> candidates;
    for (const auto* index : {&contents_at_, &contents_with_})
      if (auto found = index->find(index == &contents_at_ ? revision : key); found != index->end())
        candidates.insert(found->second.begin(), found->second.end());
    const auto& follows = follows_.at(object);
    auto of_source = [&](std::size_t each) { return all_.contents[each].source == follows.source; };
    if (std::any_of(candidates.begin(), candidates.end(), of_source))
      std::erase_if(candidates, [&](std::size_t each) { return !of_source(each); });
    stay_found result;
    auto by = to_the_nanosecond ? began : began + second;
    int about_then = 0;
    if (auto own = follows.source ? all_.contents_of.find(*follows.source) : all_.contents_of.end();
        own != all_.contents_of.end())
      for (auto index : own->second) {
        auto at = all_.contents[index].begin.at;
        about_then += at <= by && at + second > began ? 1 : 0;
      }
    for (auto index : candidates) {
      const auto& each = all_.contents[index];
      if (each.begin.at > by)
        continue;
      if (!result.content || all_.contents[*result.content].begin.at < each.begin.at)
        result.content = index;
    }
    if (about_then > 1 && !to_the_nanosecond) {
      result.unsure = true;
      return result;
    }
    auto came_back = came_back_since(object, revision, began);
    if (!result.content) {
      result.unsure = came_back.has_value();
      return result;
    }
    const auto& stay = all_.contents[*result.content];
    bool others_come = std::any_of(candidates.begin(), candidates.end(), [&](std::size_t each) {
      return all_.contents[each].updated > stay.updated;
    });
    bool left =
        is_known(stay.end.at) && began > stay.end.at + time_to_be_seen && (beginning_known || others_come);
    result.unsure = stay.unsure || left || (came_back && stay.begin.at < *came_back);
    return result;
  }

  /// By when the object had begun with another revision after it had told of this one, last before that time.
  std::optional<timestamp> came_back_since(const object_id& object, const std::string& revision,
                                           timestamp before) const {
    std::optional<timestamp> result;
    bool there = false;
    for (const auto& each : told_.at(object)) {
      if (each.earliest() >= before)
        break;
      if (each.revision().empty())
        continue;
      if (there && each.revision() != revision)
        result = each.latest() - lasted_until(each);
      there = each.revision() == revision;
    }
    return result;
  }

  /// How long what it tells of had lasted, by its own account.
  static duration lasted_until(const telling& of) {
    for (auto [before, after] : {std::pair{"inished in ", ","}, std::pair{"health check failed after ", ":"}})
      if (auto lasted = between(of.says.text, before, after))
        return parse_go_duration(*lasted).value_or(duration{});
    return {};
  }

  std::string key_of(const object_id& object, const std::string& revision, const std::string& origin) const {
    const auto& source = follows_.at(object).source;
    if (!parse_revision(revision).has_digest() && !source)
      return {};
    return change_key_of(source.value_or(object_id{}), revision, origin);
  }

  /// What is generated of several sources has the origin of one of them, though another one moved.
  bool is_told_by_source(const object_id& object, const std::string& revision) const {
    const auto& source = follows_.at(object).source;
    return parse_revision(revision).is_sha1() || contents_at_.contains(revision) ||
           (source && source->kind == "OCIRepository");
  }

  /// Whether it is the first apply of what was generated, of which the origin's source was the last to move.
  bool is_made_of(const attempt& run, const stay_found& found) const {
    if (!found.content)
      return false;
    auto since = all_.contents[*found.content].begin.at;
    const auto& messages = told_.at(run.object);
    bool created = std::any_of(messages.begin(), messages.end(), [&](const telling& each) {
      auto lines = read_change_log(each.says.text);
      return each.revision() == run.revision && !lines.empty() && lines.front().verb == "created";
    });
    return created && std::none_of(all_.contents.begin(), all_.contents.end(), [&](const occurrence& each) {
             return each.begin.at > since && each.begin.at <= run.start + second;
           });
  }

  /// Any other digest may be of what was made of other content: only its source tells what change that is.
  static bool names_a_commit(const std::string& key) { return key.starts_with("sha1:"); }

  void place_attempts() {
    std::vector<std::size_t> order(all_.attempts.size());
    for (std::size_t index = 0; index < order.size(); ++index)
      order[index] = index;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t left, std::size_t right) {
      return all_.attempts[left].start_second < all_.attempts[right].start_second;
    });
    for (const auto& each : all_.contents)
      activity_[each.change].add_content(each);
    for (auto index : order) {
      place_attempt(index);
      if (const auto& key = all_.attempts[index].key; !key.empty())
        activity_[key].add_attempt(all_.attempts, index);
    }
  }

  void place_attempt(std::size_t index) {
    auto& run = all_.attempts[index];
    auto key = key_of(run.object, run.revision, run.origin_revision);
    if (key.empty())
      return;
    bool timed = run.reported.has_value() || run.start_second < run.outcome_second ||
                 run.result == outcome::incomplete;
    auto found = stay_of(run.object, run.revision, key, run.start, timed, run.start_noted);
    if (found.unsure || may_be_one_with_earlier(index) || (!found.content && !names_a_commit(key)) ||
        (!is_told_by_source(run.object, run.revision) && !is_made_of(run, found)))
      return;
    bool first = all_.attempts_of.at(run.object).front() == index && !told_before(run);
    // It says at each interval that it has finished.
    bool begun = !run.reported || run.start_second + *run.reported + second < run.outcome_second ||
                 tells_of_apply(run);
    bool came = found.content &&
                (all_.contents[*found.content].stored ||
                 all_.contents_of.at(all_.contents[*found.content].source).front() != *found.content);
    if (first && run.result == outcome::succeeded && !begun && !came)
      return;
    if (found.content) {
      const auto& content = all_.contents[*found.content];
      key = content.change;
      if (!run.source)
        run.source = only_source_at(content);
      if (run.origin_revision.empty())
        run.origin_revision = content.origin_revision;
      content_of_[index] = *found.content;
    }
    if (key.empty() || (first && comes_late(key, run)))
      return;
    run.key = key;
    run.attribution = run.source ? "source-revision" : "time";
  }

  /// Whole seconds do not tell in which order two revisions took turns within them: it may have been at this
  /// one only once.
  bool may_be_one_with_earlier(std::size_t index) const {
    const auto& run = all_.attempts[index];
    const auto& own = all_.attempts_of.at(run.object);
    bool turned = false;
    for (auto here = std::lower_bound(own.begin(), own.end(), index); here != own.begin();) {
      const auto& earlier = all_.attempts[*--here];
      if (earlier.start + 2 * second < run.start)
        return false;
      if (earlier.revision == run.revision && turned)
        return !told_to_the_nanosecond(run.object, earlier.start - second, run.start + second);
      turned = turned || earlier.revision != run.revision;
    }
    return false;
  }

  bool told_to_the_nanosecond(const object_id& object, timestamp from, timestamp to) const {
    const auto& messages = told_.at(object);
    return std::all_of(messages.begin(), messages.end(), [&](const telling& each) {
      return each.latest() < from || each.earliest() > to || is_known(each.exact) || each.revision().empty();
    });
  }

  /// Where other sources had the content too, which one it follows is not known.
  std::optional<object_id> only_source_at(const occurrence& content) const {
    for (auto index : contents_with_.at(content.key))
      if (all_.contents[index].source != content.source)
        return {};
    return content.source;
  }

  bool told_before(const attempt& run) const {
    const auto& messages = told_.at(run.object);
    auto first = std::find_if(messages.begin(), messages.end(),
                              [](const telling& each) { return !each.revision().empty(); });
    return first != messages.end() && first->revision() != run.revision;
  }

  bool tells_of_apply(const attempt& run) const {
    const auto& messages = told_.at(run.object);
    return std::any_of(messages.begin(), messages.end(), [&](const telling& each) {
      return each.revision() == run.revision && each.says.reason == "Progressing" &&
             each.second + second >= run.start_second && each.second <= run.outcome_second;
    });
  }

  /// Made once the change was over: by hand, or by another change.
  bool comes_late(const std::string& key, const attempt& run) const {
    auto known = activity_.find(key);
    if (known == activity_.end())
      return false;
    auto busy = known->second.last_busy(all_.attempts, run.object, run.start_second);
    return busy && run.start_second > *busy + all_.options.settle_after;
  }

  // Change logs

  void read_logs() {
    for (const auto& [object, messages] : told_) {
      if (object.kind != "Kustomization")
        continue;
      for (const auto& each : messages) {
        if (each.says.reason != "Progressing")
          continue; // of a finalizer
        auto lines = read_change_log(each.says.text);
        if (lines.empty())
          continue;
        auto attempt = attempt_of(object, each);
        for (const auto& line : lines) {
          if (attempt)
            all_.change_logs[*attempt].insert(line.object);
          if (line.object != object)
            named_[line.object].push_back({logs_.size(), line.verb});
        }
        logs_.push_back({object, each.earliest(), each.latest(), attempt, std::move(lines)});
      }
    }
    for (auto& [object, list] : named_)
      std::stable_sort(list.begin(), list.end(), [&](const naming& left, const naming& right) {
        return logs_[left.log].at < logs_[right.log].at;
      });
  }

  /// The attempt that the log is of; none when it corrects a drift, or may.
  std::optional<std::size_t> attempt_of(const object_id& object, const telling& log) const {
    auto own = all_.attempts_of.find(object);
    if (own == all_.attempts_of.end())
      return {};
    std::optional<std::size_t> result;
    for (auto index : own->second) {
      const auto& each = all_.attempts[index];
      bool over = is_known(each.outcome_second);
      if (log.second + second < each.start_second || (over && log.second > each.outcome_second))
        continue;
      if (!log.revision().empty() && log.revision() != each.revision)
        continue;
      // Without a revision only what is sure to be within the attempt, and in no other.
      if (log.revision().empty() && (!over || !each.reported || result))
        return {};
      result = index;
    }
    if (!result || all_.attempts[*result].key.empty() || !is_first_round(*result, log))
      return {};
    return result;
  }

  /// Whether no interval can have passed since the object could take the content.
  bool is_first_round(std::size_t index, const telling& log) const {
    auto content = content_of_.find(index);
    const auto& run = all_.attempts[index];
    timestamp since = content != content_of_.end() ? all_.contents[content->second].updated : timestamp{};
    for (const auto& each : told_.at(run.object))
      if (each.second < log.second && !each.revision().empty() &&
          (each.revision() != run.revision || each.says.reason == "DependencyNotReady" ||
           each.says.severity == "error"))
        since = std::max(since, each.second);
    if (!is_known(since))
      return false;
    auto known = interval_.find(run.object);
    return log.second - since < (known == interval_.end() ? usual_interval : known->second);
  }

  const std::vector<naming>& namings_of(const object_id& object) const {
    static const std::vector<naming> none;
    auto found = named_.find(object);
    return found == named_.end() ? none : found->second;
  }

  std::optional<object_id> owner_at(const object_id& object, timestamp at) const {
    std::optional<object_id> result;
    for (const auto& each : namings_of(object)) {
      const auto& log = logs_[each.log];
      bool later = log.at > at + second;
      if (later && result)
        break;
      if (each.verb != "deleted")
        result = log.by;
      else if (log.latest < at)
        result.reset();
    }
    return result;
  }

  /// The owner's attempt for the same change: the one whose log names the object, else the latest before.
  std::optional<std::size_t> attempt_above(const object_id& object, const std::string& key,
                                           timestamp began) const {
    auto owner = owner_at(object, began);
    auto found = owner ? all_.attempts_of.find(*owner) : all_.attempts_of.end();
    if (found == all_.attempts_of.end())
      return {};
    std::optional<std::size_t> before;
    for (auto index : found->second) {
      const auto& each = all_.attempts[index];
      if (each.key != key)
        continue;
      if (all_.log_names(index, object).value_or(false))
        return index;
      if (!before || each.start_second <= began)
        before = index;
    }
    return before;
  }

  void hang_attempts() {
    for (auto& run : all_.attempts)
      if (!run.key.empty())
        run.cause = attempt_above(run.object, run.key, run.start_second);
    for (const auto& [object, list] : all_.attempts_of) {
      const auto& last = all_.attempts[list.back()];
      // A Kustomization that failed is tried again.
      if (!last.key.empty() && (last.result == outcome::incomplete || last.result == outcome::failed))
        all_.changes[last.key].pending.insert(object);
    }
  }

  // What an apply asked a source for

  void adopt_contents() {
    for (const auto& [object, list] : named_) {
      auto own = all_.contents_of.find(object);
      if (own == all_.contents_of.end() || object.kind == "GitRepository")
        continue;
      for (const auto& each : list) {
        const auto& log = logs_[each.log];
        if (!log.attempt || each.verb == "deleted")
          continue;
        auto asked = std::find_if(own->second.begin(), own->second.end(),
                                  [&](std::size_t index) { return all_.contents[index].updated >= log.at; });
        if (asked != own->second.end())
          adopt(all_.contents[*asked], *log.attempt, log.at,
                each.verb == "created" && asked == own->second.begin());
      }
    }
    for (const auto& [object, list] : all_.contents_of)
      leave_first_content(all_.contents[list.front()]);
    for (auto [index, content] : content_of_)
      if (!all_.attempts[index].key.empty())
        all_.attempts[index].key = all_.contents[content].change;
  }

  /// An apply that is not told of may have asked for it.
  static void leave_first_content(occurrence& content) {
    if (!content.cause && !content.key.starts_with("sha1:") && content.source.kind != "HelmChart")
      content.change.clear();
  }

  void adopt(occurrence& content, std::size_t by, timestamp asked, bool created) {
    bool is_commit = content.key.starts_with("sha1:") || parse_revision(content.origin_revision).has_digest();
    if (is_commit || (!created && content.updated > asked + time_to_fetch))
      return;
    content.cause = by;
    content.change = all_.attempts[by].key;
  }

  /// A chart that is packaged from a repository belongs to the commit that its version names, if any.
  void place_packaged_charts() {
    for (const auto& [object, messages] : told_) {
      if (object.kind == "HelmRelease")
        for (const auto& each : messages)
          if (auto chart = between(each.says.text, " HelmChart/", " with SourceRef '"))
            if (auto origin = between(each.says.text, "SourceRef '", "'"))
              if (auto read = read_reference("HelmChart/" + *chart), from = read_reference(*origin);
                  read && from) {
                charts_of_[object].push_back({each.second, *read, *from});
                all_.told_origins[*read] = *from;
              }
    }
    for (auto& content : all_.contents) {
      if (content.source.kind != "HelmChart")
        continue;
      const auto& messages = told_.at(content.source);
      bool packaged = std::any_of(messages.begin(), messages.end(), [](const telling& each) {
        return each.says.reason == "ChartPackageSucceeded";
      });
      auto origin = all_.told_origins.find(content.source);
      if (!packaged && (origin == all_.told_origins.end() || origin->second.kind == "HelmRepository"))
        continue;
      content.cause.reset();
      auto commit = origin == all_.told_origins.end() ? std::nullopt : packaged_from(origin->second, content);
      content.change = commit ? all_.contents[*commit].change : std::string{};
    }
  }

  /// "0.1.0+ac6d898081ab" names the revision with the first digits of its hash.
  std::optional<std::size_t> packaged_from(const object_id& origin, const occurrence& chart) const {
    auto plus = chart.revision.find('+');
    auto own = all_.contents_of.find(origin);
    if (plus == std::string::npos || chart.revision.size() < plus + 8 || own == all_.contents_of.end())
      return {};
    auto digits = chart.revision.substr(plus + 1);
    std::optional<std::size_t> result;
    for (auto index : own->second)
      if (const auto& each = all_.contents[index];
          each.updated <= chart.updated + second && parse_revision(each.revision).hex.starts_with(digits))
        result = index;
    return result;
  }

  // Waits

  void place_wait(placed_wait& wait) {
    const auto& told = wait.told;
    const auto& says = told.first.says;
    auto key = key_of(wait.object, says.revision, says.origin_revision);
    auto found = stay_of(wait.object, says.revision, key, told.first.second, true, false);
    if (key.empty() || found.unsure || (!found.content && !names_a_commit(key)))
      return;
    std::optional<timestamp> gone; // since when it could not take it any more
    if (found.content) {
      key = all_.contents[*found.content].change;
      if (auto end = all_.contents[*found.content].end.at; is_known(end))
        gone = end;
    }
    if (key.empty())
      return;
    lingering made;
    made.object = wait.object;
    made.uid = std::string{told.first.uid};
    made.reason = std::string{says.reason};
    made.message = std::string{says.text};
    made.begin_at = told.first.second;
    made.source = follows_.at(wait.object).source;
    made.cause = attempt_above(wait.object, key, told.first.second);
    // Only where it had no time to try once more is it known that it has not.
    for (auto end : {gone, told.next})
      if (end && told.again_by && *end <= *told.again_by + second) {
        made.over = true;
        made.end_at = std::max(*end, told.last.second);
        break;
      }
    if (!made.over)
      made.end_at = told.last.second;
    auto& change = all_.changes[key];
    if (made.over)
      change.passed_over.insert(wait.object);
    else if (!told.next)
      change.pending.insert(wait.object);
    change.waits.push_back(std::move(made));
  }

  // Releases

  void attribute_releases(const object_id& object, const std::vector<telling>& messages) {
    auto releases = message_releases(object, messages);
    auto first = all_.attempts.size();
    for (std::size_t at = 0; at < releases.size(); ++at) {
      all_.attempts_of[all_.kept(object)].push_back(all_.attempts.size());
      all_.attempts.push_back(releases[at].run);
      auto& run = all_.attempts.back();
      const auto* before = at == 0 ? nullptr : &all_.attempts[first + at - 1];
      const told_release* told_before = at == 0 ? nullptr : &releases[at - 1];
      auto logs = logs_between(object, told_before, releases[at]);
      if (!logs.empty())
        join_by_log(run, releases[at], before, told_before, logs);
      else if (before && !repeats(run, releases[at], *before, *told_before))
        join_by_chart(run, releases[at], *before, *told_before);
    }
  }

  /// Since the attempt before, by all that the seconds tell; what came in the same one was its cause.
  std::vector<naming> logs_between(const object_id& object, const told_release* before,
                                   const told_release& until) const {
    std::vector<naming> result;
    for (const auto& each : namings_of(object)) {
      const auto& log = logs_[each.log];
      if (each.verb != "deleted" && (!before || log.at > before->earliest) && log.at <= until.latest)
        result.push_back(each);
    }
    return result;
  }

  static bool same_inputs(const attempt& left, const attempt& right) {
    return left.revision == right.revision && left.digest == right.digest &&
           left.config_digest == right.config_digest;
  }

  /// An apply named it since the attempt before, and nothing else can have made it act.
  void join_by_log(attempt& run, const told_release& told, const attempt* before,
                   const told_release* told_before, const std::vector<naming>& logs) {
    const auto& named = logs.back();
    const auto& log = logs_[named.log];
    if (!log.attempt)
      return;
    const auto& key = all_.attempts[*log.attempt].key;
    for (const auto& each : logs)
      if (!logs_[each.log].attempt || all_.attempts[*logs_[each.log].attempt].key != key)
        return; // which of them it had read when it began is not known
    bool numbered = run.release_version != 0;
    if (numbered && !told.numbered_next)
      return; // an attempt between was not told of
    timestamp from;
    timestamp trusted; // till then an apply that tells of no change is believed to have made none
    if (before) {
      bool chart_known = told.inputs_known && told_before->inputs_known;
      bool new_chart = chart_known && (before->revision != run.revision || before->digest != run.digest);
      if (!numbered && (!chart_known || new_chart))
        return;
      if (before->result != outcome::succeeded && (!chart_known || same_inputs(run, *before)))
        return; // it may have tried once more before the apply
      if (new_chart && chart_came_before(run, log.at))
        return;
      if (values_touched(run.object, told_before->earliest, log.at, key) &&
          (!chart_known || before->config_digest != run.config_digest))
        return;
      from = told_before->earliest;
      trusted = log.at;
    } else {
      if (logs_[logs.front().log].lines.empty() || logs.front().verb != "created" || run.action != "install")
        return;
      from = trusted = logs_[logs.front().log].at;
    }
    if (may_be_asked(run.object, from, told.latest, trusted))
      return;
    run.key = key;
    run.cause = log.attempt;
    run.attribution = "change-log";
    if (!before || before->revision != run.revision)
      adopt_chart(run, log.at);
  }

  /// A retry: it failed, and does the same once more.
  bool repeats(attempt& run, const told_release& told, const attempt& before,
               const told_release& told_before) const {
    bool same = told.inputs_known && told_before.inputs_known ? same_inputs(run, before)
                                                              : run.message == before.message;
    if (before.result == outcome::succeeded || !same)
      return before.result != outcome::succeeded && !told.inputs_known;
    bool numbered = run.release_version != 0;
    if ((numbered && !told.numbered_next) || before.key.empty() ||
        values_touched(run.object, told_before.earliest, told.latest, before.key) ||
        may_be_asked(run.object, told_before.earliest, told.latest, told.latest))
      return true;
    run.key = before.key;
    run.cause = before.cause;
    run.attribution = before.attribution;
    run.source = before.source;
    return true;
  }

  /// Nobody asked, and it has another chart.
  void join_by_chart(attempt& run, const told_release& told, const attempt& before,
                     const told_release& told_before) {
    if (!owner_at(run.object, run.outcome_second) || !told.numbered_next || !told.inputs_known ||
        !told_before.inputs_known || (before.revision == run.revision && before.digest == run.digest) ||
        may_be_asked(run.object, told_before.earliest, told.latest, told_before.earliest) ||
        !stayed_until_after(*owner_at(run.object, run.outcome_second), run.outcome_second))
      return;
    auto chart = run.digest.empty() ? chart_of(run.object, run.outcome_second) : std::nullopt;
    if (chart && chart->since >= before.outcome_second)
      return; // its spec names another one
    std::optional<std::size_t> taken;
    for (std::size_t index = 0; index < all_.contents.size(); ++index) {
      const auto& each = all_.contents[index];
      bool right = run.digest.empty() ? chart && each.source == chart->chart && knows(each, run.revision)
                                      : each.source.kind != "HelmChart" && has_digest(each, run.digest);
      if (right && each.updated <= run.outcome_second + second &&
          (!taken || all_.contents[*taken].updated < each.updated))
        taken = index;
    }
    if (taken && !all_.contents[*taken].unsure) {
      const auto& content = all_.contents[*taken];
      run.key = content.change;
      run.source = content.source;
    } else if (!taken && chart && chart->origin.kind == "HelmRepository" && !had(run)) {
      run.key = change_key_of(chart->chart, run.revision, {});
      run.source = chart->chart;
    }
    if (run.key.empty())
      run.source.reset();
    else
      run.attribution = "chart";
  }

  static bool has_digest(const occurrence& content, const std::string& digest) {
    return std::any_of(content.revisions.begin(), content.revisions.end(),
                       [&](const std::string& each) { return parse_revision(each).digest() == digest; });
  }

  /// Whether an attempt before it had the same chart: then the chart has come back to it.
  bool had(const attempt& run) const {
    const auto& own = all_.attempts_of.at(run.object);
    return std::any_of(own.begin(), std::prev(own.end()),
                       [&](std::size_t each) { return all_.attempts[each].revision == run.revision; });
  }

  std::optional<chart_reference> chart_of(const object_id& release, timestamp until) const {
    std::optional<chart_reference> result;
    if (auto found = charts_of_.find(release); found != charts_of_.end())
      for (const auto& each : found->second)
        if (each.since <= until && (!result || result->since <= each.since))
          result = each;
    return result;
  }

  /// The chart was there before the apply: the release may have taken it by itself.
  bool chart_came_before(const attempt& run, timestamp apply) const {
    auto chart = chart_of(run.object, run.outcome_second);
    for (const auto& each : all_.contents)
      if (each.updated < apply && is_chart_of(each, run, chart))
        return true;
    return false;
  }

  static bool is_chart_of(const occurrence& content, const attempt& run,
                          const std::optional<chart_reference>& chart) {
    return run.digest.empty() ? chart && content.source == chart->chart && knows(content, run.revision)
                              : content.source.kind != "HelmChart" && has_digest(content, run.digest);
  }

  /// The chart that the apply asked for belongs to its change.
  void adopt_chart(const attempt& run, timestamp asked) {
    auto chart = chart_of(run.object, run.outcome_second);
    if (!chart || chart->origin.kind != "HelmRepository")
      return;
    for (auto& each : all_.contents)
      if (each.source == chart->chart && knows(each, run.revision) && each.updated + second >= asked &&
          each.updated <= run.outcome_second)
        adopt(each, *run.cause, asked, true);
  }

  /// Whether another change touched something that the release may read its values from.
  bool values_touched(const object_id& release, timestamp from, timestamp to, const std::string& key) const {
    return std::any_of(logs_.begin(), logs_.end(), [&](const told_log& log) {
      return log.at >= from && log.at <= to && (!log.attempt || all_.attempts[*log.attempt].key != key) &&
             std::any_of(log.lines.begin(), log.lines.end(), [&](const log_line& line) {
               return (line.object.kind == "ConfigMap" || line.object.kind == "Secret") &&
                      line.object.namespace_name == release.namespace_name;
             });
    });
  }

  /// Whether an apply may have changed the object in that time without a log that is known: then it cannot
  /// be told who asked for what. Until `trusted` an apply that succeeded without a log has changed nothing.
  bool may_be_asked(const object_id& object, timestamp from, timestamp to, timestamp trusted) const {
    auto owner = owner_at(object, to);
    for (const auto& [applier, follows] : follows_)
      if ((!owner || applier == *owner) && may_have_applied(applier, follows, from, to, trusted))
        return true;
    return false;
  }

  bool may_have_applied(const object_id& applier, const following& follows, timestamp from, timestamp to,
                        timestamp trusted) const {
    std::map<std::size_t, bool> accounted; // of each content that it may have taken
    for (std::size_t index = 0; index < all_.contents.size(); ++index) {
      const auto& each = all_.contents[index];
      bool current = each.begin.at <= to && (!is_known(each.end.at) || each.end.at >= from);
      if (current && each.source.kind != "HelmChart" &&
          (follows.possible.empty() || follows.possible.contains(each.source)))
        accounted[index] = false;
    }
    auto own = all_.attempts_of.find(applier);
    if (own != all_.attempts_of.end())
      for (auto index : own->second) {
        const auto& each = all_.attempts[index];
        bool known =
            tells_what_it_applied(index) || (each.result == outcome::succeeded &&
                                             is_known(each.outcome_second) && each.outcome_second <= trusted);
        auto content = content_of_.find(index);
        if (content == content_of_.end()) {
          if (!known && each.start <= to)
            return true;
          continue;
        }
        // Sources at one content share what was applied of it.
        for (auto& [other, is] : accounted)
          is = is || (known && all_.contents[other].change == all_.contents[content->second].change);
      }
    return std::any_of(accounted.begin(), accounted.end(), [](const auto& each) { return !each.second; });
  }

  /// Whether something that is told after that time shows that the applier had no other content just before
  /// it: of one that came and went in silence nobody would know.
  bool stayed_until_after(const object_id& applier, timestamp time) const {
    std::string before;
    if (auto told = told_.find(applier); told != told_.end())
      for (const auto& each : told->second) {
        if (each.revision().empty())
          continue;
        if (each.second >= time && !before.empty())
          return each.revision() == before || sources_stayed(applier, time);
        before = each.revision();
      }
    return sources_stayed(applier, time);
  }

  bool sources_stayed(const object_id& applier, timestamp time) const {
    auto follows = follows_.find(applier);
    if (follows == follows_.end())
      return false;
    bool any = false;
    for (const auto& source : follows->second.possible)
      if (auto own = all_.contents_of.find(source); own != all_.contents_of.end())
        for (auto index : own->second) {
          const auto& each = all_.contents[index];
          if (each.begin.at > time || (is_known(each.end.at) && each.end.at <= time))
            continue;
          any = true;
          if (each.latest < time)
            return false;
        }
    return any;
  }

  bool tells_what_it_applied(std::size_t attempt) const {
    return std::any_of(logs_.begin(), logs_.end(), [&](const told_log& log) {
      return log.attempt == attempt &&
             std::any_of(log.lines.begin(), log.lines.end(),
                         [](const log_line& line) { return line.verb != "deleted"; });
    });
  }

  // Removals

  void find_removals() {
    for (const auto& log : logs_) {
      if (!log.attempt)
        continue;
      for (const auto& line : log.lines) {
        if (line.verb != "deleted" ||
            (line.object.kind != "Kustomization" && line.object.kind != "HelmRelease"))
          continue;
        removal made;
        made.object = line.object;
        made.cause = *log.attempt;
        made.begin = {0, log.at, false};
        made.end = {no_version, {}, false};
        if (auto told = told_.find(line.object); told != told_.end())
          for (const auto& each : told->second) {
            if (each.second <= log.at && !each.uid.empty())
              made.uid = std::string{each.uid};
            if (tells_its_end(line.object, each, log.at))
              made.end = {0, each.second, false};
          }
        all_.removals.push_back(std::move(made));
      }
    }
  }

  /// What its finalizer says.
  static bool tells_its_end(const object_id& object, const telling& of, timestamp deleted) {
    if (object.kind == "HelmRelease")
      return of.says.reason == "UninstallSucceeded" && of.latest() >= deleted;
    if (of.says.reason == "Progressing" || of.latest() < deleted)
      return false;
    auto lines = read_change_log(of.says.text);
    return !lines.empty() && std::all_of(lines.begin(), lines.end(),
                                         [](const log_line& line) { return line.verb == "deleted"; });
  }

  analysis& all_;
  std::map<object_id, std::vector<telling>> told_;
  std::map<std::string, std::vector<std::size_t>> contents_at_;   ///< by revision, charts aside
  std::map<std::string, std::vector<std::size_t>> contents_with_; ///< by key, charts aside
  std::map<object_id, following> follows_;                        ///< of each Kustomization
  std::map<object_id, duration> interval_;                        ///< of each Kustomization that tells it
  std::map<std::size_t, std::size_t> content_of_;                 ///< of each attempt that has one
  std::map<std::string, change_activity> activity_;
  std::vector<placed_wait> waits_;
  std::vector<told_log> logs_;
  std::map<object_id, std::vector<naming>> named_; ///< in order
  std::map<object_id, std::vector<chart_reference>> charts_of_;
};

} // namespace

void conclude_from_messages(analysis& all) {
  narrator{all}.run();
}

} // namespace tc::trace
