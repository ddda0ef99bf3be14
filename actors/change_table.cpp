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

/// Of what an observation is, and how it came: a redelivery may tell its time better.
std::size_t print_of(const observation& fact) {
  auto out = std::hash<std::string>{}(fact.identity());
  mix(out, static_cast<std::size_t>(fact.received_at.time_since_epoch().count()));
  mix(out, (fact.initial ? 1U : 0U) + (fact.relisted ? 2U : 0U));
  return out;
}

/// So many packed parts of one ledger become one again.
constexpr std::size_t most_parts = 32;
/// Fewer observations of a change that is not quiet are not worth packing.
constexpr std::size_t fewest_packed = 16;
/// A change without news for so long is quiet.
constexpr auto quiet_for = std::chrono::seconds{5};
/// A packed change is judged so long after its news at the earliest: each time it has to be unpacked.
constexpr duration unhurried = std::chrono::seconds{10};

duration quiet_time(const change_entry& entry, duration settle_after) {
  return entry.packed.empty() ? settle_after : std::max(settle_after, unhurried);
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

trace_summary summary_of(const completed_trace& trace) {
  trace_summary out;
  out.prints.reserve(trace.spans.size());
  for (const auto& value : trace.spans) {
    out.prints.emplace_back(value.id, fingerprint(value));
    if (!is_known(out.first_activity) || value.start < out.first_activity)
      out.first_activity = value.start;
  }
  return out;
}

completed_trace_ptr header_of(const completed_trace& trace) {
  auto out = std::make_shared<completed_trace>();
  out->id = trace.id;
  out->change_key = trace.change_key;
  out->revision = trace.revision;
  out->root = trace.root;
  out->outcome = trace.outcome;
  out->settled_at = trace.settled_at;
  out->addition = trace.addition;
  out->trace_namespace = trace.trace_namespace;
  out->trace_name = trace.trace_name;
  return out;
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
  if (opened && entry.bucket != change_bucket::pending)
    ++books_.changes_reopened;
  return {&entry, opened};
}

void change_table::seed(change_entry& entry, observation_batch evidence) {
  entry.faded = evidence.size() < entry.judged_by;
  entry.evidence = std::move(evidence);
}

std::vector<std::string> change_table::pack_quietest(std::size_t bytes, timestamp now) {
  std::vector<change_entry*> open;
  for (auto& [key, entry] : entries_)
    if (entry.open && !entry.judging && !entry.evidence.empty() && !is_known(entry.restart_at) &&
        (entry.evidence.size() >= fewest_packed || now - entry.last_news > quiet_for))
      open.push_back(&entry);
  std::sort(open.begin(), open.end(), [](const change_entry* left, const change_entry* right) {
    return std::pair{left->last_news, std::string_view{left->key}} <
           std::pair{right->last_news, std::string_view{right->key}};
  });
  std::vector<std::string> out;
  for (auto* each : open) {
    if (bytes == 0)
      break;
    std::size_t freed = 0;
    for (const auto& fact : each->evidence)
      freed += fact->byte_size();
    if (!pack(*each))
      break;
    bytes -= std::min(bytes, freed);
    out.push_back(each->key);
  }
  return out;
}

bool change_table::pack(change_entry& entry) {
  auto facts = entry.evidence;
  auto merged = entry.packed.size() >= most_parts;
  if (merged) {
    auto whole = evidence_of(entry);
    merged = whole.has_value();
    if (merged)
      facts = std::move(*whole);
  }
  std::vector<std::size_t> prints;
  prints.reserve(facts.size());
  for (const auto& fact : facts)
    prints.push_back(print_of(*fact));
  auto packed = ledger_->pack(facts, prints);
  if (!packed)
    return false;
  if (merged)
    entry.packed.clear();
  entry.packed.push_back(std::move(packed));
  entry.evidence = {};
  return true;
}

std::optional<observation_batch> change_table::evidence_of(const change_entry& entry) const {
  observation_batch out;
  for (const auto& part : entry.packed) {
    auto facts = ledger_->unpack(*part);
    if (!facts)
      return std::nullopt;
    out.insert(out.end(), std::make_move_iterator(facts->begin()), std::make_move_iterator(facts->end()));
  }
  out.insert(out.end(), entry.evidence.begin(), entry.evidence.end());
  return out;
}

change_table::packed_prints::packed_prints(const change_entry& entry) {
  for (const auto& part : entry.packed)
    if (auto some = part->prints()) // what is lost is told when the change is judged
      all_.insert(all_.end(), some->begin(), some->end());
  std::sort(all_.begin(), all_.end());
}

bool change_table::packed_prints::contain(const observation& fact) const {
  return !all_.empty() && std::binary_search(all_.begin(), all_.end(), print_of(fact));
}

void change_table::lose(change_entry& entry) {
  schedule(entry, {});
  if (entry.bucket == change_bucket::pending && entry.handed_out.empty())
    move_to(entry, change_bucket::dropped, "store_lost");
  retire(entry);
}

void change_table::note_news(change_entry& entry, timestamp now, duration settle_after) {
  entry.news = true;
  entry.last_news = now;
  if (!entry.handed_out.empty() && !is_known(entry.news_since))
    entry.news_since = now;
  auto at = now + quiet_time(entry, settle_after);
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

void change_table::set_judging(change_entry& entry, bool value) {
  if (entry.judging != value)
    value ? ++judging_ : --judging_;
  entry.judging = value;
  entry.closing = entry.closing && value;
}

std::vector<std::string> change_table::take_due(timestamp now, std::size_t most) {
  std::vector<std::string> out;
  while (judging_ < most && !deadlines_.empty() && deadlines_.begin()->first <= now) {
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
    set_judging(entry, true);
    entry.news = false;
    out.push_back(std::move(key));
  }
  return out;
}

std::vector<std::string> change_table::close_quietest(std::size_t one_in) {
  std::vector<change_entry*> open;
  for (auto& [key, entry] : entries_)
    if (entry.open && !entry.judging && !is_known(entry.restart_at))
      open.push_back(&entry);
  auto count = open.size() / one_in + (open.empty() ? 0 : 1);
  auto quieter = [](const change_entry* left, const change_entry* right) {
    return std::pair{left->last_news, std::string_view{left->key}} <
           std::pair{right->last_news, std::string_view{right->key}};
  };
  std::partial_sort(open.begin(), open.begin() + static_cast<std::ptrdiff_t>(count), open.end(), quieter);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < count; ++i) {
    schedule(*open[i], {});
    set_judging(*open[i], true);
    open[i]->news = false;
    open[i]->closing = true;
    out.push_back(open[i]->key);
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
  if (entry.bucket == change_bucket::pending && entry.open)
    ++books_.changes_reopened;
  entry.bucket = bucket;
}

settle_action change_table::conclude(const change_report& report, const trace_resource& spec,
                                     timestamp settled_before, timestamp now) {
  auto* entry = find(report.key);
  if (entry == nullptr)
    return settle_action::nothing_new;
  entry->news_since = entry->judging && entry->news ? entry->last_news : timestamp{};
  set_judging(*entry, false);
  entry->crashes = 0;
  entry->first_activity = report.first_activity;
  entry->last_activity = report.last_activity;
  entry->judged_by = std::max(entry->judged_by, report.observations);
  auto ask = report.settled ? timestamp{} : report.ask_again;
  if (entry->news) {
    auto after_news = entry->last_news + quiet_time(*entry, spec.settle_after);
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
      ++(entry->faded ? books_.spans_faded : books_.spans_late);
      place->second = print;
    }
    return !added;
  });
  if (fresh->spans.empty())
    return settle_action::nothing_new;
  fresh->spans.shrink_to_fit();
  auto number = next_submission_++;
  submission added{number, report.key, std::move(fresh), false, report.settled};
  added.spans = added.trace->spans.size();
  added.kept_by = std::move(sampled.rule);
  hold(added);
  submissions_.emplace(number, std::move(added));
  return settle_action::submit;
}

