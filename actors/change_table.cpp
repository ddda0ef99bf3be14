#include "actors/change_table.hpp"

#include "trace/sampling.hpp"

#include <algorithm>
#include <string_view>

namespace tc::actors {

namespace {

void mix(std::size_t& seed, std::size_t value) {
  seed ^= value + 0x9e3779b97f4a7c15ULL + (seed << 6) + (seed >> 2);
}

void mix(std::size_t& seed, std::string_view text) {
  mix(seed, std::hash<std::string_view>{}(text));
}

void mix(std::size_t& seed, const std::vector<attribute>& attributes) {
  for (const auto& entry : attributes) {
    mix(seed, entry.key);
    std::visit(
        [&seed](const auto& value) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::vector<std::string>>)
            for (const auto& text : value)
              mix(seed, text);
          else
            mix(seed, std::hash<std::decay_t<decltype(value)>>{}(value));
        },
        entry.value);
  }
}

} // namespace

std::size_t fingerprint(const span& value) {
  std::size_t seed = std::hash<span_id>{}(value.parent);
  mix(seed, value.name);
  mix(seed, static_cast<std::size_t>(value.start.time_since_epoch().count()));
  mix(seed, static_cast<std::size_t>(value.end.time_since_epoch().count()));
  mix(seed, value.attributes);
  for (const auto& event : value.events) {
    mix(seed, event.name);
    mix(seed, static_cast<std::size_t>(event.at.time_since_epoch().count()));
    mix(seed, event.attributes);
  }
  mix(seed, value.links.size());
  mix(seed, static_cast<std::size_t>(value.status));
  mix(seed, value.status_message);
  return seed;
}

change_entry* change_table::find(const std::string& key) {
  auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

std::pair<change_entry*, bool> change_table::open(const std::string& key) {
  auto [found, added] = entries_.try_emplace(key);
  auto& entry = found->second;
  if (added) {
    entry.key = key;
    ++books_.changes_opened;
    ++books_.changes_pending;
  }
  auto opened = !entry.open;
  entry.open = true;
  return {&entry, opened};
}

void change_table::note_news(change_entry& entry, timestamp now, duration settle_after) {
  entry.news = true;
  entry.last_news = now;
  auto at = now + settle_after;
  // A deadline that is near already stays: noise must not put off the judgement for ever.
  if (!is_known(entry.deadline) || entry.deadline > at)
    schedule(entry, at);
}

void change_table::schedule(change_entry& entry, timestamp at) {
  if (is_known(entry.deadline))
    deadlines_.erase({entry.deadline, entry.key});
  entry.deadline = at;
  if (is_known(at))
    deadlines_.emplace(at, entry.key);
}

std::vector<std::string> change_table::take_due(timestamp now) {
  std::vector<std::string> out;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    auto key = deadlines_.begin()->second;
    deadlines_.erase(deadlines_.begin());
    auto& entry = entries_.at(key);
    entry.deadline = {};
    if (is_known(entry.restart_at)) {
      schedule(entry, entry.restart_at); // not before its revision actor is back
      continue;
    }
    if (!entry.open || entry.judging)
      continue;
    entry.judging = true;
    entry.news = false;
    out.push_back(std::move(key));
  }
  return out;
}

std::vector<std::string> change_table::take_restarts(timestamp now) {
  std::vector<std::string> out;
  while (!restarts_.empty() && restarts_.begin()->first <= now) {
    auto key = restarts_.begin()->second;
    restarts_.erase(restarts_.begin());
    entries_.at(key).restart_at = {};
    out.push_back(std::move(key));
  }
  return out;
}

std::uint64_t& change_table::count_of(change_bucket bucket) {
  switch (bucket) {
  case change_bucket::pending:
    return books_.changes_pending;
  case change_bucket::exported:
    return books_.changes_exported;
  case change_bucket::history:
    return books_.changes_history;
  case change_bucket::sampled_out:
    return books_.changes_sampled_out;
  case change_bucket::filtered:
    return books_.changes_filtered;
  case change_bucket::dropped:
    break;
  }
  return books_.changes_dropped;
}

void change_table::move_to(change_entry& entry, change_bucket bucket, std::string label, std::string detail) {
  if (entry.bucket == bucket)
    return;
  moves_.push_back({entry.key, bucket, std::move(label), std::move(detail)});
  if (entry.bucket == change_bucket::pending)
    known_.push_back(entry.key);
  --count_of(entry.bucket);
  ++count_of(bucket);
  entry.bucket = bucket;
}