void change_table::hold(submission& what) const {
  what.charge.reset(); // a place in the ledger is taken once
  if (!ledger_)
    return;
  what.charge = ledger_->hold(owner_, what.number, what.trace->settled_at, memory_of(*what.trace));
  what.charge->set_under_way(what.under_way);
}

submission* change_table::next_to_submit() {
  for (auto& [number, waiting] : submissions_) {
    if (waiting.under_way)
      continue;
    // What has to be read back first is of a size like any other: one of them may be more than there is room.
    if (ledger_ && !ledger_->may_submit(waiting.charge ? waiting.charge->bytes() : 0))
      return nullptr;
    waiting.under_way = true;
    if (waiting.charge)
      waiting.charge->set_under_way(true);
    return &waiting;
  }
  return nullptr;
}

void change_table::take_back_submissions() {
  for (auto& [number, waiting] : submissions_) {
    waiting.under_way = false;
    if (waiting.charge)
      waiting.charge->set_under_way(false);
  }
}

void change_table::spill(std::uint64_t number) {
  auto found = submissions_.find(number);
  if (found == submissions_.end() || found->second.under_way || found->second.spilled)
    return;
  auto& what = found->second;
  what.trace = header_of(*what.trace);
  what.spilled = true;
  what.charge.reset();
  note_spilled(what, 1);
}

submission* change_table::read_back(std::uint64_t number, completed_trace_ptr trace) {
  auto found = submissions_.find(number);
  if (found == submissions_.end() || !found->second.reading)
    return nullptr;
  auto& what = found->second;
  what.reading = false;
  if (!trace)
    return &what;
  note_spilled(what, -1);
  what.trace = std::move(trace);
  what.spilled = false;
  hold(what);
  return &what;
}

submission* change_table::find_submission(std::uint64_t number) {
  auto found = submissions_.find(number);
  return found == submissions_.end() ? nullptr : &found->second;
}

std::optional<submission> change_table::drop_submission(std::uint64_t number, const std::string& reason) {
  auto node = submissions_.extract(number);
  if (node.empty())
    return std::nullopt;
  auto& what = node.mapped();
  if (what.spilled)
    note_spilled(what, -1);
  books_.spans_dropped += what.spans;
  auto* entry = find(what.key);
  auto others = std::any_of(submissions_.begin(), submissions_.end(),
                            [&](const auto& other) { return other.second.key == what.key; });
  // No backend has any of it: what comes later is a trace of its own, with its root, and no addition.
  if (entry != nullptr && entry->bucket != change_bucket::exported && !others)
    entry->handed_out.clear();
  else if (entry != nullptr)
    for (const auto& value : what.trace->spans)
      entry->handed_out.erase(value.id);
  // Of one that was closed early nothing may have been worth a trace then.
  if (entry != nullptr && entry->bucket != change_bucket::exported && (what.whole || !entry->open) && !others)
    move_to(*entry, change_bucket::dropped, reason);
  return std::move(what);
}

std::vector<std::uint64_t> change_table::waiting_of(const std::string& key) const {
  std::vector<std::uint64_t> out;
  for (const auto& [number, waiting] : submissions_)
    if (waiting.key == key && !waiting.under_way)
      out.push_back(number);
  return out;
}

std::vector<std::uint64_t> change_table::left_hanging_by(const submission& lost) const {
  auto out = waiting_of(lost.key);
  if (!lost.trace->addition)
    return out;
  std::set<span_id> gone;
  for (const auto& value : lost.trace->spans)
    gone.insert(value.id);
  std::erase_if(out, [&](std::uint64_t number) {
    const auto& spans = submissions_.at(number).trace->spans;
    return std::none_of(spans.begin(), spans.end(),
                        [&](const span& value) { return gone.contains(value.parent); });
  });
  return out;
}

std::optional<submission> change_table::acknowledge(const delivery_report& report) {
  auto node = submissions_.extract(report.submission);
  if (node.empty())
    return std::nullopt;
  if (node.mapped().spilled)
    note_spilled(node.mapped(), -1);
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
      books_.spans_exported += node.mapped().spans - report.rejected;
  }
  return std::move(node.mapped());
}