settle_action change_table::conclude(const change_report& report, const trace_resource& spec,
                                     timestamp settled_before, timestamp now) {
  auto* entry = find(report.key);
  if (entry == nullptr)
    return settle_action::nothing_new;
  entry->judging = false;
  entry->crashes = 0;
  entry->first_activity = report.first_activity;
  auto ask = report.settled ? timestamp{} : report.ask_again;
  if (entry->news) {
    auto after_news = entry->last_news + spec.settle_after;
    ask = is_known(ask) ? std::min(ask, after_news) : after_news;
  }
  if (is_known(ask))
    schedule(*entry, std::max(ask, now + std::chrono::milliseconds{1}));
  if (!report.wanted || !report.trace || report.trace->spans.empty()) {
    if (report.settled && entry->handed_out.empty()) {
      move_to(*entry, change_bucket::filtered, "not_selected");
      return settle_action::filtered;
    }
    return settle_action::nothing_new;
  }
  // Controllers write whole seconds: what they wrote in the second of that time may be later.
  auto newer_than_exported =
      spec.exported_until &&
      report.last_activity >= std::chrono::floor<std::chrono::seconds>(*spec.exported_until);
  if (report.settled && entry->handed_out.empty() && report.last_activity < settled_before &&
      !newer_than_exported) {
    move_to(*entry, change_bucket::history, "settled_before_start");
    return settle_action::history;
  }
  auto sampled = trace::sample(*report.trace, spec.sampling);
  if (!sampled.keep && entry->handed_out.empty()) {
    if (!report.settled)
      return settle_action::nothing_new; // what is known in the end may keep it
    move_to(*entry, change_bucket::sampled_out, "ratio");
    return settle_action::sampled_out;
  }
  auto fresh = std::make_shared<completed_trace>(*report.trace);
  fresh->trace_state = std::move(sampled.trace_state);
  fresh->addition = !entry->handed_out.empty();
  fresh->settled_at = now;
  fresh->trace_namespace = spec.namespace_name;
  fresh->trace_name = spec.name;
  std::erase_if(fresh->spans, [&](const span& value) {
    auto print = fingerprint(value);
    auto [place, added] = entry->handed_out.emplace(value.id, print);
    if (!added && place->second != print) {
      ++books_.spans_late;
      place->second = print;
    }
    return !added;
  });
  if (fresh->spans.empty())
    return settle_action::nothing_new;
  auto number = next_submission_++;
  submissions_.emplace(number, submission{number, report.key, std::move(fresh), false, report.settled});
  return settle_action::submit;
}

submission* change_table::next_to_submit() {
  for (auto& [number, waiting] : submissions_)
    if (!waiting.under_way) {
      waiting.under_way = true;
      return &waiting;
    }
  return nullptr;
}

void change_table::take_back_submissions() {
  for (auto& [number, waiting] : submissions_)
    waiting.under_way = false;
}

std::optional<submission> change_table::acknowledge(const delivery_report& report) {
  auto node = submissions_.extract(report.submission);
  if (node.empty())
    return std::nullopt;
  if (auto* entry = find(node.mapped().key)) {
    // A part of an open change decides nothing yet.
    if (node.mapped().whole && report.delivered)
      move_to(*entry, change_bucket::exported, node.mapped().trace->outcome);
    else if (report.delivered && !entry->open && entry->bucket == change_bucket::pending &&
             std::none_of(submissions_.begin(), submissions_.end(),
                          [&](const auto& other) { return other.second.key == entry->key; }))
      move_to(*entry, change_bucket::exported,
              node.mapped().trace->outcome); // of an earlier process: the rest is gone
    else if (node.mapped().whole && entry->bucket == change_bucket::pending)
      move_to(*entry, change_bucket::dropped, "refused", report.reason);
    if (report.delivered)
      books_.spans_exported += node.mapped().trace->spans.size() - report.rejected;
  }
  return std::move(node.mapped());
}

std::optional<std::string> change_table::drop_quietest() {
  change_entry* quietest = nullptr;
  for (auto& [key, entry] : entries_)
    if (entry.open && entry.bucket == change_bucket::pending && entry.handed_out.empty() &&
        (quietest == nullptr || std::pair{entry.last_news, std::string_view{key}} <
                                    std::pair{quietest->last_news, std::string_view{quietest->key}}))
      quietest = &entry;
  if (quietest == nullptr)
    return std::nullopt;
  schedule(*quietest, {});
  if (is_known(quietest->restart_at))
    restarts_.erase({std::exchange(quietest->restart_at, timestamp{}), quietest->key});
  move_to(*quietest, change_bucket::dropped, "max_live_changes");
  retire(*quietest);
  return quietest->key;
}

bool change_table::crashed(const std::string& key, timestamp now) {
  auto* entry = find(key);
  if (entry == nullptr)
    return false;
  ++books_.restarts;
  entry->judging = false;
  if (++entry->crashes > max_crashes) {
    schedule(*entry, {});
    move_to(*entry, change_bucket::dropped, "assembly_crashed");
    retire(*entry);
    return true;
  }
  entry->restart_at = now + std::chrono::milliseconds{50} * (1u << (entry->crashes - 1));
  restarts_.emplace(entry->restart_at, key);
  schedule(*entry, entry->restart_at);
  return false;
}

bool change_table::retire_if_quiet(const std::string& key) {
  auto* entry = find(key);
  if (entry == nullptr || !entry->open || entry->judging || entry->news || is_known(entry->deadline))
    return false;
  retire(*entry);
  return true;
}

void change_table::retire(change_entry& entry) {
  entry.open = false;
  entry.news = false;
  entry.judging = false;
  entry.evidence.clear();
  entry.evidence.shrink_to_fit();
}

std::vector<std::string> change_table::forget_old(timestamp now) {
  std::vector<std::string> out;
  // What is busy goes to the end of the line, so that it does not keep what is behind it.
  constexpr std::size_t most_looked_at = 64;
  for (std::size_t i = std::min(known_.size(), most_looked_at); i > 0; --i) {
    auto* entry = find(known_.front());
    if (entry != nullptr) {
      auto busy = entry->judging || entry->news || is_known(entry->deadline) ||
                  std::any_of(submissions_.begin(), submissions_.end(),
                              [&](const auto& item) { return item.second.key == entry->key; });
      if (busy) {
        known_.push_back(std::move(known_.front()));
        known_.pop_front();
        continue;
      }
      if (entry->last_news + linger > now && known_.size() <= max_remembered)
        break;
      out.push_back(entry->key);
      entries_.erase(known_.front());
    }
    known_.pop_front();
  }
  return out;
}

std::optional<timestamp> change_table::before_all(timestamp now, bool (*counts)(const change_entry&)) const {
  auto out = now;
  for (const auto& [key, entry] : entries_) {
    if (!counts(entry))
      continue;
    if (is_known(entry.first_activity))
      out = std::min(out, entry.first_activity);
    else if (is_known(entry.opened_at))
      out = std::min(out, entry.opened_at - longest_lag);
    else
      return std::nullopt;
  }
  return out;
}

std::optional<timestamp> change_table::nothing_pending_before(timestamp now) const {
  return before_all(now, [](const change_entry& each) { return each.bucket == change_bucket::pending; });
}

std::optional<timestamp> change_table::nothing_open_before(timestamp now) const {
  return before_all(now, [](const change_entry& each) { return each.open; });
}

void change_table::restore(submission what) {
  auto [place, added] = entries_.try_emplace(what.key);
  auto& entry = place->second;
  if (added) {
    entry.key = what.key;
    ++books_.changes_opened;
    ++books_.changes_pending;
  }
  entry.last_news = std::max(entry.last_news, what.trace->settled_at);
  for (const auto& value : what.trace->spans) {
    entry.handed_out.emplace(value.id, fingerprint(value));
    if (!is_known(entry.first_activity) || value.start < entry.first_activity)
      entry.first_activity = value.start;
  }
  next_submission_ = std::max(next_submission_, what.number + 1);
  what.under_way = false;
  auto number = what.number;
  submissions_.insert_or_assign(number, std::move(what));
}

void change_table::recover() {
  restarts_.clear();
  for (auto& [key, entry] : entries_) {
    entry.restart_at = {};
    entry.judging = false;
    // The earliest time that is not "unknown": due at the next tick, after its evidence has been sent again.
    if (entry.open)
      schedule(entry, timestamp{duration{1}});
  }
}

std::vector<std::string> change_table::open_keys() const {
  std::vector<std::string> out;
  for (const auto& [key, entry] : entries_)
    if (entry.open)
      out.push_back(key);
  return out;
}

} // namespace tc::actors