std::vector<submission>
change_table::settle_elsewhere(const std::function<bool(const trace_id&, const span_id&)>& delivered,
                               timestamp quiet_before, std::uint64_t first) {
  std::vector<submission> out;
  for (auto next = submissions_.lower_bound(first); next != submissions_.end();) {
    auto& waiting = (next++)->second; // it may be taken out
    if (waiting.under_way)
      continue; // the exporter will report
    auto* entry = find(waiting.key);
    auto quiet = entry != nullptr && is_known(entry->last_activity) && entry->last_activity < quiet_before;
    std::vector<span> left;
    if (!quiet)
      for (const auto& value : waiting.trace->spans)
        if (!delivered(waiting.trace->id, value.id))
          left.push_back(value);
    // Of what is spilled the spans are looked at when they are read back.
    if (!quiet && left.size() == waiting.trace->spans.size())
      continue;
    if (!left.empty()) {
      auto rest = std::make_shared<completed_trace>(*waiting.trace);
      rest->spans = std::move(left);
      waiting.trace = std::move(rest);
      waiting.spans = waiting.trace->spans.size();
      hold(waiting);
      continue;
    }
    delivery_report report;
    report.submission = waiting.number;
    report.delivered = true;
    report.rejected = waiting.spans; // the spans are in the books of who sent them
    if (auto done = acknowledge(report))
      out.push_back(std::move(*done));
  }
  return out;
}

std::size_t change_table::live() const {
  auto pending = static_cast<std::size_t>(books_.changes_pending);
  return pending - std::min(pending, changes_spilled_);
}

void change_table::note_spilled(const submission& what, int by) {
  auto add = [by](std::size_t& to) { by > 0 ? ++to : --to; };
  add(spilled_);
  if (what.whole && !what.trace->addition)
    add(changes_spilled_);
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
  set_judging(*entry, false);
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
  if (entry.open && entry.bucket != change_bucket::pending)
    --books_.changes_reopened;
  entry.open = false;
  entry.news = false;
  entry.news_since = {};
  set_judging(entry, false);
  entry.evidence = {};
  entry.packed = {};
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
      retire(*entry);
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
  auto out = before_all(now, [](const change_entry& each) { return each.bucket == change_bucket::pending; });
  if (!out)
    return out;
  // What comes to a change that has its fate, and what waits of it, is an addition that nobody has.
  for (const auto& [key, entry] : entries_)
    if (entry.bucket != change_bucket::pending && is_known(entry.news_since))
      out = std::min(*out, entry.news_since - longest_lag);
  for (const auto& [number, waiting] : submissions_)
    if (auto found = entries_.find(waiting.key);
        found != entries_.end() && is_known(found->second.first_activity))
      out = std::min(*out, found->second.first_activity);
  return out;
}

std::optional<timestamp> change_table::nothing_open_before(timestamp now) const {
  return before_all(now, [](const change_entry& each) { return each.open; });
}

void change_table::restore(submission what, const trace_summary& of) {
  auto [place, added] = entries_.try_emplace(what.key);
  auto& entry = place->second;
  if (added) {
    entry.key = what.key;
    ++books_.changes_opened;
    ++books_.changes_pending;
  }
  entry.last_news = std::max(entry.last_news, what.trace->settled_at);
  entry.last_activity = std::max(entry.last_activity, what.trace->settled_at); // no later than that
  for (const auto& [id, print] : of.prints)
    entry.handed_out.emplace(id, print);
  if (is_known(of.first_activity) &&
      (!is_known(entry.first_activity) || of.first_activity < entry.first_activity))
    entry.first_activity = of.first_activity;
  next_submission_ = std::max(next_submission_, what.number + 1);
  what.under_way = false;
  what.spans = of.prints.size();
  auto number = what.number;
  if (what.spilled)
    note_spilled(what, 1);
  else
    hold(what);
  submissions_.insert_or_assign(number, std::move(what));
}

void change_table::recover() {
  restarts_.clear();
  for (auto& [number, waiting] : submissions_)
    waiting.reading = false; // the answer went to the predecessor
  for (auto& [key, entry] : entries_) {
    entry.restart_at = {};
    set_judging(entry, false);
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
